"""The optimizer of the record of 2025: the parts that six steps do not show."""

import jax.numpy as jnp
import numpy as np

from jaxcnn.optim.airbench2025 import gradient_norm, is_reset_due, orthogonalize

NUM_STEPS = 243


def test_norms_are_reset_as_in_the_record():
    """`Muon.step` of cifar10_speedrun.py: `norm_freq = 2 + int(15 * step / total)`."""
    found, expected, last = [], [], 0
    reset_step, num_steps = jnp.int32(0), jnp.float32(NUM_STEPS)
    for step in range(1, NUM_STEPS + 1):
        if step - last >= 2 + int(15 * (step / NUM_STEPS)):
            last = step
            expected.append(step)
        if is_reset_due(jnp.int32(step), reset_step, num_steps):
            reset_step = jnp.int32(step)
            found.append(step)
    assert found == expected
    assert found[:4] == [2, 4, 6, 8] and 15 <= found[-1] - found[-2] <= 17


def test_the_norm_before_the_iteration_falls():
    np.testing.assert_allclose(gradient_norm(jnp.array([0.0, 0.5, 1.0])), [0.5012, 0.2899, 0.0786])


def test_filters_become_nearly_orthogonal():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 8, 16)).astype(np.float32)
    for size in (1.0, 1e3):  # of the gradient, which does not matter
        matrix = np.asarray(orthogonalize(size * kernel, jnp.float32(0.3))).reshape(-1, 16)
        values = np.linalg.svd(matrix, compute_uv=False)
        assert values.min() > 0.3 and values.max() < 1.4
