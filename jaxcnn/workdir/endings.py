"""Why a run has ended, and what makes it go on."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.text import integer, percent


def read_ended(workdir: Path) -> dict[str, Any] | None:
    """Return what `result.json` holds, with the fields that an older run's lacks.

    None where the run has not ended: there is no such file, or it is not a run's.
    """
    if not (workdir / "result.json").exists():
        return None
    try:
        result, config = (read_json(workdir / f"{name}.json") for name in ("result", "config"))
        has_stopped_early = result["num_epochs"] < config["num_epochs"]
        patience = config["early_stopping"]["patience"] if has_stopped_early else 0
        ended = "early_stopping" if has_stopped_early else "epochs"
        known = {"ended": ended, "epochs_without_gain": patience} | result
        return known if math.isfinite(known["test_accuracy"] + known["seconds"]) else None
    except (UserError, LookupError, TypeError):
        return None


def what_stops(result: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return what keeps a run with this result from going on with a config.

    They are of "epochs" (all are done), "early_stopping" and "max_minutes"; none: it goes on.
    """
    holds = {
        "epochs": config["num_epochs"] <= result["num_epochs"],
        "early_stopping": 0 < config["early_stopping"]["patience"] <= result["epochs_without_gain"],
        "max_minutes": 0 < 60 * config["max_minutes"] <= result["seconds"],
    }
    return [name for name, is_so in holds.items() if is_so]


def why(result: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Say why a run ended: `after 4 of 20 epochs: ...`."""
    text = f"after {result['num_epochs']} of {config['num_epochs']} epochs"
    reason = {
        "epochs": "",
        "early_stopping": f", {result['epochs_without_gain']} without a lower validation loss",
        "max_minutes": f", {integer(result.get('steps'))} steps: max_minutes is over",
    }
    return text + reason[result["ended"]]


def how_on(stops: Sequence[str], result: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Say what makes a run go on, as flags: the remedy for each of `what_stops`."""
    epochs = 2 * max(config["num_epochs"], result["num_epochs"])
    minutes = math.ceil(2 * max(config["max_minutes"], result["seconds"] / 60))
    remedies = {
        "epochs": f"more epochs: --config.num_epochs={epochs}",
        "early_stopping": "more patience: --config.early_stopping.patience="
        f"{2 * result['epochs_without_gain']} (0: all epochs)",
        "max_minutes": f"more time: --config.max_minutes={minutes} (0: no limit)",
    }
    return " and ".join(remedies[name] for name in stops)


def ended_line(result: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Say in a line that a run has ended, what it reached, and how it goes on."""
    on = how_on(what_stops(result, config), result, config)
    accuracy = percent(result["test_accuracy"])
    return f"ended {why(result, config)}; test accuracy {accuracy}; it goes on with {on}"


def end_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells one end of a run from another: its epoch and the weights it tested."""
    return {"epoch": result["num_epochs"], "tested_with": result.get("tested_with")}
