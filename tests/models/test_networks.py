"""Every registered network: counts as published, shapes, and a gradient for every parameter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict

from jaxcnn import models

# total, trainable, for the published number of classes and image size
COUNTS = {
    "googlenet": (23_188_534, 23_187_702),
    "lenet": (62_006, 62_006),
    "mlp": (1_969_930, 1_969_930),
    "mlp_base": (1_969_930, 1_969_930),
    "mlp_model1": (2_103_818, 2_103_818),
    "mlp_model2": (920_842, 920_842),
    "mnist_bn_dropout": (13_880, 13_688),
    "mnist_deep_12k": (12_664, 12_436),
    "mnist_deep_20k": (20_010, 19_742),
    "mnist_small": (10_524, 10_524),
    "mnist_small_bn": (10_844, 10_684),
    "mnist_stem64_16k": (15_958, 15_650),
    "mnist_vanilla": (49_220, 49_220),
    "resnet50": (23_608_202, 23_555_082),
    "simpler_cnn": (309_290, 308_394),
    "simpler_cnn_ferplus": (325_096, 324_200),
}
COUNTS_100_CLASSES = {"googlenet": 23_324_884, "lenet": 69_656, "resnet50": 23_792_612}


def published(name, **options):
    entry = models.network_entry(name)
    sizes = {"num_classes": entry.num_classes, "image_shape": entry.image_shape}
    return models.build(name, **(sizes | options))


def test_every_network_is_counted_here():
    assert models.network_names() == sorted(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name):
    summary = models.summary(published(name, abstract=True))
    assert (summary.parameters, summary.trainable_parameters) == COUNTS[name]
    assert summary.non_trainable_parameters == COUNTS[name][0] - COUNTS[name][1]


@pytest.mark.parametrize("name", COUNTS_100_CLASSES)
def test_parameter_counts_for_100_classes(name):
    summary = models.summary(published(name, num_classes=100, abstract=True))
    assert summary.parameters == COUNTS_100_CLASSES[name]


def split(model):
    graphdef, params, stats = nnx.split(model, nnx.Param, nnx.BatchStat)
    return graphdef, nnx.to_pure_dict(params), nnx.to_pure_dict(stats)


@pytest.mark.parametrize("name", COUNTS)
def test_training_keeps_shapes_and_types(name):
    model = published(name, abstract=True)
    graphdef, params, stats = split(model)

    def forward(params, stats, images, keys):
        model = nnx.merge(graphdef, nnx.State(params), nnx.State(stats))
        return model(images, keys=keys), nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))

    images = jax.ShapeDtypeStruct((3, *model.image_shape), jnp.float32)
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 3))
    logits, new_stats = jax.eval_shape(forward, params, stats, images, keys)
    for head in jax.tree.leaves(logits):
        assert (head.shape, head.dtype) == ((3, model.num_classes), jnp.float32)
    assert jax.tree.all(jax.tree.map(lambda a, b: a.shape == b.shape, stats, new_stats))


@pytest.mark.parametrize("name", COUNTS)
def test_every_parameter_gets_a_gradient(name):
    model = published(name)
    model.eval()  # in training the bias before a BatchNorm has none
    graphdef, params, stats = split(model)
    rng = np.random.default_rng(0)
    images = rng.random((2, *model.image_shape), np.float32)

    def loss(params):
        model = nnx.merge(graphdef, nnx.State(params), nnx.State(stats))
        heads = jax.tree.leaves(model(images))
        return -sum(jax.nn.log_softmax(logits)[:, 3].mean() for logits in heads)

    quick = {"xla_backend_optimization_level": 0}  # compiling is all that costs time here
    grads = flatten_dict(jax.jit(jax.grad(loss), compiler_options=quick)(params))
    for path, grad in grads.items():
        assert np.isfinite(grad).all(), path
        assert np.abs(grad).max() > 0, path
