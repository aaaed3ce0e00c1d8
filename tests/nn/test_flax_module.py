"""Modules of Flax and functions as lines of a network."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from runs import assert_same_bits, last_state

from jaxcnn import models
from jaxcnn.errors import UserError
from jaxcnn.models import Network, model_config, registry
from jaxcnn.nn import Activation, AveragePool, BatchNorm, Conv, Dense, Dropout, Flatten, FlaxModule
from jaxcnn.nn.layer import Layer
from jaxcnn.nn.operations import count_operations


class Block(nnx.Module):
    """A module of a user, with a list of modules and layers of ours."""

    def __init__(self, channels, *, rngs):
        self.convs = nnx.List([nnx.Conv(channels, channels, (3, 3), rngs=rngs) for _ in range(2)])
        self.norm = nnx.BatchNorm(channels, rngs=rngs)
        self.ours = BatchNorm().init((1, 1, channels), seed=0)
        self.dropout = Dropout(0.2).init((1, 1, channels), seed=0)

    def __call__(self, x, context):
        for conv in self.convs:
            x = nnx.relu(conv(x))
        return self.dropout(self.ours(self.norm(x), context), context)


def mixed(num_classes):
    return [
        FlaxModule(nnx.Conv, 1, 4, kernel_size=(3, 3), padding="VALID"),
        jax.nn.relu,
        functools.partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)),
        FlaxModule(Block, 4, name="block"),
        Flatten(),
        Dense(num_classes, name="logits"),
    ]


ENTRY = registry.Entry(mixed, options={}, image_shape=(16, 16, 1), num_classes=4)


@pytest.fixture
def mixed_config(config, monkeypatch):
    """The config of a run of `mixed`."""
    monkeypatch.setitem(registry._ENTRIES, "mixed", ENTRY)
    config.model = model_config("mixed")
    return config


def network(*lines, shape=(8, 8, 3), **options):
    return Network([*lines], name="n", num_classes=4, image_shape=shape, **options)


def test_modules_and_functions_are_lines():
    ready = nnx.Conv(3, 16, (3, 3), rngs=nnx.Rngs(0))
    model = network(
        ready, jax.nn.relu, lambda x: x.mean((1, 2)), nnx.Linear(16, 4, rngs=nnx.Rngs(0))
    )
    ours = network(
        Conv(16, 3, padding="same"), Activation("relu"), AveragePool(8), Flatten(), Dense(4)
    )
    for theirs, layer in ((model.conv1, ours.conv1), (model.linear1, ours.dense1)):
        layer.kernel.set_value(theirs.module.kernel[...])
    x = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    np.testing.assert_allclose(model(x), ours(x), atol=1e-6)
    assert model.features(x).shape == (2, 16)
    summary, expected = models.summary(model), models.summary(ours)
    assert (summary.parameters, summary.flops) == (expected.parameters, expected.flops)
    assert [(row.name, row.kind, row.details) for row in summary.rows] == [
        ("conv1", "FlaxModule", "Conv"),
        ("relu1", "Function", "relu"),
        ("function1", "Function", "<lambda>"),
        ("linear1", "FlaxModule", "Linear"),
    ]
    assert "conv1/module" in nnx.tabulate(model, x, console_kwargs={"width": 160})


def test_values_come_from_the_seed_and_the_path():
    def kernel(seed, **options):
        line = FlaxModule(nnx.Conv, 3, 4, kernel_size=(8, 8), padding="VALID", **options)
        model = network(line, Flatten(), seed=seed)
        return np.asarray(getattr(model, line.name).module.kernel[...])

    np.testing.assert_array_equal(kernel(1), kernel(1))
    assert not np.array_equal(kernel(1), kernel(2))
    assert not np.array_equal(kernel(1), kernel(1, name="other"))


def test_an_abstract_network_has_shapes_alone(mixed_config):
    model = models.build("mixed", abstract=True)
    ready = network(
        nnx.Conv(3, 4, (8, 8), padding="VALID", rngs=nnx.Rngs(0)), Flatten(), abstract=True
    )
    for leaf in jax.tree.leaves((nnx.state(model), nnx.state(ready))):
        assert isinstance(leaf, jax.ShapeDtypeStruct)
    built = nnx.to_pure_dict(nnx.state(models.build("mixed")))
    shapes = jax.tree.map(lambda leaf: leaf.shape, nnx.to_pure_dict(nnx.state(model)))
    assert jax.tree.map(np.shape, built) == shapes


def test_the_output_has_the_dtype_of_the_input():
    model = network(nnx.Conv(3, 4, (8, 8), padding="VALID", rngs=nnx.Rngs(0)), Flatten())
    outputs = {}
    model(np.ones((2, 8, 8, 3)), dtype=jnp.bfloat16, intermediates=outputs)
    assert outputs["conv1"].dtype == jnp.bfloat16


RNGS = nnx.Rngs(0)
LINEAR = nnx.Linear(3, 3, rngs=RNGS)
POOL = AveragePool(2)


@jax.jit
def in_a_list(x, modules=None):
    for module in [LINEAR] if modules is None else modules:
        x = module(x)
    return x


@pytest.mark.parametrize(
    "function",
    [
        LINEAR.__call__,
        in_a_list,
        (lambda linear: lambda x: linear(x))(LINEAR),
        (lambda linears: lambda x: linears[0](x))([LINEAR]),
        functools.partial(LINEAR),
        functools.partial(lambda module, x: module(x), LINEAR),
    ],
)
def test_a_function_uses_no_module(function):
    """The module's parameters would be neither trained, counted nor saved."""
    with pytest.raises(UserError, match=r"uses a module, Linear, which .* a line of the network"):
        network(function, Flatten(), Dense(4))


