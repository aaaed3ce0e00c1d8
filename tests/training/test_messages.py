"""What a run advises: never what its config has already."""

import pytest

from jaxcnn.config.defaults import default_config
from jaxcnn.training.messages import later_weights, not_finite


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            "; a lower config.optimizer.learning_rate, config.optimizer.gradient_clip or "
            "config.optimizer.skip_bad_steps=True may help",
        ),
        (
            {"optimizer.skip_bad_steps": True, "optimizer.gradient_clip": 5.0},
            "; a lower config.optimizer.learning_rate or config.optimizer.gradient_clip below 5 "
            "may help",
        ),
        (
            {"optimizer.skip_bad_steps": True, "optimizer.learning_rate": 0.0},
            "; config.optimizer.gradient_clip may help",
        ),
        (
            {"optimizer.learning_rate": 0.0, "precision": "bfloat16"},
            "; config.optimizer.gradient_clip, config.precision=float32 or "
            "config.optimizer.skip_bad_steps=True may help",
        ),
    ],
)
def test_advice_fits_the_config(changes, said):
    config = default_config()
    config.update_from_flattened_dict(changes)
    text = not_finite(config, step=7, rate=0.1, gradient_norm=2.0, saved=5)
    assert text.endswith("the last good checkpoint is 5" + said)
    skips = changes.get("optimizer.skip_bad_steps", False)
    assert ("a run skips at most 10 such steps in an epoch" in text) == skips


@pytest.mark.parametrize(
    ("test_with", "patience", "warns"), [("last", 3, True), ("last", 0, False), ("best", 3, False)]
)
def test_early_stopping_with_the_last_weights(test_with, patience, warns):
    config = default_config()
    config.test_with, config.early_stopping.patience = test_with, patience
    assert bool(later_weights(config)) == warns
