"""The tables and remarks of a section of a comparison."""

import shlex
from collections.abc import Callable, Sequence

from jaxcnn.config.publications import Figures, current_key
from jaxcnn.config.published import publication_of
from jaxcnn.evaluation.balance import shows_balanced_accuracy
from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.goal import NO_GOAL, Goal
from jaxcnn.reporting.comparison.groups import MeanAndStd, RecipeGroup, Section
from jaxcnn.reporting.comparison.pair_tables import interval_text
from jaxcnn.reporting.comparison.runs import SavedRun
from jaxcnn.reporting.document import Paragraph, Table
from jaxcnn.reporting.protocol import IN_SIGHT, TUNED
from jaxcnn.reporting.published_text import accuracy_text, best_text, seconds_text
from jaxcnn.text import clock, decimal, integer, loss, percent
from jaxcnn.workdir.run_files import TEST_EVALUATION

_MARKS = {"†": IN_SIGHT, "‡": TUNED}
_SAME = 1e-3  # differences in accuracy up to this may come from rounding on another device
_MANY_CLASSES = 20  # a longer table is folded
_T = "Student's t for the mean over the seeds"
_WILSON = "Wilson's for one run, by the test images"


def results_table(section: Section) -> Table:
    """Return the ranking, with a row for each group."""
    has_seeds = section.has_seeds
    statistic = "; mean ± sample standard deviation over n seeds" if has_seeds else ""
    columns = {
        "network": lambda group: group.title,
        "test accuracy": _accuracy,
        "balanced accuracy": _balanced,
        "top-5 accuracy": lambda group: mean_text(group.evaluated("top5_accuracy"), percent),
        "superclass accuracy": lambda group: mean_text(
            group.evaluated("superclass_accuracy"), percent
        ),
        "n": lambda group: str(len(group.finished)) if group.finished else "-",
        "95 % interval": lambda group: interval_text(group.interval()),
        "published": _published,
        "published best epoch": _from_figures(best_text),
        "test loss": lambda group: mean_text(group.result("test_loss"), loss),
        "test loss / batch size": lambda group: mean_text(group.batch_loss, loss),
        "parameters": lambda group: _mean(group, "parameters", integer),
        "million FLOPs": lambda group: _mean(group, "flops", lambda value: decimal(value / 1e6)),
        "training time": lambda group: _mean(group, "seconds", clock),
        "epochs": lambda group: _mean(group, "num_epochs", integer),
        "seconds per epoch": lambda group: mean_text(group.seconds_per_epoch, decimal),
        "published seconds per epoch": _from_figures(seconds_text),
        "machine": lambda group: records.machines(group) or "-",
        "code": lambda group: records.code(group) or "-",
        "validation split": _validation_split,
        "tested weights": records.weights_of,
    }
    rows = [[cell(group) for cell in columns.values()] for group in section.groups]
    return _without_empty_columns(
        Table(f"Ranking by test accuracy{statistic}{_intervals(section)}.", list(columns), rows)
    )


def _intervals(section: Section) -> str:
    """Return the part of the caption that names the kinds of intervals."""
    sizes = {len(group.accuracies()) for group in section.finished if group.interval()}
    kinds = [_T] * (max(sizes, default=0) > 1) + [_WILSON] * (1 in sizes)
    return f"; 95 % interval: {', '.join(kinds)}" if kinds else ""


def _published(group: RecipeGroup) -> str:
    figures = group.figures
    words = accuracy_text(figures) if figures else ""
    return words or percent(group.published)


def _from_figures(to_text: Callable[[Figures], str]) -> Callable[[RecipeGroup], str]:
    """Return the cell of a group that `to_text` makes of its published figures."""
    return lambda group: (to_text(group.figures) if group.figures else "") or "-"


def _accuracy(group: RecipeGroup) -> str:
    text = mean_text(group.result("test_accuracy"), percent)
    return text if text == "-" else text + _marks_of(group)


def _balanced(group: RecipeGroup) -> str:
    """Return the balanced accuracy, or "-" if it hardly differs from the accuracy."""
    if not any(
        shows_balanced_accuracy(run.evaluation.get("classes", ())) for run in group.finished
    ):
        return "-"
    return mean_text(group.evaluated("balanced_accuracy"), percent)


def marks(is_test_in_sight: bool, is_tuned_on_test: bool) -> str:
    """Return the marks of a test accuracy, such as " †"; "" for none."""
    signs = "†" * is_test_in_sight + "‡" * is_tuned_on_test
    return f" {signs}" if signs else ""


def _marks_of(group: RecipeGroup) -> str:
    return marks(group.run.is_test_in_sight, group.run.is_tuned_on_test)


def _validation_split(group: RecipeGroup) -> str:
    return records.validation_split(group.run.config) + _marks_of(group)


def mean_text(value: MeanAndStd | None, to_text: Callable[[float], str]) -> str:
    """Return `59.39%` for one run, `59.39% ± 0.41%` for several, `-` for none."""
    if value is None:
        return "-"
    if value.std is None:
        return to_text(value.mean)
    return f"{to_text(value.mean)} ± {to_text(value.std)}"


def _mean(group: RecipeGroup, name: str, to_text: Callable[[float], str]) -> str:
    value = group.result(name)
    return to_text(value.mean) if value else "-"


