"""A network as an `nnx.Module`: its call, its heads and features, and the tools of Flax on it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxcnn
from jaxcnn.errors import UserError
from jaxcnn.models import Network
from jaxcnn.nn import (
    AuxHead,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Sequential,
)
from jaxcnn.nn.heads import to_scores

MODES = {"deterministic": True, "use_running_average": True}
PLAIN = {"width": 160, "force_terminal": False}


def small(**options):
    """BatchNorm, dropout and an auxiliary head, on 8x8 images, for four classes."""
    lines = [
        Conv(4, 3, activation="relu"),
        BatchNorm(),
        AuxHead(Flatten(), Dense(4), name="aux"),
        GlobalAveragePool(),
        Dropout(0.5),
        Dense(4, name="logits"),
    ]
    return Network(lines, name="small", num_classes=4, image_shape=(8, 8, 3), **options)


def images(examples=6):
    return np.random.default_rng(0).random((examples, 8, 8, 3), np.float32)


def test_a_call_gives_logits_in_training_and_evaluation():
    model = small()
    key = jax.random.key(0)
    heads = model(images(), heads=True, key=key)
    logits = model(images(), key=key)
    assert set(heads) == {"main", "aux"}
    np.testing.assert_array_equal(logits, to_scores(heads))
    np.testing.assert_allclose(jax.nn.softmax(logits).sum(-1), 1, rtol=1e-5)
    model.eval()
    assert (model(images()).shape, model(images()).dtype) == ((6, 4), jnp.float32)


def test_one_key_is_split_over_the_examples():
    model, key = small(), jax.random.key(3)
    expected = model(images(), keys=jax.random.split(key, 6))
    np.testing.assert_array_equal(model(images(), key=key), expected)
    np.testing.assert_array_equal(model(images(), key=jax.random.PRNGKey(3)), expected)
    assert not np.array_equal(model(images(), key=jax.random.key(4)), expected)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({}, "dropout1 needs a PRNG key in training: call the model with key=jax.random.key(0)"),
        ({"key": 0}, "key must be one PRNG key such as jax.random.key(0), not 0"),
        ({"key": jax.random.split(jax.random.key(0), 6)}, "for the whole batch, not of shape (6,)"),
        ({"images": images()[0]}, r"small takes images (batch, 8, 8, 3), not (8, 8, 3)"),
        (
            {"images": images()[:, :5]},
            "not (6, 5, 8, 3); for these build it with image_shape=(5, 8",
        ),
        ({"images": images().astype(np.uint8)}, "small takes float images, scaled as those of its"),
    ],
)
def test_a_wrong_call_is_answered_in_one_line(arguments, words):
    with pytest.raises(UserError) as caught:
        small()(**({"images": images()} | arguments))
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name, last", [("lenet", 84), ("resnet18", 512), ("googlenet", 1000), ("vgg16_bn", 4096)]
)
def test_features_are_the_input_of_the_last_dense_layer(name, last):
    model = jaxcnn.build(name, abstract=True)
    model.eval()
    graph, state = nnx.split(model)

    def run(state, images):
        model, outputs = nnx.merge(graph, state), {}
        return model.features(images), model(images, intermediates=outputs), outputs

    inputs = jax.ShapeDtypeStruct((2, *model.image_shape), jnp.float32)
    features, logits, _ = jax.eval_shape(run, state, inputs)
    assert (features.shape, features.dtype) == ((2, last), jnp.float32)
    assert logits.shape == (2, model.num_classes)


def test_the_classifier_on_the_features_gives_the_logits():
    model = jaxcnn.build("lenet", num_classes=7)
    assert model.num_classes == 7 and model.image_shape == (32, 32, 3)
    images = np.random.default_rng(0).random((3, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(model.logits(model.features(images)), model(images))


def test_a_network_without_a_dense_layer_has_no_features():
    model = Network(
        [Conv(4, 3), GlobalAveragePool()], name="n", num_classes=4, image_shape=(8, 8, 3)
    )
    with pytest.raises(UserError, match="n has no dense layer"):
        model.features(images())


@pytest.mark.parametrize("lines", [[Flatten], [Flatten, lambda: Dense(5)]])
def test_the_features_are_not_the_input_of_another_dense_layer(lines):
    head = Sequential(Dense(4), name="head")
    model = Network(
        [*(line() for line in lines), head], name="n", num_classes=4, image_shape=(8, 8, 3)
    )
    with pytest.raises(UserError, match=r"n has its last dense layer inside head, .*intermed"):
        model.features(images())


def test_an_auxiliary_head_has_no_features():
    lines = [Flatten(), Dense(4), AuxHead(Dense(4))]
    model = Network(lines, name="n", num_classes=4, image_shape=(8, 8, 3))
    assert model.features(images()).shape == (6, 192)


def test_a_view_changes_modes_and_shares_the_arrays():
    model = small()
    view = nnx.view(model, **MODES)
    before = np.asarray(view(images()))
    assert view.dropout1.deterministic and not model.dropout1.deterministic
    model(images(), key=jax.random.key(0))  # in training: it moves the running averages
    assert not np.array_equal(view(images()), before)
    plain = jaxcnn.build("lenet")  # neither BatchNorm nor dropout
    assert nnx.view(plain, **MODES).conv1.kernel is plain.conv1.kernel


def test_tabulate_shows_each_layer():
    total = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(small())))
    for model, key in ((small(), jax.random.key(0)), (nnx.view(small(), **MODES), None)):
        table = nnx.tabulate(model, images(), key=key, console_kwargs=PLAIN)
        assert all(word in table for word in ("batch_norm1", "aux/dense1", "float32[6,4]"))
        assert f"Total Parameters: {total}" in table


def test_split_and_merge_keep_everything():
    model = nnx.view(small(), **MODES)
    merged = nnx.merge(*nnx.split(model))
    np.testing.assert_array_equal(merged(images()), model(images()))


def test_ten_lines_of_optax_train_it():
    model, labels = small(), np.arange(6) % 4
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, key):
        def loss_of(model):
            logits = model(images(), key=key)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        loss, gradients = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradients)
        return loss

    mean = np.asarray(model.batch_norm1.mean[...])
    losses = [float(step(model, optimizer, jax.random.key(i))) for i in range(60)]
    assert np.mean(losses[-10:]) < 0.6 * losses[0]
    assert not np.array_equal(model.batch_norm1.mean[...], mean)
    model.eval()
    assert model(images()).shape == (6, 4)
