"""An evaluation in words and tables: a section of the report, and the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from jaxcnn.data.superclasses import SELECTED_BY
from jaxcnn.evaluation.balance import balanced_accuracy, unrecognized
from jaxcnn.reporting import document
from jaxcnn.reporting.evaluation import provenance
from jaxcnn.text import integer, loss, percent, printable
from jaxcnn.workdir.run_files import TEST_EVALUATION, evaluations, read_part, read_part_if_there

_NEEDED = ("split", "checkpoint", "epoch", "validation", "classes", "most_confused", "pictures")
_MOST_CLASSES = 20  # in a table; of more the best and the worst are shown
_ENDS = 10  # best, and worst

_PICTURES = {
    "confusion": "Confusion matrix: each true class's images by predicted class",
    "superclass_confusion": "The same for the superclasses",
    "reliability": "Reliability: how often predictions of each probability are right",
    "first": "Some images with their predicted classes",
    "mistakes": "The wrong predictions that the network was most sure of",
    "saliency": "Pixels that count for the prediction: gradient of the predicted class's score",
    "filters": "The filters of the first layer",
    "maps": "Feature maps of one image",
}


def sections(workdir: Path, result: Mapping[str, Any]) -> list[str]:
    """The Markdown sections of all evaluations in a run's folder, the test split first; but not of
    those from before the run went on to the result it has now.

    Raises:
      UserError: a file of them is damaged.
    """
    names = sorted(evaluations(workdir), key=lambda name: (Path(name).stem != "test", name))
    found = {name: read_part(workdir, name, _NEEDED) for name in names}
    return [
        _section(Path(name).stem, scores)
        for name, scores in found.items()
        if _is_of(result, scores)
    ]


def tested_classes(workdir: Path, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The class-wise figures of the weights that the result is of; empty without an evaluation.

    Raises:
      UserError: the evaluation's file is damaged.
    """
    scores = read_part_if_there(workdir, TEST_EVALUATION, _NEEDED)
    return scores["classes"] if scores and _is_of(result, scores) else []


def _is_of(result: Mapping[str, Any], scores: Mapping[str, Any]) -> bool:
    epochs = {"best": result["best_epoch"], "latest": result["num_epochs"]}
    return scores["epoch"] == epochs[scores["checkpoint"]]


def _section(stem: str, scores: Mapping[str, Any]) -> str:
    title = f"Evaluation on the {scores['split']} split, {scores['checkpoint']} checkpoint"
    head, rows = class_table(scores)
    blocks = [
        document.Heading(title),
        document.Paragraph(provenance(scores)),
        document.Table("Overall", ("figure", "value"), overall_rows(scores)),
        *([document.Paragraph(lost)] if (lost := unrecognized(scores["classes"])) else []),
        document.Table(_caption(scores), head, rows),
    ]
    if "superclasses" in scores:
        head, rows = class_table({"classes": scores["superclasses"]})
        caption = "Superclasses; a superclass's probability is the sum of its classes'"
        blocks.append(document.Table(caption, head, rows))
        if scores.get("publication") == SELECTED_BY:
            blocks.append(_selected(scores))
    if scores["most_confused"]:
        blocks.append(_confusions(scores))
    for name in scores["pictures"]:
        text = _PICTURES.get(name.removeprefix(f"{stem}_"), name)
        blocks.append(document.Picture(f"plots/{name}", text))
    return "\n\n".join(block.markdown() for block in blocks)


def overall_rows(scores: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of the overall figures."""
    scores = {**scores, "balanced_accuracy": balanced_accuracy(scores["classes"])}
    names = {
        "num_examples": ("images", integer),
        "accuracy": ("accuracy", percent),
        "balanced_accuracy": ("balanced accuracy, mean recall of the classes", percent),
        "top5_accuracy": ("top-5 accuracy", percent),
        "superclass_accuracy": ("superclass accuracy", percent),
        "loss": ("cross-entropy", loss),
        "mean_precision": ("precision, mean of the classes", percent),
        "mean_f1": ("F1, mean of the classes", percent),
        "calibration_error": ("expected calibration error, 15 bins", percent),
        "tied_labels": ("images with a tie for most votes; the first class counts", integer),
    }
    return [(text, word(scores[key])) for key, (text, word) in names.items() if key in scores]


def class_table(scores: Mapping[str, Any]) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    """Head and rows of the class-wise figures; of many classes the ends, best accuracy first."""
    classes = scores["classes"]
    if len(classes) > _MOST_CLASSES:
        ranked = sorted(classes, key=lambda row: -(row.get("accuracy") or 0))
        classes = [*ranked[:_ENDS], *ranked[-_ENDS:]]
    return ("class", "accuracy (recall)", "precision", "F1", "images"), list(map(_row, classes))


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    shares = (percent(row.get(name)) for name in ("accuracy", "precision", "f1"))
    return (row["name"], *shares, integer(row.get("support")))


def _caption(scores: Mapping[str, Any]) -> str:
    if len(scores["classes"]) <= _MOST_CLASSES:
        return "Classes"
    return f"The {_ENDS} classes recognised best, and the {_ENDS} recognised worst"


def _selected(scores: Mapping[str, Any]) -> document.Table:
    chosen = [row for row in scores["classes"] if row["name"] in scores.get("selected_classes", ())]
    head, rows = class_table({"classes": chosen})
    caption = f"The ten classes selected by the {SELECTED_BY} publication"
    return document.Table(caption, head, rows)


def _confusions(scores: Mapping[str, Any]) -> document.Table:
    rows = [
        (f"{row['true']} → {row['predicted']}", integer(row["count"]), percent(row["share"]))
        for row in scores["most_confused"]
    ]
    head = ("true → predicted", "images", "of the true class")
    return document.Table("Most frequent confusions", head, rows)


def render(scores: Mapping[str, Any]) -> list[Any]:
    """For the terminal: where the figures come from, overall and class-wise tables."""
    overall = Table(box=None, show_header=False)
    for row in overall_rows(scores):
        overall.add_row(*row)
    head, rows = class_table(scores)
    classes = Table(title=_caption(scores), box=box.SIMPLE_HEAD)
    for name in head:
        is_text = name == "class"  # its names may be long, and numbers are not cut for them
        justify = "left" if is_text else "right"
        classes.add_column(name, justify=justify, no_wrap=not is_text, overflow="fold")
    for row in rows:
        classes.add_row(*(Text(printable(cell)) for cell in row))
    lost = unrecognized(scores["classes"])
    return [provenance(scores), overall, *([Text(lost, "yellow")] if lost else []), classes]
