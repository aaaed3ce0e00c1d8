"""Schedules against the formulas they are named for."""

import math

import jax
import numpy as np
import pytest

from jaxcnn.config.defaults import default_config
from jaxcnn.optim.schedules import SCHEDULES, make_schedule, scaled_rate

STEPS_PER_EPOCH, NUM_EPOCHS = 10, 20


def rates(learning_rate=0.1, steps_per_epoch=STEPS_PER_EPOCH, num_steps=None, **fields):
    """The rate of every step, compiled as in the step: XLA rounds some things its own way."""
    config = default_config().schedule
    config.update(fields)
    num_steps = num_steps or steps_per_epoch * NUM_EPOCHS
    schedule = make_schedule(
        config, learning_rate=learning_rate, steps_per_epoch=steps_per_epoch, num_steps=num_steps
    )
    steps = np.arange(num_steps, dtype=np.int32)
    return learning_rate * np.asarray(jax.jit(jax.vmap(schedule))(steps) * np.ones(len(steps)))


def test_inverse_time_is_tf_keras_formula():
    continuous = rates(name="inverse_time", decay_rate=0.5, decay_steps=7)
    staircase = rates(name="inverse_time", decay_rate=0.5, decay_steps=7, staircase=True)
    steps = np.arange(STEPS_PER_EPOCH * NUM_EPOCHS)
    np.testing.assert_allclose(continuous, 0.1 / (1 + 0.5 * steps / 7), rtol=1e-6)
    np.testing.assert_allclose(staircase, 0.1 / (1 + 0.5 * (steps // 7)), rtol=1e-6)


@pytest.mark.parametrize(
    ("steps_per_epoch", "decay_epochs"),
    [(107, 1.0), (469, 5.0), (938, 7.0), (50, 1.1)],  # 50 * 1.1 is 55.00000000000001
)
def test_staircase_steps_at_the_epoch_when_compiled(steps_per_epoch, decay_epochs):
    fields = {"decay_rate": 0.5, "decay_epochs": decay_epochs, "staircase": True}
    found = rates(steps_per_epoch=steps_per_epoch, name="inverse_time", **fields)
    stairs = np.arange(len(found)) // int(steps_per_epoch * decay_epochs)
    np.testing.assert_allclose(found, 0.1 / (1 + 0.5 * stairs), rtol=1e-6)


def test_inverse_time_in_epochs():
    in_epochs = rates(name="inverse_time", decay_rate=0.5, decay_epochs=2.0, staircase=True)
    epochs = np.arange(STEPS_PER_EPOCH * NUM_EPOCHS) // STEPS_PER_EPOCH
    np.testing.assert_allclose(in_epochs, 0.1 / (1 + 0.5 * (epochs // 2)), rtol=1e-6)


def test_rounded_inverse_time_prints_the_published_rates():
    found = rates(learning_rate=0.003, name="inverse_time_rounded", decay_rate=0.319)
    published = [0.003, 0.0022744503, 0.0018315018, 0.0015329586, 0.0013181019]
    first_of_epoch = found[::STEPS_PER_EPOCH]
    np.testing.assert_allclose(first_of_epoch[:5], published, rtol=1e-6)
    np.testing.assert_allclose(first_of_epoch[19], 0.000424869, rtol=1e-6)
    assert len(set(found)) == NUM_EPOCHS  # constant within an epoch


def test_step_changes_at_the_epoch():
    found = rates(name="step", boundaries=(3, 5), factor=0.1)
    np.testing.assert_allclose(found[29:31], [0.1, 0.01], rtol=1e-5)
    np.testing.assert_allclose(found[49:51], [0.01, 0.001], rtol=1e-5)


def test_boundaries_at_one_step_both_count():
    found = rates(name="step", boundaries=(3, 3.01), factor=0.1)
    np.testing.assert_allclose(found[29:31], [0.1, 0.001], rtol=1e-5)


def test_cosine_and_linear_end_at_the_final_fraction():
    for name, middle in (("cosine", 0.055), ("linear", 0.055)):
        found = rates(name=name, final_fraction=0.1)
        assert math.isclose(found[0], 0.1, rel_tol=1e-5)
        assert math.isclose(found[100], middle, rel_tol=1e-4)
        assert 0.01 < found[-1] < 0.0115


def test_one_cycle_peaks_at_the_configured_rate():
    found = rates(name="one_cycle")
    assert math.isclose(found.max(), 0.1, rel_tol=1e-4)
    assert found[0] < 0.01 and found[-1] < 0.01
    assert 50 <= found.argmax() <= 70


def test_one_cycle_torch_is_pytorch_s():
    """The rates of torch 2.13.0's OneCycleLR(max_lr=0.1, total_steps=200)."""
    expected = {
        0: 0.004, 1: 0.004068030608, 30: 0.05327778503, 58: 0.09993196939, 59: 0.1,
        60: 0.0999874118, 100: 0.08028958103, 150: 0.02730076581, 198: 1.298820252e-05, 199: 4e-07,
    }  # fmt: skip
    found = rates(name="one_cycle_torch")
    np.testing.assert_allclose(found[list(expected)], list(expected.values()), rtol=1e-5, atol=1e-8)
    optax_s = rates(name="one_cycle")
    assert 0.014 < np.abs(found - optax_s).max() / 0.1 < 0.015  # as the docs say


def test_one_cycle_torch_of_ten_steps():
    """The rates of torch 2.13.0's OneCycleLR(max_lr=0.1, total_steps=10)."""
    expected = [
        0.004, 0.052, 0.1, 0.0950484632, 0.08117456539, 0.06112620219, 0.03887419781,
        0.01882583461, 0.004951936799, 4e-07,
    ]  # fmt: skip
    found = rates(name="one_cycle_torch", num_steps=10)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


def test_exponential_is_tf_keras_formula():
    steps = np.arange(STEPS_PER_EPOCH * NUM_EPOCHS)
    continuous = rates(name="exponential", decay_rate=0.9, decay_steps=7)
    np.testing.assert_allclose(continuous, 0.1 * 0.9 ** (steps / 7), rtol=1e-5)
    staircase = rates(name="exponential", decay_rate=0.9, decay_epochs=2.0, staircase=True)
    np.testing.assert_allclose(staircase, 0.1 * 0.9 ** (steps // 20), rtol=1e-5)


def test_polynomial_is_tf_keras_formula():
    progress = np.arange(STEPS_PER_EPOCH * NUM_EPOCHS) / (STEPS_PER_EPOCH * NUM_EPOCHS)
    found = rates(name="polynomial", power=2.0, final_fraction=0.1)
    np.testing.assert_allclose(found, 0.09 * (1 - progress) ** 2 + 0.01, rtol=1e-5)
    np.testing.assert_allclose(rates(name="polynomial"), rates(name="linear"), rtol=1e-6)


@pytest.mark.parametrize(("growth", "starts"), [(1.0, (0, 50, 100, 150)), (2.0, (0, 50, 150))])
def test_cosine_restarts_is_sgdr(growth, starts):
    found = rates(
        name="cosine_restarts", restart_epochs=5.0, restart_growth=growth, final_fraction=0.1
    )
    for start, length in zip(starts, 50 * growth ** np.arange(len(starts)), strict=True):
        progress = np.arange(min(length, len(found) - start)) / length
        expected = 0.01 + 0.09 * (1 + np.cos(np.pi * progress)) / 2
        np.testing.assert_allclose(found[start : start + len(progress)], expected, rtol=1e-5)


def test_a_run_of_some_steps_ends_its_schedule_there():
    found = rates(name="inverse_time_rounded", decay_rate=0.5, num_steps=25)
    np.testing.assert_allclose(found[[0, 10, 20, 24]], 0.1 / np.array([1, 1.5, 2, 2]), rtol=1e-6)
    found = rates(name="cosine", num_steps=25)
    assert found[-1] == pytest.approx(0.1 * (1 + math.cos(math.pi * 24 / 25)) / 2, rel=1e-4)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_warmup_rises_to_the_schedule(name):
    fields = {"name": name, "boundaries": (15,)}
    warm, plain = rates(warmup_epochs=2.0, **fields), rates(**fields)
    assert warm[0] <= 0.1 / 20 + 1e-9
    assert np.all(np.diff(warm[:10]) > 0)
    after_warmup = ("cosine", "cosine_restarts", "linear", "polynomial")
    if name not in after_warmup:  # those start their decay after the warm-up
        np.testing.assert_allclose(warm[20:], plain[20:], rtol=1e-6)


@pytest.mark.parametrize(
    ("scaling", "expected"), [("none", 0.1), ("linear", 0.8), ("sqrt", 0.1 * math.sqrt(8))]
)
def test_the_rate_follows_the_global_batch(scaling, expected):
    config = default_config().optimizer
    config.update(learning_rate=0.1, scale_with_batch=scaling, reference_batch_size=128)
    assert scaled_rate(config, 1024) == pytest.approx(expected)
    assert scaled_rate(config, 128) == 0.1
