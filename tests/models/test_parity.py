"""The networks against the same networks written in Keras (run where Keras is installed).

In float64, where the two must agree to rounding; in float32 a ReLU at zero may go either way.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict

from jaxcnn import models

keras = pytest.importorskip("keras")
L = keras.layers


def conv(x, filters, size, name, activation=None, padding="valid", strides=1, l2=0.0):
    regularizer = keras.regularizers.L2(l2) if l2 else None
    options = {"activation": activation, "padding": padding, "strides": strides}
    return L.Conv2D(filters, size, name=name, kernel_regularizer=regularizer, **options)(x)


def dense(x, units, name, activation=None):
    return L.Dense(units, activation=activation, name=name)(x)


def lenet():
    images = x = keras.Input((32, 32, 3))
    x = L.AveragePooling2D(2)(conv(x, 6, 5, "conv1", "relu"))
    x = L.Flatten()(L.AveragePooling2D(2)(conv(x, 16, 5, "conv2", "relu")))
    x = dense(dense(x, 120, "dense1", "relu"), 84, "dense2", "relu")
    return keras.Model(images, dense(x, 10, "logits"))


def simpler_cnn():
    images = x = keras.Input((32, 32, 3))
    for i, filters in enumerate((32, 32, 64, 64, 128, 128), 1):
        x = conv(x, filters, 3, f"conv{i}", "elu", "same", l2=1e-4)
        x = L.BatchNormalization(name=f"batch_norm{i}")(x)
        x = L.MaxPooling2D()(x) if i % 2 == 0 else x
    return keras.Model(images, dense(L.Flatten()(x), 10, "logits"))


def mnist_bn_dropout():
    images = x = keras.Input((28, 28, 1))
    norm = 0
    for i, (filters, size) in enumerate(
        [(12, 3), (20, 3), (10, 1), (16, 3), (16, 3), (16, 3), (16, 3)], 1
    ):
        x = conv(x, filters, size, f"conv{i}", "relu")
        if size == 1:
            x = L.MaxPooling2D()(x)
        else:
            norm += 1
            x = L.BatchNormalization(name=f"batch_norm{norm}")(x)
    return keras.Model(images, L.Flatten()(conv(x, 10, 4, "conv8")))


def inception(x, name, f1, f2_in, f2, f3_in, f3, f4):
    def part(x, filters, size, where):
        return conv(x, filters, size, f"inception_{name}__{where}", "relu", "same")

    a = part(x, f1, 1, "branch1__conv1")
    b = part(part(x, f2_in, 1, "branch2__conv1"), f2, 3, "branch2__conv2")
    c = part(part(x, f3_in, 1, "branch3__conv1"), f3, 5, "branch3__conv2")
    d = part(L.MaxPooling2D(3, strides=1, padding="same")(x), f4, 1, "branch4__conv1")
    return L.Concatenate()([a, b, c, d])


def head(x, name):
    x = conv(L.AveragePooling2D(5, strides=3)(x), 128, 1, f"{name}__conv1", "relu", "same")
    return dense(dense(L.Flatten()(x), 256, f"{name}__dense1", "relu"), 10, f"{name}__logits")


def googlenet():
    def stem(x, filters, number, strides=1):
        x = conv(x, filters, 3, f"conv{number}", strides=strides)
        return L.ReLU()(L.BatchNormalization(name=f"batch_norm{number}")(x))

    images = keras.Input((32, 32, 3))
    x = stem(L.ZeroPadding2D(3)(images), 32, 1, strides=2)
    x = stem(stem(L.MaxPooling2D(2, strides=1)(x), 192, 2), 192, 3)
    x = inception(L.MaxPooling2D(2, strides=1)(x), "3a", 64, 96, 128, 16, 32, 32)
    x = inception(x, "3b", 128, 128, 192, 32, 96, 64)
    x = inception(L.MaxPooling2D(2, strides=1)(x), "4a", 192, 96, 208, 16, 48, 64)
    aux1 = head(x, "aux1")
    x = inception(x, "4b", 160, 112, 224, 24, 64, 64)
    x = inception(x, "4c", 128, 128, 256, 24, 24, 64)
    x = inception(x, "4d", 112, 144, 288, 32, 64, 64)
    aux2 = head(x, "aux2")
    x = inception(x, "4e", 256, 120, 320, 32, 128, 128)
    x = inception(L.MaxPooling2D(2, strides=1)(x), "5a", 256, 160, 320, 32, 128, 128)
    x = inception(x, "5b", 384, 192, 384, 48, 128, 128)
    x = L.Flatten()(L.AveragePooling2D(7, strides=1)(x))
    main = dense(dense(x, 1000, "dense1", "relu"), 10, "main")
    return keras.Model(images, {"main": main, "aux1": aux1, "aux2": aux2})


def resnet50():
    def norm(x, name):
        return L.BatchNormalization(name=name)(x)

    def block(x, where, filters, strides, project):
        first, second, third = filters
        short = x
        x = norm(
            conv(x, first, 1, f"{where}__main__conv1", strides=strides),
            f"{where}__main__batch_norm1",
        )
        x = conv(L.ReLU()(x), second, 3, f"{where}__main__conv2", padding="same")
        x = L.ReLU()(norm(x, f"{where}__main__batch_norm2"))
        x = norm(conv(x, third, 1, f"{where}__main__conv3"), f"{where}__main__batch_norm3")
        if project:
            short = conv(short, third, 1, f"{where}__shortcut__conv1", strides=strides)
            short = norm(short, f"{where}__shortcut__batch_norm1")
        return L.ReLU()(L.Add()([x, short]))

    images = keras.Input((32, 32, 3))
    x = conv(L.ZeroPadding2D(3)(images), 64, 7, "conv1", padding="same", strides=2)
    x = L.MaxPooling2D(3, strides=2)(L.ReLU()(norm(x, "batch_norm1")))
    for stage, width, blocks in ((2, 64, 3), (3, 128, 4), (4, 256, 6), (5, 512, 3)):
        for letter in "abcdef"[:blocks]:
            strides = 2 if letter == "a" and stage > 2 else 1
            x = block(x, f"stage{stage}{letter}", (width, width, 4 * width), strides, letter == "a")
    return keras.Model(images, dense(L.Flatten()(L.AveragePooling2D(2)(x)), 10, "logits"))


NAMES = {"gamma": "scale", "beta": "bias", "moving_mean": "mean", "moving_variance": "var"}


def our_path(variable):
    layer, name = variable.path.rsplit("/", 1)
    return (*layer.rsplit("/", 1)[-1].split("__"), NAMES.get(name, name))


def loss_of(outputs, labels):
    outputs = outputs if isinstance(outputs, dict) else {"main": outputs}
    total = 0.0
    for name, logits in outputs.items():
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
        total -= chosen.mean() * (1.0 if name == "main" else 0.3)
    return total


def error(ours, theirs):
    return float(np.abs(ours - theirs).max() / (np.abs(theirs).max() + 1e-12))


def ours_step(model, images, labels):
    """Loss gradients and running statistics after a training step, by path."""
    model.train()
    model.set_attributes(deterministic=True, raise_if_not_found=False)
    graphdef, params, stats = nnx.split(model, nnx.Param, nnx.BatchStat)
    stats = nnx.to_pure_dict(stats)

    def loss(params):
        model = nnx.merge(graphdef, nnx.State(params), nnx.State(stats))
        value = loss_of(model(images, dtype=images.dtype), labels) + model.penalty()
        return value, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))

    grads, stats = jax.jit(jax.grad(loss, has_aux=True))(nnx.to_pure_dict(params))
    return flatten_dict(grads), flatten_dict(stats)


def keras_step(model, images, labels):
    """The same of the Keras model."""

    def loss(trainable):
        rest = [v.value for v in model.non_trainable_variables]
        outputs, stats, extra = model.stateless_call(
            trainable, rest, images, training=True, return_losses=True
        )
        return loss_of(outputs, labels) + sum(extra), stats

    values = [v.value for v in model.trainable_variables]
    grads, stats = jax.jit(jax.grad(loss, has_aux=True))(values)
    paths = [our_path(v) for v in model.trainable_variables]
    rest = [our_path(v) for v in model.non_trainable_variables]
    return dict(zip(paths, grads, strict=True)), dict(zip(rest, stats, strict=True))


@pytest.fixture
def float64(monkeypatch):
    """Compute in float64, ours and Keras (whose BatchNorm would fall back to float32)."""
    jax.config.update("jax_enable_x64", True)
    keras.config.set_floatx("float64")
    monkeypatch.setattr("keras.src.backend.result_type", lambda *types: "float64")
    yield
    jax.config.update("jax_enable_x64", False)
    keras.config.set_floatx("float32")


def widened(model):
    """The model with its parameters and statistics in float64, and these by path."""
    graphdef, state = nnx.split(model)
    state = jax.tree.map(lambda x: np.asarray(x, np.float64), nnx.to_pure_dict(state))
    return nnx.merge(graphdef, nnx.State(state)), flatten_dict(state)


SLOW = [pytest.param(network, marks=pytest.mark.slow) for network in (googlenet, resnet50)]


@pytest.mark.parametrize("reference", [lenet, simpler_cnn, mnist_bn_dropout, *SLOW])
def test_network_equals_keras(reference, float64):
    theirs = reference()
    shape = tuple(theirs.input.shape[1:])
    ours = models.build(reference.__name__, num_classes=10, image_shape=shape, seed=3)
    ours, values = widened(ours)
    assert {our_path(v) for v in theirs.variables} == set(values)
    for variable in theirs.variables:
        variable.assign(values[our_path(variable)])

    rng = np.random.default_rng(0)
    images = rng.random((8, *shape))
    labels = jnp.asarray(rng.integers(0, 10, 8))
    ours.eval()
    logits = jax.tree.leaves(ours(images, dtype=images.dtype))
    expected = jax.tree.leaves(theirs(images, training=False))
    errors = {"logits": max(map(error, logits, expected))}
    grads, stats = ours_step(ours, images, labels)
    their_grads, their_stats = keras_step(theirs, images, labels)
    # The bias in front of a BatchNorm has no gradient but rounding: compare with the others' size.
    scale = max(float(np.abs(g).max()) for g in their_grads.values())
    for path, grad in their_grads.items():
        difference = float(np.abs(grads[path] - grad).max())
        errors["gradient " + "/".join(path)] = difference / max(np.abs(grad).max(), 1e-3 * scale)
    for path, stat in their_stats.items():
        errors["statistics " + "/".join(path)] = error(stats[path], stat)
    worst = max(errors, key=errors.get)
    print(reference.__name__, "logits", errors["logits"], worst, errors[worst])
    assert errors[worst] < 1e-8, worst
