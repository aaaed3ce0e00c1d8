"""A comparison as files: `index.html`, `comparison.md`, CSV tables and pictures."""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from jaxcnn.data.places import refuse_among_pictures
from jaxcnn.data.superclasses import SELECTED, SELECTED_BY
from jaxcnn.errors import UserError
from jaxcnn.evaluation.balance import is_unequal
from jaxcnn.files.writing import write_text
from jaxcnn.reporting.comparison import records as records
from jaxcnn.reporting.comparison.groups import Estimate, Group, Section, compare
from jaxcnn.reporting.comparison.plots import plot_section
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.document import (
    Block,
    Heading,
    Paragraph,
    Picture,
    Table,
    to_html,
    to_markdown,
)
from jaxcnn.reporting.protocol import IN_SIGHT, TUNED
from jaxcnn.text import clock, decimal, integer, loss, percent
from jaxcnn.workdir.run_files import TEST_EVALUATION

_TITLE = "Networks compared"
_MARKS = {"†": IN_SIGHT, "‡": TUNED}
_SAME = 1e-3  # in accuracy: what rounding on another device may change
_MANY_CLASSES = 20  # a longer table is folded up


def write_comparison(folders: Iterable[str | Path], out: Path) -> tuple[list[Section], list[str]]:
    """Compares the runs in the folders and writes everything into `out`, made if need be.

    Returns:
      The sections, and a line for each folder, or part of one, that was left out.

    Raises:
      UserError: a folder is not there, none holds a run, or `out` cannot be written.
    """
    runs, left_out = read_runs(folders)
    for run in runs:
        refuse_among_pictures(out, run.config["dataset"]["name"], "name another --out")
    sections, repeats = compare(runs)
    left_out += repeats
    try:
        out.mkdir(parents=True, exist_ok=True)
        blocks = _document(sections, left_out, out)
        for name, found in records.everything(sections).items():
            write_text(out / f"{name}.csv", records.to_csv(found))
        write_text(out / "comparison.md", to_markdown(_TITLE, blocks))
        write_text(out / "index.html", to_html(_TITLE, blocks, out))
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from error
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
    """What the section's pictures are called: its dataset, in letters that any file may have."""
    slugs = [re.sub(r"[^a-z0-9]+", "-", s.dataset.lower()).strip("-") for s in (*earlier, section)]
    return slugs[-1] if slugs[-1] and slugs.count(slugs[-1]) == 1 else f"dataset{len(slugs)}"


def _section(section: Section, out: Path, prefix: str) -> list[Block]:
    pictures = [Picture(*each) for each in plot_section(section, out, prefix).items()]
    by_class = [picture for picture in pictures if picture.name.endswith("classes")]
    return [
        Heading(section.dataset),
        results_table(section),
        *_remarks(section),
        *(picture for picture in pictures if picture not in by_class),
        *_differences(section),
        *_class_tables(section),
        *by_class,
        *_evaluations(section),
        _runs_table(section),
    ]


def results_table(section: Section) -> Table:
    """The ranking: a row a group."""
    several = any(len(group.finished) > 1 for group in section.groups)
    how = "; mean ± sample standard deviation over n seeds" if several else ""
    columns = {
        "network": lambda group: group.title,
        "test accuracy": _accuracy,
        "balanced accuracy": _balanced,
        "top-5 accuracy": lambda group: _text(group.evaluated("top5_accuracy"), percent),
        "superclass accuracy": lambda group: _text(group.evaluated("superclass_accuracy"), percent),
        "n": lambda group: str(len(group.finished)) if several and group.finished else "-",
        "published": lambda group: percent(group.published),
        "test loss": lambda group: _text(group.result("test_loss"), loss),
        "parameters": lambda group: _mean(group, "parameters", integer),
        "million FLOPs": lambda group: _mean(group, "flops", lambda value: decimal(value / 1e6)),
        "training time": lambda group: _mean(group, "seconds", clock),
        "epochs": lambda group: _mean(group, "num_epochs", integer),
        "validation split": _validation_split,
        "tested weights": records.weights_of,
    }
    rows = [[cell(group) for cell in columns.values()] for group in section.groups]
    return _without_empty_columns(Table(f"Ranking by test accuracy{how}.", list(columns), rows))


def _accuracy(group: Group) -> str:
    text = _text(group.result("test_accuracy"), percent)
    return text if text == "-" else text + _marks_of(group)


def _balanced(group: Group) -> str:
    """Where it may differ from the accuracy."""
    if not any(is_unequal(run.evaluation.get("classes", ())) for run in group.finished):
        return "-"
    return _text(group.evaluated("balanced_accuracy"), percent)


def _marks(is_test_in_sight: bool, is_tuned_on_test: bool) -> str:
    signs = "†" * is_test_in_sight + "‡" * is_tuned_on_test
    return f" {signs}" if signs else ""


def _marks_of(group: Group) -> str:
    return _marks(group.run.is_test_in_sight, group.run.is_tuned_on_test)


def _validation_split(group: Group) -> str:
    return records.validation_split(group.run) + _marks_of(group)


