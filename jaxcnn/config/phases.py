"""The phases of a run: parts that follow one another, each with its own epochs and settings."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Self

from ml_collections import ConfigDict

from jaxcnn.config.rules import Rule

_FRESH = "fresh"  # the word for a new optimizer


@dataclasses.dataclass(frozen=True)
class Phase:
    """A phase of a run, such as `50` or `"128 fresh early_stopping.patience=4"`.

    Attributes:
      epochs: the most epochs of the phase; early stopping may end it sooner.
      is_fresh: start with a new optimizer, at the first step of the schedule; else both go on.
      overrides: values of fields in this phase, by dotted name.
    """

    epochs: int
    is_fresh: bool = False
    overrides: Mapping[str, int | float] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | int) -> Self:
        """Return the phase of an entry of `config.phases`.

        Raises:
          ValueError: it is no phase.
        """
        if type(text) not in (str, int):
            raise ValueError(f"{text!r} is no phase")
        number, *words = str(text).split() or [""]
        epochs = int(number)
        if not 0 < epochs < 2**31 or words.count(_FRESH) > 1:
            raise ValueError(f"{text!r} is no phase")
        settings = [word.partition("=") for word in words if word != _FRESH]
        overrides = {name: _number(value) for name, _, value in settings}
        if "" in overrides or len(overrides) < len(settings):
            raise ValueError(f"{text!r} names no field, or one field twice")
        return cls(epochs, _FRESH in words, overrides)

    @property
    def is_plain(self) -> bool:
        """True if the phase only continues the training."""
        return not self.is_fresh and not self.overrides

    def __str__(self) -> str:
        settings = [f"{name}={value!r}" for name, value in sorted(self.overrides.items())]
        return " ".join([str(self.epochs), *[_FRESH] * self.is_fresh, *settings])


def _number(text: str) -> int | float:
    """Return the finite number that a text holds.

    Raises:
      ValueError: it holds none.
    """
    try:
        return int(text)
    except ValueError:
        value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not finite")
    return value


def _are_phases(value: Iterable[str | int]) -> bool:
    try:
        for entry in value:
            Phase.parse(entry)
    except ValueError:
        return False
    return True


PHASES = Rule(_are_phases, 'phases such as 50, "5 fresh" or "50 optimizer.learning_rate=1e-4"')


def phases_of(config: Mapping[str, Any]) -> list[Phase]:
    """Return the phases of a checked config: one of `num_epochs` where it names none.

    Args:
      config: a config, or the content of a run's `config.json`.
    """
    phases = [Phase.parse(entry) for entry in config.get("phases") or ()]
    return phases or [Phase(config["num_epochs"])]


def canonical(phases: Iterable[str | int | Phase]) -> tuple[str, ...]:
    """Return entries of `config.phases` as texts that are the same for the same training.

    The first phase always has a new optimizer. A single phase without settings is no phase.
    """
    parsed = [entry if isinstance(entry, Phase) else Phase.parse(entry) for entry in phases]
    if parsed:
        parsed[0] = dataclasses.replace(parsed[0], is_fresh=False)
    return () if len(parsed) == 1 and parsed[0].is_plain else tuple(map(str, parsed))


def config_of_phase(config: ConfigDict, phase: Phase, num_epochs: int) -> ConfigDict:
    """Return the config that a phase trains with.

    Args:
      config: the config of the whole run.
      phase: one of its phases.
      num_epochs: the epochs from the first step of the phase's schedule to the phase's end.
    """
    phase_config = config.copy_and_resolve_references()
    phase_config.update_from_flattened_dict(
        {**phase.overrides, "phases": (), "num_epochs": num_epochs}
    )
    return phase_config
