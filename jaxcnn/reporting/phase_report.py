"""The section of a run's report on its phases."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.config.phases import Phase
from jaxcnn.reporting.document import plain_table
from jaxcnn.reporting.series import best_epoch, rows_of_phases, series
from jaxcnn.text import loss, percent
from jaxcnn.workdir.schemas import Row

PICTURES = {
    "accuracy": "Accuracy by epoch",
    "loss": "Loss by epoch",
    "difference_accuracy": "Accuracy by epoch, training minus validation",
    "difference_loss": "Loss by epoch, training minus validation",
}
_HEAD = (
    "phase", "epochs", "optimizer", "settings of the phase", "training accuracy, last",
    "validation accuracy, last", "validation loss, last", "validation accuracy, best",
)  # fmt: skip


def section(workdir: Path, rows: Sequence[Row], result: Mapping[str, Any]) -> str:
    """Return the table and the pictures of a run's phases; "" for a run of a single phase.

    Args:
      workdir: the run's folder, with its pictures.
      rows: the rows of the metrics.
      result: the content of `result.json`.
    """
    phases = rows_of_phases(rows, result)
    if not phases:
        return ""
    begun = [Phase.parse(phase["phase"]) for phase in result["phases"]]
    lines = [_line(i, *phase) for i, phase in enumerate(zip(begun, phases, strict=True), start=1)]
    pictures = [
        f"![Phase {number}: {text.lower()}](plots/{name}.png)"
        for number in range(1, len(begun) + 1)
        for kind, text in PICTURES.items()
        if (workdir / "plots" / f"{(name := f'phase{number}_{kind}')}.png").exists()
    ]
    return "\n\n".join(["## Phases", plain_table(_HEAD, lines), *pictures])


def is_of_phase(name: str) -> bool:
    """Return whether a picture is one of a phase, such as `phase2_loss`."""
    match = re.fullmatch(r"phase\d+_(.+)", name)
    return bool(match and match[1] in PICTURES)


def _line(number: int, phase: Phase, rows: Sequence[Row]) -> list[str]:
    """Return the cells of a phase."""
    epochs = [row["epoch"] for row in rows if row["split"] == "train"]
    accuracy = series(rows, "validation", "accuracy")
    best = best_epoch(rows)
    optimizer = "new" if number == 1 else "fresh" if phase.is_fresh else "kept"
    return [
        str(number),
        f"{min(epochs)} to {max(epochs)}" if epochs else "-",
        optimizer,
        ", ".join(f"`{name}={value:g}`" for name, value in phase.overrides.items()) or "-",
        percent(_last(series(rows, "train", "accuracy"))),
        percent(_last(accuracy)),
        loss(_last(series(rows, "validation", "loss"))),
        f"{percent(accuracy[best])} (epoch {best})" if best in accuracy else "-",
    ]


def _last(values: Mapping[int, float]) -> float | None:
    return list(values.values())[-1] if values else None
