"""The range test of learning rates: it trains, it stops, it finds the fall."""

import dataclasses
import math

import numpy as np
import pytest
from compilations import compilations

from jaxcnn.errors import UserError
from jaxcnn.models import model_config
from jaxcnn.training.lr_finder import RangeTest, hold_rate, range_test
from jaxcnn.training.run import make_run

RATES = np.geomspace(1e-6, 1, 200)


def curve(fall_at, rise_at=math.inf, noise=0.0):
    """A loss that falls from 2.3 to 0.3 around one rate and rises to 4.3 around another."""
    places = np.log10(RATES)
    losses = 2.3 - 2 / (1 + np.exp(-6 * (places - math.log10(fall_at))))
    if math.isfinite(rise_at):
        losses += 4 / (1 + np.exp(-6 * (places - math.log10(rise_at))))
    return losses + noise * np.random.default_rng(0).standard_normal(len(RATES))


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_suggestion_is_where_the_loss_falls_fastest(noise):
    result = RangeTest(RATES, curve(3e-3, 0.5, noise), has_diverged=False)
    assert result.steepest == pytest.approx(3e-3, rel=0.3)
    assert 1e-2 < result.lowest < 0.2
    assert not result.is_still_falling


def test_a_fall_that_has_not_ended_is_said_to_go_on():
    assert RangeTest(RATES, curve(0.3), has_diverged=False).is_still_falling


def test_no_suggestion_where_the_loss_only_rises():
    assert RangeTest(RATES, np.geomspace(1, 9, 200), has_diverged=True).steepest is None


def test_a_real_run(config, dataset):
    compiled = []
    run = make_run(hold_rate(config), dataset)
    train_step = run.train_step

    def counted(*args):
        with compilations() as events:
            result = train_step(*args)
        compiled.append(len(events))
        return result

    run = dataclasses.replace(run, train_step=counted)
    result = range_test(run, num_steps=80, lowest=1e-5, highest=100.0)
    assert result.has_diverged and len(result.rates) == len(result.losses) < 80
    assert result.losses[:5].mean() == pytest.approx(math.log(4), abs=0.3)
    assert 1e-4 < result.steepest <= result.lowest < 1.0
    assert result.smoothed[-1] > 4 * result.smoothed.min() or not np.isfinite(result.losses).all()
    assert compiled[0] and not any(compiled[1:])


@pytest.mark.slow
def test_it_trains_as_a_run_with_that_rate_does(config, dataset):
    """Steps with one rate: an epoch's losses are those that the run's own step adds up."""
    config.schedule.name = "cosine"  # which must not matter
    config.model = model_config("mlp", hidden=(16,))
    rate = config.optimizer.learning_rate
    run = make_run(hold_rate(config), dataset)
    result = range_test(run, num_steps=5, lowest=rate, highest=rate * (1 + 1e-6))
    sizes = np.array([64, 64, 64, 64, len(run.plan.views["train"].indices) - 256])

    config.schedule.name = "constant"
    run = make_run(config, dataset)
    state, order = run.state, run.train_order(0)
    numbers = run.epoch_numbers(run.plan.position())
    for _ in range(5):
        state, sums = run.train_step(state, run.data["train"], numbers, order)
    assert (result.losses * sizes).sum() == pytest.approx(float(sums["loss"]), rel=1e-4)


def test_rates_are_those_that_the_config_names(config, dataset):
    """The batch's size scales them as in a run: a suggestion can be put on the command line."""

    def losses(highest):
        return range_test(
            make_run(hold_rate(config), dataset), num_steps=5, lowest=highest / 10, highest=highest
        ).losses

    config.model = model_config("mlp", hidden=(16,))
    plain = losses(2e-3)
    config.optimizer.update(scale_with_batch="linear", reference_batch_size=32)  # of 64
    np.testing.assert_allclose(losses(1e-3), plain, rtol=1e-6)


def test_a_range_that_starts_too_high(config, dataset):
    config.optimizer.name = "sgd"
    config.model = model_config("mlp", hidden=(16,))
    run = make_run(hold_rate(config), dataset)
    with pytest.raises(UserError, match="not finite at learning rate 1e\\+30.*lower --min"):
        range_test(run, num_steps=20, lowest=1e30, highest=1e35)
