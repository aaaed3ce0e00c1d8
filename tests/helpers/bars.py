"""A small dataset that a network can learn in seconds: the label is where the bright bar is."""

import numpy as np

from jaxcnn.data.dataset import Dataset, Split


def make_split(num_examples, image_shape, num_classes, rng):
    height, width, channels = image_shape
    labels = rng.integers(0, num_classes, num_examples).astype(np.int32)
    images = rng.integers(0, 120, (num_examples, height, width, channels), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, label * width // num_classes : (label + 1) * width // num_classes] += 100
    return Split(images, labels)


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
