"""The speed record's optimizer, against the record's formulas."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.config.defaults import default_config
from jaxcnn.optim.airbench import orthogonalize
from jaxcnn.optim.optimizers import make_optimizer

RATE, DECAY, BATCH = 0.24, 2e-6, 2_000


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    shapes = {
        "whiten": {"bias": (6,)},
        "conv1": {"kernel": (3, 3, 6, 4)},
        "batch_norm1": {"bias": (4,)},
        "logits": {"kernel": (4, 10)},
    }
    return {
        layer: {name: jnp.asarray(rng.normal(size=shape), jnp.float32)}
        for layer, of_layer in shapes.items()
        for name, shape in of_layer.items()
    }


def update_at(factor, params, gradients, num_steps=1):
    """The update of the last of some equal steps, the schedule's factor of the rate given."""
    config = default_config().optimizer
    config.update(name="airbench", learning_rate=RATE, momentum=0.6, weight_decay=DECAY)
    optimizer = make_optimizer(config, BATCH)
    state = optimizer.init(params)
    rate = {"learning_rate": jnp.float32(RATE * factor)}
    for _ in range(num_steps):
        state = state._replace(hyperparams=state.hyperparams | rate)
        update, state = optimizer.update(gradients, state, params)
    return update


def of_zero(params):
    return {layer: {n: 0 * p for n, p in of_layer.items()} for layer, of_layer in params.items()}


@pytest.mark.parametrize("shape", [(3, 3, 6, 4), (1, 1, 4, 16), (3, 3, 64, 64)])
def test_orthogonalized_filters_have_singular_values_near_one(shape):
    kernel = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    matrix = np.asarray(orthogonalize(kernel)).reshape(-1, shape[-1])
    values = np.linalg.svd(matrix, compute_uv=False)
    assert values.min() > 0.3 and values.max() < 1.3
    left, _, right = np.linalg.svd(kernel.reshape(matrix.shape), full_matrices=False)
    exact = left @ right
    assert np.sum(matrix * exact) > 0.95 * np.linalg.norm(matrix) * np.linalg.norm(exact)


def test_filters_go_onto_the_sphere_and_then_a_step(params):
    kernel = params["conv1"]["kernel"]
    gradients = of_zero(params) | {"conv1": {"kernel": 3 * kernel + 1}}
    moved = kernel + update_at(0.5, params, gradients)["conv1"]["kernel"]
    on_sphere = kernel * np.sqrt(4) / np.linalg.norm(kernel)
    step = 0.5 * RATE * orthogonalize(gradients["conv1"]["kernel"])
    np.testing.assert_allclose(moved, on_sphere - step, atol=2e-3)  # bfloat16


@pytest.mark.parametrize(
    ("layer", "name", "rate"), [("batch_norm1", "bias", 0.053), ("logits", "kernel", 0.67)]
)
def test_biases_and_head_are_those_of_pytorch_s_sgd(params, layer, name, rate):
    gradient = jnp.ones_like(params[layer][name]) / BATCH  # of the mean; 1 of the sum
    gradients = of_zero(params) | {layer: {name: gradient}}
    decayed = 1 + DECAY * BATCH / rate * params[layer][name]
    for num_steps, looks_ahead in ((1, 1.85), (2, 1 + 0.85 * 1.85)):
        update = update_at(0.5, params, gradients, num_steps)[layer][name]
        np.testing.assert_allclose(update, -0.5 * rate * looks_ahead * decayed, rtol=1e-5)


@pytest.mark.parametrize(
    ("step", "share"), [(0, 1.0), (30, 1 - 30 / 75), (74, 1 / 75), (75, 0.0), (199, 0.0)]
)
def test_the_whitening_bias_trains_for_three_of_eight_epochs(params, step, share):
    gradients = of_zero(params) | {"whiten": {"bias": jnp.full(6, 1.0 / BATCH)}}
    update = update_at(1 - step / 200, params, gradients)["whiten"]["bias"]
    decayed = 1 + DECAY * BATCH / 0.053 * params["whiten"]["bias"]
    np.testing.assert_allclose(update, -share * 0.053 * 1.85 * decayed, rtol=1e-3, atol=1e-7)


def test_a_step_moves_everything(params):
    gradients = {layer: {n: p for n, p in of.items()} for layer, of in params.items()}
    moved = optax.apply_updates(params, update_at(1.0, params, gradients))
    assert all((moved[layer][n] != p).all() for layer, of in params.items() for n, p in of.items())
