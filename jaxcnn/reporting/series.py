"""Columns of a run's metrics by epoch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.workdir.schemas import Row


def series(rows: Sequence[Row], split: str, name: str) -> dict[int, float]:
    """Return a metric of a split by epoch: finite values only, the last one of each epoch."""
    values = {row["epoch"]: row.get(name) for row in rows if row["split"] == split}
    return {e: v for e, v in values.items() if v is not None and math.isfinite(v)}


def rows_of_phases(rows: Sequence[Row], result: Mapping[str, Any]) -> list[list[Row]]:
    """Return the rows of each phase of a run; none for a run of a single phase.

    Each has the row of the test as well, see `best_epoch`.

    Args:
      rows: the rows of the metrics, in order.
      result: the content of `result.json`.
    """
    starts = [phase["after_epoch"] for phase in result.get("phases", ())]
    ends = [*starts[1:], math.inf][: len(starts)]
    return [
        [row for row in rows if start < row["epoch"] <= end or row["split"] == "test"]
        for start, end in zip(starts, ends, strict=True)
    ]


def best_epoch(rows: Sequence[Row], metric: str = "accuracy") -> int | None:
    """Return the epoch of the best validation; None without one.

    Of equals, it is the one with the lowest loss, then the last one. An epoch that `max_minutes`
    or `num_steps` cut short does not count. The test row has the last finished epoch, so later ones
    were cut.

    Args:
      rows: of `metrics.jsonl`.
      metric: `config.best_metric`.
    """
    values, loss = (series(rows, "validation", name) for name in (metric, "loss"))
    last_finished = max((row["epoch"] for row in rows if row["split"] == "test"), default=math.inf)
    sign = -1 if metric == "loss" else 1
    values = {epoch: sign * value for epoch, value in values.items() if epoch <= last_finished}
    return max(values, key=lambda e: (values[e], -loss.get(e, math.inf), e), default=None)
