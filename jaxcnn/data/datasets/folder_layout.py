"""The layout of a folder of pictures: its splits, its classes, and the files of each class.

Supported layouts:

    PATH/CLASS/*
    PATH/train/CLASS/*, PATH/test/CLASS/*, and PATH/val/CLASS/* if there is one

A split's folder is called train or training, test or testing, val, valid or validation, in upper or
lower case, and holds class folders. A folder of such a name without class folders, beside other
classes, is a class. PATH may hold a single folder with all the rest (PATH/pets/cat/*), and a class
folder may hold folders of pictures (PATH/cat/images/*). Ambiguous and deeper layouts are refused.
"""

import dataclasses
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jaxcnn.data.datasets.folder_listing import Listing, list_folder
from jaxcnn.errors import UserError
from jaxcnn.text import join_names

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
Pictures = list[tuple[Path, int]]  # files and class numbers


@dataclasses.dataclass(frozen=True)
class Layout:
    """The classes and splits of a folder of pictures.

    Attributes:
      class_names: in NFC, in the order of the folders' names.
      splits: the pictures of "train", "test" and possibly "validation", sorted by class and name;
        of "" alone if the folder has no splits.
      notes: lines for the user about files that are left out, and about folders in class folders.
    """

    class_names: tuple[str, ...]
    splits: dict[str, Pictures]
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Class:
    """The folder of a class, and the folders in it."""

    folder: Listing
    inner: tuple[Listing, ...]

    @property
    def pictures(self) -> list[Path]:
        return [path for listing in (self.folder, *self.inner) for path in listing.pictures]


_Classes = dict[str, _Class]  # by name, in NFC


def find_layout(folder: Path) -> Layout:
    """Return the layout of a folder of pictures.

    Raises:
      UserError: the folder has none of the supported layouts, or is ambiguous.
    """
    root = _unwrapped(list_folder(folder))
    parts = _find_splits(root)
    _refuse_one_class(parts["train" if "train" in parts else ""])
    classes = {split: _find_classes(part) for split, part in parts.items()}
    names = tuple(classes["train" if "train" in parts else ""])
    for split, by_name in classes.items():
        _check_classes(parts[split], by_name, names, is_trained_on=split in ("train", ""))
    splits = {
        split: [
            (path, label)
            for label, name in enumerate(names)
            if name in by_name  # a class may be missing in the other splits
            for path in by_name[name].pictures
        ]
        for split, by_name in classes.items()
    }
    notes = _notes(folder, root, parts, classes)
    lines = tuple(f"{topic}: {join_names(paths)}" for topic, paths in notes if paths)
    return Layout(names, splits, lines)


def _unwrapped(root: Listing) -> Listing:
    """Return the only folder of a folder if it holds all pictures; else the folder itself."""
    if root.pictures or len(root.folders) != 1 or _is_split_name(root.folders[0]):
        return root
    inner = root.below(root.folders[0])
    return inner if inner.folders and not inner.pictures else root


def _is_split_name(name: str) -> bool:
    return name.casefold() in _SPLITS


def _find_splits(root: Listing) -> dict[str, Listing]:
    """Return the folders of the splits, by split; {"": root} if the folders are classes.

    Raises:
      UserError: a split is missing, or the splits may be classes.
    """
    named = {name: root.below(name) for name in root.folders if _is_split_name(name)}
    holding = {name: part for name, part in named.items() if part.folders}
    present = {_SPLITS[name.casefold()] for name in holding}
    is_whole = {"train", "test"} <= present
    if not is_whole:
        others = [n for n in root.folders if n not in named and _has_pictures(root.below(n))]
        if others and holding:
            raise _ambiguous_splits(root, list(holding), others)
        if others or not named:
            return {"": root}
    if len(named) > len(holding):
        raise _flat_splits(root, [name for name in named if name not in holding])
    for split in present:
        twins = [name for name in holding if _SPLITS[name.casefold()] == split]
        if len(twins) > 1:
            raise UserError(
                f"{root.path} has both {join_names(twins)}, which are the same split; keep one"
            )
    if not is_whole:
        raise _missing_split(root, list(holding))
    by_split = {_SPLITS[name.casefold()]: part for name, part in holding.items()}
    return {split: by_split[split] for split in dict.fromkeys(_SPLITS.values()) if split in present}


def _has_pictures(listing: Listing) -> bool:
    """Return whether a folder holds pictures, or folders with pictures."""
    return bool(listing.pictures) or any(listing.below(n).pictures for n in listing.folders)


def _ambiguous_splits(root: Listing, named: list[str], others: list[str]) -> UserError:
    names = join_names(named)
    return UserError(
        f"{root.path} is ambiguous: {names} may be splits, as they hold folders, or classes, as "
        f"they lie beside {join_names(others)}. Splits are called train, test and val, and the "
        f"first two are needed; if they are classes, put the pictures directly into {names}"
    )


def _flat_splits(root: Listing, flat: list[str]) -> UserError:
    return UserError(
        f"{join_names([root.path / name for name in flat])}: no class folders inside. If these are "
        f"splits, lay the images out as {flat[0]}/CLASS/*; if these are classes, rename them, for "
        f"example to class_{flat[0]}"
    )


