"""The layout of a folder of pictures: its splits, its classes, and the files of each class.

Supported layouts:

    PATH/CLASS/*
    PATH/train/CLASS/*, PATH/test/CLASS/*, and PATH/val/CLASS/* if there is one

A split's folder is called train or training, test or testing, val, valid or validation, in upper or
lower case, and holds class folders. A folder with such a name is a class if it holds no folders and
lies beside other classes. PATH may hold a single folder with everything else (PATH/pets/cat/*). A
class folder may hold folders of pictures (PATH/cat/images/*). Ambiguous and deeper layouts are
refused.
"""

import dataclasses
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jaxcnn.data.datasets.folder_listing import Listing, list_folder
from jaxcnn.data.pictures.content import SPLIT_NAMES
from jaxcnn.data.pictures.table import METADATA
from jaxcnn.errors import UserError
from jaxcnn.text import join_names

Pictures = list[tuple[Path, int]]  # files and class numbers


@dataclasses.dataclass(frozen=True)
class Layout:
    """The classes and splits of a folder of pictures.

    Attributes:
      class_names: the names in Unicode's NFC, in the order of the folders.
      splits: the pictures by split, sorted by class and name. The splits are "train", "test" and
        possibly "validation". A folder without splits has the one split "".
      notes: lines for the user about files that are left out, and about folders in class folders.
      groups: the group of each picture that has one.
    """

    class_names: tuple[str, ...]
    splits: dict[str, Pictures]
    notes: tuple[str, ...]
    groups: Mapping[Path, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class _Class:
    """The folder of a class, and the folders in it."""

    folder: Listing
    inner: tuple[Listing, ...]

    @property
    def pictures(self) -> list[Path]:
        return [path for listing in (self.folder, *self.inner) for path in listing.pictures]


_Classes = dict[str, _Class]  # by name, in NFC


def find_layout(folder: Path, *, for_training: bool = True) -> Layout:
    """Return the layout of a folder of pictures.

    Args:
      folder: the folder.
      for_training: require training and test split, or no splits, and two classes to train on.

    Raises:
      UserError: the folder has none of the supported layouts, or is ambiguous.
    """
    root = _unwrapped(list_folder(folder))
    split_roots = _find_splits(root, need_both=for_training)
    if for_training:
        _refuse_one_class(split_roots["train" if "train" in split_roots else ""])
    classes = {split: _find_classes(split_root) for split, split_root in split_roots.items()}
    known = list(classes.values())[: 1 if for_training else None]
    names = tuple(dict.fromkeys(name for by_name in known for name in by_name))
    for split, by_name in classes.items() if for_training else ():
        _check_classes(split_roots[split], by_name, names, is_trained_on=split in ("train", ""))
    splits = {
        split: [
            (path, label)
            for label, name in enumerate(names)
            if name in by_name  # a class may be missing in the other splits
            for path in by_name[name].pictures
        ]
        for split, by_name in classes.items()
    }
    notes = _notes(folder, root, split_roots, classes)
    lines = tuple(f"{topic}: {join_names(paths)}" for topic, paths in notes if paths)
    return Layout(names, splits, lines)


def _unwrapped(root: Listing) -> Listing:
    """Return the root's only folder if that one holds the classes; else the root itself."""
    if root.pictures or len(root.folders) != 1 or _is_split_name(root.folders[0]):
        return root
    inner = root.below(root.folders[0])
    return inner if inner.folders and not inner.pictures else root


def _is_split_name(name: str) -> bool:
    return name.casefold() in SPLIT_NAMES


def _find_splits(root: Listing, *, need_both: bool) -> dict[str, Listing]:
    """Return the folders of the splits, by split; {"": root} if the folders are classes.

    Raises:
      UserError: a split is missing, or the splits may be classes.
    """
    named = {name: root.below(name) for name in root.folders if _is_split_name(name)}
    with_classes = {name: split_root for name, split_root in named.items() if split_root.folders}
    present = {SPLIT_NAMES[name.casefold()] for name in with_classes}
    has_both = {"train", "test"} <= present
    if not has_both:
        others = [n for n in root.folders if n not in named and _has_pictures(root.below(n))]
        if others and with_classes:
            raise _ambiguous_splits(root, list(with_classes), others)
        if others or not named:
            return {"": root}
    if len(named) > len(with_classes):
        raise _flat_splits(root, [name for name in named if name not in with_classes])
    for split in present:
        twins = [name for name in with_classes if SPLIT_NAMES[name.casefold()] == split]
        if len(twins) > 1:
            raise UserError(
                f"{root.path} has both {join_names(twins)}, which are the same split; keep one"
            )
    if need_both and not has_both:
        raise _missing_split(root, list(with_classes))
    by_split = {SPLIT_NAMES[name.casefold()]: folder for name, folder in with_classes.items()}
    splits = dict.fromkeys(SPLIT_NAMES.values())
    return {split: by_split[split] for split in splits if split in present}


def _has_pictures(listing: Listing) -> bool:
    """Return whether a folder holds pictures, or folders with pictures."""
    return bool(listing.pictures) or any(listing.below(n).pictures for n in listing.folders)


def _ambiguous_splits(root: Listing, named: list[str], others: list[str]) -> UserError:
    names = join_names(named)
    return UserError(
        f"{root.path} is ambiguous: {names} may be splits, because they hold folders, or classes, "
        f"because they lie beside {join_names(others)}. If they are splits, call them train, test "
        f"and val (train and test are needed). If they are classes, put the pictures directly into "
        f"{names}"
    )


def _flat_splits(root: Listing, flat: list[str]) -> UserError:
    return UserError(
        f"{join_names([root.path / name for name in flat])}: no class folders inside. If these are "
        f"splits, lay the images out as {flat[0]}/CLASS/*; if these are classes, rename them, for "
        f"example to class_{flat[0]}"
    )


def _missing_split(root: Listing, named: list[str]) -> UserError:
    splits = {SPLIT_NAMES[name.casefold()]: name for name in named}
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


def _refuse_one_class(split_root: Listing) -> None:
    if len(split_root.folders) < 2:
        names = split_root.folders
        folders = f"folders: {join_names(names)}" if names else "no folders"
        advice = (
            "name the folder that holds the class folders, and lay the images out as PATH/CLASS/*, "
            "or PATH/train/CLASS/* and PATH/test/CLASS/*"
        )
        if table := next((path for path in split_root.texts if path.name in METADATA), None):
            advice = f"if {table.name} has the labels, name it as table:{table}"
        raise UserError(
            f"{split_root.path} has fewer than two classes (it holds {folders}; files: "
            f"{len(split_root.pictures)}): {advice}"
        )


def _find_classes(split_root: Listing) -> _Classes:
    """Return the class folders of a split.

    Raises:
      UserError: two classes have the same name, or it is unclear which folders are the classes.
    """
    classes: _Classes = {}
    for name in split_root.folders:
        key = unicodedata.normalize("NFC", name)
        if key in classes:
            raise UserError(
                f"{split_root.path} has two folders called {key}, with different encodings of the "
                "letters (Unicode's NFC and NFD); merge them"
            )
        folder = split_root.below(name)
        _refuse_splits_below(folder)
        classes[key] = _Class(folder, tuple(map(folder.below, folder.folders)))
    for inner in (inner for item in classes.values() for inner in item.inner):
        if inner.folders:
            raise UserError(
                f"{inner.path} holds folders ({join_names(inner.folders)}): images may lie in a "
                "class folder, or one folder deeper; move the images up, or remove these folders"
            )
    _refuse_two_levels_of_classes(split_root, classes)
    return classes


def _refuse_splits_below(folder: Listing) -> None:
    splits = [name for name in folder.folders if _is_split_name(name)]
    if splits:
        raise UserError(
            f"{folder.path} holds {join_names(splits)}: lay the images out with the splits above "
            f"the classes, as {splits[0]}/{folder.path.name}/*"
        )


def _refuse_two_levels_of_classes(split_root: Listing, classes: _Classes) -> None:
    if any(item.folder.pictures for item in classes.values()):
        return
    for item in classes.values():
        filled = [inner.path.name for inner in item.inner if inner.pictures]
        if len(filled) > 1:
            raise UserError(
                f"{split_root.path} is ambiguous: the classes may be its folders "
                f"({join_names(split_root.folders)}) or the folders in them "
                f"({item.folder.path.name} has {join_names(filled)}). Lay the images out as "
                "PATH/CLASS/*, without folders in the class folders; splits are called train, test "
                "and val"
            )


def _check_classes(
    split_root: Listing, classes: _Classes, names: Sequence[str], *, is_trained_on: bool
) -> None:
    """Check the classes of a split.

    Raises:
      UserError: a class of the training split has no pictures. Or another split has no pictures,
        or has a class that the training split lacks.
    """
    unknown = [item.folder.path for name, item in classes.items() if name not in names]
    if unknown:
        raise UserError(
            f"{join_names(unknown)}: not among the classes of train, which are {join_names(names)}"
        )
    empty = [item.folder.path for item in classes.values() if not item.pictures]
    if empty and is_trained_on:
        verb, pronoun = ("holds", "it") if len(empty) == 1 else ("hold", "them")
        raise UserError(
            f"{join_names(empty)} {verb} no images to train on: fill {pronoun}, or remove {pronoun}"
        )
    if len(empty) == len(classes):
        raise UserError(f"{split_root.path} has class folders, but no images in them")


def _notes(
    folder: Path, root: Listing, split_roots: Mapping[str, Listing], classes: Mapping[str, _Classes]
) -> Iterator[tuple[str, Sequence[object]]]:
    """Yield each fact that may surprise a user, and the folders, files or classes it is about."""
    items = [item for by_name in classes.values() for item in by_name.values()]
    within = [listing for item in items for listing in (item.folder, *item.inner)]
    above = [root, *(split_root for split_root in split_roots.values() if split_root is not root)]
    beside = [] if "" in split_roots else [root.path / name for name in root.folders]
    inner = [listing for item in items for listing in item.inner]

    def below(paths: Iterable[Path]) -> list[object]:
        return [path.relative_to(folder) for path in paths]

    yield "the classes lie in", [] if root.path == folder else [root.path]
    splits = {split_root.path for split_root in split_roots.values()}
    yield "left out, beside the splits", below(path for path in beside if path not in splits)
    yield (
        "left out, because they lie in no class folder",
        below(path for listing in above for path in listing.pictures),
    )
    texts = below(path for listing in within for path in listing.texts)
    yield "left out, because not named like images", texts
    yield (
        "folders in class folders, read as part of the class",
        below(item.path for item in inner if item.pictures),
    )
    names = list(next(iter(classes.values())))
    for split, by_name in classes.items():
        empty = [name for name in names if name not in by_name or not by_name[name].pictures]
        yield f"classes without images in {split}", empty
