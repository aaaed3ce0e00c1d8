"""A small dataset that a network can learn in seconds: the label is where the bright bar is."""

import io

import numpy as np
import pytest

from jaxcnn import api
from jaxcnn.config.defaults import default_config
from jaxcnn.data.dataset import Dataset, Split
from jaxcnn.reporting.terminal.console import Console


def make_split(num_examples, image_shape, num_classes, rng):
    height, width, channels = image_shape
    labels = rng.integers(0, num_classes, num_examples).astype(np.int32)
    images = rng.integers(0, 120, (num_examples, height, width, channels), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, label * width // num_classes : (label + 1) * width // num_classes] += 100
    return Split(images, labels)


@pytest.fixture(scope="session")
def dataset():
    """300 training and 90 test images 16x16x1 of 4 classes."""
    return make_dataset(16)


@pytest.fixture(scope="session")
def dataset28():
    """The same at 28x28x1."""
    return make_dataset(28)


@pytest.fixture(scope="session")
def dataset32():
    """The same at 32x32x3."""
    return make_dataset(32, channels=3)


def make_dataset(size, channels=1):
    rng = np.random.default_rng(0)
    splits = {
        "train": make_split(300, (size, size, channels), 4, rng),
        "test": make_split(90, (size, size, channels), 4, rng),
    }
    pixels = splits["train"].images
    return Dataset(
        name="bars",
        class_names=("left", "middle left", "middle right", "right"),
        splits=splits,
        pixel_mean=pixels.mean((0, 1, 2), dtype=np.float32),
        pixel_std=pixels.std((0, 1, 2), dtype=np.float32),
        scalar_mean=float(pixels.mean()),
        scalar_std=float(pixels.std()),
    )


@pytest.fixture
def config():
    """Two epochs of LeNet in batches of 64, on two devices; 300 images leave a short batch."""
    config = default_config()
    config.num_devices = 2
    config.num_epochs = 2
    config.optimizer.learning_rate = 3e-3
    return config


@pytest.fixture
def train(monkeypatch, dataset):
    """Trains a config in a folder, on `dataset` or another; gives the result and what was
    printed."""

    def train(config, workdir, data=dataset):
        monkeypatch.setattr(api, "load_run_data", lambda *_: data)
        monkeypatch.setattr(api, "score_run", lambda *_, **__: None)  # its pictures take seconds
        printed = io.StringIO()
        result = api.train(config, workdir, Console(printed))
        return result, printed.getvalue()

    return train
