"""The plateau schedule, against Keras's rule."""

import numpy as np
import pytest

from jaxcnn.config.defaults import default_config
from jaxcnn.optim.plateau import Plateau, next_plateau

# of a run that learns, stalls, and learns a little again
LOSSES = [2.0, 1.5, 1.5, 1.6, 1.49995, 1.7, 1.8, 1.4, 1.41, 1.42, 1.43, 1.44, 1.39995, 1.5, 1.6]


def keras_rates(losses, rate, *, factor, patience, min_delta, cooldown, min_rate):
    """The rate after each epoch: `on_epoch_end` of Keras 3's ReduceLROnPlateau, in float64."""
    best, wait, counter, rates = np.inf, 0, 0, []
    for loss in losses:
        if counter > 0:
            counter -= 1
            wait = 0
        if np.less(loss, best - min_delta):
            best, wait = loss, 0
        elif counter <= 0:
            wait += 1
            if wait >= patience and rate > min_rate:
                rate = max(rate * factor, min_rate)
                counter, wait = cooldown, 0
        rates.append(rate)
    return rates


@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("cooldown", [0, 1, 3])
@pytest.mark.parametrize(("min_delta", "min_rate"), [(1e-4, 0.0), (0.0, 0.0004)])
def test_it_is_keras_s_rule(patience, cooldown, min_delta, min_rate):
    config, plateau, found = default_config(), {}, []
    fields = {"factor": 0.2, "patience": patience, "min_delta": min_delta, "cooldown": cooldown}
    config.schedule.update(name="plateau", min_rate=min_rate, **fields)
    config.optimizer.learning_rate = 0.01
    for loss in LOSSES:
        plateau = next_plateau(plateau, loss, config)
        found.append(0.01 * plateau["factor"])
    expected = keras_rates(LOSSES, 0.01, min_rate=min_rate, **fields)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[-1] < 0.01


def test_other_schedules_have_no_state():
    assert next_plateau({"factor": 0.5}, 1.0, default_config()) == {}
    assert Plateau().factor == 1


def test_a_rate_of_0_stays():
    config = default_config()
    config.schedule.update(name="plateau", patience=1)
    config.optimizer.learning_rate = 0.0
    assert next_plateau(next_plateau({}, 1.0, config), 1.0, config)["factor"] == 1
