"""The splits of the user's pictures, from a folder, a table, or the list that a run keeps.

If neither the folders nor the table give splits, a fifth of the pictures becomes the test split:
those that `is_test` chooses by their content, or, with `dataset.split = "shuffle"`, a fifth of each
class, at least one picture, drawn with a fixed seed. Pictures of one group stay together. A file in
`dataset.split` gives the split of each picture instead.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.datasets.folder_layout import Layout, Pictures, find_layout
from jaxcnn.data.grouping import TEST_FRACTION, TEST_SEED, choose_groups, stratified_test
from jaxcnn.data.pictures.content import (
    SPLIT_NAMES,
    Picture,
    is_test,
    is_test_group,
    locate,
    sha256_of,
)
from jaxcnn.data.pictures.exclusion import read_exclusion
from jaxcnn.data.pictures.table import Row, read_rows, read_table
from jaxcnn.data.places import DEPTHS, SPLIT_RULES, Place, list_file
from jaxcnn.errors import UserError
from jaxcnn.files.paths import below
from jaxcnn.text import join_names

_SPLITS = tuple(dict.fromkeys(SPLIT_NAMES.values()))


def layout_of(place: Place) -> Layout:
    """Return the classes and the splits of a place's pictures in their present state.

    Raises:
      UserError: pictures are missing, or a split or a class would be without any.
    """
    if place.listed is not None:
        return _listed(place.folder, place.listed.pictures)
    layout = whole_layout(place)
    if place.split not in SPLIT_RULES:
        layout = _split_by_file(layout, list_file(place.split), place.folder)
    elif "" in layout.splits:
        layout = dataclasses.replace(layout, splits=_split(layout, place.split))
    _check(place, layout)
    # so that the list of a run, which has no numbers, gives the classes in the same order
    by_class = {
        split: sorted(pictures, key=lambda pair: pair[1])
        for split, pictures in layout.splits.items()
    }
    return dataclasses.replace(layout, splits=by_class)


def whole_layout(place: Place) -> Layout:
    """Return a layout without the excluded pictures; its only split may be ""."""
    layout = _of_table(place.source) if place.is_table else find_layout(place.folder)
    if not place.exclude:
        return layout
    excluded = read_exclusion(list_file(place.exclude), place.folder)
    present = {path for pictures in layout.splits.values() for path, _ in pictures}
    note = f"left out by {place.exclude}: {len(excluded & present):,} pictures"
    if unknown := sorted(excluded - present):
        note += f"; its other lines are no pictures here: {_names(unknown, place.folder)}"
    kept = {
        split: [(path, label) for path, label in pictures if path not in excluded]
        for split, pictures in layout.splits.items()
    }
    return dataclasses.replace(layout, splits=kept, notes=(*layout.notes, note))


def _listed(folder: Path, pictures: Sequence[Picture]) -> Layout:
    """Return the layout of the pictures of a list, wherever in the folder they lie."""
    names = tuple(dict.fromkeys(picture.class_name for picture in pictures))
    splits: dict[str, Pictures] = {}
    # not rglob, which skips linked folders
    candidates = (path for depth in DEPTHS for path in sorted(folder.glob(depth)))
    paths = locate(pictures, folder, filter(Path.is_file, candidates))
    for picture, path in zip(pictures, paths, strict=True):
        splits.setdefault(picture.split, []).append((path, names.index(picture.class_name)))
    groups = {
        path: picture.group for picture, path in zip(pictures, paths, strict=True) if picture.group
    }
    return Layout(names, splits, (), groups)


def _of_table(source: Path) -> Layout:
    """Return the layout of a table; its classes are sorted, see `_order_of`."""
    rows = read_table(source)
    names = sorted({row.label for row in rows}, key=_order_of({row.label for row in rows}))
    if len(names) < 2:
        raise UserError(f"{source}: all pictures have the label {names[0]!r}; two are needed")
    numbers = {name: number for number, name in enumerate(names)}
    present = {row.split for row in rows}
    if present != {""} and not {"train", "test"} <= present:
        has = join_names([split for split in _SPLITS if split in present])
        raise UserError(f"{source}: has the splits {has}, but needs both train and test")
    splits = {
        split: [(row.path, numbers[row.label]) for row in rows if row.split == split]
        for split in ("", *_SPLITS)
        if split in present
    }
    groups = {row.path: row.group for row in rows if row.group}
    return Layout(tuple(names), splits, tuple(_notes(rows, names)), groups)


def _order_of(labels: Collection[str]) -> Callable[[str], Any]:
    """Return the key that sorts labels: as whole numbers if all have only digits, else as texts."""
    if all(label.isdecimal() for label in labels):
        return lambda label: (int(label), label)  # 1 and 01 are two labels
    return str


def _notes(rows: Sequence[Row], names: Sequence[str]) -> Iterator[str]:
    """Yield a line for each fact about a table that may surprise a user."""
    similar: dict[str, list[str]] = {}
    for name in names:
        similar.setdefault(name.casefold(), []).append(name)
    twins = [name for twins in similar.values() if len(twins) > 1 for name in twins]
    if twins:
        yield f"labels that differ in upper and lower case alone: {join_names(twins)}"
    without = sum(not row.group for row in rows)
    if 0 < without < len(rows):
        yield f"{without:,} of {len(rows):,} pictures have no group, and stand alone"


def _split_by_file(layout: Layout, file: Path, folder: Path) -> Layout:
    """Return the layout with the splits of a table with the columns path and split."""
    rows = read_rows(file, folder, need=("path", "split"))
    by_path = {row.path: row.split for row in rows}
    labels = dict(pair for pictures in layout.splits.values() for pair in pictures)
    missing = [f"{below(row.path, folder)} ({row.place})" for row in rows if row.path not in labels]
    if missing:
        raise UserError(
            f"{file}: {len(missing):,} of its {len(rows):,} pictures are not among those of "
            f"{folder}: {join_names(missing, 3)}"
        )
    splits = {
        split: [(path, label) for path, label in labels.items() if by_path.get(path) == split]
        for split in _SPLITS
        if split in by_path.values() or split != "validation"
    }
    others = [path for path in labels if path not in by_path]
    note = f"left out, because {file.name} does not list them: {_names(others, folder)}"
    return dataclasses.replace(
        layout, splits=splits, notes=(*layout.notes, *([note] if others else []))
    )


def _split(layout: Layout, rule: str) -> dict[str, Pictures]:
    """Return the pictures of "train" and "test", chosen by a rule."""
    pictures = layout.splits[""]
    groups = np.array([layout.groups.get(path, "") for path, _ in pictures])
    labels = np.array([label for _, label in pictures], np.int64)
    if rule == "content":
        is_chosen = np.array(
            [
                is_test_group(group) if group else is_test(sha256_of(path))
                for (path, _), group in zip(pictures, groups.tolist(), strict=True)
            ],
            bool,
        )
    elif layout.groups:
        is_chosen = choose_groups(groups, labels, TEST_FRACTION, TEST_SEED)
    else:
        is_chosen = stratified_test(labels)
    parts = {"train": ~is_chosen, "test": is_chosen}
    return {
        split: [pictures[index] for index in np.flatnonzero(part)] for split, part in parts.items()
    }


def _names(paths: Sequence[Path], folder: Path) -> str:
    return join_names([below(path, folder) for path in paths])


def _check(place: Place, layout: Layout) -> None:
    """Check that no split is empty, and that all classes are trained on."""
    advice = (
        "give every picture its split in the column split"
        if place.is_table
        else "lay them out as train/CLASS/* and test/CLASS/*"
    )
    if layout.groups and place.split == "content":
        advice = f"set dataset.split = shuffle, which chooses groups by their size, or {advice}"
    for split, pictures in layout.splits.items():
        if not pictures:
            raise UserError(
                f"{place.source} has too few images: none is left for {split}; add images, or "
                f"{advice}"
            )
    trained_on = {label for _, label in layout.splits["train"]}
    unseen = [name for label, name in enumerate(layout.class_names) if label not in trained_on]
    if unseen:
        raise UserError(
            f"{place.source}: all pictures of {join_names(unseen)} are in the test split, none is "
            f"left to train on; add pictures, or {advice}"
        )
