"""An evaluation in words and tables: a section of the report, and the terminal's output.

An `evaluation` is the content of `evaluation/*.json`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from jaxcnn.config.publications import current_key
from jaxcnn.evaluation.balance import ClassMetrics, balanced_accuracy
from jaxcnn.reporting import document
from jaxcnn.reporting.provenance import differing_classes, provenance, unrecognized
from jaxcnn.text import integer, loss, percent, printable, rate
from jaxcnn.workdir.endings import is_evaluation_of
from jaxcnn.workdir.run_files import (
    TEST_EVALUATION,
    evaluations,
    read_calibration,
    read_part,
    read_part_if_there,
)

_NEEDED = ("split", "checkpoint", "epoch", "validation", "classes", "most_confused", "pictures")
_MOST_CLASSES = 20  # in a table; with more, the table has the best and the worst classes alone
_ENDS = 10  # the best classes in such a table, and as many of the worst

_PICTURES = {
    "confusion": "Confusion matrix: the images of each true class by predicted class",
    "superclass_confusion": "Confusion matrix of the superclasses",
    "reliability": "Reliability: how often predictions of each probability are correct",
    "coverage": "Accuracy if the least certain images are left out",
    "first": "Some images with their predicted classes",
    "mistakes": "The wrong predictions of highest probability",
    "saliency": "Saliency: the gradient of the predicted class's logit by pixel; and Grad-CAM: the "
    "regions of the last feature maps that speak for the class",
    "filters": "The filters of the first layer",
    "maps": "Feature maps of one image",
}


def sections(workdir: Path, result: Mapping[str, Any]) -> list[str]:
    """Return the Markdown section of each evaluation in a run's folder, the test split first.

    Evaluations of earlier weights are left out, such as those from before the run was resumed.

    Raises:
      UserError: the file of an evaluation is damaged.
    """
    names = sorted(evaluations(workdir), key=lambda name: (Path(name).stem != "test", name))
    by_name = {name: read_part(workdir, name, _NEEDED) for name in names}
    return [
        _section(Path(name).stem, evaluation, _temperature_note(workdir, evaluation))
        for name, evaluation in by_name.items()
        if is_evaluation_of(evaluation, result)
    ]


def tested_classes(workdir: Path, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the test metrics by class of the weights that gave the result.

    The list is empty without such an evaluation.

    Raises:
      UserError: the evaluation's file is damaged.
    """
    evaluation = read_part_if_there(workdir, TEST_EVALUATION, _NEEDED)
    return evaluation["classes"] if evaluation and is_evaluation_of(evaluation, result) else []


def _temperature_note(workdir: Path, evaluation: Mapping[str, Any]) -> str:
    """Return a sentence about an evaluation that was made with another temperature; "" for none."""
    if "step" not in evaluation:  # of older code
        return ""
    calibration = read_calibration(workdir, evaluation["checkpoint"], evaluation["step"]) or {}
    now, then = calibration.get("temperature", 1.0), evaluation.get("temperature", 1.0)
    if now == then:
        return ""
    return (
        f"Made with temperature {rate(then)}; that of the network is {rate(now)}. So it has other "
        "probabilities, another cross-entropy and another calibration: evaluate it again."
    )


def _section(stem: str, evaluation: Mapping[str, Any], note: str) -> str:
    tta = f", test-time augmentation {evaluation['tta']}" if "tta" in evaluation else ""
    weights = f"{evaluation['checkpoint']} checkpoint{tta}"
    title = f"Evaluation on {_images(evaluation)}, {weights}"
    head, rows = class_table(evaluation["classes"])
    blocks = [
        document.Heading(title),
        document.Paragraph(provenance(evaluation)),
        document.Table("Overall", ("figure", "value"), overall_rows(evaluation)),
        *map(document.Paragraph, filter(None, (note, *_remarks(evaluation)))),
        document.Table(_caption(evaluation), head, rows),
    ]
    if "superclasses" in evaluation:
        head, rows = class_table(evaluation["superclasses"])
        caption = "Superclasses; the probability of a superclass is the sum over its classes"
        blocks.append(document.Table(caption, head, rows))
    if evaluation.get("selected_classes") and evaluation.get("publication"):
        blocks.append(_selected(evaluation))
    if evaluation["most_confused"]:
        blocks.append(_confusions(evaluation))
    if evaluation.get("mistakes"):  # missing in evaluations by older code
        blocks.append(_mistakes(evaluation))
    for name in evaluation["pictures"]:
        text = _PICTURES.get(name.removeprefix(f"{stem}_"), name)
        blocks.append(document.Picture(f"plots/{name}", text))
    return "\n\n".join(block.markdown() for block in blocks)


def _images(evaluation: Mapping[str, Any]) -> str:
    split = f"the {evaluation['split']} split"
    return evaluation.get("data", split)


def _remarks(evaluation: Mapping[str, Any]) -> list[str]:
    """Return sentences about classes that differ, and about those never recognized."""
    remarks = (differing_classes(evaluation), unrecognized(evaluation["classes"]))
    return [remark for remark in remarks if remark]


