"""The speed record's network: what its filters and layers begin as."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import models
from jaxcnn.models.airbench import WHITENING_EPSILON
from jaxcnn.nn.context import Context


@pytest.fixture(scope="module")
def network():
    return models.build("airbench", num_classes=10, image_shape=(32, 32, 3))


def smooth_colors(number):
    """Images whose pixels resemble their neighbours, uint8."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(number, 9, 9, 3)) + rng.normal(size=(number, 9, 9, 1))
    images = images[:, 1:, 1:] + images[:, :-1, 1:] + images[:, 1:, :-1] + images[:, :-1, :-1]
    return np.clip(128 + 25 * images, 0, 255).astype(np.uint8)


def test_the_whitening_layer_whitens():
    images = smooth_colors(3_000)

    def scale(pixels):
        return (pixels.astype(np.float32) - 128) / 64

    small = models.build("airbench", num_classes=10, image_shape=(32, 32, 3), widths=(4, 4, 4))
    layer = small.whiten
    start = {"whiten": {"kernel": layer.kernel[...]}, "other": {}}
    fitted = small.fit(start, images, scale)
    assert fitted.keys() == start.keys()
    layer.kernel.set_value(fitted["whiten"]["kernel"])
    outputs = layer(scale(jnp.asarray(images)), Context()) - layer.bias[...]
    outputs = np.asarray(outputs).reshape(-1, 24)
    np.testing.assert_allclose(outputs[:, :12], -outputs[:, 12:], atol=1e-4)
    covariance = outputs[:, :12].T @ outputs[:, :12] / len(outputs)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=2e-3)
    patches = np.lib.stride_tricks.sliding_window_view(scale(images), (2, 2), (1, 2))
    patches = patches.reshape(-1, 12)
    variances = np.linalg.eigvalsh(patches.T @ patches / len(patches))
    expected = variances / (variances + WHITENING_EPSILON)  # near 1
    assert expected.min() > 0.9
    np.testing.assert_allclose(np.diag(covariance), expected, rtol=2e-3)


def test_the_record_of_2025_whitens_by_fewer_images():
    images = smooth_colors(1_000)
    small = models.build("airbench2025", num_classes=10, image_shape=(32, 32, 3), widths=(4, 4, 4))
    fits = [
        small.fit({"whiten": {}}, images[:number], np.float32)["whiten"]["kernel"]
        for number in (960, 1_000, 959)
    ]
    np.testing.assert_array_equal(fits[0], fits[1])
    assert np.abs(fits[0] - fits[2]).max() > 0


def test_other_networks_have_nothing_to_whiten():
    network = models.build("mnist_small_bn", num_classes=10, image_shape=(28, 28, 1))
    stats = {"batch_norm1": {"mean": np.zeros(3)}}
    assert network.fit(stats, np.zeros((1, 8, 8, 3), np.uint8), lambda images: images) is stats


def test_convolutions_begin_as_the_identity(network):
    with jax.enable_x64(True):  # a CPU's form of the convolution is exact to rounding alone
        x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 7, 64)))
        out = np.asarray(network.conv3(x, Context()))
    assert out.shape == (2, 7, 7, 256)
    np.testing.assert_allclose(out[..., :64], x, rtol=1e-6)
    assert 0.2 < np.std(out[..., 64:]) < 1  # the others are drawn


def test_the_head_begins_with_deviation_one_and_divides_by_its_inputs(network):
    kernel = np.asarray(network.logits.kernel[...])
    assert np.std(kernel, ddof=1) == pytest.approx(1, rel=1e-5)
    ones = network.logits(jnp.ones((1, 256), jnp.bfloat16), Context())
    assert ones.dtype == jnp.float32  # not rounded
    np.testing.assert_allclose(ones[0], kernel.mean(axis=0), atol=1e-5)
