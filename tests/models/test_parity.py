"""The networks against the same networks written in Keras (run where Keras is installed).

In float64, where the two must agree to rounding; in float32 a ReLU at zero may go either way.
With -s, a line with the errors of each network is printed.
"""

import collections
import importlib
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import numpy as np
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxcnn import models
from jaxcnn.training.losses import cross_entropy

keras = pytest.importorskip("keras")
references = importlib.import_module("keras_references")  # which imports Keras
modern = importlib.import_module("keras_modern")
BATCH = 4
PARTS = ("logits", "loss", "gradients", "statistics")
# Most of the time goes into compiling, which is quicker without XLA's fusion emitters. (At XLA's
# optimisation level 0 it would be quicker still, but gradients of BatchNorm and max pool go wrong.)
QUICK = {"xla_cpu_use_fusion_emitters": False}
NAMES = {"gamma": "scale", "beta": "bias", "moving_mean": "mean", "moving_variance": "var"}


def our_path(variable):
    """The path that the Keras variable has in our network."""
    layer, name = variable.path.rsplit("/", 1)
    return (*layer.rsplit("/", 1)[-1].split("__"), NAMES.get(name, name))


def random_value(path, shape, rng):
    """A kernel that about keeps the size of what it is applied to; others unlike at the start."""
    if path[-1] == "kernel":
        return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
    return rng.uniform(0.5, 1.5, shape) - (path[-1] in ("bias", "mean"))


def dropouts_of(summary):
    """The rate and the shape of what each Dropout takes, sorted."""
    rows = [row for row in summary.rows if row.kind == "Dropout"]
    return sorted((float(row.details), row.output_shape) for row in rows)


def split(model):
    """The model's graph in evaluation and in training without dropout; its variables' paths."""
    graphs = {}
    for mode in ("eval", "train"):
        getattr(model, mode)()
        model.set_attributes(deterministic=True, raise_if_not_found=False)
        graphs[mode], *states = nnx.split(model, nnx.Param, nnx.BatchStat)
    return graphs, [list(flatten_dict(nnx.to_pure_dict(state))) for state in states]


def run_ours(graphs, paths, values, images, targets):
    """Logits by head in evaluation; loss, gradients and running statistics of a training step."""
    params, stats = ({path: values[path] for path in some} for some in paths)

    def run(mode, params):
        states = [nnx.State(unflatten_dict(some)) for some in (params, stats)]
        network = nnx.merge(graphs[mode], *states)
        return network(images, dtype=images.dtype), network

    def loss(params):
        outputs, network = run("train", params)
        kinds = ("prob_mix", "weighted_loss") if isinstance(outputs, dict) else ("prob_mix",)
        value = sum(cross_entropy(outputs, targets, kind)[0].mean() for kind in kinds)
        stats = nnx.to_pure_dict(nnx.state(network, nnx.BatchStat))
        return value + network.penalty(), flatten_dict(stats)

    (value, new_stats), grads = jax.value_and_grad(loss, has_aux=True)(params)
    outputs, _ = run("eval", params)
    heads = outputs if isinstance(outputs, dict) else {"main": outputs}
    return dict(zip(PARTS, (heads, {"": value}, grads, new_stats), strict=True))


def run_keras(model, values, images, targets):
    """The same of the Keras model, with the losses as published."""
    variables = model.trainable_variables, model.non_trainable_variables
    paths = [[our_path(variable) for variable in some] for some in variables]
    params, stats = ({path: values[path] for path in some} for some in paths)

    def run(params, training):
        states = [[(params | stats)[path] for path in some] for some in paths]
        return model.stateless_call(*states, images, training=training, return_losses=True)

    def loss(params):
        outputs, new_stats, penalties = run(params, training=True)
        entropy = keras.losses.categorical_crossentropy
        value = entropy(targets, outputs.pop("probabilities")).mean() + sum(penalties)
        if len(outputs) > 1:  # GoogLeNet's other loss, that of its paper
            each = {name: entropy(targets, jax.nn.softmax(x)) for name, x in outputs.items()}
            value += (each["main"] + 0.3 * (each["aux1"] + each["aux2"])).mean()
        return value, dict(zip(paths[1], new_stats, strict=True))

    (value, new_stats), grads = jax.value_and_grad(loss, has_aux=True)(params)
    heads, _, _ = run(params, training=False)
    heads.pop("probabilities")
    return dict(zip(PARTS, (heads, {"": value}, grads, new_stats), strict=True))


