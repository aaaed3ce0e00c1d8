"""Every network at 28x28x1, 32x32x3 and 48x48x1: its logits, or one clear line.

Gradients are computed for some networks only: `test_networks.py` has those of all, in float32 at
the published size.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import FAMILIES
from flax import nnx
from flax.traverse_util import flatten_dict

from jaxcnn import models
from jaxcnn.errors import UserError

SHAPES = [(28, 28, 1), (32, 32, 3), (48, 48, 1)]
# a convolution as large as what is left of 28x28 pixels gives one logit per class
MNIST_ONLY = [
    "mnist_bn_dropout",
    "mnist_deep_12k",
    "mnist_deep_20k",
    "mnist_small",
    "mnist_small_bn",
    "mnist_stem64_16k",
    "mnist_vanilla",
]
# what is refused, and the smallest side that the message names
REFUSED = {
    ("alexnet", SHAPES[0]): 31,
    ("ownnet_v1", SHAPES[0]): 32,
    ("resnet50", SHAPES[0]): 31,
    ("vgg16_bn", SHAPES[0]): 32,
    **{(name, shape): 28 for name in MNIST_ONLY for shape in SHAPES[1:]},
}
# traced in half a second or more: with -m slow
LARGE = (
    "densenet100_bc",
    "densenet40_bc",
    "googlenet",
    "googlenet_cifar",
    "resnet34",
    "resnet50",
    "vgg16",
    "vgg19",
    "wide_resnet28_10",
    "xception_small",
)
# compiled in a second or two
QUICK = ("lenet", "mlp")
# in up to four seconds: with -m slow
RATHER_QUICK = ("mnist_small_bn", "simpler_cnn")
TAKEN = [
    (name, shape)
    for name in models.network_names()
    for shape in SHAPES
    if (name, shape) not in REFUSED
]


def name_of(value):
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def split(name, shape, *, abstract):
    """A function from parameters, statistics and images to logits by head; the first two."""
    model = models.build(name, num_classes=10, image_shape=shape, abstract=abstract)
    model.eval()  # in training the bias before a BatchNorm has no gradient
    graphdef, params, stats = nnx.split(model, nnx.Param, nnx.BatchStat)

    def forward(params, stats, images, dtype):
        network = nnx.merge(graphdef, nnx.State(params), nnx.State(stats))
        return network(images, heads=True, dtype=dtype)

    return forward, nnx.to_pure_dict(params), nnx.to_pure_dict(stats)


def is_for_it(name, shape):
    return models.network_entry(name).image_shape == shape


def is_traced_quickly(name, shape):
    return name not in LARGE and (is_for_it(name, shape) or name in FAMILIES)


TRACED = [
    pytest.param(*case, marks=() if is_traced_quickly(*case) else pytest.mark.slow)
    for case in TAKEN
]


@pytest.mark.parametrize("name, shape", TRACED, ids=name_of)
def test_logits_are_float32_whatever_is_computed_in(name, shape):
    forward, params, stats = split(name, shape, abstract=True)
    images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    for dtype in (jnp.float32, jnp.bfloat16):
        heads = jax.eval_shape(functools.partial(forward, dtype=dtype), params, stats, images)
        for logits in heads.values():
            assert (logits.shape, logits.dtype) == ((2, 10), jnp.float32)


def is_run(name, shape, dtype):
    """Bfloat16 at the size a network is for, float32 at the others."""
    if name == "simpler_cnn" and shape == SHAPES[0]:
        return False
    return name in QUICK + RATHER_QUICK and (dtype == "bfloat16") == is_for_it(name, shape)


RUNS = [
    pytest.param(*case, dtype, marks=() if case[0] in QUICK else pytest.mark.slow)
    for case in TAKEN
    for dtype in ("float32", "bfloat16")
    # float32 at the size a network is for is in test_networks
    if is_run(*case, dtype) or (case[0] in FAMILIES and dtype == "bfloat16" and is_for_it(*case))
]


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("name, shape, dtype", RUNS, ids=name_of)
def test_every_parameter_gets_a_gradient(name, shape, dtype):
    forward, params, stats = split(name, shape, abstract=False)
    images = np.random.default_rng(0).random((2, *shape), np.float32)

    def loss(params):
        heads = forward(params, stats, images, jnp.dtype(dtype))
        return -sum(jax.nn.log_softmax(x)[:, 3].mean() for x in heads.values()), heads

    quick = {"xla_backend_optimization_level": 0}  # compiling is all that costs time here
    grads, heads = jax.jit(jax.grad(loss, has_aux=True), compiler_options=quick)(params)
    for logits in heads.values():
        assert logits.shape == (2, 10) and np.isfinite(logits).all()
    for path, grad in flatten_dict(grads).items():
        assert grad.dtype == jnp.float32 and np.isfinite(grad).all(), path
        assert np.abs(grad).max() > 0, path


REFUSALS = [
    pytest.param(*case, marks=() if case[0] in FAMILIES else pytest.mark.slow) for case in REFUSED
]


@pytest.mark.parametrize("name, shape", REFUSALS, ids=name_of)
def test_a_size_that_is_not_taken_is_one_line_with_the_smallest(name, shape):
    with pytest.raises(UserError) as caught:
        models.build(name, num_classes=10, image_shape=shape, abstract=True)
    said, smallest = str(caught.value), REFUSED[name, shape]
    assert f"network {name} does not take {shape[0]}x{shape[1]} images" in said
    assert f"the smallest it takes is {smallest}x{smallest}" in said and "\n" not in said
    models.build(name, num_classes=10, image_shape=(smallest, smallest, 1), abstract=True)
