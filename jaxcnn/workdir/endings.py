"""The end of a run: why it ended, and what lets it continue."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.config.phases import Phase, phases_of
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.text import integer, percent, printable, shorten
from jaxcnn.workdir.phases import last_epoch, patience_of
from jaxcnn.workdir.run_files import came_from_python

_REASON_LETTERS = 201
_OF_ALL_FOLDS = ("early_stopping", "max_minutes")  # limits that a fold which has begun keeps


def read_ended(workdir: Path) -> dict[str, Any] | None:
    """Return the content of `result.json`, with the fields that an older run lacks.

    Return None if the file is missing or damaged: the run has not ended.
    """
    if not (workdir / "result.json").exists():
        return None
    try:
        result, config = (read_json(workdir / f"{name}.json") for name in ("result", "config"))
        has_stopped_early = result["num_epochs"] < config["num_epochs"]
        patience = config["early_stopping"]["patience"] if has_stopped_early else 0
        ended = "early_stopping" if has_stopped_early else "epochs"
        result = {"ended": ended, "epochs_without_gain": patience} | result
        return result if math.isfinite(result["test_accuracy"] + result["seconds"]) else None
    except (UserError, LookupError, TypeError):
        return None


def reached_limits(result: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return the limits of a config that an ended run has reached; with none the run continues.

    They are among "epochs", "steps", "early_stopping", "max_minutes" and "hook". A run that a hook
    ended continues if `num_epochs` is larger than at that time.
    """
    phase, is_last = _last_phase(result, config)
    is_reached = {
        "epochs": last_epoch(config, result.get("phases", ())) <= result["num_epochs"],
        "steps": 0 < config.get("num_steps", 0) <= result.get("steps", 0),
        "hook": result["num_epochs"] < config["num_epochs"] <= result.get("hook_epochs", 0),
        "early_stopping": is_last
        and 0 < patience_of(config, phase) <= result["epochs_without_gain"],
        "max_minutes": 0 < 60 * config["max_minutes"] <= result["seconds"],
    }
    return [name for name, reached in is_reached.items() if reached]


def _last_phase(result: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[Phase, bool]:
    """Return the phase in which a run ended, and whether the config has none after it."""
    phases, begun = phases_of(config), len(result.get("phases", ())) or 1
    return phases[min(begun, len(phases)) - 1], begun >= len(phases)


def describe_end(result: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Describe when and why a run ended, as in `after 4 of 20 epochs, 3 without …`."""
    text = f"after {result['num_epochs']} of {config['num_epochs']} epochs"
    gain = gain_in_words(config.get("early_stopping", {}).get("metric", "loss"))
    reason = {
        "epochs": "",
        "steps": f", {integer(result.get('steps'))} steps: num_steps is reached",
        "early_stopping": f", {result['epochs_without_gain']} without a {gain}",
        "max_minutes": f", {integer(result.get('steps'))} steps: max_minutes is over",
        "hook": f": a hook ended it{_reason(result)}",
    }
    return text + reason[result["ended"]]


def gain_in_words(metric: str) -> str:
    """Return the gain for which early stopping waits, such as "higher validation auroc"."""
    return f"{'lower' if metric == 'loss' else 'higher'} validation {metric.replace('_', ' ')}"


def _reason(result: Mapping[str, Any]) -> str:
    reason = printable(result.get("hook_reason", ""))
    return f" ({shorten(reason, _REASON_LETTERS)})" if reason else ""


def how_to_continue(
    workdir: Path, limits: Sequence[str], result: Mapping[str, Any], config: Mapping[str, Any]
) -> str:
    """Return the flags that raise each of the reached limits, so that the run continues.

    A run on a user's arrays continues in Python alone, so its fields are named in place of flags.
    """
    epochs = 2 * max(config["num_epochs"], result["num_epochs"])
    minutes = math.ceil(2 * max(config["max_minutes"], result["seconds"] / 60))
    phase, _ = _last_phase(result, config)
    patience = f"--config.early_stopping.patience={2 * result['epochs_without_gain']}"
    if "early_stopping.patience" in phase.overrides:
        patience = f"in config.phases, now {str(phase)!r}"
    remedies = {
        "epochs": f"more epochs: --config.num_epochs={epochs}",
        "hook": f"more epochs: --config.num_epochs={epochs}",
        "steps": "more steps: --config.num_steps=0 (0: all epochs)",
        "early_stopping": f"more patience: {patience} (0: all epochs)",
        "max_minutes": f"more time: --config.max_minutes={minutes} (0: no limit)",
    }
    text = " and ".join(remedies[name] for name in limits)
    if not came_from_python(workdir):
        return text
    return f"{text.replace('--config.', '')}, by jaxcnn.train with the same arrays"


def advice_to_continue(workdir: Path, result: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return how an ended run continues; "" for a fold, whose limits all folds have for good."""
    limits = reached_limits(result, config)
    if config.get("validation") == "fold" and not set(limits).isdisjoint(_OF_ALL_FOLDS):
        return ""
    return how_to_continue(workdir, limits, result, config)


def summarize_end(workdir: Path, result: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return one line: when and why the run ended, its test accuracy, and how it continues."""
    line = f"ended {describe_end(result, config)}; test accuracy {percent(result['test_accuracy'])}"
    advice = advice_to_continue(workdir, result, config)
    return f"{line}; it continues with {advice}" if advice else line


def identify_end(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity of a run's end: its epoch and step, and the tested weights."""
    end = {"epoch": result["num_epochs"], "tested_with": result.get("tested_with")}
    return end | ({"step": result["steps"]} if "steps" in result else {})


def is_same_end(end: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Return whether a recorded end is that of a result; older code recorded no step."""
    return end.items() <= identify_end(result).items()


def is_evaluation_of(evaluation: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Return whether the weights of an evaluation are those of a run's result.

    A run can be evaluated while it trains, and go on afterwards. Fields that an older file lacks
    decide nothing.
    """
    is_best = evaluation.get("checkpoint") == "best"
    same = {"epoch": "best_epoch"} if is_best else {"epoch": "num_epochs", "step": "steps"}
    pairs = [(evaluation.get(name), result.get(other)) for name, other in same.items()]
    return all(one == other for one, other in pairs if None not in (one, other))
