"""The files of a comparison: `index.html`, `comparison.md`, CSV tables and pictures."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from jaxcnn.data.places import refuse_among_pictures
from jaxcnn.files.writing import write_text, writing_to
from jaxcnn.reporting.comparison import records, tables
from jaxcnn.reporting.comparison.groups import Section, compare
from jaxcnn.reporting.comparison.plots import plot_section
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.document import Block, Heading, Paragraph, Picture, to_html, to_markdown

_TITLE = "Comparison of networks"


def write_comparison(folders: Iterable[str | Path], out: Path) -> tuple[list[Section], list[str]]:
    """Compare the runs in the folders, and write all files to `out`, which is made if needed.

    Returns:
      The sections, and a line for each folder or file that was left out.

    Raises:
      UserError: a folder does not exist, none holds a run, or `out` cannot be written.
    """
    runs, left_out = read_runs(folders)
    for run in runs:
        refuse_among_pictures(out, run.config["dataset"]["name"], "name another --out")
    sections, repeats = compare(runs)
    left_out += repeats
    with writing_to(out):
        out.mkdir(parents=True, exist_ok=True)
        blocks = _document(sections, left_out, out)
        for name, rows in records.everything(sections).items():
            write_text(out / f"{name}.csv", records.to_csv(rows))
        write_text(out / "comparison.md", to_markdown(_TITLE, blocks))
        write_text(out / "index.html", to_html(_TITLE, blocks, out))
    return sections, left_out


def _document(sections: list[Section], left_out: list[str], out: Path) -> list[Block]:
    blocks: list[Block] = [
        block
        for number, section in enumerate(sections)
        for block in _section(section, out, _prefix(section, sections[:number]))
    ]
    if left_out:
        blocks += [Heading("Left out"), *map(Paragraph, left_out)]
    return blocks


def _prefix(section: Section, earlier: Sequence[Section]) -> str:
    """Return the start of the names of a section's pictures: its dataset, fit for file names."""
    slugs = [re.sub(r"[^a-z0-9]+", "-", s.dataset.lower()).strip("-") for s in (*earlier, section)]
    return slugs[-1] if slugs[-1] and slugs.count(slugs[-1]) == 1 else f"dataset{len(slugs)}"


def _section(section: Section, out: Path, prefix: str) -> list[Block]:
    pictures = [Picture(*item) for item in plot_section(section, out, prefix).items()]
    by_class = [picture for picture in pictures if picture.name.endswith("classes")]
    return [
        Heading(section.dataset),
        tables.results_table(section),
        *tables.remarks(section),
        *(picture for picture in pictures if picture not in by_class),
        *tables.recipe_table(section),
        *tables.class_tables(section),
        *by_class,
        *tables.evaluation_remarks(section),
        tables.runs_table(section),
    ]
