"""Convolutions in bfloat16 as products, for CPUs with instructions for them."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from sampling import every

from jaxcnn.ops import cpu_bfloat16, cpu_choice
from jaxcnn.ops.convolution import convolve
from jaxcnn.ops.product import multiply
from jaxcnn.ops.xla_convolution import by_xla

HAS_INSTRUCTIONS = cpu_bfloat16.has_instructions()


@pytest.fixture(autouse=True)
def products(monkeypatch):
    """On other CPUs too: they compute the same products, slowly."""
    monkeypatch.setattr(cpu_bfloat16, "has_instructions", lambda: True)


CASES = [  # images, kernel, padding
    ((4, 7, 9, 24), (3, 3, 24, 48), "same"),
    ((4, 7, 9, 24), (3, 3, 24, 48), "valid"),
    ((64, 12, 12, 32), (5, 5, 32, 32), "same"),  # parts, by rows
    ((48, 17, 17, 32), (3, 3, 32, 40), "valid"),
    ((32, 16, 16, 64), (3, 3, 64, 96), "same"),  # the kernel's gradient by entries
    ((64, 4, 4, 256), (3, 3, 256, 288), "same"),  # by entries
    ((8, 3, 3, 256), (3, 3, 256, 8), "valid"),
    ((8, 6, 6, 32), (2, 2, 32, 33), "same"),
    ((8, 6, 6, 33), (4, 4, 33, 32), "valid"),
    ((16, 11, 11, 64), (1, 1, 64, 24), "same"),  # transposes the gradient
    ((16, 2, 2, 64), (1, 1, 64, 256), "valid"),  # transposes the images
    ((7, 9, 9, 40), (3, 3, 40, 40), "same"),  # a batch that has no parts
    ((1, 3, 3, 1024), (3, 3, 1024, 1), "valid"),  # a single number
    ((6, 12, 12, 3), (3, 3, 3, 8), "same"),  # in float32
    ((6, 14, 14, 3), (11, 11, 3, 12), "same"),  # in float32, but for the kernel's gradient
]


def random(seed, shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.bfloat16)


def with_gradients(function, images, kernel, gradient):
    out, pull_back = jax.vjp(function, images, kernel)
    return out, *pull_back(gradient.astype(out.dtype))


def arrays_of(images_shape, kernel_shape, padding):
    images, kernel = random(0, images_shape), random(1, kernel_shape)
    out = jax.eval_shape(lambda *x: by_xla(*x, padding), images, kernel)
    return images, kernel, random(2, out.shape)


def wide(*arrays):
    return [x.astype(jnp.float32) for x in arrays]


def assert_close(values, expected):
    for value, exact in zip(values, expected, strict=True):
        assert value.dtype == jnp.bfloat16
        assert value.shape == exact.shape
        error = jnp.abs(value.astype(jnp.float32) - exact).max()
        assert error <= 2**-8 * jnp.abs(exact).max()


@pytest.mark.parametrize("images, kernel, padding", every(2, CASES))
def test_convolution_and_gradients_equal_float32_but_for_one_rounding(images, kernel, padding):
    arrays = arrays_of(images, kernel, padding)

    @jax.jit
    def narrow(*arrays):
        return with_gradients(lambda x, y: convolve(x, y, 1, padding), *arrays)

    exact = jax.jit(lambda *x: with_gradients(lambda x, y: by_xla(x, y, padding), *x))
    assert_close(narrow(*arrays), exact(*wide(*arrays)))


def test_dense_layers_take_the_instructions():
    x, kernel, gradient = random(0, (32, 48)), random(1, (48, 40)), random(2, (32, 40))
    values = jax.jit(lambda *x: with_gradients(multiply, *x))(x, kernel, gradient)
    assert_close(values, with_gradients(jnp.matmul, *wide(x, kernel, gradient)))


@pytest.mark.skipif(not HAS_INSTRUCTIONS, reason="needs a CPU that multiplies bfloat16")
@pytest.mark.parametrize("case", [CASES[2], CASES[4], CASES[5], CASES[9], CASES[10]])
def test_every_product_reads_bfloat16(case):
    """A product that XLA widens takes five times as long."""
    arrays, padding = arrays_of(*case), case[2]

    def compute(*arrays):
        return with_gradients(lambda x, y: convolve(x, y, 1, padding), *arrays)

    text = jax.jit(compute).lower(*arrays).compile().as_text()
    products = [line for line in text.splitlines() if " dot(" in line or "convolution(" in line]
    shapes = dict(_shapes(text))
    assert products
    for line in products:
        operands = line[line.index("(") + 1 :].split(")")[0].split(", ")
        assert all(shapes[name.strip()].startswith("bf16") for name in operands), line


def _shapes(text):
    """Yield name and shape of each instruction."""
    for line in text.splitlines():
        name, _, value = line.strip().removeprefix("ROOT ").partition(" = ")
        if name.startswith("%"):
            yield name, value


def test_under_vmap_and_without_a_known_batch_size():
    images, kernel = random(0, (3, 16, 8, 8, 32)), random(1, (3, 3, 3, 32, 48))

    def gradient(images, kernel):
        return jax.grad(lambda x: jnp.sum(jnp.sin(convolve(images, x, 1, "same"))))(kernel)

    one_by_one = [gradient(x, y) for x, y in zip(images, kernel, strict=True)]
    together = jax.jit(jax.vmap(gradient))(images, kernel)
    scale = jnp.abs(jnp.stack(one_by_one)).max()
    np.testing.assert_allclose(together, jnp.stack(one_by_one), atol=2**-6 * scale)

    (batch,) = jax.export.symbolic_shape("batch")
    spec = jax.ShapeDtypeStruct((batch, *images.shape[2:]), jnp.bfloat16)
    exported = jax.export.export(jax.jit(lambda x: convolve(x, kernel[0], 1, "same")))(spec)
    assert_close([exported.call(images[0])], [by_xla(*wide(images[0], kernel[0]), "same")])


@pytest.mark.parametrize(
    "shapes, has_products",
    [
        (((2, 9, 9, 3), (3, 3, 3, 64)), (False, False, False)),
        (((2, 16, 16, 3), (11, 11, 3, 96)), (False, False, True)),
        (((2, 9, 9, 12), (3, 3, 12, 20)), (False, False, True)),
        (((2, 9, 9, 32), (3, 3, 32, 32)), (True, True, True)),
    ],
)
def test_narrow_products_are_left_to_float32(shapes, has_products):
    images, kernel = (random(seed, shape) for seed, shape in enumerate(shapes))
    forms = cpu_choice.cpu_forms(images, kernel, "same")
    chosen = (form == ours for form, ours in zip(forms, cpu_bfloat16.PRODUCTS, strict=True))
    assert tuple(chosen) == has_products
