"""A trained network of a user's own layers: its probes and its exported file."""

import jax
import numpy as np
import pytest
from flax import nnx
from jax import export

from jaxcnn.config.defaults import default_config
from jaxcnn.data.pictures.conversion import Conversion
from jaxcnn.errors import UserError
from jaxcnn.evaluation import probes
from jaxcnn.evaluation.export import to_stablehlo
from jaxcnn.evaluation.trained import Trained
from jaxcnn.models import Network
from jaxcnn.nn import BatchNorm, Conv, Dense, Flatten, Sequential
from jaxcnn.nn.layer import Layer


class Weighted(Layer):
    """A product with a parameter that is not called kernel."""

    def setup(self, shape, scope):
        self.weight = nnx.Param(scope.create("weight", shape[-1:], lambda *_: np.ones(3, "f4")))
        return shape

    def _forward(self, x, context):
        return x * self.weight[...]


class Center(Layer):
    """Writes its mean in evaluation too."""

    def setup(self, shape, scope):
        self.mean = nnx.BatchStat(scope.create("mean", (), lambda *_: np.zeros((), "f4")))
        return shape

    def _forward(self, x, context):
        self.mean.set_value(self.mean[...] + x.mean())
        return x


class MyConv(Conv):
    """A convolution of jaxcnn under another name."""


def trained(*lines):
    model = Network([*lines, Flatten(), Dense(4)], name="n", num_classes=4, image_shape=(8, 8, 3))
    model.eval()
    run = (None, default_config(), "best", 0, 0, {}, model)
    scaling = np.float32(120), np.float32(1 / 64)
    return Trained(*run, tuple("abcd"), model.image_shape, *scaling, Conversion(), None)


@pytest.mark.parametrize(
    "lines, path",
    [
        ([Conv(4, 3)], "conv1"),
        ([MyConv(4, 3)], "conv1"),
        ([jax.nn.relu, BatchNorm(), Sequential(Conv(4, 3))], "sequential1/conv1"),
        ([Weighted(), Conv(4, 3)], None),
        ([nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0)), Conv(4, 3)], None),
        ([], None),
    ],
)
def test_filters_are_drawn_of_the_first_layer_alone(lines, path):
    first = probes.first_conv(trained(*lines))
    assert (first and first.path) == path


def test_a_layer_that_writes_its_statistics_in_evaluation():
    network = trained(Conv(4, 3), Center())
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    logits = network.logits(images)
    assert probes.choose_layers(network) == ("conv1", "layer1")
    _, maps = probes.saliency_and_maps(network, images, ["conv1"])
    assert maps["conv1"].shape == (3, 6, 6, 4)
    assert probes.grad_cam(network, images).shape == (3, 8, 8)
    exported = export.deserialize(to_stablehlo(network))
    np.testing.assert_allclose(exported.call(images), logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(jax.jit(network.forward)(images), logits, rtol=1e-5, atol=1e-5)
    assert network.model.layer1.mean[...] == 0


def test_an_exported_batch_has_no_length():
    with pytest.raises(UserError, match=r"^[^\n]*; the exported batch .*: use x.shape\[0\]"):
        to_stablehlo(trained(lambda x: x.reshape(len(x), -1)))