def _text(estimate: Estimate | None, word: Callable[[float], str]) -> str:
    """`59.39%` for one run, `59.39% ± 0.41%` for several."""
    if estimate is None:
        return "-"
    if estimate.std is None:
        return word(estimate.mean)
    return f"{word(estimate.mean)} ± {word(estimate.std)}"


def _mean(group: Group, name: str, word: Callable[[float], str]) -> str:
    estimate = group.result(name)
    return word(estimate.mean) if estimate else "-"


def _without_empty_columns(table: Table) -> Table:
    kept = [i for i in range(len(table.head)) if any(row[i] != "-" for row in table.rows)]
    rows = [[row[i] for i in kept] for row in table.rows]
    return Table(table.caption, [table.head[i] for i in kept], rows, table.folded)


def _remarks(section: Section) -> list[Paragraph]:
    """What † and ‡ mean, and what a reader must know before comparing times."""
    marks = "".join(map(_marks_of, section.groups))
    devices = {records.device(run) for group in section.finished for run in group.finished}
    remarks = [f"{mark} {text}" for mark, text in _MARKS.items() if mark in marks]
    if len(devices - {""}) > 1:
        remarks.append(
            "Training times were taken on different machines and do not compare: "
            + "; ".join(sorted(devices - {""}))
        )
    if any(group.published is not None for group in section.groups):
        remarks.append("Published: the accuracy that the publication gives for the same recipe.")
    return list(map(Paragraph, remarks))


def _differences(section: Section) -> list[Table]:
    """The fields in which the recipes differ."""
    if not section.differences:
        return []
    head = ["field", *(group.label for group in section.groups)]
    rows = [
        [name, *("-" if value is None else str(value) for value in values)]
        for name, values in section.differences.items()
    ]
    return [Table("What differs between the recipes.", head, rows)]


def _class_tables(section: Section) -> list[Table]:
    """Of the superclasses, of the selected classes, and of all classes, where there are such."""
    order = "the best mean first"
    names, superclasses = section.class_names(), section.class_names("superclasses")
    runs = [run for group in section.finished for run in group.finished]
    is_selecting = any(run.publication == SELECTED_BY for run in runs)
    selected = [name for name in names if is_selecting and name in SELECTED]
    selection = f"The ten classes selected by the {SELECTED_BY} publication, {order}"
    return [
        *_class_table(
            section, f"Test accuracy by superclass, {order}", superclasses, "superclasses"
        ),
        *_class_table(section, selection, selected),
        *_class_table(section, f"Test accuracy by class, {order}; more in classes.csv", names),
    ]


def _class_table(
    section: Section, caption: str, names: list[str], kind: str = "classes"
) -> list[Table]:
    groups = [g for g in section.finished if any(run.evaluation for run in g.finished)]
    rows = [
        [name, *(_text(group.class_score(name, kind=kind), percent) for group in groups)]
        for name in names
    ]
    head = ["class", *(group.label for group in groups)]
    return [Table(caption, head, rows, folded=len(rows) > _MANY_CLASSES)] if rows else []


def _evaluations(section: Section) -> list[Paragraph]:
    """Which runs lack class-wise figures, and the command that makes them; and which have those
    of other weights than their result's."""
    runs = [run for group in section.finished for run in group.finished]
    lacking = [run for run in runs if not run.evaluation]
    remarks = []
    if lacking:
        text = ", ".join(f"`{run.folder}`" for run in lacking)
        command = f"`python -m jaxcnn.evaluate --workdir={shlex.quote(str(lacking[0].folder))}`"
        remarks.append(
            f"Without class-wise figures ({TEST_EVALUATION}): {text}. Make them: {command}"
        )
    for run in runs:
        accuracy = run.evaluation.get("accuracy", run.result["test_accuracy"])
        if abs(accuracy - run.result["test_accuracy"]) > _SAME:
            remarks.append(
                f"The class-wise figures of `{run.folder}` are of other weights than its result: "
                f"their test accuracy is {percent(accuracy)}."
            )
    return list(map(Paragraph, remarks))


def _runs_table(section: Section) -> Table:
    rows = []
    for run in records.runs([section]):
        mark = _marks(run["test_set_served_as_validation"], run["recipe_tuned_on_test"])
        state = f"not finished, epoch {run['epoch']} of {run['num_epochs']}"
        best = f"{percent(run['best_validation_accuracy'])} in epoch {run['best_epoch']}"
        rows.append(
            [
                run["run"],
                run["label"],
                str(run["seed"]),
                percent(run["test_accuracy"]) + mark if run["finished"] else state,
                "-" if run["best_epoch"] is None else best,
                percent(run["last_validation_accuracy"]),
                run["validation_split"] + mark,
                run["tested_weights"],
                clock(run["seconds"]),
                run["device"] or "-",
            ]
        )
    head = [
        "run", "network", "seed", "test accuracy", "validation, best", "validation, last",
        "validation split", "tested weights", "training time", "machine",
    ]  # fmt: skip
    return _without_empty_columns(Table("The runs.", head, rows))
