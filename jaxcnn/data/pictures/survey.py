"""A survey of the user's pictures: each file is read once, and the copies among them are found."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from jaxcnn.data.pictures import duplicates
from jaxcnn.data.pictures.content import sha256_of
from jaxcnn.data.pictures.decoding import read_picture
from jaxcnn.data.pictures.exclusion import exclusion_line
from jaxcnn.data.pictures.facts import PictureFacts, read_facts
from jaxcnn.errors import UserError


@dataclasses.dataclass(frozen=True)
class PictureFile:
    """A picture of a dataset.

    Attributes:
      path: its file.
      name: the path relative to the dataset's folder.
      class_name: its class.
      split: "train", "validation" or "test".
      group: see `content.Picture`.
    """

    path: Path
    name: str
    class_name: str
    split: str
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Survey:
    """The state of a dataset's pictures.

    Attributes:
      entries: the pictures that can be read.
      facts: of each of them.
      unreadable: the other pictures, and the reason.
      equal: groups of positions in `entries` whose files are the same.
      near: groups of positions that look the same, with at least two different files.
    """

    entries: tuple[PictureFile, ...]
    facts: tuple[PictureFacts, ...]
    unreadable: tuple[tuple[PictureFile, str], ...]
    equal: list[list[int]]
    near: list[list[int]]

    def members(self, group: Sequence[int]) -> list[PictureFile]:
        """Return the pictures of a group."""
        return [self.entries[position] for position in group]

    @property
    def leaks(self) -> list[list[int]]:
        """The groups of copies with a picture in training and one in another split."""
        return [
            group
            for group in [*self.near, *self._only_equal()]
            if "train" in self._splits(group) and len(self._splits(group)) > 1
        ]

    @property
    def conflicts(self) -> list[list[int]]:
        """The groups of copies whose pictures lie in different classes."""
        return [
            group
            for group in [*self.near, *self._only_equal()]
            if len({entry.class_name for entry in self.members(group)}) > 1
        ]

    @property
    def shared_groups(self) -> dict[str, set[str]]:
        """The splits of each group that lies in several."""
        splits: dict[str, set[str]] = {}
        for entry in self.entries:
            if entry.group:
                splits.setdefault(entry.group, set()).add(entry.split)
        return {group: names for group, names in splits.items() if len(names) > 1}

    def _only_equal(self) -> list[list[int]]:
        """Return the groups of equal files that are no part of a larger group."""
        near = {position for group in self.near for position in group}
        return [group for group in self.equal if group[0] not in near]

    def _splits(self, group: Sequence[int]) -> set[str]:
        return {entry.split for entry in self.members(group)}


def survey(
    entries: Sequence[PictureFile],
    track: Callable[[Iterable[PictureFile], int, str], Iterable[PictureFile]],
) -> Survey:
    """Read each picture, and return what was found.

    Args:
      entries: the pictures.
      track: shows the progress, see `Reporter.track`.
    """
    readable, facts, unreadable, digests, prints = [], [], [], [], []
    for entry in track(entries, len(entries), "looking at"):
        try:
            fact = read_facts(entry.path)
            print_of = duplicates.fingerprint(read_picture(entry.path, "L"))
            digest = sha256_of(entry.path)
        except UserError as error:
            unreadable.append((entry, str(error)))
            continue
        readable.append(entry)
        facts.append(fact)
        prints.append(print_of)
        digests.append(digest)
    near = []
    if readable:
        hashes, gray = map(np.stack, zip(*prints, strict=True))
        proportions = np.array([fact.width / fact.height for fact in facts])
        groups = duplicates.near_groups(hashes, gray, proportions)
        near = [group for group in groups if len({digests[i] for i in group}) > 1]
    equal = duplicates.equal_groups(digests) if readable else []
    return Survey(tuple(readable), tuple(facts), tuple(unreadable), equal, near)


def exclusion_of(result: Survey) -> bytes:
    """Return a list of pictures to leave out, as `exclusion.read_exclusion` reads it.

    Of the same files it keeps one, in the test split if one lies there. Pictures that only look the
    same, and files that lie in several classes, are comments: a person decides.
    """
    lines = ["# pictures to leave out, one in a line; lines with # are comments"]
    lines += ["# cannot be read"] if result.unreadable else []
    lines += [exclusion_line(entry.name) for entry, _ in result.unreadable]
    rank = ("test", "validation", "train")
    for title, groups, mark in (
        ("the same file as", result.equal, ""),
        ("looks the same as", result.near, "# "),
    ):
        for group in groups:
            members = sorted(result.members(group), key=lambda entry: rank.index(entry.split))
            is_sure = not mark and len({entry.class_name for entry in members}) == 1
            kept = members[0]
            lines.append(f"# {title} {kept.name} ({kept.split}, {kept.class_name})")
            prefix = "" if is_sure else "# "
            lines += [f"{prefix}{exclusion_line(entry.name)}" for entry in members[1:]]
    return ("\n".join(lines) + "\n").encode(errors="surrogateescape")
