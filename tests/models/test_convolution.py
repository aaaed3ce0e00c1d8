"""The CPU's forms of a convolution against XLA's, gradients too, and where each is taken."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models import convolution
from jaxcnn.models.convolution import by_xla, convolve

CASES = [  # form, (images, kernel), padding
    ("PRODUCT", ((2, 3, 4, 6), (1, 1, 6, 5)), "same"),
    ("PATCHES", ((2, 2, 2, 6), (3, 3, 6, 5)), "same"),
    ("PATCHES", ((2, 4, 2, 3), (4, 4, 3, 5)), "same"),
    ("LARGE_FIRST", ((2, 12, 16, 3), (5, 5, 3, 4)), "valid"),
    ("LARGE_FIRST", ((2, 7, 11, 1), (4, 4, 1, 6)), "same"),
    ("SMALL_FIRST", ((2, 9, 8, 4), (3, 3, 4, 7)), "same"),
    ("SMALL_FIRST", ((2, 5, 5, 2), (3, 3, 2, 7)), "valid"),
    ("WINOGRAD", ((2, 6, 8, 100), (3, 3, 100, 96)), "same"),
    ("WINOGRAD", ((1, 5, 7, 90), (3, 3, 90, 120)), "valid"),
    ("GROUPS", ((2, 6, 9, 8), (3, 3, 8, 9)), "same"),
    ("GROUPS", ((2, 9, 14, 6), (5, 5, 6, 16)), "valid"),
    ("XLA", ((2, 6, 7, 20), (3, 3, 20, 21)), "same"),
]


def random(seed, shape, dtype=jnp.float64):
    return jax.random.normal(jax.random.key(seed), shape, dtype)


@pytest.mark.parametrize("form, shapes, padding", CASES)
def test_every_form_is_the_same_function_with_the_same_gradients(form, shapes, padding):
    with jax.enable_x64(True):
        images, kernel = (random(seed, shape) for seed, shape in enumerate(shapes))
        assert convolution._forms(images, kernel) is getattr(convolution, form)

        def both(function, *last):
            out, pull_back = jax.vjp(lambda *x: function(*x, *last), images, kernel)
            return out, *pull_back(jnp.sin(out))

        ours, theirs = both(convolve, 1, padding), both(by_xla, padding)
        for value, expected in zip(ours, theirs, strict=True):
            assert value.shape == expected.shape
            np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size, stride", [(1, 1), (1, 2), (3, 2)])
def test_strides(size, stride):
    images, kernel = (
        random(0, (2, 7, 8, 5), jnp.float32),
        random(1, (size, size, 5, 6), jnp.float32),
    )
    expected = by_xla(images, kernel, "same", stride)
    np.testing.assert_allclose(convolve(images, kernel, stride, "same"), expected, atol=1e-5)


def test_in_float32_winograd_is_as_exact_as_xla():
    with jax.enable_x64(True):
        images, kernel = random(0, (4, 8, 8, 96)), random(1, (3, 3, 96, 96))
        gradient = random(2, (4, 8, 8, 96))

        def kernel_gradient(function, dtype):
            wide = (x.astype(dtype) for x in (images, kernel, gradient))
            return function(*wide, "same").astype(jnp.float64)

        exact = kernel_gradient(convolution.XLA.kernel_gradient, jnp.float64)
        for function in (convolution.WINOGRAD.kernel_gradient, convolution.XLA.kernel_gradient):
            error = jnp.abs(kernel_gradient(function, jnp.float32) - exact).max()
            assert error < 3e-6 * jnp.abs(exact).max()


def test_bfloat16_never_takes_winograds_form():
    shapes = CASES[7][1]
    images, kernel = (jnp.zeros(shape, jnp.bfloat16) for shape in shapes)
    assert convolution._forms(images, kernel) is convolution.XLA


@pytest.mark.parametrize("form, shapes, padding", CASES[::3])
def test_it_maps_over_a_population(form, shapes, padding):
    images, kernels = (random(seed, (3, *shape), jnp.float32) for seed, shape in enumerate(shapes))

    def gradient(images, kernel):
        return jax.grad(lambda k: jnp.sum(convolve(images, k, 1, padding) ** 2))(kernel)

    together = jax.vmap(gradient)(images, kernels)
    for i in range(3):
        alone = gradient(images[i], kernels[i])
        np.testing.assert_allclose(together[i], alone, rtol=1e-3, atol=1e-3)


def test_elsewhere_than_on_a_cpu_all_of_it_is_xlas_convolution():
    def loss(images, kernel):
        return jnp.sum(convolve(images, kernel, 1, "same") ** 2)

    images, kernel = jnp.zeros((2, 2, 2, 6)), jnp.zeros((3, 3, 6, 5))
    traced = jax.jit(jax.grad(loss, 1)).trace(images, kernel)

    def operations(platform):
        return traced.lower(lowering_platforms=(platform,)).as_text()

    assert "stablehlo.convolution" in operations("cuda")
    assert "stablehlo.dot_general" not in operations("cuda")
    assert "stablehlo.convolution" not in operations("cpu")
