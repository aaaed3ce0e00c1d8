"""The step: the same numbers on any number of devices, through either backend, in any parts."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import compilations
from flax import nnx
from steps import demand, largest_difference, step_of_epoch, train

from jaxcnn.models import model_config
from jaxcnn.training.evaluate import evaluate
from jaxcnn.training.run import make_run

BACKENDS = Path(__file__).parents[1] / "helpers" / "backends.py"


@pytest.fixture
def config(config):
    """A network that compiles in a third of LeNet's time."""
    config.model = model_config("mlp", hidden=(16,))
    return config


@pytest.fixture
def demanding(config, tiny):
    demand(config, tiny)
    return config


@pytest.fixture
def float64():
    """In float32 a ReLU or a maximum can flip by rounding, and training amplifies it."""
    with jax.enable_x64(True):
        yield


def test_device_count_does_not_change_the_numbers(demanding, dataset, float64):
    demanding.precision = "float64"
    start = make_run(demanding, dataset).state.params
    states = {}
    for num_devices in (1, 8):
        demanding.num_devices = num_devices
        states[num_devices] = train(demanding, dataset)[1]
    for name in ("params", "batch_stats", "opt_state"):
        one, several = getattr(states[1], name), getattr(states[8], name)
        assert largest_difference(one, several) < 1e-9, name
    assert largest_difference(states[1].params, start) > 1e-3


@pytest.mark.slow
def test_backends_give_the_same_bits():
    """With a user's options: at the level of the tests, XLA rounds the two programs differently."""
    options = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    done = subprocess.run(
        [sys.executable, BACKENDS], env=os.environ | options, capture_output=True, text=True
    )
    assert (done.returncode, float(done.stdout)) == (0, 0.0), done.stderr


@pytest.mark.slow
def test_a_batch_the_devices_do_not_divide(config, dataset):
    states = []
    config.augment.update(crop=2, mixup=0.5)
    config.optimizer.update(name="momentum", learning_rate=0.01)
    for num_devices in (1, 8):
        config.global_batch_size, config.num_devices = 30, num_devices
        states.append(train(config, dataset, num_steps=12)[1])
    assert largest_difference(states[0].params, states[1].params) < 1e-5
    assert float(states[1].sums["count"]) == 90  # three steps into the second epoch


@pytest.mark.parametrize("num_parts", [2, 5])
def test_accumulation_gives_the_whole_batch_s_gradient(config, dataset, num_parts):
    config.optimizer.name = "momentum"
    config.loss.l2 = 1e-3
    whole = train(config, dataset)[1]
    config.optimizer.accumulation_steps = num_parts
    assert largest_difference(whole, train(config, dataset)[1]) < 1e-4


def test_the_step_is_the_written_out_formula(config, dataset):
    """One SGD step by hand: mean cross-entropy, L2 without ½, L2 on kernels alone."""
    config.model = model_config("lenet")
    config.optimizer.update(name="sgd", learning_rate=0.1)
    config.loss.l2 = 0.01
    run, state = train(config, dataset, num_steps=1)
    indices = np.asarray(run.train_order(0))[:, 0].reshape(-1)
    images = dataset.splits["train"].images[indices] / np.float32(255)
    labels = dataset.splits["train"].labels[indices]

    def loss(params):
        graph = nnx.split(run.model, nnx.Param, nnx.BatchStat)[0]
        logits = nnx.merge(graph, nnx.State(params), nnx.State({}))(jnp.asarray(images))
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        kernels = [p for p in jax.tree.leaves(params) if p.ndim > 1]
        return cross_entropy + 0.01 * sum(jnp.sum(kernel**2) for kernel in kernels)

    params = jax.tree.map(np.asarray, make_run(config, dataset).state.params)
    value, gradients = jax.jit(jax.value_and_grad(loss))(params)
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, params, gradients)
    assert largest_difference(expected, state.params) < 1e-6
    np.testing.assert_allclose(state.sums["loss"] / state.sums["count"], value, rtol=1e-5)


def test_the_epoch_counts_every_example_once(config, dataset):
    run, state = train(config, dataset, num_steps=5)  # 270 examples in batches of 64
    assert run.plan.steps_per_epoch == 5
    assert float(state.sums["count"]) == 270
    seen = np.asarray(run.train_order(0)).reshape(-1)
    np.testing.assert_array_equal(np.sort(seen[seen >= 0]), run.plan.views["train"].indices)


def test_evaluation_counts_every_example_once(config, dataset):
    run, state = train(config, dataset, num_steps=3)
    scores = evaluate(run, state, "test")
    run.model.eval()
    graph = nnx.split(run.model, nnx.Param, nnx.BatchStat)[0]
    params = jax.tree.map(np.asarray, state.params)
    images = dataset.splits["test"].images / np.float32(255)
    logits = nnx.merge(graph, nnx.State(params), nnx.State({}))(jnp.asarray(images))
    labels = dataset.splits["test"].labels
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    np.testing.assert_allclose(scores["loss"], losses.mean(), rtol=1e-5)
    assert scores["accuracy"] == np.mean(np.asarray(logits).argmax(-1) == labels)


def test_the_step_compiles_once(config, dataset):
    run = make_run(config, dataset)
    state = run.state
    with compilations() as first:
        state, sums = step_of_epoch(run, state, 0)
    with compilations() as later:
        for epoch in (0, 1):
            state, sums = step_of_epoch(run, state, epoch)
    assert len(first) >= 1 and not later


def test_bfloat16_computes_low_and_keeps_float32_state(config, dataset):
    config.precision = "bfloat16"
    _, state = train(config, dataset)
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype("float32")}
    config.precision = "float32"
    exact = train(config, dataset)[1]
    difference = largest_difference(exact.params, state.params)
    assert 0 < difference < 0.05


def test_ema_follows_the_weights(config, dataset):
    config.optimizer.ema_decay = 0.5
    run = make_run(config, dataset)
    start = jax.tree.map(np.asarray, run.state.params)
    _, state = train(config, dataset, num_steps=1)
    # (1 + step) / (10 + step) of the old average, until that is more than the decay
    expected = jax.tree.map(lambda a, b: 0.1 * a + 0.9 * np.asarray(b), start, state.params)
    assert largest_difference(expected, state.ema) < 1e-7
    assert state.evaluated_params is state.ema


def test_decoupled_weight_decay_shrinks_kernels_alone(config, dataset):
    config.optimizer.update(name="sgd", learning_rate=0.1, weight_decay=0.0)
    plain = train(config, dataset, num_steps=1)[1].params
    start = jax.tree.map(np.asarray, make_run(config, dataset).state.params)
    config.optimizer.weight_decay = 0.5
    decayed = train(config, dataset, num_steps=1)[1].params
    kernel, bias = "kernel", "bias"
    layer = next(iter(start))
    expected = np.asarray(plain[layer][kernel]) - 0.1 * 0.5 * start[layer][kernel]
    np.testing.assert_allclose(decayed[layer][kernel], expected, atol=1e-6)
    np.testing.assert_array_equal(decayed[layer][bias], plain[layer][bias])


def test_gradient_clipping_bounds_the_update(config, dataset):
    config.optimizer.update(name="sgd", learning_rate=1.0, gradient_clip=0.01)
    start = jax.tree.map(np.asarray, make_run(config, dataset).state.params)
    state = train(config, dataset, num_steps=1)[1]
    moved = jax.tree.map(lambda a, b: a - np.asarray(b), start, state.params)
    np.testing.assert_allclose(optax.tree.norm(moved), 0.01, rtol=1e-2)
