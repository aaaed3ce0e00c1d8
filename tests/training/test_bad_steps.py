"""Steps whose loss or gradient is not finite: they are named, or skipped, but not without end."""

import jax.numpy as jnp
import numpy as np
import pytest
from runs import stop_after

from jaxcnn.errors import Diverged
from jaxcnn.training import step
from jaxcnn.workdir.metrics_log import read_metrics

pytestmark = pytest.mark.usefixtures("dense")


def with_bad_steps(monkeypatch, *steps):
    """Makes the loss of these steps infinite, through their images."""
    prepare = step._prepare

    def prepare_badly(recipe, batch, num_examples, state, epoch):
        prepared = prepare(recipe, batch, num_examples, state, epoch)
        factor = jnp.where(jnp.isin(state.step, jnp.array(steps)), jnp.inf, 1.0)
        return prepared | {"images": prepared["images"] * factor}

    monkeypatch.setattr(step, "_prepare", prepare_badly)


def test_a_bad_step_is_named_with_its_gradient(config, train, monkeypatch, tmp_path):
    with_bad_steps(monkeypatch, 3)
    with pytest.raises(Diverged, match=r"not finite at step 4 .*gradient norm .* \d"):
        train(config, tmp_path)


def test_a_bad_step_is_skipped_and_halves_the_rate(config, train, monkeypatch, tmp_path):
    with_bad_steps(monkeypatch, 3)
    config.optimizer.skip_bad_steps = True
    result, printed = train(config, tmp_path)
    assert "1 step was skipped, first step 4" in printed
    assert np.isfinite(result["test_loss"])
    rows = [row for row in read_metrics(tmp_path) if row["split"] == "train"]
    assert rows[-1]["learning_rate"] == pytest.approx(config.optimizer.learning_rate / 2)


def test_an_epoch_of_skipped_steps_has_no_training_loss(config, train, monkeypatch, tmp_path):
    with_bad_steps(monkeypatch, 0)
    config.optimizer.skip_bad_steps, config.num_epochs = True, 1
    config.global_batch_size = 270  # one step
    _, printed = train(config, tmp_path)
    assert "1 step was skipped" in printed
    [row] = [row for row in read_metrics(tmp_path) if row["split"] == "train"]
    assert row["loss"] is None and row["accuracy"] is None


def test_skipping_can_be_left_off_later(config, train, dataset, monkeypatch, tmp_path):
    with_bad_steps(monkeypatch, 1)
    config.optimizer.skip_bad_steps, config.num_epochs = True, 1
    stop_after(config, dataset, tmp_path, 4)
    config.optimizer.skip_bad_steps = False
    result, printed = train(config, tmp_path)
    assert "resuming in epoch 1, after 4 steps" in printed and np.isfinite(result["test_loss"])


@pytest.mark.parametrize("num_bad", [10, 11])
def test_skipping_has_an_end(num_bad, config, train, monkeypatch, tmp_path):
    with_bad_steps(monkeypatch, *range(num_bad))
    config.optimizer.skip_bad_steps, config.num_epochs = True, 1
    config.global_batch_size = 18  # 15 steps
    if num_bad == 10:
        result, printed = train(config, tmp_path)
        assert "10 steps were skipped, first step 1" in printed
        assert result["steps"] == 15 and np.isfinite(result["test_loss"])
    else:
        with pytest.raises(Diverged, match="at most 10 such steps"):
            train(config, tmp_path)
