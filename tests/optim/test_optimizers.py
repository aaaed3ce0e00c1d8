"""Optimizers do what their names promise, checked against their formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.config.defaults import default_config
from jaxcnn.optim.optimizers import OPTIMIZERS, make_optimizer

RATE, DECAY = 0.1, 0.01


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


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n not in ("adam", "airbench")])
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


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov"])  # the others are scale-free
def test_clipping_bounds_the_gradient(name, params, gradients):
    (update,) = updates_of(config_of(name, gradient_clip=1e-3), gradients[:1], params)
    assert optax.tree.norm(update) <= 1.9 * RATE * 1.001e-3
