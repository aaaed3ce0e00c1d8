"""Building by name: options, errors in one line, seeds, and the time it takes."""

import jax
import numpy as np
import pytest
from flax import nnx

import jaxcnn
from jaxcnn import models
from jaxcnn.errors import UserError
from jaxcnn.nn import Dense, Dropout, Flatten

CIFAR = {"num_classes": 10, "image_shape": (32, 32, 3)}


def test_names_by_wildcard():
    assert models.network_names("mlp_*") == ["mlp_base", "mlp_model1", "mlp_model2"]
    assert models.network_names("nothing*") == []


def test_options_and_variants():
    assert models.network_options("mlp") == {"hidden": (512, 512, 256)}
    assert models.network_options("mlp_model2") == {"hidden": (256, 256, 256)}
    model = models.build("mlp", **CIFAR, hidden=[16])  # a list is as good as a tuple
    assert model.dense1.kernel[...].shape == (3072, 16)
    assert model.logits.kernel[...].shape == (16, 10)


@pytest.mark.usefixtures("own_parts")
def test_tuples_of_other_kinds_than_sizes():
    @jaxcnn.network("mine")
    def mine(num_classes, rates=(0.1, 0.2), kinds=("a",), shifts=(0, 1), others=(), widths=(8,)):
        return [Flatten(), Dropout(rates[1]), Dense(num_classes)]

    assert models.build("mine", **CIFAR).dropout1.rate == 0.2
    assert models.build("mine", **CIFAR, rates=[0.3, 0.0]).dropout1.rate == 0
    models.build(**models.model_config("mine"))  # its own defaults are allowed
    models.build("mine", shifts=(-1, 0), others=(0.5, "a"))
    with pytest.raises(UserError, match="option widths = .*sizes from 1 on"):
        models.build("mine", widths=(0,))


@pytest.mark.parametrize(
    "name, options, words",
    [
        ("lenett", {}, ["unknown network 'lenett'", "did you mean 'lenet'?"]),
        ("mlp", {"hiden": (5,)}, ["no option 'hiden'", "did you mean 'hidden'?"]),
        ("lenet", {"width": 2}, ["no option 'width'", "there are: none"]),
        ("mlp", {"hidden": 5}, ["option hidden must be a tuple", "not 5"]),
        ("mlp", {"hidden": (5, -5)}, ["option hidden = (5, -5)", "sizes from 1 on"]),
        ("mlp", {"hidden": ("a",)}, ["option hidden = ('a',)", "sizes from 1 on"]),
        ("lenet", {"num_classes": 0}, ["num_classes = 0: must be an integer from 1 on"]),
        ("lenet", {"image_shape": (28, 28)}, ["image_shape = (28, 28): must be (height,"]),
        ("lenet", {"image_shape": (12, 40, 3)}, ["lenet", "12x40", "after conv2", "16x16"]),
        ("googlenet", {"image_shape": (8, 8, 3)}, ["googlenet", "after max_pool2", "25x25"]),
        ("mnist_vanilla", {}, ["mnist_vanilla", "32x32", "(90,)", "28x28"]),
    ],
)
def test_mistakes_are_answered_in_one_line(name, options, words):
    with pytest.raises(UserError) as caught:
        models.build(name, **(CIFAR | options))
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), caught.value


def test_smallest_size_is_taken():
    models.build("lenet", num_classes=10, image_shape=(16, 16, 1))


def test_the_published_sizes_are_the_default():
    model = jaxcnn.build("mnist_vanilla")
    assert (model.num_classes, model.image_shape) == (10, (28, 28, 1))
    model = jaxcnn.build("mlp", num_classes=np.int64(3), image_shape=[4, 4, 1], hidden=(5,))
    assert (model.num_classes, model.image_shape) == (3, (4, 4, 1))
    assert "lenet" in jaxcnn.network_names()


def test_lines_that_do_not_fit_are_answered_in_one_line(monkeypatch):
    entry = models.registry.Entry(lambda num_classes: [Dense(num_classes)], {}, (8, 8, 3), 4)
    monkeypatch.setitem(models.registry._ENTRIES, "mine", entry)
    with pytest.raises(UserError, match="^network mine: dense1 takes inputs .* put Flatten"):
        jaxcnn.build("mine")


def test_seed_decides_the_parameters():
    def kernel(seed):
        return np.asarray(models.build("lenet", **CIFAR, seed=seed).conv1.kernel[...])

    assert np.array_equal(kernel(1), kernel(1))
    assert not np.array_equal(kernel(1), kernel(2))


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "lenet"])
def test_building_compiles_nothing(name):
    compiled = []

    def listener(event, *_, **__):
        if "compile" in event:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        jax.block_until_ready(nnx.state(models.build(name, **CIFAR)))
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)
    assert not compiled
