"""Where the pictures of a folder lie: its splits, its classes, and the files of each class.

The layouts that are read:

    PATH/CLASS/*
    PATH/train/CLASS/*, PATH/test/CLASS/*, and PATH/val/CLASS/* if there is one

A split's folder is called train or training, test or testing, val, valid or validation, in upper or
lower case, and holds class folders. Without class folders, and beside other classes, a folder of
such a name is a class. PATH may hold one folder that holds all the rest (PATH/pets/cat/*), and a
class folder may hold folders of pictures (PATH/cat/images/*). What can be read in two ways is
refused, and so is a folder whose pictures lie deeper.
"""

import dataclasses
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jaxcnn.data.datasets.folder_listing import Listing, join, list_folder
from jaxcnn.errors import UserError

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
Pictures = list[tuple[Path, int]]  # with their class numbers


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a folder of pictures holds.

    Attributes:
      class_names: in NFC, in the order of the folders' names.
      splits: the pictures of "train", "test" and perhaps "validation", sorted by class and name; or
        those of "" alone, if the folder has no splits.
      notes: lines for the user: what is left out, and what is read from below a class's folder.
    """

    class_names: tuple[str, ...]
    splits: dict[str, Pictures]
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Class:
    """The folder of a class, and the folders in it."""

    own: Listing
    inner: tuple[Listing, ...]

    @property
    def pictures(self) -> list[Path]:
        return [path for listing in (self.own, *self.inner) for path in listing.pictures]


_Classes = dict[str, _Class]  # by name, in NFC


def find_layout(folder: Path) -> Layout:
    """Return where the pictures of a folder lie.

    Raises:
      UserError: the folder has none of the layouts, or can be read in two ways.
    """
    root = _unwrapped(list_folder(folder))
    parts = _find_splits(root)
    _refuse_one_class(parts["train" if "train" in parts else ""])
    classes = {split: _find_classes(part) for split, part in parts.items()}
    names = tuple(classes["train" if "train" in parts else ""])
    for split, found in classes.items():
        _check_classes(parts[split], found, names, is_trained_on=split in ("train", ""))
    splits = {
        split: [
            (path, label)
            for label, name in enumerate(names)
            if name in found  # a class may be missing in the other splits
            for path in found[name].pictures
        ]
        for split, found in classes.items()
    }
    notes = _notes(folder, root, parts, classes)
    return Layout(names, splits, tuple(f"{what}: {join(which)}" for what, which in notes if which))


def _unwrapped(root: Listing) -> Listing:
    """The only folder of a folder, if what it holds is all there is."""
    if root.pictures or len(root.folders) != 1 or _is_split_name(root.folders[0]):
        return root
    inner = root.below(root.folders[0])
    return inner if inner.folders and not inner.pictures else root


def _is_split_name(name: str) -> bool:
    return name.casefold() in _SPLITS


def _find_splits(root: Listing) -> dict[str, Listing]:
    """The folders of the splits, by split; {"": root} where the folders are classes.

    Raises:
      UserError: there are splits, but not all that are needed, or they may be classes.
    """
    named = {name: root.below(name) for name in root.folders if _is_split_name(name)}
    holding = {name: part for name, part in named.items() if part.folders}
    found = {_SPLITS[name.casefold()] for name in holding}
    is_whole = {"train", "test"} <= found
    if not is_whole:
        others = [n for n in root.folders if n not in named and _has_pictures(root.below(n))]
        if others and holding:
            raise _two_readings_of_splits(root, list(holding), others)
        if others or not named:
            return {"": root}
    if len(named) > len(holding):
        raise _flat_splits(root, [name for name in named if name not in holding])
    for split in found:
        twins = [name for name in holding if _SPLITS[name.casefold()] == split]
        if len(twins) > 1:
            raise UserError(f"{root.path} has both {join(twins)}, which are one split: keep one")
    if not is_whole:
        raise _missing_split(root, list(holding))
    by_split = {_SPLITS[name.casefold()]: part for name, part in holding.items()}
    return {split: by_split[split] for split in dict.fromkeys(_SPLITS.values()) if split in found}


def _has_pictures(listing: Listing) -> bool:
    """Whether a folder holds pictures, or folders that do."""
    return bool(listing.pictures) or any(listing.below(n).pictures for n in listing.folders)


def _two_readings_of_splits(root: Listing, named: list[str], others: list[str]) -> UserError:
    return UserError(
        f"{root.path} can be read in two ways: {join(named)} as splits, for they hold folders, or "
        f"as classes, for they lie beside {join(others)}. Splits are called train, test and val, "
        f"and the first two are needed; of classes, put the pictures right into {join(named)}"
    )


def _flat_splits(root: Listing, flat: list[str]) -> UserError:
    return UserError(
        f"{join([root.path / name for name in flat])}: there are no class folders in there. If "
        f"they are splits, lay the images out as {flat[0]}/CLASS/*; if they are classes, give them "
        f"other names, such as class_{flat[0]}"
    )


def _missing_split(root: Listing, named: list[str]) -> UserError:
    splits = {_SPLITS[name.casefold()]: name for name in named}
    if "train" not in splits:
        mend = "add train/CLASS/*"
    elif "validation" in splits:
        mend = (
            f"move some images to test/CLASS/*, or rename {splits['validation']} to test (a part "
            "of train then serves as validation)"
        )
    else:
        mend = (
            f"add test/CLASS/*, or move the class folders up into {root.path}, and a part of each "
            "class becomes the test split"
        )
    return UserError(f"{root.path} has {join(named)}, but needs both train and test: {mend}")


def _refuse_one_class(part: Listing) -> None:
    if len(part.folders) < 2:
        there = f"folders: {join(part.folders)}" if part.folders else "no folders"
        raise UserError(
            f"{part.path} has fewer than two classes (it holds {there}; files: "
            f"{len(part.pictures)}): name the folder that holds them, and lay the images out as "
            "PATH/CLASS/*, or PATH/train/CLASS/* and PATH/test/CLASS/*"
        )


def _find_classes(part: Listing) -> _Classes:
    """The class folders of a split.

    Raises:
      UserError: two are of one name, or it is unclear which folders are the classes.
    """
    classes: _Classes = {}
    for name in part.folders:
        key = unicodedata.normalize("NFC", name)
        if key in classes:
            raise UserError(
                f"{part.path} has two folders called {key}, whose letters are encoded in two ways "
                "(Unicode's NFC and NFD): join them"
            )
        own = part.below(name)
        _refuse_splits_below(own)
        classes[key] = _Class(own, tuple(map(own.below, own.folders)))
    for inner in (inner for found in classes.values() for inner in found.inner):
        if inner.folders:
            raise UserError(
                f"{inner.path} holds folders ({join(inner.folders)}): images may lie in the folder "
                "of a class, or in a folder in it; move them up, or take the folder away"
            )
    _refuse_two_levels_of_classes(part, classes)
    return classes


def _refuse_splits_below(own: Listing) -> None:
    splits = [name for name in own.folders if _is_split_name(name)]
    if splits:
        raise UserError(
            f"{own.path} holds {join(splits)}: lay the images out with the splits above the "
            f"classes, as {splits[0]}/{own.path.name}/*"
        )


def _refuse_two_levels_of_classes(part: Listing, classes: _Classes) -> None:
    if any(found.own.pictures for found in classes.values()):
        return
    for found in classes.values():
        filled = [inner.path.name for inner in found.inner if inner.pictures]
        if len(filled) > 1:
            raise UserError(
                f"{part.path} can be read in two ways: its folders ({join(part.folders)}) as the "
                f"classes, or the folders in them ({found.own.path.name} has {join(filled)}). Lay "
                "the images out as PATH/CLASS/*, without folders in the class folders; splits are "
                "called train, test and val"
            )


def _check_classes(
    part: Listing, found: _Classes, names: Sequence[str], *, is_trained_on: bool
) -> None:
    """Checks that each class that is trained on has pictures, and that another split has some, and
    of no other classes."""
    unknown = [item.own.path for name, item in found.items() if name not in names]
    if unknown:
        raise UserError(f"{join(unknown)}: train has no such class, but {join(names)}")
    empty = [item.own.path for item in found.values() if not item.pictures]
    if empty and is_trained_on:
        verb, it = ("holds", "it") if len(empty) == 1 else ("hold", "them")
        raise UserError(f"{join(empty)} {verb} no images to train on: fill {it}, or take {it} away")
    if len(empty) == len(found):
        raise UserError(f"{part.path} has class folders, but no images in them")


def _notes(
    folder: Path, root: Listing, parts: Mapping[str, Listing], classes: Mapping[str, _Classes]
) -> Iterator[tuple[str, list[object]]]:
    """What the user should know of how the folder is read, and which folders or files it is."""
    items = [item for found in classes.values() for item in found.values()]
    within = [listing for item in items for listing in (item.own, *item.inner)]
    above = [root, *(part for part in parts.values() if part is not root)]
    beside = [] if "" in parts else [root.path / name for name in root.folders]
    inner = [listing for item in items for listing in item.inner]

    def below(paths: Iterable[Path]) -> list[object]:
        return [path.relative_to(folder) for path in paths]

    yield "the classes lie in", [] if root.path == folder else [root.path]
    splits = {part.path for part in parts.values()}
    yield "left out, beside the splits", below(path for path in beside if path not in splits)
    yield "left out, in no class folder", below(path for each in above for path in each.pictures)
    texts = below(path for each in within for path in each.texts)
    yield "left out, no images by their names", texts
    yield "read with their class", below(each.path for each in inner if each.pictures)
    names = list(next(iter(classes.values())))
    for split, found in classes.items():
        without = [name for name in names if name not in found or not found[name].pictures]
        yield f"classes without images in {split}", without
