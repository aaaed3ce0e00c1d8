"""Another labeled set than the run's: pictures in a folder per class, or in a table."""

import hashlib
import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

import numpy as np

from jaxcnn.data.datasets.folder_layout import find_layout
from jaxcnn.data.pictures.content import digests_trained_on, sha256_of
from jaxcnn.data.pictures.table import read_table
from jaxcnn.data.places import Place, is_pictures_name
from jaxcnn.errors import UserError
from jaxcnn.evaluation.examples import Examples, OtherSet
from jaxcnn.evaluation.user_pictures import read_pictures
from jaxcnn.files.paths import below
from jaxcnn.text import join_names, some_names
from jaxcnn.workdir.run_data import PICTURES

if TYPE_CHECKING:
    from jaxcnn.evaluation.trained import Trained

_Row = tuple[Path, str]  # a picture's file, and its class
_MOST_LETTERS = 40  # of the set's name in the names of files


def load_labeled_set(trained: "Trained", name: str, split: str = "test") -> Examples:
    """Return the pictures of a labeled set, read as those of the run's training were.

    Classes are matched by name. Pictures of classes that the network does not know are left out.

    Args:
      trained: the network.
      name: "folder:PATH" or "table:PATH".
      split: the split of a set that has splits; a set without splits is taken as a whole.

    Raises:
      UserError: the set cannot be read, has no such split, or has no class of the network; or a
        file is no picture.
    """
    place = _place(name)
    split, rows = _rows_of(place, split)
    numbers = {normalize("NFC", text): n for n, text in enumerate(trained.class_names)}
    labels = np.array([numbers.get(normalize("NFC", text), -1) for _, text in rows])
    kept = np.flatnonzero(labels >= 0)
    if not len(kept):
        raise UserError(
            f"{name}: none of its classes is one of {trained.workdir}: it has "
            f"{join_names(list(dict.fromkeys(text for _, text in rows)))}; the network knows "
            f"{join_names(trained.class_names)}"
        )
    paths = [rows[index][0] for index in kept]
    _, images, skipped = read_pictures(trained, paths)
    if skipped:
        raise UserError(
            f"{name}: {len(skipped):,} of {len(paths):,} files cannot be read: "
            f"{some_names(list(skipped.values()))}"
        )
    missing = [text for number, text in enumerate(trained.class_names) if number not in labels]
    return Examples(
        images,
        labels[kept].astype(np.int32),
        dataset=trained.config.dataset.name,
        name=split,
        indices=kept.astype(np.int32),
        files=tuple(below(path, place.folder).as_posix() for path in paths),
        trained_on=_count_trained_on(trained, paths),
        other=OtherSet(
            name, Counter(rows[index][1] for index in np.flatnonzero(labels < 0)), missing
        ),
    )


def file_name(examples: Examples) -> str:
    """Return the name of the files of an evaluation: the split, or "data_NAME_DIGEST" of a set.

    The digest is of the set's path and split, so sets of one name keep their files.
    """
    if examples.other is None:
        return examples.name
    source = _place(examples.other.name).source
    letters = re.sub(r"[^\w-]+", "_", source.name)[:_MOST_LETTERS]
    text = f"{examples.name} {examples.other.name.partition(':')[0]}:{source}"
    return f"data_{letters}_{hashlib.sha256(os.fsencode(text)).hexdigest()[:6]}"


def _place(name: str) -> Place:
    if not is_pictures_name(name):
        raise UserError(f"data = {name!r}: must be folder:PATH or table:PATH")
    place = Place(name, Path(), 0)
    if not place.folder.is_dir():
        raise UserError(f"{name}: there is no folder {place.folder}")
    return place


def _rows_of(place: Place, split: str) -> tuple[str, list[_Row]]:
    """Return a split and its pictures; "test" and all of them for a set without splits."""
    by_split: dict[str, list[_Row]] = {}
    if place.is_table:
        for row in read_table(place.source):
            by_split.setdefault(row.split, []).append((row.path, row.label))
    else:
        layout = find_layout(place.folder, for_training=False)
        by_split = {
            key: [(path, layout.class_names[label]) for path, label in pictures]
            for key, pictures in layout.splits.items()
        }
    if "" in by_split:
        split, by_split = "test", {"test": by_split[""]}
    if split not in by_split:
        raise UserError(f"{place.name}: has no {split} split; it has {join_names(list(by_split))}")
    if not by_split[split]:
        raise UserError(
            f"{place.source} holds no pictures in class folders; lay them out as CLASS/*"
        )
    return split, by_split[split]


def _count_trained_on(trained: "Trained", paths: list[Path]) -> int:
    """Return how many files have the content of a picture that the run trained on."""
    file = trained.workdir / PICTURES
    if not file.exists():
        return 0
    known = digests_trained_on(file)
    return sum(sha256_of(path) in known for path in paths)
