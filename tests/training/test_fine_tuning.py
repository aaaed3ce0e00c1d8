"""Fine-tuning: what is frozen keeps its bits, and factors change the steps of what they name."""

import dataclasses
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from runs import assert_same_bits, last_state

from jaxcnn.errors import Stopped, UserError
from jaxcnn.models import model_config
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.training.fine_tuning import trained_share
from jaxcnn.training.run import make_run

FROZEN = "conv1,batch_norm1,dense1"


@pytest.fixture
def config(config, tiny):
    config.model = tiny
    config.optimizer.update(name="adamw", weight_decay=0.1, gradient_clip=1.0, ema_decay=0.9)
    return config


def epoch_of(run, state, number):
    """The state after the steps of an epoch."""
    position = dataclasses.replace(run.plan.position(), step=number * run.plan.steps_per_epoch)
    numbers = run.epoch_numbers(position)
    for data, order, _ in run.train_feed(position):
        state, _ = run.train_step(state, data, numbers, order)
    return state


def on_host(state):
    return jax.tree.map(np.array, (state.params, state.batch_stats, state.ema))


def differing(before, after):
    """The names of the arrays that differ, as "conv1/kernel", in params, batch_stats or ema."""
    pairs = zip(jax.tree.leaves_with_path(before), jax.tree.leaves(after), strict=True)
    return {
        "/".join(str(key.key) for key in path[1:])
        for (path, old), new in pairs
        if old.tobytes() != new.tobytes()
    }


@pytest.mark.parametrize("parts", [1, 2])
def test_frozen_parts_keep_every_bit(parts, config, dataset):
    config.optimizer.freeze, config.optimizer.accumulation_steps = FROZEN, parts
    run = make_run(config, dataset)
    before = on_host(run.state)
    changed = differing(before, on_host(epoch_of(run, run.state, 0)))
    assert {name.partition("/")[0] for name in changed} == {"batch_norm2", "logits"}
    assert {"batch_norm2/mean", "logits/kernel"} <= changed


def test_parts_are_unfrozen_after_some_epochs(config, dataset):
    """BatchNorm included, whose numbers are then those of a run without frozen parts."""
    config.optimizer.update(freeze=FROZEN, freeze_epochs=1)
    run = make_run(config, dataset)
    before = on_host(run.state)
    state = epoch_of(run, run.state, 0)
    first = on_host(state)
    assert {name.partition("/")[0] for name in differing(before, first)} == {
        "batch_norm2", "logits",
    }  # fmt: skip
    second = on_host(epoch_of(run, state, 1))
    changed = {name.partition("/")[0] for name in differing(first, second)}
    assert changed == {*FROZEN.split(","), "batch_norm2", "logits"}


def test_a_frozen_batch_norm_is_that_of_evaluation_until_it_is_released():
    layer = BatchNorm().init((3,), seed=0)
    layer.is_frozen_at_first = True
    x = jax.random.normal(jax.random.key(0), (8, 3))
    frozen = layer(x, frozen=jnp.array(True))
    np.testing.assert_array_equal(layer.mean[...], jnp.zeros(3))
    released = layer(x, frozen=jnp.array(False))
    plain = BatchNorm().init((3,), seed=0)
    np.testing.assert_array_equal(released, plain(x))
    np.testing.assert_array_equal(layer.mean[...], plain.mean[...])
    evaluated = BatchNorm().init((3,), seed=0)
    evaluated.eval()
    np.testing.assert_array_equal(frozen, evaluated(x))


def test_factors_of_the_rate_and_of_weight_decay(config, dataset):
    config.optimizer.update(name="sgd", learning_rate=0.1, gradient_clip=0.0, ema_decay=0.0)
    config.model = model_config("mlp", hidden=(16,))
    start, plain = _one_step(config, dataset)
    config.optimizer.rate_factors = "dense1=0.5, logits/bias=0"
    _, slower = _one_step(config, dataset)
    np.testing.assert_allclose(
        slower["dense1"]["kernel"] - start["dense1"]["kernel"],
        0.5 * (plain["dense1"]["kernel"] - start["dense1"]["kernel"]),
        atol=1e-7,
    )
    np.testing.assert_array_equal(slower["logits"]["bias"], start["logits"]["bias"])
    np.testing.assert_array_equal(slower["logits"]["kernel"], plain["logits"]["kernel"])
    config.optimizer.update(rate_factors="", weight_decay_factors="dense1=0")
    _, kept = _one_step(config, dataset)
    np.testing.assert_allclose(
        kept["dense1"]["kernel"] - plain["dense1"]["kernel"],
        0.1 * 0.1 * start["dense1"]["kernel"],
        atol=1e-7,
    )
    np.testing.assert_array_equal(kept["logits"]["kernel"], plain["logits"]["kernel"])


def _one_step(config, dataset):
    run = make_run(config, dataset)
    start = jax.tree.map(np.array, run.state.params)
    numbers = run.epoch_numbers(run.plan.position())
    data, order, _ = next(run.train_feed(run.plan.position()))
    state, _ = run.train_step(run.state, data, numbers, order)
    return start, jax.tree.map(np.array, state.params)


def test_a_run_says_how_much_trains_and_resumes_across_the_release(
    config, train, dataset, tmp_path
):
    config.model = model_config("mlp", hidden=(16,))
    config.optimizer.update(freeze="dense1", freeze_epochs=1)
    _, printed = train(config, tmp_path / "at_once")
    line = "trains 68 of 4,180 parameters in the first epoch; frozen: dense1\n"
    assert line in printed

    def stop(row):
        if row["epoch"] == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped):
        train(config, tmp_path / "in_parts", hooks=[stop])
    start = make_run(config, dataset).state.params["dense1"]
    frozen = last_state(config, dataset, tmp_path / "in_parts").params["dense1"]
    assert_same_bits(frozen, start)
    train(config, tmp_path / "in_parts")
    states = [last_state(config, dataset, tmp_path / name) for name in ("at_once", "in_parts")]
    assert_same_bits(*states)
    assert not np.array_equal(states[0].params["dense1"]["kernel"], start["kernel"])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "freeze",
            "logits,conv7",
            "'conv7' names no parameter of the network; it has batch",
        ),
        ("rate_factors", "conv=2", "'conv' names no parameter"),
        ("weight_decay_factors", "*/bias=2", r"'\*/bias' names no kernel, and nothing else decays"),
        ("freeze", "*", "no parameter would train"),
    ],
)
def test_mistakes_are_one_line(field, value, message, config, dataset):
    config.optimizer[field] = value
    with pytest.raises(UserError, match=message):
        make_run(config, dataset)


def test_the_line_of_a_run_that_trains_all(config, dataset):
    assert trained_share(config, make_run(config, dataset).state.params) == []
