"""From pixels to the numbers that a network takes."""

import numpy as np

from jaxcnn.data.dataset import Dataset


def pixel_scaling(dataset: Dataset, scaling: str) -> tuple[np.ndarray, np.ndarray]:
    """(shift, scale), float32, so that the network's input is (pixels − shift) · scale.

    "none": 0…255; "unit": 0…1; "centered": −1…1; "zscore": by one mean and deviation of the
    training images; "zscore_per_channel": by each channel's. What does not vary is scaled by 1:
    an epsilon alone would multiply the noise of other pictures, of JPEG say, by 10⁷.
    """
    mean, std = {
        "none": (0.0, 1.0),
        "unit": (0.0, 255.0),
        "centered": (127.5, 127.5),
        "zscore": (dataset.scalar_mean, _divisor(dataset.scalar_std)),
        "zscore_per_channel": (dataset.pixel_mean, _divisor(dataset.pixel_std)),
    }[scaling]
    return np.float32(mean), np.float32(1.0 / np.asarray(std))


def faint_channels(dataset: Dataset, scaling: str) -> list[str]:
    """A line on each channel whose small deviations "zscore_per_channel" makes large."""
    if scaling != "zscore_per_channel":
        return []
    return [
        f"channel {channel} of the pictures hardly varies (standard deviation {std:.2g} of 255): "
        f"zscore_per_channel multiplies it by {1 / std:.3g}, and so the noise of other pictures; "
        "dataset.scaling = zscore does not"
        for channel, std in enumerate(dataset.pixel_std.tolist())
        if 0 < std < 1
    ]


def _divisor(std: float | np.ndarray) -> np.ndarray:
    return np.where(np.asarray(std) > 0, std + 1e-7, 1.0)
