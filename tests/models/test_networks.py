"""Every registered network: counts as published, shapes, and a gradient for every parameter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict

from jaxcnn import models
from jaxcnn.errors import UserError

# Of the modern networks the trainable counts are those of public implementations: DenseNet and
# Wide ResNet of osmr/imgclsmob's tests; ResNet, VGG and GoogLeNet of kuangliu/pytorch-cifar's code.
# wide_resnet16_4 and xception_small have none; all were added up by hand as well.

# total, trainable, for the published number of classes and image size
COUNTS = {
    "airbench": (1_973_944, 1_971_352),
    "airbench2025": (1_973_944, 1_971_352),
    "alexnet": (21_591_306, 21_590_602),
    "alexnet_bn": (24_806_194, 24_787_038),
    "compact_cnn": (295_810, 294_770),
    "compact_cnn_ferplus": (295_056, 294_016),
    "densenet100_bc": (793_150, 769_162),
    "densenet40_bc": (181_210, 176_122),
    "googlenet": (23_188_534, 23_187_702),
    "googlenet_cifar": (6_182_058, 6_166_250),
    "lenet": (62_006, 62_006),
    "lenet5_base": (729_322, 729_322),
    "lenet5_model1": (1_333_450, 1_333_450),
    "lenet5_model2": (2_569_354, 2_569_354),
    "lenet5_model3": (2_703_242, 2_703_242),
    "mlp": (1_969_930, 1_969_930),
    "mlp_base": (1_969_930, 1_969_930),
    "mlp_model1": (2_103_818, 2_103_818),
    "mlp_model2": (920_842, 920_842),
    "mnist_bn_dropout": (13_880, 13_688),
    "mnist_compact": (9_298, 9_146),
    "mnist_deep_12k": (12_664, 12_436),
    "mnist_deep_20k": (20_010, 19_742),
    "mnist_small": (10_524, 10_524),
    "mnist_small_bn": (10_844, 10_684),
    "mnist_stem64_16k": (15_958, 15_650),
    "mnist_vanilla": (49_220, 49_220),
    "ownnet_v1": (1_505_844, 1_501_164),
    "ownnet_v2": (2_625_126, 2_621_930),
    "ownnet_v3": (1_230_886, 1_228_962),
    "resnet18": (11_183_562, 11_173_962),
    "resnet34": (21_299_146, 21_282_122),
    "resnet50": (23_608_202, 23_555_082),
    "simpler_cnn": (309_290, 308_394),
    "simpler_cnn_ferplus": (325_096, 324_200),
    "usp_cnn": (780_550, 780_550),
    "usp_cnn_double_pool": (396_550, 396_550),
    "usp_cnn_mixed_padding": (396_550, 396_550),
    "vgg11": (9_236_618, 9_231_114),
    "vgg13": (9_421_898, 9_416_010),
    "vgg16": (14_736_714, 14_728_266),
    "vgg16_bn": (33_687_882, 33_663_050),
    "vgg19": (20_051_530, 20_040_522),
    "wide_resnet16_4": (2_752_506, 2_748_890),
    "wide_resnet28_10": (36_497_146, 36_479_194),
    "xception_small": (1_813_258, 1_800_586),
}
COUNTS_100_CLASSES = {
    "alexnet": (21_960_036, 21_959_332),
    "densenet100_bc": (824_020, 800_032),
    "googlenet": (23_324_884, 23_324_052),
    "lenet": (69_656, 69_656),
    "resnet50": (23_792_612, 23_739_492),
    "vgg16_bn": (34_056_612, 34_031_780),
    "wide_resnet28_10": (36_554_836, 36_536_884),
}
# where a publication names none, it is its library's own
INITIALIZERS = {
    "lenet": "he_normal",
    "vgg16_bn": "he_normal",
    "lenet5_*": "torch_uniform",
    "mlp*": "torch_uniform",
    "alexnet*": "glorot_uniform",
    "googlenet": "glorot_uniform",
    "mnist_*": "glorot_uniform",
    "ownnet_*": "glorot_uniform",
    "resnet50": "glorot_uniform",
    "simpler_cnn*": "glorot_uniform",
    "usp_cnn*": "glorot_uniform",
}
MODERN = (
    "compact_cnn*", "densenet*", "googlenet_cifar", "resnet18", "resnet34", "vgg1[1369]",
    "wide_resnet*", "xception_small",
)  # fmt: skip
COUNTS_WITH_OPTIONS = [
    ("lenet5_base", {"pool": "average"}, 729_322),
    ("ownnet_v1", {"final_bn": False}, 1_505_804),
    ("ownnet_v1", {"extra_dense": (256,)}, 1_635_636),
    ("ownnet_v2", {"final_bn": False}, 2_625_086),
    ("ownnet_v3", {"final_bn": False}, 1_230_846),
    ("usp_cnn", {"double_pool": True}, 396_550),
    ("usp_cnn", {"padding": "mixed"}, 396_550),
]


# compiled in a second or two; all others with -m slow or -m long
QUICK = ("airbench", "lenet", "lenet5_base", "mlp", "mnist_small_bn", "simpler_cnn")
# traced in half a second or more
LARGE = (
    "densenet100_bc",
    "densenet40_bc",
    "googlenet",
    "googlenet_cifar",
    "resnet34",
    "resnet50",
    "vgg16",
    "vgg19",
    "wide_resnet16_4",
    "wide_resnet28_10",
    "xception_small",
)


def slow_unless(is_quick, names):
    def marks(name):
        if is_quick(name):
            return ()
        return pytest.mark.long if name in LARGE else pytest.mark.slow

    return [pytest.param(name, marks=marks(name)) for name in names]


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
    assert (summary.parameters, summary.trainable_parameters) == COUNTS_100_CLASSES[name]


@pytest.mark.parametrize("name, options, parameters", COUNTS_WITH_OPTIONS)
def test_parameter_counts_with_options(name, options, parameters):
    assert models.summary(published(name, abstract=True, **options)).parameters == parameters


def test_pools_by_option():
    rows = models.summary(published("lenet5_base", pool="average", abstract=True)).rows
    assert [row.kind for row in rows if "Pool" in row.kind] == ["AveragePool", "AveragePool"]


def initializers(name):
    """The rule of each layer's kernel, by the layer's path."""
    modules = nnx.iter_modules(published(name, abstract=True))
    return {path: layer.initializer for path, layer in modules if hasattr(layer, "initializer")}


@pytest.mark.parametrize("pattern", INITIALIZERS)
def test_initializers_of_published_networks(pattern):
    names = models.network_names(pattern)
    assert names
    for name in names:
        assert {*initializers(name).values()} == {INITIALIZERS[pattern]}, name


@pytest.mark.parametrize("pattern", MODERN)
def test_initializers_of_modern_networks(pattern):
    names = models.network_names(pattern)
    assert names
    for name in names:
        rules = initializers(name)
        assert rules.pop(("logits",)) == "glorot_uniform"
        assert {*rules.values()} == {"he_normal"}, name


def test_initializer_of_the_selu_layers():
    glorot, lecun = published("usp_cnn"), published("usp_cnn", initializer="lecun_normal")
    layers = zip(glorot.children, lecun.children, strict=True)
    kernels = {a.name: (a.kernel[...], b.kernel[...]) for a, b in layers if hasattr(a, "kernel")}
    changed = {name for name, (before, after) in kernels.items() if (before != after).any()}
    assert changed == {"conv2", "conv3", "conv6", "dense1"}
    assert np.std(kernels["dense1"][1]) == pytest.approx(1024**-0.5, rel=0.02)


@pytest.mark.parametrize(
    "name, option, words",
    [
        ("lenet5_base", {"pool": "min"}, "option pool = 'min': allowed is one of max, average"),
        ("usp_cnn", {"padding": "valid"}, "option padding = 'valid': allowed is one of same"),
        ("usp_cnn", {"initializer": "zeros"}, "option initializer = 'zeros': allowed is one of"),
    ],
)
def test_a_word_that_is_no_choice(name, option, words):
    with pytest.raises(UserError, match=words):
        published(name, **option)


def split(model):
    graphdef, params, stats = nnx.split(model, nnx.Param, nnx.BatchStat)
    return graphdef, nnx.to_pure_dict(params), nnx.to_pure_dict(stats)


@pytest.mark.parametrize("name", slow_unless(lambda name: name not in LARGE, COUNTS))
def test_training_keeps_shapes_and_types(name):
    model = published(name, abstract=True)
    graphdef, params, stats = split(model)

    def forward(params, stats, images, keys):
        model = nnx.merge(graphdef, nnx.State(params), nnx.State(stats))
        return model(images, heads=True, keys=keys), nnx.to_pure_dict(
            nnx.state(model, nnx.BatchStat)
        )

    images = jax.ShapeDtypeStruct((3, *model.image_shape), jnp.float32)
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 3))
    logits, new_stats = jax.eval_shape(forward, params, stats, images, keys)
    for head in jax.tree.leaves(logits):
        assert (head.shape, head.dtype) == ((3, model.num_classes), jnp.float32)
    assert jax.tree.all(jax.tree.map(lambda a, b: a.shape == b.shape, stats, new_stats))


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("name", slow_unless(QUICK.__contains__, COUNTS))
def test_every_parameter_gets_a_gradient(name):
    model = published(name)
    model.eval()  # in training the bias before a BatchNorm has none
    graphdef, params, stats = split(model)
    rng = np.random.default_rng(0)
    images = rng.random((2, *model.image_shape), np.float32)

    def loss(params):
        model = nnx.merge(graphdef, nnx.State(params), nnx.State(stats))
        heads = model(images, heads=True).values()
        return -sum(jax.nn.log_softmax(logits)[:, 3].mean() for logits in heads)

    quick = {"xla_backend_optimization_level": 0}  # compiling is all that costs time here
    grads = flatten_dict(jax.jit(jax.grad(loss), compiler_options=quick)(params))
    for path, grad in grads.items():
        assert grad.dtype == jnp.float32 and np.isfinite(grad).all(), path
        assert np.abs(grad).max() > 0, path
