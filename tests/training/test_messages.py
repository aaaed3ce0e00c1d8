"""Messages of a run: their advice leaves out settings that the config has already."""

import pytest

from jaxcnn.config.defaults import default_config
from jaxcnn.training.messages import last_weights_tested, not_finite


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        (
            {},
            "; try a lower config.optimizer.learning_rate, config.optimizer.gradient_clip or "
            "config.optimizer.skip_bad_steps=True",
        ),
        (
            {"optimizer.skip_bad_steps": True, "optimizer.gradient_clip": 5.0},
            "; try a lower config.optimizer.learning_rate or config.optimizer.gradient_clip below "
            "5",
        ),
        (
            {"optimizer.skip_bad_steps": True, "optimizer.learning_rate": 0.0},
            "; try config.optimizer.gradient_clip",
        ),
        (
            {"optimizer.learning_rate": 0.0, "precision": "bfloat16"},
            "; try config.optimizer.gradient_clip, config.precision=float32 or "
            "config.optimizer.skip_bad_steps=True",
        ),
    ],
)
def test_advice_fits_the_config(changes, advice):
    config = default_config()
    config.update_from_flattened_dict(changes)
    text = not_finite(config, step=7, rate=0.1, gradient_norm=2.0, saved=5, num_steps=7)
    assert text.endswith("the last good checkpoint is 5" + advice)
    text = not_finite(config, step=5, rate=0.1, gradient_norm=2.0, saved=5, num_steps=5)
    assert "checkpoint 5 holds such weights: delete it" in text
    skips = changes.get("optimizer.skip_bad_steps", False)
    assert ("a run skips at most 10 such steps in an epoch" in text) == skips


@pytest.mark.parametrize(
    ("test_with", "patience", "best_metric", "text"),
    [
        ("last", 3, "accuracy", "early stopping ends the run after 3 epochs"),
        ("last", 0, "auroc", "config.best_metric = 'auroc' chooses the best epoch"),
        ("last", 0, "accuracy", ""),
        ("best", 3, "auroc", ""),
    ],
)
def test_the_last_weights_beside_a_search_for_the_best(test_with, patience, best_metric, text):
    config = default_config()
    config.test_with, config.early_stopping.patience = test_with, patience
    config.best_metric = best_metric
    warning = last_weights_tested(config)
    assert warning.startswith(text) and bool(warning) == bool(text)
