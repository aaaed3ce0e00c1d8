"""What training pictures look like in a few numbers, and which other pictures are far from them."""

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
# How far a picture may lie outside of the range, in widths of the range. With half a width less
# than 0.4 % of the test pictures of digits, MNIST, CIFAR-10 and FER2013 lie outside.
_MARGIN = 0.5
_LEAST_WIDTH, _LEAST_OCTAVES = 8.0, 0.5  # of a range of brightness, of contrast
_MOST, _FEW = 5_000, 500  # pictures that are looked at
_TOO_FEW = 20  # training pictures, to tell what is usual
_FAINT = 16  # of 255: contrast that is hardly any
_ROWS = 256  # pictures that are in memory at a time


def feature_names(channels: int) -> tuple[str, ...]:
    """The features of grey pictures (one channel), or of colored ones (three)."""
    if channels == 1:
        return ("brightness", "border", "contrast")
    return ("brightness", "border", "contrast_red", "contrast_green", "contrast_blue")


def features(images: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
    """Of each picture the mean, that of the outermost pixels, each channel's standard deviation.

    Args:
      images: uint8 (n, height, width, channels); they may be memory-mapped.
      indices: int (m,), those that count; None for all.

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
    """The usual range of each feature: its quantiles 0.5, 50 and 99.5 %.

    Args:
      images, indices: see `features`; at most 5,000 pictures are read, evenly spread.
    """
    indices = np.arange(len(images)) if indices is None else indices
    found = features(images, indices[_spread(len(indices))])
    ranges = np.quantile(found, _QUANTILES, axis=0).T.round(2).tolist()
    return dict(zip(feature_names(images.shape[-1]), ranges, strict=True))


def doubts(splits: Mapping[str, np.ndarray]) -> list[str]:
    """What is odd in the pictures of a set, uint8 (n, height, width, channels) by split: training
    pictures with next to no contrast, another split that differs grossly from them."""
    others = {name: images for name, images in splits.items() if name != "train"}
    ranges, lines = describe(splits["train"]), []
    contrast = max(high for name, (_, _, high) in ranges.items() if name.startswith("contrast"))
    if contrast < _FAINT:
        lines.append(
            f"the training pictures hardly vary: their {_WORDS['contrast']} is at most "
            f"{contrast:.0f} of 255 (color files of 16 bits a channel are read by their upper 8 "
            "bits: convert such to 8 bits)"
        )
    if len(splits["train"]) < _TOO_FEW:
        return lines
    for name, images in others.items():
        some = images[_spread(len(images), _FEW)]
        for words, where in find_unusual(some, ranges).items():
            if len(where) > max(3, 0.1 * len(some)):
                share = f"{len(where)} of {len(some)} pictures of {name}"
                lines.append(f"{share} are unlike the training pictures: {words}")
    return lines


def _spread(count: int, most: int = _MOST) -> np.ndarray:
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def is_constant(images: np.ndarray) -> np.ndarray:
    """Whether all pixels of a picture have one color: (n, height, width, channels) → bool (n,)."""
    return (images == images[:, :1, :1]).all(axis=(1, 2, 3))


def find_unusual(images: np.ndarray, ranges: Ranges | None) -> dict[str, np.ndarray]:
    """The pictures that a network cannot know from its training, by what is unusual about them.

    Args:
      images: uint8 (n, height, width, channels).
      ranges: of the training pictures, from `describe`; None finds constant pictures alone.

    Returns:
      In words what they are → int (m,), their positions. A picture has one entry at most.
    """
    constant = is_constant(images)
    found = {"of one color": np.flatnonzero(constant)}
    if ranges is not None:
        rows = features(images)
        names = feature_names(images.shape[-1])
        low, high = (np.array([ranges[name][end] for name in names]) for end in (0, 2))
        distance = _distance(rows, low, high)
        worst = np.abs(distance).argmax(axis=1)
        value = distance[np.arange(len(rows)), worst]
        for column, name in enumerate(names):
            for sign in (-1, 1):
                where = np.flatnonzero(~constant & (worst == column) & (value * sign > _MARGIN))
                words = _words(name, rows[where, column], low[column], high[column])
                found[words] = where
    return {words: where for words, where in found.items() if len(where)}


def _distance(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """By how many widths of its range each feature lies below (negative) or above it, as `rows`."""
    rows, low, high = (_in_octaves(values) for values in (rows, low, high))
    width = high - low
    width[:2] = np.maximum(width[:2], _LEAST_WIDTH)
    width[2:] = np.maximum(width[2:], _LEAST_OCTAVES)
    return (np.minimum(rows - low, 0) + np.maximum(rows - high, 0)) / width


def _in_octaves(values: np.ndarray) -> np.ndarray:
    """The features with the logarithm of the contrast, in which half and double are as far."""
    values = np.array(values, np.float64)
    values[..., 2:] = np.log2(values[..., 2:] + 1)
    return values


def _words(name: str, values: np.ndarray, low: float, high: float) -> str:
    if not len(values):
        return name
    least, most = round(values.min()), round(values.max())
    own = f"{least}" if least == most else f"{least} to {most}"
    return f"{_WORDS[name]} {own}, in training {low:.0f} to {high:.0f}"
