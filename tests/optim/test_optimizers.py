"""Optimizers do what their names promise, checked against their formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.config.defaults import default_config
from jaxcnn.optim.optimizers import OPTIMIZERS, make_optimizer

RATE, DECAY = 0.1, 0.01
# the first two take none, and the records' decay everything
NO_DECAY = ("adam", "adam_keras", "airbench", "airbench2025")


def config_of(name, **fields):
    config = default_config().optimizer
    config.update(name=name, learning_rate=RATE, **fields)
    return config


def updates_of(config, gradients, params):
    """The updates of each of the gradients, one step after another, at fixed parameters."""
    optimizer = make_optimizer(config)
    state, updates = optimizer.init(params), []
    for gradient in gradients:
        update, state = optimizer.update(gradient, state, params)
        updates.append(update)
    return updates


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    shapes = {"filter": (3, 3, 8, 4), "matrix": (8, 4), "bias": (4,)}
    return {name: jnp.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}


@pytest.fixture
def gradients(params):
    rng = np.random.default_rng(1)
    return [jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape)), params)] * 2


def test_momentum_is_that_of_pytorch(params, gradients):
    first, second = updates_of(config_of("momentum", momentum=0.9), gradients, params)
    gradient = gradients[0]["matrix"]
    np.testing.assert_allclose(first["matrix"], -RATE * gradient, rtol=1e-6)
    np.testing.assert_allclose(second["matrix"], -RATE * 1.9 * gradient, rtol=1e-6)


def test_nesterov_looks_ahead(params, gradients):
    first, _ = updates_of(config_of("nesterov", momentum=0.9), gradients, params)
    np.testing.assert_allclose(first["matrix"], -RATE * 1.9 * gradients[0]["matrix"], rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n not in NO_DECAY])
def test_weight_decay_shrinks_filters_and_leaves_biases_alone(name, params):
    zero = [jax.tree.map(jnp.zeros_like, params)]
    (update,) = updates_of(config_of(name, weight_decay=DECAY), zero, params)
    np.testing.assert_allclose(update["filter"], -RATE * DECAY * params["filter"], rtol=1e-5)
    np.testing.assert_array_equal(update["bias"], 0)


def test_muon_orthogonalizes_filters(params, gradients):
    update = updates_of(config_of("muon", momentum=0.9), gradients, params)[0]["filter"]
    matrix = np.asarray(update).reshape(-1, 4)
    values = np.linalg.svd(matrix, compute_uv=False)
    assert values.min() > 0.6 * values.max()  # five Newton-Schulz steps: equal to a third


def test_muon_is_nadam_for_all_but_filters(params, gradients):
    nadam = optax.nadam(RATE)
    state = nadam.init(params)
    for ours in updates_of(config_of("muon", momentum=0.9), gradients, params):
        theirs, state = nadam.update(gradients[0], state, params)
        for name in ("matrix", "bias"):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4)


def adam_by_keras(parameter, gradients, *, rate, b1, b2, eps):
    """`update_step` of Keras's Adam, in float64: the parameter after each step."""
    m, v, way = np.zeros_like(parameter), np.zeros_like(parameter), []
    for step, gradient in enumerate(gradients, 1):
        alpha = rate * np.sqrt(1 - b2**step) / (1 - b1**step)
        m += (gradient - m) * (1 - b1)
        v += (np.square(gradient) - v) * (1 - b2)
        parameter = parameter - m * alpha / (np.sqrt(v) + eps)
        way.append(parameter)
    return way


@pytest.mark.parametrize("size", [1.0, 1e-6])  # a small gradient shows where epsilon is added
def test_adam_keras_is_keras_s(size):
    rng = np.random.default_rng(2)
    start, gradients = rng.normal(size=(4, 3)), list(size * rng.normal(size=(20, 4, 3)))
    settings = {"b1": 0.9, "b2": 0.99, "eps": 1e-4}
    expected = adam_by_keras(start, gradients, rate=RATE, **settings)
    with jax.enable_x64(True):
        optimizer = make_optimizer(config_of("adam_keras", **settings))
        params = {"matrix": jnp.asarray(start)}
        state = optimizer.init(params)
        for gradient, wanted in zip(gradients, expected, strict=True):
            updates, state = optimizer.update({"matrix": jnp.asarray(gradient)}, state, params)
            params = optax.apply_updates(params, updates)
            np.testing.assert_allclose(params["matrix"], wanted, rtol=1e-9, atol=1e-12)


def test_adam_keras_has_a_larger_epsilon_at_first(params, gradients):
    small = [jax.tree.map(lambda g: 1e-5 * g, gradients[0])]
    for eps, most in ((1e-5, 0.2), (1e-15, 1 + 1e-4)):
        adam, keras = (
            updates_of(config_of(name, eps=eps), small, params)[0]["matrix"]
            for name in ("adam", "adam_keras")
        )
        ratio = np.abs(keras / adam)
        assert np.all(ratio < most) and np.all(ratio > most - 0.2)


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov"])  # the others are scale-free
def test_clipping_bounds_the_gradient(name, params, gradients):
    (update,) = updates_of(config_of(name, gradient_clip=1e-3), gradients[:1], params)
    assert optax.tree.norm(update) <= 1.9 * RATE * 1.001e-3
