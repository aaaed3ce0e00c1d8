"""The CPU's forms of a convolution against XLA's, gradients too, and where each is taken."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from sampling import every

from jaxcnn.ops import cpu_bfloat16, cpu_choice, cpu_convolution
from jaxcnn.ops.convolution import convolve
from jaxcnn.ops.xla_convolution import by_xla

CASES = [  # forms of the convolution and of its two gradients, (images, kernel), padding
    ("PRODUCT", ((2, 3, 4, 6), (1, 1, 6, 5)), "same"),
    ("PRODUCT", ((2, 3, 4, 5), (1, 1, 5, 6)), "valid"),
    ("TAPS", ((2, 2, 2, 6), (3, 3, 6, 5)), "same"),
    ("TAPS", ((2, 4, 2, 3), (4, 4, 3, 5)), "same"),
    ("TAPS", ((2, 1, 1, 6), (3, 3, 6, 5)), "same"),
    ("TAPS", ((2, 3, 3, 64), (3, 3, 64, 65)), "same"),
    ("TAPS", ((2, 5, 4, 70), (5, 5, 70, 66)), "same"),
    ("GROUPS_IN_PARTS STRIPS_IN_PARTS GROUPS_IN_PARTS", ((2, 12, 16, 3), (5, 5, 3, 4)), "valid"),
    ("STRIPS_IN_PARTS STRIPS_IN_PARTS GROUPS_IN_PARTS", ((2, 7, 11, 1), (4, 4, 1, 6)), "same"),
    ("STRIPS_IN_PARTS STRIPS_IN_PARTS IN_PARTS", ((2, 9, 15, 1), (3, 3, 1, 7)), "valid"),
    ("GROUPS_IN_PARTS STRIPS_IN_PARTS IN_PARTS", ((2, 9, 8, 4), (3, 3, 4, 7)), "same"),
    ("GROUPS_IN_PARTS STRIPS_IN_PARTS IN_PARTS", ((2, 5, 5, 2), (3, 3, 2, 7)), "valid"),
    ("XLA XLA IN_PARTS", ((2, 6, 7, 3), (3, 3, 3, 48)), "same"),
    ("GROUPS_IN_PARTS STRIPS_IN_PARTS IN_PARTS", ((2, 6, 9, 8), (3, 3, 8, 9)), "same"),
    ("GROUPS_IN_PARTS STRIPS_IN_PARTS IN_PARTS", ((2, 9, 14, 6), (5, 5, 6, 16)), "valid"),
    ("GROUPS_IN_PARTS IN_PARTS IN_PARTS", ((6, 70, 60, 12), (3, 3, 12, 20)), "valid"),
    ("IN_PARTS", ((2, 6, 7, 20), (3, 3, 20, 21)), "same"),
    ("IN_PARTS", ((6, 60, 50, 16), (3, 3, 16, 32)), "valid"),
    ("IN_PARTS", ((2, 9, 8, 20), (4, 4, 20, 21)), "valid"),
    ("XLA XLA IN_PARTS", ((2, 6, 7, 31), (3, 3, 31, 64)), "same"),
    ("WINOGRAD WINOGRAD IN_PARTS", ((2, 7, 7, 32), (3, 3, 32, 32)), "valid"),
    ("WINOGRAD WINOGRAD IN_PARTS", ((2, 6, 7, 64), (3, 3, 64, 32)), "same"),
    ("WINOGRAD WINOGRAD IN_PARTS", ((1, 5, 8, 32), (3, 3, 32, 64)), "valid"),
    ("WINOGRAD", ((2, 6, 8, 100), (3, 3, 100, 96)), "same"),
    ("WINOGRAD", ((1, 5, 7, 90), (3, 3, 90, 120)), "valid"),
    ("XLA XLA IN_PARTS", ((2, 8, 9, 40), (5, 5, 40, 41)), "same"),
]


def random(seed, shape, dtype=jnp.float64):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def named(forms):
    """Three names, or one for all three, as the functions that they stand for."""
    names = forms.split() * (3 if len(forms.split()) == 1 else 1)
    return tuple(getattr(cpu_choice, name)[i] for i, name in enumerate(names))


@pytest.mark.parametrize("forms, shapes, padding", every(2, CASES))
def test_every_form_is_the_same_function_with_the_same_gradients(forms, shapes, padding):
    with jax.enable_x64(True):
        images, kernel = (random(seed, shape) for seed, shape in enumerate(shapes))
        assert cpu_choice.cpu_forms(images, kernel, padding) == named(forms)

        def both(function, *last):
            @jax.jit
            def compute(images, kernel):
                out, pull_back = jax.vjp(lambda *x: function(*x, *last), images, kernel)
                return out, *pull_back(jnp.sin(out))

            return compute(images, kernel)

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


@pytest.mark.parametrize("index", range(3))
def test_in_float32_winograd_is_as_exact_as_xla(index):
    with jax.enable_x64(True):
        images, kernel = random(0, (4, 8, 8, 96)), random(1, (3, 3, 96, 96))
        gradient = random(2, (4, 8, 8, 96))

        def compute(forms, dtype):
            arrays = [x.astype(dtype) for x in (images, kernel, gradient)]
            return forms[index](*arrays[: 2 if index == 0 else 3], "same").astype(jnp.float64)

        exact = compute(cpu_choice.XLA, jnp.float64)
        for forms in (cpu_choice.WINOGRAD, cpu_choice.XLA):
            error = jnp.abs(compute(forms, jnp.float32) - exact).max()
            assert error < 3e-6 * jnp.abs(exact).max()


def test_parts_fit_in_the_cache_and_divide_the_batch():
    def num_parts(batch, side, dtype=jnp.float32, channels=32):
        maps = jnp.zeros((batch, side, side, 3), dtype)
        return cpu_convolution.num_parts(maps, channels)

    image = 64 * 64 * 32 * 4  # bytes: a cache holds one
    assert image == cpu_convolution.CACHE
    assert num_parts(6, 64) == 6
    assert num_parts(6, 32) == 2  # 6 / 4 images: 2 would be 3 in a part, which fit
    assert num_parts(6, 30) == 2
    assert num_parts(7, 32) == 7  # no other number divides it
    assert num_parts(11, 64) == 1  # nothing up to the most parts does
    assert num_parts(64, 64) == cpu_convolution.MOST_PARTS
    assert num_parts(64, 4) == 1
    assert num_parts(64, 64, jnp.bfloat16) == 1


def test_bfloat16_without_instructions_never_takes_a_form_that_costs_bits(monkeypatch):
    """Neither Winograd's, nor a kernel's gradient summed over parts."""
    monkeypatch.setattr(cpu_bfloat16, "has_instructions", lambda: False)
    images, kernel = (jnp.zeros(shape, jnp.bfloat16) for shape in ((2, 6, 8, 100), (3, 3, 100, 96)))
    assert cpu_choice.cpu_forms(images, kernel, "same") is cpu_choice.LARGE
    shapes = ((16, 40, 40, 24), (3, 3, 24, 24), (16, 40, 40, 24))  # several parts' worth
    arrays = [random(seed, shape, jnp.bfloat16) for seed, shape in enumerate(shapes)]
    whole = cpu_choice.XLA.kernel_gradient(*arrays, "same")
    np.testing.assert_array_equal(cpu_choice.LARGE.kernel_gradient(*arrays, "same"), whole)


@pytest.mark.parametrize("forms, shapes, padding", every(2, CASES[::5]))
def test_it_maps_over_a_population(forms, shapes, padding):
    images, kernels = (random(seed, (3, *shape), jnp.float32) for seed, shape in enumerate(shapes))

    def gradient(images, kernel):
        return jax.grad(lambda k: jnp.sum(convolve(images, k, 1, padding) ** 2))(kernel)

    together = jax.jit(jax.vmap(gradient))(images, kernels)
    gradient = jax.jit(gradient)
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


@pytest.mark.parametrize("forms, shapes, padding", every(5, CASES))
def test_the_size_of_an_exported_batch_may_be_open(forms, shapes, padding):
    (batch, *image_shape), kernel_shape = shapes
    size = jax.export.symbolic_shape("size")[0]
    images = jax.ShapeDtypeStruct((size, *image_shape), jnp.float32)
    kernel = random(1, kernel_shape, jnp.float32)
    exported = jax.export.export(jax.jit(lambda x: convolve(x, kernel, 1, padding)))(images)
    images = random(0, (batch + 1, *image_shape), jnp.float32)
    expected = by_xla(images, kernel, padding)
    np.testing.assert_allclose(exported.call(images), expected, rtol=1e-4, atol=1e-3)
