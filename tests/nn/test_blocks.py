"""Chains, branches, residual blocks, heads and networks made by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict

from jaxcnn.errors import UserError
from jaxcnn.models import Network
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.blocks import AuxHead, Branches, Residual, Sequential
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layer import ImageSizeError
from jaxcnn.nn.layers import AveragePool, Conv, Dense, Flatten, MaxPool
from jaxcnn.ops.residual import relu_of_sum


def toy(seed=0):
    """One of everything, on 8x8 images, for four classes."""
    same = {"padding": "same", "activation": "relu", "l2": 0.01}
    layers = [
        [Conv(6, 3, **same), BatchNorm()],
        Branches(
            Conv(4, 1, **same), [MaxPool(3, stride=1, padding="same"), Conv(4, 1)], name="mix"
        ),
        AuxHead(Flatten(), Dense(4), name="aux"),
        Residual([Conv(8, 3, padding="same"), BatchNorm()], name="plain"),
        Residual([Conv(6, 1, stride=2)], [Conv(6, 1, stride=2)], name="projected"),
        AveragePool(4),
        Flatten(),
        Dropout(0.5),
        Dense(4, name="logits"),
    ]
    return Network(layers, name="toy", num_classes=4, image_shape=(8, 8, 3), seed=seed)


def images(examples=6):
    return np.random.default_rng(0).random((examples, 8, 8, 3), np.float32)


def test_parameter_names():
    _, params, stats = nnx.split(toy(), nnx.Param, nnx.BatchStat)  # and nothing else
    kernels = {"/".join(p) for p in flatten_dict(nnx.to_pure_dict(params)) if p[-1] == "kernel"}
    assert kernels == {
        "conv1/kernel",
        "mix/branch1/conv1/kernel",
        "mix/branch2/conv1/kernel",
        "aux/dense1/kernel",
        "plain/main/conv1/kernel",
        "projected/main/conv1/kernel",
        "projected/shortcut/conv1/kernel",
        "logits/kernel",
    }
    assert set(nnx.to_pure_dict(stats)["plain"]["main"]) == {"batch_norm1"}


def test_heads_and_intermediates():
    model = toy()
    model.eval()
    seen = {}
    heads = model(images(), heads=True, intermediates=seen)
    assert {name: logits.shape for name, logits in heads.items()} == {"main": (6, 4), "aux": (6, 4)}
    np.testing.assert_array_equal(seen["logits"], heads["main"])
    np.testing.assert_array_equal(seen["aux/dense1"], heads["aux"])
    np.testing.assert_array_equal(seen["aux"], seen["mix"])  # it passes its input on
    parts = [seen["mix/branch1/conv1"], seen["mix/branch2/conv1"]]
    np.testing.assert_array_equal(seen["mix"], jnp.concatenate(parts, axis=-1))
    joined = jax.nn.relu(seen["plain/main/batch_norm1"] + seen["mix"])
    np.testing.assert_array_equal(seen["plain"], joined)
    np.testing.assert_allclose(seen["projected"].shape, (6, 4, 4, 6))


def test_a_head_stands_in_the_network_itself():
    head = AuxHead(Flatten(), Dense(4), name="aux")
    with pytest.raises(UserError, match="sum/main/aux: an AuxHead must be a line of the network"):
        Network([Residual([head], name="sum")], name="n", num_classes=4, image_shape=(8, 8, 3))


def test_penalty_is_of_the_kernels_that_ask_for_it():
    model = toy()
    kernels = [model.conv1.kernel[...], model.mix.branch1.conv1.kernel[...]]
    expected = 0.01 * sum(float((kernel**2).sum()) for kernel in kernels)
    assert float(model.penalty()) == pytest.approx(expected, rel=1e-6)
    assert model.penalty().dtype == jnp.float32


def test_training_step_over_devices_equals_one_device():
    graphdef, params, stats = nnx.split(toy(), nnx.Param, nnx.BatchStat)
    params, stats = nnx.to_pure_dict(params), nnx.to_pure_dict(stats)
    keys = jax.random.split(jax.random.key(0), 6)

    def step(params, images, keys, axis_name="batch"):
        def loss(params):
            model = nnx.merge(graphdef, nnx.State(params), nnx.State(stats))
            heads = model(images, heads=True, keys=keys, axis_name=axis_name)
            new_stats = nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))
            return sum(jnp.square(logits).mean() for logits in heads.values()), new_stats

        out = jax.grad(loss, has_aux=True)(params)
        return jax.lax.pmean(out, axis_name) if axis_name else out

    expected = jax.jit(lambda p, x, k: step(p, x, k, None))(params, images(), keys)
    split_images, split_keys = images().reshape(3, 2, 8, 8, 3), keys.reshape(3, 2)
    devices = jax.devices()[:3]
    mapped = jax.pmap(step, axis_name="batch", in_axes=(None, 0, 0), out_axes=None, devices=devices)
    got = mapped(params, split_images, split_keys)
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(got), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_bfloat16_is_close_and_gives_float32():
    model = toy()
    model.eval()
    exact = jax.jit(lambda x: model(x, heads=True))(images())
    rough = jax.jit(lambda x: model(x, heads=True, dtype=jnp.bfloat16))(images())
    for name, logits in rough.items():
        assert logits.dtype == jnp.float32
        error = np.abs(logits - exact[name]).max() / np.abs(exact[name]).max()
        assert 0 < error < 0.03


def test_train_and_eval_reach_every_layer():
    model = toy()
    model.eval()
    assert model.plain.main.batch_norm1.use_running_average and model.dropout1.deterministic
    model.train()
    assert not (model.plain.main.batch_norm1.use_running_average or model.dropout1.deterministic)


def test_outputs_must_be_logits():
    with pytest.raises(ImageSizeError, match="not one logit per class"):
        Network([Flatten(), Dense(5)], name="wrong", num_classes=4, image_shape=(8, 8, 3))


def test_names_are_unique():
    with pytest.raises(UserError, match="second layer named head"):
        Sequential(Dense(4, name="head"), Dense(4, name="head"))
    with pytest.raises(UserError, match="a layer named features, as an attribute of Network: give"):
        Network([Dense(4, name="features")], name="n", num_classes=4, image_shape=(8, 8, 3))


def test_shapes_of_branches_and_paths_must_fit():
    def network(layer):
        return Network([layer], name="wrong", num_classes=4, image_shape=(8, 8, 3))

    with pytest.raises(UserError, match="branches of mix differ"):
        network(Branches(Conv(4, 1), Conv(4, 3), name="mix"))
    with pytest.raises(UserError, match="paths of sum differ"):
        network(Residual([Conv(4, 3)], name="sum"))


def test_relu_of_a_sum_is_relu():
    x = jnp.array([-2.0, -0.0, 0.0, 3.0, jnp.inf, -jnp.inf, jnp.nan])
    for function in (lambda f: f(x), lambda f: jax.grad(lambda x: f(x).sum())(x)):
        np.testing.assert_array_equal(function(relu_of_sum), function(jax.nn.relu))


def test_the_sums_of_residual_blocks_are_not_computed_again():
    def bytes_accessed(blocks):
        def loss(kernels, x):
            for kernel in kernels:
                x = relu_of_sum(x + (x.reshape(-1, 64) @ kernel).reshape(x.shape))
            return jnp.square(x).sum()

        arguments = [jnp.ones((64, 64))] * blocks, jnp.ones((8, 8, 8, 64))
        return jax.jit(jax.grad(loss)).lower(*arguments).compile().cost_analysis()["bytes accessed"]

    # with `jax.nn.relu` it is 2.85 times as much: each block reads what all before it have added
    assert bytes_accessed(16) < 2.3 * bytes_accessed(8)
