"""Statistics of training pictures, and the pictures that lie far outside of them."""

from collections.abc import Mapping, Sequence

import numpy as np

Ranges = Mapping[str, Sequence[float]]  # by feature: low, median, high
_WORDS = {
    "brightness": "mean brightness",
    "border": "brightness of the border",
    "contrast": "contrast (standard deviation)",
    "contrast_red": "contrast (standard deviation) of the reds",
    "contrast_green": "contrast (standard deviation) of the greens",
    "contrast_blue": "contrast (standard deviation) of the blues",
}
_QUANTILES = (0.005, 0.5, 0.995)
# A usual picture lies outside of a range by at most so many of the range's widths. With this value,
# less than 0.4 % of the test pictures of digits, MNIST, CIFAR-10 and FER2013 are unusual.
_MARGIN = 0.5
_LEAST_WIDTH, _LEAST_OCTAVES = 8.0, 0.5  # least widths of the ranges of brightness and of contrast
_MOST, _FEW = 5_000, 500  # pictures of a sample
_TOO_FEW = 20  # with fewer training pictures there is no usual range
_FAINT = 16  # of 255: a contrast that is hardly visible
_ROWS = 256  # pictures in memory at a time


def feature_names(channels: int) -> tuple[str, ...]:
    """Return the names of the features of pictures: gray ones, colored ones, or arrays."""
    names = {1: ("contrast",), 3: ("contrast_red", "contrast_green", "contrast_blue")}
    others = tuple(f"contrast_{channel}" for channel in range(channels))
    return ("brightness", "border", *names.get(channels, others))


def features(images: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
    """Return the mean, the border's mean, and each channel's standard deviation of each picture.

    Args:
      images: uint8 (n, height, width, channels), possibly memory-mapped.
      indices: int (m,), positions of the pictures; None for all.

    Returns:
      float32 (m, 2 + channels), in the units of the pixels, in the order of `feature_names`.
    """
    indices = np.arange(len(images)) if indices is None else indices
    parts = [indices[start : start + _ROWS] for start in range(0, len(indices), _ROWS)]
    return np.concatenate([_features(images[part]) for part in parts])


def _features(images: np.ndarray) -> np.ndarray:
    pixels = images.astype(np.float32)
    border = [pixels[:, 0], pixels[:, -1], pixels[:, 1:-1, 0], pixels[:, 1:-1, -1]]
    border = np.concatenate(border, axis=1).mean(axis=(1, 2))
    brightness = pixels.mean(axis=(1, 2, 3))
    return np.column_stack([brightness, border, pixels.std(axis=(1, 2))])


def describe(images: np.ndarray, indices: np.ndarray | None = None) -> dict[str, list[float]]:
    """Return the usual range of each feature: its quantiles 0.5, 50 and 99.5 %.

    Args:
      images: see `features`; at most 5,000 pictures are read, evenly spread.
      indices: see `features`.
    """
    indices = np.arange(len(images)) if indices is None else indices
    rows = features(images, indices[_spread(len(indices))])
    ranges = np.quantile(rows, _QUANTILES, axis=0).T.round(2).tolist()
    return dict(zip(feature_names(images.shape[-1]), ranges, strict=True))


def picture_warnings(splits: Mapping[str, np.ndarray]) -> list[str]:
    """Return a line on each oddity of a set's pictures.

    Training pictures without contrast are odd, and so is a split that is unlike the training
    split.

    Args:
      splits: images by split, uint8 (n, height, width, channels).
    """
    others = {name: images for name, images in splits.items() if name != "train"}
    ranges, lines = describe(splits["train"]), []
    contrast = max(high for name, (_, _, high) in ranges.items() if name.startswith("contrast"))
    if contrast < _FAINT:
        lines.append(
            f"the training pictures hardly vary: their {_WORDS['contrast']} is at most "
            f"{contrast:.0f} of 255 (color files of 16 bits a channel are read by their upper 8 "
            "bits; convert them to 8 bits)"
        )
    if len(splits["train"]) < _TOO_FEW:
        return lines
    for name, images in others.items():
        sample = images[_spread(len(images), _FEW)]
        for words, positions in find_unusual(sample, ranges).items():
            if len(positions) > max(3, 0.1 * len(sample)):
                share = f"{len(positions)} of {len(sample)} pictures of {name}"
                lines.append(f"{share} are unlike the training pictures: {words}")
    return lines


def _spread(count: int, most: int = _MOST) -> np.ndarray:
    """Return at most `most` evenly spread positions of `count` pictures."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def is_constant(images: np.ndarray) -> np.ndarray:
    """Return whether each picture has one color: (n, height, width, channels) → bool (n,)."""
    return (images == images[:, :1, :1]).all(axis=(1, 2, 3))


def find_unusual(images: np.ndarray, ranges: Ranges | None) -> dict[str, np.ndarray]:
    """Return the pictures that lie far outside of the training pictures, by their oddity.

    Args:
      images: uint8 (n, height, width, channels).
      ranges: of the training pictures, from `describe`; None finds constant pictures only.

    Returns:
      Positions int (m,) of pictures by their oddity in words. A picture has at most one oddity.
    """
    constant = is_constant(images)
    unusual = {"of one color": np.flatnonzero(constant)}
    if ranges is not None:
        rows = features(images)
        names = feature_names(images.shape[-1])
        low, high = (np.array([ranges[name][end] for name in names]) for end in (0, 2))
        distance = _distance(rows, low, high)
        worst = np.abs(distance).argmax(axis=1)
        value = distance[np.arange(len(rows)), worst]
        for column, name in enumerate(names):
            for sign in (-1, 1):
                is_odd = ~constant & (worst == column) & (value * sign > _MARGIN)
                positions = np.flatnonzero(is_odd)
                words = _words(name, rows[positions, column], low[column], high[column])
                unusual[words] = positions
    return {words: positions for words, positions in unusual.items() if len(positions)}


def _distance(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return each feature's distance below (negative) or above its range, in widths of the range.

    Args:
      rows: features (n, 2 + channels); the result has the same shape.
      low: lower ends of the ranges, (2 + channels,).
      high: upper ends of the ranges, (2 + channels,).
    """
    rows, low, high = (_in_octaves(values) for values in (rows, low, high))
    width = high - low
    width[:2] = np.maximum(width[:2], _LEAST_WIDTH)
    width[2:] = np.maximum(width[2:], _LEAST_OCTAVES)
    return (np.minimum(rows - low, 0) + np.maximum(rows - high, 0)) / width


def _in_octaves(values: np.ndarray) -> np.ndarray:
    """Return the features with the logarithm of the contrast: half and double are equally far."""
    values = np.array(values, np.float64)
    values[..., 2:] = np.log2(values[..., 2:] + 1)
    return values


def _words(name: str, values: np.ndarray, low: float, high: float) -> str:
    """Return the values of a feature, and its range in training, in words."""
    if not len(values):
        return name
    least, most = round(values.min()), round(values.max())
    value = f"{least}" if least == most else f"{least} to {most}"
    channel = name.removeprefix("contrast_")
    feature = _WORDS.get(name, f"contrast (standard deviation) of channel {channel}")
    return f"{feature} {value}, in training {low:.0f} to {high:.0f}"
