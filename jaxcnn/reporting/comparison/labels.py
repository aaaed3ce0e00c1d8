"""Labels of recipes: the network, and the fields that differ from its other recipes."""

import statistics
from collections.abc import Sequence
from typing import Any

from jaxcnn.reporting.comparison.recipes import differences
from jaxcnn.reporting.comparison.runs import SavedRun

_LONGEST_LABEL = 56  # characters, two lines in a picture
_SHORT = {
    "learning_rate": "lr",
    "global_batch_size": "batch",
    "num_epochs": "epochs",
    "label_smoothing": "smoothing",
    "changed after step": "changed",
}


def labels(runs: Sequence[SavedRun]) -> list[str]:
    """Return a label for each run; the runs are of different recipes.

    A label is the network's name. If several runs have that network, it also has the fields that
    differ, or a number if those are too long.
    """
    networks = [run.network for run in runs]
    result = list(networks)
    for network in set(networks):
        positions = [i for i, name in enumerate(networks) if name == network]
        if len(positions) > 1:
            distinct = _distinct_labels(network, [runs[i] for i in positions])
            for position, label in zip(positions, distinct, strict=True):
                result[position] = label
    return result


def _distinct_labels(network: str, runs: Sequence[SavedRun]) -> list[str]:
    """Return labels with all differing fields, or with those that set a run apart from most.

    If both are too long or not distinct, the labels are numbers; the table of the differences
    explains them.
    """
    columns = differences(runs)
    values = {name: [short_value(value) for value in column] for name, column in columns.items()}
    usual = {name: _majority(column) for name, column in values.items()}
    for omitted in (dict.fromkeys(values), usual):
        texts = [
            ", ".join(
                f"{short_name(name)} {values[name][i]}"
                for name, omitted_value in omitted.items()
                if values[name][i] != omitted_value
            )
            for i in range(len(runs))
        ]
        result = [f"{network}, {text}" if text else network for text in texts]
        if len(set(result)) == len(result) and max(map(len, result)) <= _LONGEST_LABEL:
            return result
    return [f"{network} #{i + 1}" for i in range(len(runs))]


def _majority(values: Sequence[str]) -> str | None:
    """Return the value of more than half of the runs, if there is one."""
    most = statistics.mode(values)
    return most if 2 * values.count(most) > len(values) else None


def short_name(field: str) -> str:
    """Return `lr` for `optimizer.learning_rate`, `schedule` for `schedule.name`."""
    group, _, leaf = field.rpartition(".")
    return group if leaf == "name" else _SHORT.get(leaf, leaf)


def axis_name(field: str) -> str:
    """Return `learning rate` for `optimizer.learning_rate`, `schedule` for `schedule.name`."""
    group, _, leaf = field.rpartition(".")
    return group if leaf == "name" else leaf.replace("_", " ")


def short_value(value: Any) -> str:
    """Return a field's value as text: `0.001` for 0.0010, the steps of changes during a run."""
    if isinstance(value, list) and value and isinstance(value[0], dict):  # changes during the run
        return "after step " + " and ".join(str(change.get("step")) for change in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