def test_a_function_may_use_a_layer_without_parameters():
    assert network(lambda x: POOL(x) * 2, Flatten(), Dense(4)).dense1.kernel[...].shape == (48, 4)


class Counting(Layer):
    """Counts its calls in a variable that no training step carries."""

    def setup(self, shape, scope):
        self.seen = nnx.Variable(scope.create("seen", (), lambda rng, shape: np.zeros(shape)))
        return shape

    def _forward(self, x, context):
        return x


@pytest.mark.parametrize(
    "line, words",
    [
        (nnx.Dropout(0.5, rngs=RNGS), "dropout1 (Dropout) holds RngCount, random state"),
        (FlaxModule(nnx.Dropout, 0.5), "use jaxcnn.nn.Dropout"),
        (Counting(), "layer1 holds Variable: a network keeps nnx.Param and nnx.BatchStat"),
        (nnx.Conv(4, 4, (3, 3), rngs=RNGS), "conv1 (Conv) does not take inputs of shape (8, 8, 3)"),
        (lambda x: (x, x), "function1 (<lambda>) must return one array (batch, …)"),
        (lambda x: x.sum(), "function1 (<lambda>) must return one array (batch, …)"),
        (FlaxModule(nnx.Linear, 3, 4, param_dtype=jnp.bfloat16), "give the module param_dtype"),
        (nnx.Linear, "is the class Linear: write FlaxModule(Linear, …)"),
        (Flatten, "is the class Flatten: write Flatten(…)"),
        ("relu", "must be a layer, an nnx.Module, a function, or a list of these, not 'relu'"),
        (None, "not None"),
    ],
)
def test_mistakes_are_answered_in_one_line(line, words):
    with pytest.raises(UserError) as caught:
        network(line, Flatten(), Dense(4))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_operations_inside_other_programs_count():
    def repeated(x, kernel):
        product = jax.jit(lambda x: x @ kernel)
        return jax.lax.scan(lambda x, _: (product(x), None), x, length=3)[0]

    traced = jax.make_jaxpr(repeated)(jnp.ones((2, 5)), jnp.ones((5, 5)))
    assert count_operations(traced.jaxpr) == 3 * 2 * 2 * 5 * 5


def test_the_zeros_of_a_transposed_convolution_do_not_count():
    line = FlaxModule(nnx.ConvTranspose, 3, 16, kernel_size=(3, 3), strides=(2, 2))
    model = network(line, Flatten(), Dense(4), abstract=True)
    assert model.conv_transpose1.output_shape == (16, 16, 16)
    assert models.summary(model).rows[0].flops == 2 * 8 * 8 * 9 * 3 * 16


@pytest.mark.slow
def test_it_trains_resumes_exactly_and_evaluates(mixed_config, train, dataset, tmp_path):
    assert mixed_config.num_devices == 2
    whole, _ = train(mixed_config, tmp_path / "whole")
    assert whole["test_accuracy"] > 0.4  # chance is 0.25
    mixed_config.num_epochs = 1
    train(mixed_config, tmp_path / "parts")
    mixed_config.num_epochs = 2
    parts, printed = train(mixed_config, tmp_path / "parts")
    assert "resuming in epoch 2" in printed and parts["test_loss"] == whole["test_loss"]
    states = [last_state(mixed_config, dataset, tmp_path / name) for name in ("whole", "parts")]
    assert_same_bits(*states)
    moved = states[0].batch_stats["block"]["module"]["norm"]["mean"]
    assert np.abs(moved).max() > 0
    from jaxcnn.evaluation.trained import load_trained

    trained = load_trained(tmp_path / "whole")
    logits = trained.logits(dataset.splits["test"].images)
    labels = dataset.splits["test"].labels
    assert (logits.argmax(1) == labels).mean() == pytest.approx(whole["test_accuracy"])
    mixed_config.init_from, mixed_config.num_epochs = str(tmp_path / "whole"), 1
    _, printed = train(mixed_config, tmp_path / "started")
    assert "100.0% of the parameters are taken over" in printed


def test_statistics_are_equal_on_all_devices(mixed_config, dataset):
    """Those of `nnx.BatchNorm` are of a device's own examples, and the state must not depend on
    the device that it is read from."""
    from jaxcnn.training.run import make_run
    from jaxcnn.workdir.position import Position

    run = make_run(mixed_config, dataset)
    position = Position(0, run.plan.steps_per_epoch)
    data, order, _ = next(iter(run.train_feed(position)))
    state, _ = run.train_step(run.state, data, run.epoch_numbers(position), order)
    mean = state.batch_stats["block"]["module"]["norm"]["mean"]
    first, second = (np.asarray(shard.data) for shard in mean.addressable_shards)
    np.testing.assert_array_equal(first, second)
    assert np.abs(first).max() > 0