def overall_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the names and values of the metrics over all images, some with a 95 % interval."""
    intervals: Mapping[str, Sequence[float]] = evaluation.get("intervals", {})
    plain: Mapping[str, float] = evaluation.get("uncalibrated", {})
    user_metrics: Mapping[str, float] = evaluation.get("metrics", {})
    evaluation = {**evaluation, "balanced_accuracy": balanced_accuracy(evaluation["classes"])}
    names = {
        "num_examples": ("images", integer),
        "accuracy": ("accuracy", percent),
        "balanced_accuracy": ("balanced accuracy, mean recall of the classes", percent),
        "top5_accuracy": ("top-5 accuracy", percent),
        "superclass_accuracy": ("superclass accuracy", percent),
        "loss": ("cross-entropy", loss),
        "mean_precision": ("precision, mean of the classes", percent),
        "mean_f1": ("F1, mean of the classes", percent),
        "auroc": ("area under the ROC curve, mean of the classes", percent),
        "calibration_error": ("expected calibration error, 15 bins", percent),
        "tied_labels": ("images with a tie for most votes, where the first class counts", integer),
    }
    names |= {"temperature": ("temperature, fitted on validation", rate)}
    if plain:
        names |= {
            "loss_without": ("cross-entropy, uncalibrated", loss),
            "calibration_error_without": ("calibration error, uncalibrated", percent),
        }
        evaluation |= {f"{name}_without": value for name, value in plain.items()}
    rows = [
        (text, to_text(evaluation[key]) + _interval(intervals.get(key), to_text))
        for key, (text, to_text) in names.items()
        if key in evaluation
    ]
    return [*rows, *((name, f"{value:.4g}") for name, value in user_metrics.items())]


def _interval(ends: Sequence[float] | None, to_text: Callable[[float], str]) -> str:
    """Return an interval in parentheses; "" without one, or where it has no width."""
    if not ends or ends[0] == ends[1]:
        return ""
    return f" (95 %: {to_text(ends[0])} to {to_text(ends[1])})"


def class_table(classes: Sequence[ClassMetrics]) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    """Return head and rows of a table of classes; of many classes, the best and the worst."""
    if len(classes) > _MOST_CLASSES:
        known = _with_images(classes)
        ranked = sorted(known, key=lambda row: -(row.get("accuracy") or 0))
        classes = [*ranked[:_ENDS], *ranked[max(_ENDS, len(ranked) - _ENDS) :]]
    return ("class", "accuracy (recall)", "precision", "F1", "images"), list(map(_row, classes))


def _with_images(classes: Sequence[ClassMetrics]) -> list[ClassMetrics]:
    """Return the classes with an accuracy; those without images have none."""
    return [row for row in classes if row.get("support")]


def _row(row: ClassMetrics) -> tuple[str, ...]:
    shares = (percent(row.get(name)) for name in ("accuracy", "precision", "f1"))
    return (row["name"], *shares, integer(row.get("support")))


def _caption(evaluation: Mapping[str, Any]) -> str:
    if len(evaluation["classes"]) <= _MOST_CLASSES:
        return "Classes"
    if len(_with_images(evaluation["classes"])) <= 2 * _ENDS:
        return "Classes with images, the one recognized best first"
    return f"The {_ENDS} classes recognized best, and the {_ENDS} recognized worst"


def _selected(evaluation: Mapping[str, Any]) -> document.Table:
    names = evaluation["selected_classes"]
    classes = [row for row in evaluation["classes"] if row["name"] in names]
    head, rows = class_table(classes)
    publication = current_key(evaluation["publication"])
    caption = f"The {len(classes)} classes selected by the {publication} publication"
    return document.Table(caption, head, rows)


def _confusions(evaluation: Mapping[str, Any]) -> document.Table:
    rows = [
        (f"{row['true']} → {row['predicted']}", integer(row["count"]), percent(row["share"]))
        for row in evaluation["most_confused"]
    ]
    head = ("true → predicted", "images", "share of the true class")
    return document.Table("Most frequent confusions", head, rows)


def _mistakes(evaluation: Mapping[str, Any]) -> document.Table:
    rows = [
        (
            row.get("file", str(row["index"])),
            row["true"],
            row["predicted"],
            percent(row["probability"]),
            loss(row["loss"]),
        )
        for row in evaluation["mistakes"]
    ]
    head = ("image", "true class", "predicted", "probability", "cross-entropy")
    return document.Table("The wrong predictions of highest probability", head, rows)


def render(evaluation: Mapping[str, Any]) -> list[Any]:
    """Return an evaluation for the terminal: its provenance, overall metrics, and classes."""
    overall = Table(box=None, show_header=False)
    for row in overall_rows(evaluation):
        overall.add_row(*row)
    head, rows = class_table(evaluation["classes"])
    classes = Table(title=_caption(evaluation), box=box.SIMPLE_HEAD)
    for name in head:
        is_text = name == "class"  # long names are folded, so that numbers are never cut
        justify = "left" if is_text else "right"
        classes.add_column(name, justify=justify, no_wrap=not is_text, overflow="fold")
    for row in rows:
        classes.add_row(*(Text(printable(cell)) for cell in row))
    remarks = [Text(printable(remark), "yellow") for remark in _remarks(evaluation)]
    return [printable(provenance(evaluation)), overall, *remarks, classes]
