"""The page about a dataset's pictures before training: classes, files, fitting, and copies."""

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxcnn.data.pictures.facts import fact_lines, summarize
from jaxcnn.data.pictures.fitting import losses_of
from jaxcnn.data.pictures.survey import PictureFile, Survey
from jaxcnn.files.writing import write_text
from jaxcnn.reporting.document import Block, Heading, Paragraph, Picture, Table, to_html
from jaxcnn.reporting.figures import picture_tiles
from jaxcnn.text import integer

if TYPE_CHECKING:
    from jaxcnn.training.augmented_batch import AugmentedBatch

_EXAMPLES, _MOST_CLASSES = 10, 20  # examples of each class; of more classes one each
_MOST_EXAMPLES = 100
_FITTED = 6  # pictures that show the fitting
_SHOWN_GROUPS = 12
_MOST_ROWS = 500  # of a table


@dataclasses.dataclass(frozen=True)
class Subject:
    """The pictures that a page describes.

    Attributes:
      name: of the dataset.
      survey: of its pictures.
      class_names: in the order of the labels.
      notes: on the pictures' layout.
      fit: how they are fitted.
      image_size: height and width to which they are fitted.
      exclusion: the file with the list of pictures to leave out.
      batch: the first training batch; None for none.
      batch_classes: the classes of the config, in the order of the batch's labels.
    """

    name: str
    survey: Survey
    class_names: Sequence[str]
    notes: Sequence[str]
    fit: str
    image_size: tuple[int, int]
    exclusion: Path
    batch: "AugmentedBatch | None" = None
    batch_classes: Sequence[str] = ()