def _without_empty_columns(table: Table) -> Table:
    kept = [i for i in range(len(table.head)) if any(row[i] != "-" for row in table.rows)]
    rows = [[row[i] for i in kept] for row in table.rows]
    return Table(table.caption, [table.head[i] for i in kept], rows, table.folded)


def remarks(section: Section) -> list[Paragraph]:
    """Return what the marks mean, and cautions for the comparison of times and accuracies."""
    shown = "".join(map(_marks_of, section.groups))
    devices = {records.device(run) for run in section.finished_runs}
    texts = [f"{mark} {text}" for mark, text in _MARKS.items() if mark in shown]
    if len(devices - {""}) > 1:
        texts.append(
            "The training times were taken on different machines and cannot be compared: "
            + "; ".join(sorted(devices - {""}))
        )
    if any(group.published is not None for group in section.groups):
        texts.append("Published: the accuracy that the publication gives for the same recipe.")
    return list(map(Paragraph, texts))


def recipe_table(section: Section) -> list[Table]:
    """Return a table of the fields that differ between the recipes; none without differences."""
    if not section.differences:
        return []
    head = ["field", *(group.label for group in section.groups)]
    rows = [
        [name, *("-" if value is None else str(value) for value in values)]
        for name, values in section.differences.items()
    ]
    return [Table("Differences between the recipes.", head, rows)]


def class_tables(section: Section) -> list[Table]:
    """Return tables of the superclasses, the selected classes and all classes, if there are any."""
    names, superclasses = section.class_names(), section.class_names("superclasses")
    order = "the best mean first"
    caption = f"Test accuracy by superclass, {order}"
    tables = class_table(section, caption, superclasses, "superclasses")
    for publication, selection in _selections(section).items():
        selected = [name for name in names if name in selection]
        which = f"the {len(selected)} classes selected by the {publication} publication"
        tables += class_table(section, f"Test accuracy of {which}, {order}", selected)
    caption = f"Test accuracy by class, {order}; more in classes.csv"
    return tables + class_table(section, caption, names)


def _selections(section: Section) -> dict[str, list[str]]:
    """Return the classes that the publications of the runs' recipes select, by publication."""
    selections = {}
    for run in section.finished_runs:
        publication = run.evaluation.get("publication")
        if publication is None:  # an evaluation of older code
            publication = publication_of(run.config, run.environment)
        if publication and run.evaluation.get("selected_classes"):
            selections[current_key(publication)] = run.evaluation["selected_classes"]
    return selections


def class_table(
    section: Section, caption: str, names: list[str], kind: str = "classes"
) -> list[Table]:
    """Return a table of the test accuracy of some classes or superclasses; none without names."""
    groups = section.evaluated_groups
    rows = [
        [name, *(mean_text(group.class_metric(name, kind=kind), percent) for group in groups)]
        for name in names
    ]
    head = ["class", *(group.label for group in groups)]
    return [Table(caption, head, rows, folded=len(rows) > _MANY_CLASSES)] if rows else []


def evaluation_remarks(section: Section) -> list[Paragraph]:
    """Return which runs lack metrics by class, and which have those of other weights."""
    missing = [run for run in section.finished_runs if not run.evaluation]
    texts = [_missing_text(missing)] if missing else []
    for run in section.finished_runs:
        recorded = (run.result or {})["test_accuracy"]
        accuracy = run.evaluation.get("accuracy", recorded)
        if abs(accuracy - recorded) > _SAME:
            texts.append(
                f"The metrics by class of `{run.folder}` are of other weights than its result: "
                f"their test accuracy is {percent(accuracy)}."
            )
    return list(map(Paragraph, texts))


def _missing_text(runs: Sequence[SavedRun]) -> str:
    folders = ", ".join(f"`{run.folder}`" for run in runs)
    command = f"`python -m jaxcnn.evaluate --workdir={shlex.quote(str(runs[0].folder))}`"
    return f"Without metrics by class ({TEST_EVALUATION}): {folders}. Make them with {command}"


def runs_table(section: Section, goal: Goal = NO_GOAL) -> Table:
    """Return a table with a row for each run."""
    rows = [_run_row(run) for run in records.runs([section], goal)]
    head = [
        "run", "network", "seed", "test accuracy", "validation, best", "validation, last",
        "validation split", "tested weights", f"first epoch with {percent(goal.accuracy)}",
        "training time", "seconds per epoch", "machine", "code",
    ]  # fmt: skip
    return _without_empty_columns(Table("The runs.", head, rows))


def _run_row(run: records.TableRow) -> list[str]:
    mark = marks(run["test_set_served_as_validation"], run["recipe_tuned_on_test"])
    best = f"{percent(run['best_validation_accuracy'])} in epoch {run['best_epoch']}"
    return [
        run["run"],
        run["label"],
        str(run["seed"]),
        percent(run["test_accuracy"]) + mark if run["finished"] else run["state"],
        "-" if run["best_epoch"] is None else best,
        percent(run["last_validation_accuracy"]),
        run["validation_split"] + mark,
        run["tested_weights"],
        integer(run["goal_epoch"]),
        clock(run["seconds"]),
        decimal(run["seconds_per_epoch"]),
        run["device"] or "-",
        records.code_text(run["version"], run["commit"]) or "-",
    ]
