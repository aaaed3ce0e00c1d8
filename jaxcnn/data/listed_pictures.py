"""The dataset of the pictures that a run lists, as it was when the run began."""

import contextlib
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.data.class_selection import select_classes
from jaxcnn.data.dataset import Dataset, load_place, read_arrays
from jaxcnn.data.image_size import ImageSize
from jaxcnn.data.pictures.content import Picture, PictureList
from jaxcnn.data.places import find_place, find_versions
from jaxcnn.data.preparing.versions import hold
from jaxcnn.errors import UserError


def load_pictures(
    name: str,
    pictures: Sequence[Picture],
    fingerprint: str,
    *,
    data_dir: str | os.PathLike | None = None,
    image_size: ImageSize = 0,
    fit: str = "crop",
    classes: Sequence[object] = (),
    conversion: Mapping[str, Any] | None = None,
    channels: int = 0,
    reuse: bool = True,
) -> Dataset:
    """Return the dataset of the listed pictures, ignoring other files of the folder.

    Args:
      name: `folder:PATH`.
      pictures: the list.
      fingerprint: of the dataset.
      data_dir: see `load_dataset`.
      image_size: see `load_dataset`.
      fit: see `load_dataset`.
      classes: see `select_classes`.
      conversion: of the list's pictures; None if it was not recorded.
      channels: of their images; 0 if they are not known.
      reuse: look for a prepared version with the fingerprint first, which does not need the folder.

    Raises:
      UserError: pictures of the list are missing or have changed.
    """
    for directory in find_versions(data_dir) if reuse else ():
        with contextlib.suppress(UserError):  # a damaged version
            dataset = select_classes(read_arrays(directory, ""), classes)
            if dataset.fingerprint == fingerprint and hold(directory.parent):
                # another version with these pixels may have other files, groups and settings
                return dataclasses.replace(
                    dataset,
                    name=name,
                    pictures=tuple(pictures),
                    conversion=dataset.conversion if conversion is None else conversion,
                )
    listed = PictureList(tuple(pictures), conversion, channels)
    dataset = load_place(find_place(name, data_dir, image_size, fit=fit, listed=listed))
    return select_classes(dataset, classes)