def error(ours, theirs, scale=0.0):
    """The largest difference, relative to the largest entry or to `scale` where that is larger."""
    return np.abs(ours - theirs).max() / max(np.abs(theirs).max(), scale)


def worst_errors(ours, theirs):
    """The largest error of each part that `run_ours` and `run_keras` return."""
    # The bias in front of a BatchNorm has no gradient but rounding: compare with the others' size.
    scale = 1e-3 * max(np.abs(gradient).max() for gradient in theirs["gradients"].values())
    scales = collections.defaultdict(float, gradients=scale)
    worst = {}
    for part in PARTS:
        assert ours[part].keys() == theirs[part].keys()
        found = [error(x, theirs[part][key], scales[part]) for key, x in ours[part].items()]
        worst[part] = np.max([0.0, *found])  # NaN if there is one
    return worst


@pytest.fixture
def float64(monkeypatch):
    """Compute in float64, ours and Keras (whose BatchNorm would fall back to float32)."""
    jax.config.update("jax_enable_x64", True)
    keras.config.set_floatx("float64")
    monkeypatch.setattr("keras.src.backend.result_type", lambda *types: "float64")
    yield
    jax.config.update("jax_enable_x64", False)
    keras.config.set_floatx("float32")


QUICK_MODERN = {"compact_cnn", "mnist_compact", "wide_resnet16_4"}
SLOW = {"googlenet", "resnet50", "vgg16_bn", "alexnet", "alexnet_bn", *modern.FUNCTIONS}
NETWORKS = [*references.NETWORKS, *modern.FUNCTIONS]
CASES = [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW - QUICK_MODERN else ())
    for name in NETWORKS
]


@pytest.mark.parametrize("name", CASES)
def test_network_equals_keras(name, float64):
    theirs = (modern if name in modern.FUNCTIONS else references).reference(name)
    rng = np.random.default_rng(0)
    shapes = {our_path(v): v.shape for v in theirs.variables}
    values = {path: random_value(path, shape, rng) for path, shape in shapes.items()}
    num_classes = theirs.output["main"].shape[-1]
    shape = theirs.input.shape[1:]
    model = models.build(name, num_classes=num_classes, image_shape=shape, abstract=True)
    state = flatten_dict(nnx.to_pure_dict(nnx.state(model)))
    assert {path: variable.shape for path, variable in state.items()} == shapes
    assert dropouts_of(models.summary(model)) == sorted(references.dropouts(theirs))

    graphs, paths = split(model)

    def run_both(*batch):  # as one program: what they do alike is compiled and computed once
        return run_ours(graphs, paths, *batch), run_keras(theirs, *batch)

    images, targets = rng.random((BATCH, *shape)), rng.dirichlet(np.ones(num_classes), BATCH)
    results = jax.jit(run_both, compiler_options=QUICK)(values, images, targets)
    worst = worst_errors(*jax.tree.map(np.asarray, results))
    print(f"\n{name:22}", *(f"{part} {value:.1e} " for part, value in worst.items()))
    assert worst.pop("loss") < 1e-7  # our penalty is float32
    assert all(value < 1e-8 for value in worst.values()), worst


def test_every_network_has_a_reference():
    assert set(NETWORKS) == set(models.network_names()) - {"mlp"}  # mlp_base as default
