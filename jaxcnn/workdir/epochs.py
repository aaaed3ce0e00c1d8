"""The metrics of an epoch as one flat row: `Result.history` has them, and hooks get them."""

from collections.abc import Sequence

from jaxcnn.workdir.schemas import LABELS, Row

_UNPREFIXED = ("learning_rate", "seconds", "images_per_second")


def epoch_row(rows: Sequence[Row]) -> Row:
    """Return the rows of an epoch, one for each split, as one row.

    Its columns are `epoch` (1-based), `step` (training steps done), the metrics of each split under
    names such as `train_loss` and `validation_accuracy`, then `learning_rate`, `seconds` and
    `images_per_second` of the training steps. With `config.evaluate_train` there are also
    `train_evaluated_loss` and `train_evaluated_accuracy`.

    Args:
      rows: rows of `metrics.jsonl`, all of one epoch.
    """
    metrics, about_steps = {}, {}
    for row in rows:
        for name, value in row.items():
            if name in _UNPREFIXED:
                about_steps[name] = value
            elif name not in LABELS:
                metrics[f"{row['split']}_{name}"] = value
    return {"epoch": rows[0]["epoch"], "step": rows[0]["step"], **metrics, **about_steps}


def history(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each epoch, see `epoch_row`; the row of the test is left out.

    Args:
      rows: the rows of `metrics.jsonl`, in order.
    """
    by_epoch: dict[int, list[Row]] = {}
    for row in rows:
        if row["split"] != "test":
            by_epoch.setdefault(row["epoch"], []).append(row)
    return [epoch_row(group) for group in by_epoch.values()]
