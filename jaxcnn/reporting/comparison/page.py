"""The files of a comparison: `index.html`, `comparison.md`, CSV tables and pictures."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from jaxcnn.data.places import refuse_among_pictures
from jaxcnn.files.writing import write_text, writing_to
from jaxcnn.reporting.comparison import records, tables
from jaxcnn.reporting.comparison.goal import NO_GOAL, Goal
from jaxcnn.reporting.comparison.grid import Fields, fields_of_grid, grids_of
from jaxcnn.reporting.comparison.groups import Section, compare
from jaxcnn.reporting.comparison.heat_map import plot_grid
from jaxcnn.reporting.comparison.labels import axis_name
from jaxcnn.reporting.comparison.pair_tables import pair_remarks, pair_table, pairs_of
from jaxcnn.reporting.comparison.plots import plot_section
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.comparison.sweep_tables import goal_tables, grid_tables
from jaxcnn.reporting.comparison.worth import best_classes_tables, worth_text
from jaxcnn.reporting.document import Block, Heading, Paragraph, Picture, to_html, to_markdown

_ONLY_IF_ANY = ("differences", "grids", "goals")
_TITLE = "Comparison of networks"


def write_comparison(
    folders: Iterable[str | Path], out: Path, grid: Sequence[str] = (), goal: Goal = NO_GOAL
) -> tuple[list[Section], list[str]]:
    """Compare the runs in the folders, and write all files to `out`, which is made if needed.

    Args:
      folders: the folders of runs and populations.
      out: the folder of the comparison.
      grid: the two fields of the grids; () for the fields that differ, if there are two.
      goal: see `Goal`.

    Returns:
      The sections, and a line for each folder or file that was left out.

    Raises:
      UserError: a folder does not exist, none holds a run, `out` cannot be written, or the fields
        of the grids are not two in which the runs differ.
    """
    runs, left_out = read_runs(folders)
    for run in runs:
        refuse_among_pictures(out, run.config["dataset"]["name"], "name another --out")
    sections, repeats = compare(runs)
    left_out += repeats
    fields = fields_of_grid(grid, sections)
    with writing_to(out):
        out.mkdir(parents=True, exist_ok=True)
        blocks = _document(sections, left_out, out, fields, goal)
        for name, rows in records.everything(sections, fields, goal).items():
            if rows or name not in _ONLY_IF_ANY:
                write_text(out / f"{name}.csv", records.to_csv(rows))
            else:  # an earlier comparison may have written it
                (out / f"{name}.csv").unlink(missing_ok=True)
        write_text(out / "comparison.md", to_markdown(_TITLE, blocks))
        write_text(out / "index.html", to_html(_TITLE, blocks, out))
    return sections, left_out


def _document(
    sections: list[Section], left_out: list[str], out: Path, fields: Fields | None, goal: Goal
) -> list[Block]:
    blocks: list[Block] = []
    for number, section in enumerate(sections):
        prefix = _prefix(section, sections[:number])
        grids = _grids(section, out, prefix, fields)
        blocks += _section(section, out, prefix, grids, goal)
    if left_out:
        blocks += [Heading("Left out"), *map(Paragraph, left_out)]
    return blocks


def _prefix(section: Section, earlier: Sequence[Section]) -> str:
    """Return the start of the names of a section's pictures: its dataset, fit for file names."""
    slugs = [re.sub(r"[^a-z0-9]+", "-", s.dataset.lower()).strip("-") for s in (*earlier, section)]
    return slugs[-1] if slugs[-1] and slugs.count(slugs[-1]) == 1 else f"dataset{len(slugs)}"


def _grids(section: Section, out: Path, prefix: str, fields: Fields | None) -> list[Block]:
    blocks: list[Block] = []
    for number, grid in enumerate(grids_of(section, fields), 1):
        name = f"{prefix}-grid{number}"
        plot_grid(grid, out / name)
        first, second = map(axis_name, grid.fields)
        blocks += [*grid_tables(grid), Picture(name, f"Test accuracy by {first} and {second}")]
    return blocks


def _section(
    section: Section, out: Path, prefix: str, grids: list[Block], goal: Goal
) -> list[Block]:
    pictures = [Picture(*item) for item in plot_section(section, out, prefix).items()]
    by_class = [picture for picture in pictures if picture.name.endswith("classes")]
    pairs = pairs_of(section)
    return [
        Heading(section.dataset),
        tables.results_table(section),
        *tables.remarks(section),
        *pair_table(pairs),
        *pair_remarks(pairs),
        *worth_text(section),
        *goal_tables(section, goal),
        *grids,
        *(picture for picture in pictures if picture not in by_class),
        *tables.recipe_table(section),
        *best_classes_tables(section),
        *tables.class_tables(section),
        *by_class,
        *tables.evaluation_remarks(section),
        tables.runs_table(section, goal),
    ]
