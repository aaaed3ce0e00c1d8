"""The schema of each file in a run's folder: types and ranges of its fields.

Fields without a row here may hold anything, so that files of other versions can be read.
"""

from typing import Any

from jaxcnn.config.phases import Phase
from jaxcnn.files.schemas import (
    Kind,
    Wrong,
    either,
    fields,
    integer,
    items,
    number,
    or_null,
    scalar,
    text,
    worded,
)


def _phase(value: Any, name: str) -> None:
    """Allow the values that `Phase.parse` reads."""
    try:
        Phase.parse(value)
    except ValueError as error:
        raise Wrong(f"{name}: {error}") from error


Row = dict[str, Any]  # a row of metrics.jsonl
LABELS = ("step", "epoch", "split")  # all other fields of a row are numbers
_FRACTION, _NUMBER, _AT_LEAST_0 = or_null(number(0, 1)), or_null(number()), or_null(number(0))
_NAMED = fields({"name": text()}, need=["name"])
_VALIDATION = text("holdout", "tail", "validation", "test", "fold")
_PHASES = items(
    fields(
        {"phase": _phase, "after_epoch": integer(), "after_step": integer()},
        need=["phase", "after_epoch", "after_step"],
    )
)
CONFIG = fields(
    {
        "run": fields({"id": text(), "had_none": scalar}, need=["id", "had_none"]),
        "seed": integer(),
        "num_epochs": integer(),
        "phases": items(_phase),
        "global_batch_size": integer(1),
        "validation": _VALIDATION,
        "test_with": text("best", "last"),
        "model": _NAMED,
        "dataset": fields(
            {"name": text(), "label_set": text(), "data_dir": text(), "classes": items(scalar)},
            need=["name"],
        ),
        "best_metric": text(),
        "checkpoint": fields({"every_epochs": integer(1)}),
        "early_stopping": fields({"patience": integer(), "metric": text()}),
        "published": fields(
            {
                "by": text(),
                "name": text(),
                "accuracy": number(0, 1),
                "differs": text(),
                "recipe": text(),
            },
            need=["by", "accuracy", "differs", "recipe"],
        ),
    }
)
_DATASET = fields(
    {
        "run": text(),
        "name": text(),
        "class_names": items(text(), at_least=1),
        "image_shape": items(integer(1)),
        "pixel_shift": either(number(), items(number())),
        "pixel_scale": either(number(), items(number())),
        "num_examples": fields({}, others=integer()),
        "steps_per_epoch": integer(1),
        "pixel_mean": items(number()),
        "pixel_std": items(number()),
        "fingerprint": text(),
        "split_fingerprints": fields({}, others=text()),
        "from_python": scalar,
    }
)
_OF_TRAINING = {
    "python": text(),
    "code": fields({"version": text(), "commit": text(), "modified": scalar}),
    "versions": fields({}, others=text()),
    "machine": text(),
    "devices": items(text(), at_least=1),
}
_ENVIRONMENT = fields(
    _OF_TRAINING
    | {
        "run": text(),
        "starts": items(fields(_OF_TRAINING | {"until_step": integer()}, need=["until_step"])),
        "command": items(text(), at_least=1),
        "changes": items(fields({"step": integer(), "fields": items(text())}, need=["step"])),
        "phases": _PHASES,
        "ended": or_null(items(fields({"epoch": integer()}, need=["epoch"], others=scalar))),
        "exact": scalar,
        "settings": fields({}, others=scalar),
        "parts": items(
            fields(
                {"kind": text(), "name": text(), "file": text(), "digest": text()},
                need=["kind", "name", "file", "digest"],
            )
        ),
    }
)
PROVENANCE = fields({"run": text(), "commit": text()})  # of a program that starts a queue of runs
_RESULT = fields(
    {
        "run": text(),
        "metrics_digest": text(),
        "test_accuracy": _FRACTION,
        "test_loss": _NUMBER,
        "tested_with": text("best", "last"),
        "ended": text("epochs", "steps", "early_stopping", "max_minutes", "hook"),
        "hook_epochs": integer(),
        "hook_reason": text(),
        "steps": integer(),
        "epochs_without_gain": integer(),
        "best_epoch": integer(),
        "best_validation_metrics": fields({}, others=number()),
        "best_validation_accuracy": or_null(number(-1, 1)),  # -1: no validation
        "last_validation_accuracy": or_null(number(-1, 1)),
        "num_epochs": integer(),
        "phases": _PHASES,
        "resumed": items(number(0)),
        "seconds": _AT_LEAST_0,
        "images_per_second": _AT_LEAST_0,
        "parameters": integer(),
        "flops": or_null(number(0)),
        "seed": integer(),
    }
)
_DIVERGED = fields(
    {"run": text(), "reason": text(), "epochs": integer()}, need=["reason", "epochs"]
)
_CLASS = {"name": text(), "support": integer()} | dict.fromkeys(
    ("accuracy", "precision", "recall", "f1"), _FRACTION
)
_CLASSES = items(fields(_CLASS, need=["name"]))
_FIGURES = "its {} are not figures by name"
EVALUATION = fields(
    {
        "run": text(),
        "split": text("train", "validation", "test"),
        "checkpoint": text("best", "latest"),
        "step": integer(),
        "epoch": integer(),
        "validation": _VALIDATION,
        "dataset": text(),
        "num_examples": integer(),
        "accuracy": _FRACTION,
        "balanced_accuracy": _FRACTION,
        "tuned_on_test": scalar,
        "trained_on": integer(),
        "init_from": text(),
        "publication": text(),
        "top5_accuracy": _FRACTION,
        "superclass_accuracy": _FRACTION,
        "loss": _NUMBER,
        "mean_precision": _FRACTION,
        "mean_recall": _FRACTION,
        "mean_f1": _FRACTION,
        "auroc": _FRACTION,
        "intervals": fields({}, others=items(number(), at_least=2)),
        "calibration_error": _FRACTION,
        "temperature": number(),
        "uncalibrated": fields({"loss": _NUMBER, "calibration_error": _FRACTION}),
        "tta": text(),
        "coverage": items(
            fields({"min_confidence": _FRACTION, "coverage": _FRACTION, "accuracy": _FRACTION})
        ),
        "tied_labels": integer(),
        "data": text(),
        "left_out": fields({}, others=integer()),
        "missing_classes": items(text()),
        "metrics": fields({}, others=number()),
        "classes": worded(_CLASSES, _FIGURES.format("classes")),
        "superclasses": worded(_CLASSES, _FIGURES.format("superclasses")),
        "selected_classes": items(text()),
        "pictures": items(text()),
        "mistakes": items(
            fields(
                {
                    "index": integer(),
                    "file": text(),
                    "true": text(),
                    "predicted": text(),
                    "probability": _FRACTION,
                    "loss": _NUMBER,
                },
                need=["index", "true", "predicted", "probability", "loss"],
            )
        ),
        "most_confused": items(
            fields(
                {"true": text(), "predicted": text(), "count": integer(), "share": _FRACTION},
                need=["true", "predicted", "count", "share"],
            )
        ),
    }
)
_BEFORE_AND_AFTER = fields({"before": number(), "after": number()})
_CALIBRATION = fields(
    {
        "run": text(),
        "temperature": number(1e-3, 1e3),
        "checkpoint": text("best", "latest"),
        "step": integer(),
        "epoch": integer(),
        "split": text("validation"),
        "num_examples": integer(),
        "loss": _BEFORE_AND_AFTER,
        "calibration_error": _BEFORE_AND_AFTER,
    },
    need=["temperature", "step"],
)
ROW = fields(
    {"step": integer(), "epoch": integer(), "split": text()}
    | {"accuracy": _FRACTION}
    | dict.fromkeys(("loss", "learning_rate", "seconds", "images_per_second"), _NUMBER),
    need=LABELS,
    others=scalar,
)
PROGRESS = fields(
    {
        "best_epoch": integer(),
        "best_step": integer(),
        "best_accuracy": number(-1, 1),
        "best_loss": number(),
        "best_metrics": fields({}, others=number()),
        "lowest_loss": number(),
        "highest_metrics": fields({}, others=number()),
        "epochs_without_gain": integer(),
        "last_accuracy": number(-1, 1),
        "last_loss": number(),
        "seconds": number(0),
        "train_seconds": number(0),
        "train_images": integer(),
        "global_batch_size": integer(1, 2**31),
        "anchor_epoch": integer(),
        "anchor_step": integer(-(2**31)),  # negative after a change to smaller batches
        "epochs": integer(),
        "phases": _PHASES,
        "resumed": items(number(0)),
        "plateau": fields(
            {
                "lowest_loss": number(),
                "epochs_without_gain": integer(),
                "cooldown_left": integer(),
                "factor": number(0, 1),
            }
        ),
        "run": text(),
        "metrics_digest": text(),
        "data_digest": text(),
        "hook_epochs": integer(),
        "hook_reason": text(),
    }
)
DIGESTS = fields({}, others=integer())
FILES: dict[str, Kind] = {
    "config.json": CONFIG,
    "dataset.json": _DATASET,
    "environment.json": _ENVIRONMENT,
    "result.json": _RESULT,
    "diverged.json": _DIVERGED,
    "calibration.json": _CALIBRATION,
    "calibration_best.json": _CALIBRATION,
    "calibration_latest.json": _CALIBRATION,
}
