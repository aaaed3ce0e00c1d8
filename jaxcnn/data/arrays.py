"""A user's arrays, checked and copied, so that a later change of them does not change a run."""

import mmap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.data.datasets.registry import DATASETS
from jaxcnn.data.tfds_names import TFDS
from jaxcnn.errors import UserError
from jaxcnn.text import one_line, shorten

_MOST_UNNAMED = 100_000  # a larger label without class names is a mistake
_IMAGE_SIDE = 16  # more channels than an image has, so it is a side
_TOLERANCE = 1e-3  # of the sum of a distribution
_COUNTED_FROM_ZERO = "labels count from 0"


def check_images(split: str, images: Any) -> np.ndarray:
    """Return a split's images as a read-only array, uint8 (n, height, width, channels).

    A memory-mapped array that is open for reading alone stays on the disk, so that it can be
    streamed. Any other array is copied.

    Args:
      split: the name of the split, for errors.
      images: see `to_images`.

    Raises:
      UserError: see `to_images`.
    """
    array = to_images(f"the images of {split}", images)
    return array if _is_safe_on_disk(array) else _copy(array)


def to_images(subject: str, images: Any) -> np.ndarray:
    """Return images as an array, uint8 (n, height, width, channels), copied only if necessary.

    Args:
      subject: what the images are, for errors.
      images: uint8 (n, height, width), or (n, height, width, channels).

    Raises:
      UserError: the images have another dtype or shape, or there are none.
    """
    array = to_array(subject, images)
    if not array.size:
        raise UserError(f"{subject}: are empty, their shape is {array.shape}")
    if array.dtype != np.uint8:
        hint = "" if array.dtype.kind != "f" else _float_hint(array)
        raise UserError(f"{subject}: are {array.dtype}; pixels must be uint8, 0…255{hint}")
    if array.ndim not in (3, 4):
        raise UserError(
            f"{subject}: have the shape {array.shape}; it must be (n, height, width) "
            "or (n, height, width, channels)"
        )
    _refuse_channels_first(subject, array.shape)
    return array[..., None] if array.ndim == 3 else array


def to_array(subject: str, values: Any) -> np.ndarray:
    """Return values as an array of NumPy, copied only if necessary.

    Args:
      subject: what the values are, for errors.
      values: an array, or anything that NumPy converts to one.

    Raises:
      UserError: NumPy cannot convert them, or the array is masked or holds objects.
    """
    try:
        array = np.asanyarray(values)
    except Exception as error:  # an array of another library can raise anything
        reason = shorten(one_line(error), 121)
        raise UserError(f"{subject}: cannot be read as one array ({reason})") from error
    if isinstance(array, np.ma.MaskedArray) or array.dtype == object:
        raise UserError(f"{subject}: are {type(values).__name__}; they must be a plain array")
    return array


def _refuse_channels_first(subject: str, shape: tuple[int, ...]) -> None:
    """Refuse images with one or three channels in front, as PyTorch has them.

    Signals in several channels may be images of one row.
    """
    if len(shape) != 4 or shape[1] not in (1, 3):
        return
    if shape[2] == shape[3] > 4 or min(shape[2:]) >= _IMAGE_SIDE:
        raise UserError(
            f"{subject}: have the shape {shape}, channels first; it must be (n, height, width, "
            "channels): use images.transpose(0, 2, 3, 1)"
        )


def check_labels(
    split: str, labels: Any, num_images: int, num_classes: int | None = None
) -> np.ndarray:
    """Return a split's labels as a read-only copy, int32 (n,) or float32 (n, num_classes).

    Args:
      split: the name of the split, for errors.
      labels: integers (n,), or float distributions (n, num_classes).
      num_images: the n of the split's images.
      num_classes: the number of class names; None if there are none.

    Raises:
      UserError: the labels have another dtype, shape or number, or do not fit the class names.
    """
    array = to_array(f"the labels of {split}", labels)
    is_distribution = array.ndim == 2 and array.dtype.kind == "f"
    if not is_distribution and (array.ndim != 1 or array.dtype.kind not in "iu"):
        raise UserError(
            f"the labels of {split}: are {array.dtype} of the shape {array.shape}; they must be "
            "integers (n,), or float distributions (n, classes)"
        )
    if len(array) != num_images:
        raise UserError(f"{split}: has {num_images:,} images and {len(array):,} labels")
    if is_distribution:
        _check_distributions(split, array, num_classes)
        return _copy(array.astype(np.float32))
    most = (_MOST_UNNAMED if num_classes is None else num_classes) - 1
    wrong = np.flatnonzero((array < 0) | (array > most))
    if len(wrong):
        count = "" if num_classes is None else f", for {num_classes} class names"
        raise UserError(
            f"the labels of {split}: label {array[wrong[0]]} at index {wrong[0]} must be in "
            f"0…{most}{count}; {_COUNTED_FROM_ZERO}"
        )
    return _copy(array.astype(np.int32))


