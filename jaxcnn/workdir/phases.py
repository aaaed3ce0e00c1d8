"""The phases of a run that have begun.

A phase that has begun is recorded as `{"phase": "5", "after_epoch": 50, "after_step": 19550}`: its
entry of `config.phases`, and the epochs and steps that were finished before it. Such records are in
each checkpoint, and in `result.json` of a run of several phases.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.phases import Phase, config_of_phase, phases_of
from jaxcnn.errors import UserError

Begun = Sequence[Mapping[str, Any]]


def current_config(config: ConfigDict, begun: Begun) -> ConfigDict:
    """Return the config that the phase in progress trains with.

    Its `num_epochs` are those of the schedule, which starts at `schedule_start`.
    """
    if not config.phases:
        return config
    phase = phases_of(config)[len(begun) - 1]
    end = begun[-1]["after_epoch"] + phase.epochs
    return config_of_phase(config, phase, end - schedule_start(begun))


def schedule_start(begun: Begun) -> int:
    """Return the finished epochs at which the schedule last started: with a fresh optimizer."""
    starts = (phase["after_epoch"] for phase in begun if Phase.parse(phase["phase"]).is_fresh)
    return max(starts, default=0)


def end_of_phase(config: Mapping[str, Any], begun: Begun, epochs: int, without_gain: int) -> str:
    """Return why the phase in progress has ended: "epochs" or "early_stopping"; "" if it has not.

    Args:
      config: the config of the run.
      begun: the phases that have begun.
      epochs: finished epochs of the run.
      without_gain: the last epochs of the phase without a lower validation loss.
    """
    phase = phases_of(config)[len(begun) - 1]
    if epochs >= begun[-1]["after_epoch"] + phase.epochs:
        return "epochs"
    return "early_stopping" if 0 < patience_of(config, phase) <= without_gain else ""


def patience_of(config: Mapping[str, Any], phase: Phase) -> int:
    """Return the patience of early stopping in a phase."""
    return int(phase.overrides.get("early_stopping.patience", config["early_stopping"]["patience"]))


def last_epoch(config: Mapping[str, Any], begun: Begun) -> int:
    """Return the epoch in which the run ends if no phase in progress or to come stops early."""
    if not begun:
        return config["num_epochs"]
    phases = phases_of(config)[len(begun) - 1 :]
    return begun[-1]["after_epoch"] + sum(phase.epochs for phase in phases)


def adopt_begun(
    config: ConfigDict, begun: Begun, epochs: float, workdir: Path
) -> list[dict[str, Any]]:
    """Return the begun phases of a resumed run; the one in progress has the config's settings.

    Args:
      config: the config of the run.
      begun: the phases in the checkpoint; () for one of older code, which is in its first phase.
      epochs: the finished epochs of the run.
      workdir: the run's folder.

    Raises:
      UserError: a finished phase differs, or the phase in progress has another optimizer, is
        missing, or would have ended before another one.
    """
    phases = phases_of(config)
    before = [Phase.parse(phase["phase"]) for phase in begun] or [phases[0]]
    is_same = len(before) <= len(phases) and before[:-1] == phases[: len(before) - 1]
    if not is_same or before[-1].is_fresh != phases[len(before) - 1].is_fresh:
        texts = ", ".join(repr(str(phase)) for phase in before)
        raise UserError(
            f"{workdir}: config.phases = {config.phases!r}: the run has begun the phases {texts}, "
            "and those that have ended cannot change; name another --workdir"
        )
    records = list(begun) or [{"after_epoch": 0, "after_step": 0}]
    now = phases[len(records) - 1]
    end = records[-1]["after_epoch"] + now.epochs
    if epochs > end and len(records) < len(phases):
        raise UserError(
            f"{workdir}: config.phases = {config.phases!r}: the phase {str(now)!r} would have "
            f"ended after epoch {end}, and the run has done {epochs:g}; name another --workdir"
        )
    return [{**record, "phase": str(phase)} for record, phase in zip(records, phases, strict=False)]
