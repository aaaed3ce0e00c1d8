"""Scaling of pixels to the numbers that a network takes."""

import numpy as np

from jaxcnn.data.dataset import Dataset

Scaling = np.ndarray | np.float32  # (channels,) or a scalar


def pixel_scaling(dataset: Dataset, scaling: str) -> tuple[Scaling, Scaling]:
    """Return shift and scale, float32: the network's input is (pixels - shift) * scale.

    Channels without variation get the scale 1. Dividing by an epsilon instead would multiply the
    noise of other pictures, for example of JPEG, by 10⁷.

    Args:
      dataset: its training split has the statistics.
      scaling: "none" (0 to 255), "unit" (0 to 1), "centered" (-1 to 1), "zscore" (by mean and
        standard deviation over all pixels), or "zscore_per_channel" (by those of each channel).

    Returns:
      Two scalars, or two arrays (channels,) for "zscore_per_channel".
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
    """Return a line for each channel whose little variation "zscore_per_channel" magnifies."""
    if scaling != "zscore_per_channel":
        return []
    return [
        f"channel {channel} of the pictures hardly varies (standard deviation {std:.2g} of 255); "
        f"zscore_per_channel multiplies it, and the noise of other pictures, by {1 / std:.3g}; "
        "dataset.scaling = zscore does not"
        for channel, std in enumerate(dataset.pixel_std.tolist())
        if 0 < std < 1
    ]


def _divisor(std: float | np.ndarray) -> np.ndarray:
    return np.where(np.asarray(std) > 0, std + 1e-7, 1.0)