def _missing_split(root: Listing, named: list[str]) -> UserError:
    splits = {_SPLITS[name.casefold()]: name for name in named}
    if "train" not in splits:
        advice = "add train/CLASS/*"
    elif "validation" in splits:
        advice = (
            f"move some images to test/CLASS/*, or rename {splits['validation']} to test (a part "
            "of train then serves as validation)"
        )
    else:
        advice = (
            f"add test/CLASS/*, or move the class folders up into {root.path}; a part of each "
            "class then becomes the test split"
        )
    return UserError(
        f"{root.path} has {join_names(named)}, but needs both train and test: {advice}"
    )


def _refuse_one_class(part: Listing) -> None:
    if len(part.folders) < 2:
        folders = f"folders: {join_names(part.folders)}" if part.folders else "no folders"
        raise UserError(
            f"{part.path} has fewer than two classes (it holds {folders}; files: "
            f"{len(part.pictures)}): name the folder of the classes, and lay the images out as "
            "PATH/CLASS/*, or PATH/train/CLASS/* and PATH/test/CLASS/*"
        )


def _find_classes(part: Listing) -> _Classes:
    """Return the class folders of a split.

    Raises:
      UserError: two have the same name, or it is unclear which folders are the classes.
    """
    classes: _Classes = {}
    for name in part.folders:
        key = unicodedata.normalize("NFC", name)
        if key in classes:
            raise UserError(
                f"{part.path} has two folders called {key}, with different encodings of the "
                "letters (Unicode's NFC and NFD); merge them"
            )
        folder = part.below(name)
        _refuse_splits_below(folder)
        classes[key] = _Class(folder, tuple(map(folder.below, folder.folders)))
    for inner in (inner for item in classes.values() for inner in item.inner):
        if inner.folders:
            raise UserError(
                f"{inner.path} holds folders ({join_names(inner.folders)}): images may lie in a "
                "class folder, or in a folder in it; move them up, or remove the folder"
            )
    _refuse_two_levels_of_classes(part, classes)
    return classes


def _refuse_splits_below(folder: Listing) -> None:
    splits = [name for name in folder.folders if _is_split_name(name)]
    if splits:
        raise UserError(
            f"{folder.path} holds {join_names(splits)}: lay the images out with the splits above "
            f"the classes, as {splits[0]}/{folder.path.name}/*"
        )


def _refuse_two_levels_of_classes(part: Listing, classes: _Classes) -> None:
    if any(item.folder.pictures for item in classes.values()):
        return
    for item in classes.values():
        filled = [inner.path.name for inner in item.inner if inner.pictures]
        if len(filled) > 1:
            raise UserError(
                f"{part.path} is ambiguous: the classes may be its folders "
                f"({join_names(part.folders)}) or the folders in them ({item.folder.path.name} has "
                f"{join_names(filled)}). Lay the images out as PATH/CLASS/*, without folders in "
                "the class folders; splits are called train, test and val"
            )


def _check_classes(
    part: Listing, classes: _Classes, names: Sequence[str], *, is_trained_on: bool
) -> None:
    """Check the classes of a split.

    Raises:
      UserError: a class of the training split has no pictures; or another split has none at all,
        or a class that the training split lacks.
    """
    unknown = [item.folder.path for name, item in classes.items() if name not in names]
    if unknown:
        raise UserError(
            f"{join_names(unknown)}: no class of train, whose classes are {join_names(names)}"
        )
    empty = [item.folder.path for item in classes.values() if not item.pictures]
    if empty and is_trained_on:
        verb, pronoun = ("holds", "it") if len(empty) == 1 else ("hold", "them")
        raise UserError(
            f"{join_names(empty)} {verb} no images to train on: fill {pronoun}, or remove {pronoun}"
        )
    if len(empty) == len(classes):
        raise UserError(f"{part.path} has class folders, but no images in them")


def _notes(
    folder: Path, root: Listing, parts: Mapping[str, Listing], classes: Mapping[str, _Classes]
) -> Iterator[tuple[str, Sequence[object]]]:
    """Yield the facts about the layout that a user may not expect, and their folders or files."""
    items = [item for by_name in classes.values() for item in by_name.values()]
    within = [listing for item in items for listing in (item.folder, *item.inner)]
    above = [root, *(part for part in parts.values() if part is not root)]
    beside = [] if "" in parts else [root.path / name for name in root.folders]
    inner = [listing for item in items for listing in item.inner]

    def below(paths: Iterable[Path]) -> list[object]:
        return [path.relative_to(folder) for path in paths]

    yield "the classes lie in", [] if root.path == folder else [root.path]
    splits = {part.path for part in parts.values()}
    yield "left out, beside the splits", below(path for path in beside if path not in splits)
    yield (
        "left out, in no class folder",
        below(path for listing in above for path in listing.pictures),
    )
    texts = below(path for listing in within for path in listing.texts)
    yield "left out, no images by their names", texts
    yield "read with their class", below(item.path for item in inner if item.pictures)
    names = list(next(iter(classes.values())))
    for split, by_name in classes.items():
        empty = [name for name in names if name not in by_name or not by_name[name].pictures]
        yield f"classes without images in {split}", empty
