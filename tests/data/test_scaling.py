"""From pixels to the network's input, where pixels do not vary too."""

import dataclasses

import numpy as np
import pytest

from jaxcnn.data.dataset import Split
from jaxcnn.data.scaling import faint_channels, pixel_scaling


def with_pixels(dataset, images):
    return dataclasses.replace(
        dataset,
        splits={"train": Split(images, np.zeros(len(images), np.int32))},
        pixel_mean=images.mean((0, 1, 2), dtype=np.float32),
        pixel_std=images.std((0, 1, 2), dtype=np.float32),
        scalar_mean=float(images.mean()),
        scalar_std=float(images.std()),
    )


@pytest.fixture
def images():
    """Red varies, green is 9, blue is 0."""
    images = np.zeros((50, 8, 8, 3), np.uint8)
    images[..., 0] = np.random.default_rng(0).integers(0, 256, images.shape[:3])
    images[..., 1] = 9
    return images


def test_a_channel_that_does_not_vary_keeps_its_scale(dataset, images):
    shift, scale = pixel_scaling(with_pixels(dataset, images), "zscore_per_channel")
    assert shift[1:].tolist() == [9, 0] and scale[1:].tolist() == [1, 1]
    noise = np.array([0, 3, 3], np.float32)  # of JPEG, in a picture that is asked about
    assert np.abs((images[0] + noise - shift) * scale).max() <= 3


def test_pictures_of_one_color_keep_their_scale(dataset, images):
    constant = with_pixels(dataset, np.full_like(images, 7))
    for scaling in ("zscore", "zscore_per_channel"):
        shift, scale = pixel_scaling(constant, scaling)
        assert (np.unique(shift), np.unique(scale)) == (7, 1)


def test_what_varies_is_divided_by_its_deviation(dataset, images):
    varied = with_pixels(dataset, images)
    _, scale = pixel_scaling(varied, "zscore_per_channel")
    assert scale[0] == np.float32(1.0 / (varied.pixel_std[0] + 1e-7))  # to the last bit
    _, scale = pixel_scaling(varied, "zscore")
    assert scale == np.float32(1.0 / (varied.scalar_std + 1e-7))


def test_a_channel_that_hardly_varies_is_told(dataset, images):
    assert faint_channels(with_pixels(dataset, images), "zscore_per_channel") == []
    images[0, 0, 0, 2] = 8
    nearly = with_pixels(dataset, images)
    (line,) = faint_channels(nearly, "zscore_per_channel")
    assert line.startswith("channel 2 of the pictures hardly varies (standard deviation 0.14 of")
    assert faint_channels(nearly, "zscore") == []
