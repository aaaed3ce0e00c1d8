"""The networks against the same networks written in Keras (run where Keras is installed).

In float64, where the two must agree to rounding. In float32 a ReLU at zero may go either way, on
either side: there the gradients of one network of each family are measured by their distance from
float64, beside Keras's own.
With -s, lines with the errors of each network are printed.
"""

import collections
import contextlib
import functools
import importlib
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import compilation
import jax
import numpy as np
import pytest
from families import FAMILIES
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxcnn import models
from jaxcnn.training.losses import losses_and_scores

pytestmark = pytest.mark.usefixtures("forgotten")
keras = pytest.importorskip("keras")
references = importlib.import_module("keras_references")  # which imports Keras
modern = importlib.import_module("keras_modern")
BATCH, DRAWS = 4, 4
PARTS = ("logits", "loss", "gradients", "statistics")
# at XLA's optimization level 0 gradients of BatchNorm and max pool go wrong
QUICK = compilation.OPTIONS
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
        return network(images, heads=True, dtype=images.dtype), network

    def loss(params):
        outputs, network = run("train", params)
        kinds = ("prob_mix", "weighted_loss") if len(outputs) > 1 else ("prob_mix",)
        value = sum(losses_and_scores(outputs, targets, kind)[0].mean() for kind in kinds)
        stats = nnx.to_pure_dict(nnx.state(network, nnx.BatchStat))
        return value + network.penalty(), flatten_dict(stats)

    (value, new_stats), grads = jax.value_and_grad(loss, has_aux=True)(params)
    heads, _ = run("eval", params)
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


def worst_errors(ours, theirs, least_gradient=1e-3):
    """The largest error of each part that `run_ours` and `run_keras` return.

    Gradients smaller than `least_gradient` times the largest are compared with that: the bias in
    front of a BatchNorm has none but rounding.
    """
    scale = least_gradient * max(
        np.abs(gradient).max() for gradient in theirs["gradients"].values()
    )
    scales = collections.defaultdict(float, gradients=scale)
    worst = {}
    for part in PARTS:
        assert ours[part].keys() == theirs[part].keys()
        found = [error(x, theirs[part][key], scales[part]) for key, x in ours[part].items()]
        worst[part] = np.max([0.0, *found])  # NaN if there is one
    return worst


@contextlib.contextmanager
def float64():
    """Compute in float64, ours and Keras (whose BatchNorm would fall back to float32)."""
    jax.config.update("jax_enable_x64", True)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("keras.src.backend.result_type", lambda *types: "float64")
            yield
    finally:
        jax.config.update("jax_enable_x64", False)
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


# dense layers; convolutions and pools; BatchNorm and Dropout
SOON_COMPILED = {"mlp_base", "lenet", "mnist_bn_dropout"}
NETWORKS = [*references.NETWORKS, *modern.FUNCTIONS]
CASES = [
    pytest.param(name, marks=() if name in SOON_COMPILED else pytest.mark.long) for name in NETWORKS
]


class Pair:
    """A network, ours and Keras's, in the precision that holds when it is made.

    Attributes:
      run_ours, run_keras: take what `draw` returns.
      shapes: of the variables, by our path.
    """

    def __init__(self, name):
        self.keras = (modern if name in modern.FUNCTIONS else references).reference(name)
        self.shapes = {our_path(v): v.shape for v in self.keras.variables}
        self.num_classes = self.keras.output["main"].shape[-1]
        self.image_shape = self.keras.input.shape[1:]
        self.model = models.build(
            name, num_classes=self.num_classes, image_shape=self.image_shape, abstract=True
        )
        self.run_ours = functools.partial(run_ours, *split(self.model))
        self.run_keras = functools.partial(run_keras, self.keras)

    def draw(self, seed, dtype):
        """Variables, images and targets."""
        rng = np.random.default_rng(seed)
        values = {path: random_value(path, shape, rng) for path, shape in self.shapes.items()}
        images = rng.random((BATCH, *self.image_shape))
        targets = rng.dirichlet(np.ones(self.num_classes), BATCH)
        return jax.tree.map(lambda array: array.astype(dtype), (values, images, targets))


@pytest.mark.parametrize("name", CASES)
def test_network_equals_keras(name):
    with float64():
        pair = Pair(name)
        state = flatten_dict(nnx.to_pure_dict(nnx.state(pair.model)))
        assert {path: variable.shape for path, variable in state.items()} == pair.shapes
        assert dropouts_of(models.summary(pair.model)) == sorted(references.dropouts(pair.keras))

        def run_both(*batch):  # as one program: what they do alike is compiled and computed once
            return pair.run_ours(*batch), pair.run_keras(*batch)

        batch = pair.draw(0, np.float64)
        results = jax.jit(run_both, compiler_options=QUICK)(*batch)
        worst = worst_errors(*jax.tree.map(np.asarray, results))
    print(f"\n{name:22}", *(f"{part} {value:.1e} " for part, value in worst.items()))
    assert worst.pop("loss") < 1e-7  # our penalty is float32
    assert all(value < 1e-8 for value in worst.values()), worst


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in NETWORKS if name in FAMILIES])
def test_float32_is_as_close_to_float64_as_keras_is(name):
    results = {}
    with float64():
        pair = Pair(name)
        run = jax.jit(pair.run_ours, compiler_options=QUICK)
        results["exact"] = [run(*pair.draw(seed, np.float64)) for seed in range(DRAWS)]
    pair = Pair(name)
    for side in ("ours", "keras"):
        run = jax.jit(getattr(pair, f"run_{side}"), compiler_options=QUICK)
        results[side] = [run(*pair.draw(seed, np.float32)) for seed in range(DRAWS)]
    results = jax.tree.map(lambda array: np.asarray(array, np.float64), results)
    errors = {
        side: [
            worst_errors(*two, 1e-2) for two in zip(results[side], results["exact"], strict=True)
        ]
        for side in ("ours", "keras")
    }
    # a flip spoils some draws on either side; the best of each are compared
    for part in PARTS:
        ours, theirs = ([draw[part] for draw in errors[side]] for side in ("ours", "keras"))
        print(f"\n{name:22} {part:10} ours {min(ours):.1e} to {max(ours):.1e}, ", end="")
        print(f"Keras {min(theirs):.1e} to {max(theirs):.1e}", end="")
        if part == "gradients":
            assert min(ours) < max(1e-4, 3 * min(theirs))
        else:
            assert max(ours) < 1e-4


def test_every_network_has_a_reference():
    assert set(NETWORKS) == set(models.network_names()) - {"mlp"}  # mlp_base as default