def check_same_kind(images: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> None:
    """Check that the splits have images of one shape, and labels of one kind.

    Args:
      images: uint8 (n, height, width, channels) by split.
      labels: int32 (n,) or float32 (n, num_classes) by split.

    Raises:
      UserError: a split differs from "train".
    """
    for split in images:
        shape, expected = images[split].shape[1:], images["train"].shape[1:]
        if shape != expected:
            raise UserError(
                f"the images of {split}: have the shape {shape}; those of train have {expected}"
            )
        if labels[split].shape[1:] != labels["train"].shape[1:]:
            raise UserError(
                f"the labels of {split}: have the shape {labels[split].shape}; those of train have "
                f"{labels['train'].shape}"
            )


def check_class_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the classes.

    Raises:
      UserError: they are no list, a name is not a text or occurs twice, or there are fewer than
        two.
    """
    if isinstance(names, str):
        raise UserError(f"class_names: is the text {names!r}; it must be a list of names")
    if not isinstance(names, Iterable):
        raise UserError(f"class_names: is {names!r}; it must be a list of names")
    if isinstance(names, (set, frozenset)):
        raise UserError("class_names: is a set, which has no order; it must be a list of names")
    checked = tuple(names)
    for name in checked:
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"class_names: {name!r} must be a text")
        if name != name.encode(errors="replace").decode():
            raise UserError(f"class_names: {name!r} cannot be written as UTF-8; rename the class")
        if name.splitlines() != [name]:
            raise UserError(f"class_names: {name!r} has several lines; rename the class")
    checked = tuple(map(str, checked))  # NumPy's texts have another repr, which is fingerprinted
    for name, count in Counter(checked).items():
        if count > 1:
            raise UserError(f"class_names: {name!r} occurs {count} times")
    if len(checked) < 2:
        raise UserError(f"class_names: has {len(checked)} name; two classes are needed")
    return checked


def default_class_names(labels: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Return "0", "1", … for the classes of the labels of all splits; at least two.

    Args:
      labels: int32 (n,) or float32 (n, num_classes) by split.

    Raises:
      UserError: all labels are above 0, so they count from 1.
    """
    if all(array.ndim == 1 and array.min() > 0 for array in labels.values()):
        least = min(int(array.min()) for array in labels.values())
        raise UserError(
            f"the labels: the least is {least}, but {_COUNTED_FROM_ZERO}; subtract {least}, or "
            "give class_names"
        )
    counts = [
        array.shape[1] if array.ndim == 2 else int(array.max()) + 1 for array in labels.values()
    ]
    return tuple(str(number) for number in range(max(2, *counts)))


def check_name(name: str) -> str:
    """Return the name of a dataset of arrays.

    Raises:
      UserError: it is no text of one line, or the name of another kind of dataset.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise UserError(f"name = {name!r}: must be a text of one line")
    if name in DATASETS or name.startswith(("folder:", "table:", TFDS)):
        raise UserError(f"name = {name!r}: is the name of another dataset; choose another name")
    return name


def _float_hint(array: np.ndarray) -> str:
    """Return advice on float pixels that follows from their range."""
    if array.min() >= 0 and array.max() <= 1:
        return ": use (255 * images).round().astype('uint8')"
    return "; jaxcnn scales them itself (config.dataset.scaling)"


def _check_distributions(split: str, labels: np.ndarray, num_classes: int | None) -> None:
    width = labels.shape[1]
    if num_classes not in (None, width) or width < 2:
        expected = "at least two" if num_classes is None else f"{num_classes}, one for each name"
        raise UserError(f"the labels of {split}: have {width} columns; there must be {expected}")
    is_wrong = ~(labels >= 0).all(axis=1) | ~(abs(labels.sum(axis=1) - 1) <= _TOLERANCE)
    if is_wrong.any():
        raise UserError(
            f"the labels of {split}: row {is_wrong.argmax()} is no distribution; its entries must "
            "be at least 0, with the sum 1"
        )


def _is_safe_on_disk(array: np.ndarray) -> bool:
    """Return whether an array is read-only, memory-mapped, and no part of another array."""
    if not isinstance(array, np.memmap) or array.mode != "r" or not array.flags.c_contiguous:
        return False
    whole = array if isinstance(array.base, mmap.mmap) else array.base
    # the view of a part names the offset of the whole, so it cannot be read from the file
    return isinstance(whole, np.memmap) and whole.nbytes == array.nbytes


def _copy(array: np.ndarray) -> np.ndarray:
    copied = np.array(array, order="C", subok=False)
    copied.setflags(write=False)
    return copied