def write_page(subject: Subject, file: Path) -> None:
    """Write the page as one HTML file that needs no other.

    Raises:
      UserError: the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        blocks = [
            *_classes(subject, Path(folder)),
            *_files(subject),
            *_fitting(subject, Path(folder)),
            *_augmented(subject, Path(folder)),
            *_copies(subject, Path(folder)),
        ]
        write_text(file, to_html(f"The pictures of {subject.name}", blocks, Path(folder)))


def _classes(subject: Subject, folder: Path) -> list[Block]:
    entries = subject.survey.entries
    names = subject.class_names
    splits = list(dict.fromkeys(entry.split for entry in entries))
    counts = Counter((entry.class_name, entry.split) for entry in entries)
    rows = [[name, *(integer(counts[name, split]) for split in splits)] for name in names]
    rows.append(["total", *(integer(sum(e.split == split for e in entries)) for split in splits)])
    per_class = _EXAMPLES if len(names) <= _MOST_CLASSES else 1
    shown = [entry for name in names for entry in _first(entries, name, per_class)]
    shown = shown if per_class > 1 else shown[:_MOST_EXAMPLES]
    table = Table("Pictures of each class", ["class", *splits], rows, folded=len(rows) > 40)
    if not shown:
        return [Heading("Classes"), table]
    picture_tiles.draw_examples(shown, folder / "examples")
    examples = Picture("examples", "The first training pictures of each class")
    return [Heading("Classes"), table, examples]


def _first(entries: Sequence[PictureFile], name: str, count: int) -> list[PictureFile]:
    return [e for e in entries if e.class_name == name and e.split == "train"][:count]


def _files(subject: Subject) -> list[Block]:
    survey = subject.survey
    rows = [line.split(maxsplit=1) for line in fact_lines(summarize(survey.facts))]
    blocks: list[Block] = [Heading("Files"), Table("The files", ["", "number"], rows)]
    blocks += [Paragraph(note) for note in subject.notes]
    if survey.unreadable:
        listed = [[entry.name, reason] for entry, reason in survey.unreadable]
        caption = f"Files that cannot be read: {integer(len(listed))}"
        blocks.append(Table(caption, ["file", "reason"], listed))
    return blocks


def _fitting(subject: Subject, folder: Path) -> list[Block]:
    survey, image = subject.survey, subject.image_size
    heights = np.array([fact.height for fact in survey.facts])
    widths = np.array([fact.width for fact in survey.facts])
    title = Heading(f"Fitting to {'x'.join(map(str, image))} (height x width)")
    if (heights == image[0]).all() and (widths == image[1]).all():
        return [title, Paragraph("All pictures have this size.")]
    rows = []
    for method in dict.fromkeys((subject.fit, *picture_tiles.METHODS)):
        losses = losses_of(method, heights, widths, image)
        name = f"{method} (chosen)" if method == subject.fit else method
        rows.append([name, *map(_shares, losses[:2]), f"{losses.stretch.max():.2f} times"])
    order = np.argsort(np.log(widths / heights), kind="stable")
    spread = np.unique(order[np.linspace(0, len(order) - 1, _FITTED).astype(int)])
    shown = [survey.entries[i] for i in sorted(spread, key=lambda i: widths[i] / heights[i])]
    picture_tiles.draw_fits(shown, subject.fit, subject.image_size, folder / "fits")
    head = ["fit", "cut away, mean and most", "border, mean and most", "stretched at most"]
    return [
        title,
        Table("The losses by each way to fit the pictures", head, rows),
        Picture("fits", "Pictures from the narrowest to the widest, and as they are fitted"),
    ]


def _shares(values: np.ndarray) -> str:
    return f"{100 * values.mean():.1f}%, {100 * values.max():.0f}%"


def _augmented(subject: Subject, folder: Path) -> list[Block]:
    if subject.batch is None:
        return []
    from jaxcnn.reporting.figures.dataset_pictures import draw_augmented

    draw_augmented(subject.batch, subject.batch_classes, folder / "augmented.svg")
    return [
        Heading("Augmentation"),
        Picture("augmented", "The first training batch; below each image, its augmented version"),
    ]


def _copies(subject: Subject, folder: Path) -> list[Block]:
    survey = subject.survey
    head = ["", "the same file", "look the same"]
    blocks: list[Block] = [
        Heading("Copies"),
        Table("Groups of pictures that are copies of each other", head, _copy_counts(survey)),
    ]
    if survey.shared_groups:
        listed = [
            [name, ", ".join(sorted(splits))] for name, splits in survey.shared_groups.items()
        ]
        caption = "Groups of the column group that lie in several splits"
        blocks.append(Table(caption, ["group", "splits"], listed[:_MOST_ROWS]))
    titles = {
        "leaks": ("Copies in training and in another split", survey.leaks),
        "conflicts": ("Copies in several classes", survey.conflicts),
        "near": ("Pictures that look the same", survey.near),
        "equal": ("The same files", survey.equal),
    }
    for name, (title, groups) in titles.items():
        if groups:
            members = [survey.members(group) for group in groups]
            picture_tiles.draw_copies(members[:_SHOWN_GROUPS], folder / name)
            blocks += [Picture(name, title), _table_of(title, members)]
    if survey.equal or survey.near or survey.unreadable:
        blocks.append(
            Paragraph(
                f"`{subject.exclusion.name}` lists the unreadable files and all but one of the "
                "same files; pictures that only look the same are comments in it. Leave its "
                "pictures out with `--config.dataset.exclude`, or `--exclude` of `prepare`."
            )
        )
    return blocks


def _copy_counts(survey: Survey) -> list[list[str]]:
    """Return rows of the numbers of groups: all, by the splits that they lie in, by classes."""
    rows: dict[str, Counter[str]] = {"all": Counter()}
    for kind, groups in (("equal", survey.equal), ("near", survey.near)):
        for group in groups:
            members = survey.members(group)
            splits = " and ".join(sorted({entry.split for entry in members}, reverse=True))
            names = ["all", f"in {splits}"]
            if len({entry.class_name for entry in members}) > 1:
                names.append("in several classes")
            for name in names:
                rows.setdefault(name, Counter())[kind] += 1
    order = sorted(rows, key=lambda name: (name != "all", name == "in several classes", name))
    return [[name, *(integer(rows[name][kind]) for kind in ("equal", "near"))] for name in order]


def _table_of(title: str, groups: Sequence[Sequence[PictureFile]]) -> Table:
    rows = [
        [entry.name, entry.split, entry.class_name, str(number)]
        for number, group in enumerate(groups, start=1)
        for entry in group
    ]
    more = f" (the first {_MOST_ROWS} of {integer(len(rows))})" if len(rows) > _MOST_ROWS else ""
    head = ["file", "split", "class", "group"]
    return Table(f"{title}{more}", head, rows[:_MOST_ROWS], folded=True)
