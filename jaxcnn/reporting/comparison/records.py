"""A comparison as plain records, for CSV and JSON: numbers unrounded, accuracies as fractions."""

import csv
import io
from typing import Any

from jaxcnn.reporting.comparison.groups import Estimate, Group, Section
from jaxcnn.reporting.comparison.runs import Run
from jaxcnn.reporting.figures.curves import best_epoch, series
from jaxcnn.reporting.protocol import is_stopped_early, owner_of

Record = dict[str, Any]
_RESULTS = ("test_accuracy", "test_loss", "parameters", "flops", "seconds", "num_epochs")
_EVALUATED = ("balanced_accuracy", "top5_accuracy", "superclass_accuracy")
_CLASS_SCORES = ("accuracy", "precision", "recall", "f1")
_SPLITS = {
    "holdout": "held out of training",
    "tail": "last part of training",
    "validation": "{owner} validation",
    "test": "test set",
}


def validation_split(run: Run) -> str:
    """Which data chose the best epoch, or were watched, in words."""
    words = _SPLITS.get(run.config["validation"], str(run.config["validation"]))
    return words.replace("{owner}", owner_of(run.config["dataset"]["name"]))


def tested_weights(run: Run) -> str:
    """Which weights were, or will be, tested; the last epoch's may be those of an early stop."""
    if (run.result or {}).get("tested_with", run.config["test_with"]) == "best":
        return "best epoch"
    return "last epoch, stopped early" if is_stopped_early(run.config, run.result) else "last epoch"


def weights_of(group: Group) -> str:
    """`tested_weights` of all the group's runs; seeds may stop in different ways."""
    return " or ".join(sorted({tested_weights(run) for run in group.shown}))


def device(run: Run) -> str:
    """`2 × AMD EPYC`; empty where it is not known."""
    devices = run.environment.get("devices") or []
    return ", ".join(f"{devices.count(each)} × {each}" for each in dict.fromkeys(devices))


def networks(sections: list[Section]) -> list[Record]:
    """A record for each group: means and sample standard deviations over its finished runs."""
    return [_network(section, group) for section in sections for group in section.groups]


def _network(section: Section, group: Group) -> Record:
    record = {
        "dataset": section.dataset,
        "network": group.run.network,
        "label": group.label,
        "finished_runs": len(group.finished),
        "unfinished_runs": len(group.unfinished),
        "published_accuracy": group.published,
        "validation_split": validation_split(group.run),
        "tested_weights": weights_of(group),
        "test_set_served_as_validation": group.run.is_test_in_sight,
        "recipe_tuned_on_test": group.run.is_tuned_on_test,
    }
    for name in _RESULTS:
        record |= _mean_and_std(name, group.result(name))
    for name in _EVALUATED:
        record |= _mean_and_std(name, group.evaluated(name))
    return record


def _mean_and_std(name: str, estimate: Estimate | None) -> Record:
    if estimate is None:
        return {name: None, f"{name}_std": None}
    return {name: estimate.mean, f"{name}_std": estimate.std}


def runs(sections: list[Section]) -> list[Record]:
    """A record for each run."""
    return [
        _run(section, group, run)
        for section in sections
        for group in section.groups
        for run in (*group.finished, *group.unfinished)
    ]


def _run(section: Section, group: Group, run: Run) -> Record:
    validation, best = series(run.rows, "validation", "accuracy"), best_epoch(run.rows)
    result = run.result or {}
    return {
        "run": str(run.folder),
        "dataset": section.dataset,
        "label": group.label,
        "seed": run.config["seed"],
        "finished": run.result is not None,
        "epoch": max((row["epoch"] for row in run.rows), default=0),
        "num_epochs": run.config.get("num_epochs"),
        "test_accuracy": result.get("test_accuracy"),
        "test_loss": result.get("test_loss"),
        "last_validation_accuracy": list(validation.values())[-1] if validation else None,
        "best_validation_accuracy": validation.get(best),
        "best_epoch": best,
        "validation_split": validation_split(run),
        "tested_weights": tested_weights(run),
        "test_set_served_as_validation": run.is_test_in_sight,
        "recipe_tuned_on_test": run.is_tuned_on_test,
        "seconds": result.get("seconds"),
        "images_per_second": result.get("images_per_second"),
        "device": device(run),
        "class_wise_figures": bool(run.evaluation),
    }


def classes(sections: list[Section]) -> list[Record]:
    """A record for each class, and superclass, of each group that was evaluated."""
    return [
        _class(section, group, kind, name)
        for section in sections
        for kind in ("classes", "superclasses")
        for name in section.class_names(kind)
        for group in section.finished
        if group.class_score(name, kind=kind)
    ]


def _class(section: Section, group: Group, kind: str, name: str) -> Record:
    record = {"dataset": section.dataset, "label": group.label, "of": kind, "class": name}
    for score in _CLASS_SCORES:
        record |= _mean_and_std(score, group.class_score(name, score, kind))
    support, accuracy = (group.class_score(name, each, kind) for each in ("support", "accuracy"))
    return record | {"support": support and round(support.mean), "n": accuracy.n}


def to_csv(records: list[Record]) -> str:
    """The records as CSV with a head; None is empty. They have the same keys."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, records[0] if records else [])
    table.writeheader()
    table.writerows(records)
    return text.getvalue()


def everything(sections: list[Section]) -> dict[str, list[Record]]:
    """All records by the name of their table: networks, runs, classes."""
    makers = (networks, runs, classes)
    return {make.__name__: make(sections) for make in makers}
