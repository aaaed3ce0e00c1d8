"""The fields that a config's optimizer or schedule does not take."""

from collections.abc import Collection, Mapping
from typing import Any

from jaxcnn.config.fields import FIELDS
from jaxcnn.config.phases import Phase
from jaxcnn.text import join_names

_ADAM = ("b1", "b2", "eps")
_DECAYS = ("decay_rate", "decay_epochs", "decay_steps", "staircase")
# by the field that chooses a part, and by the built-in part: the fields of its section that it
# takes, beside those that all take
_TAKEN: dict[str, dict[str, tuple[str, ...]]] = {
    "optimizer.name": {
        "sgd": (),
        "momentum": ("momentum",),
        "nesterov": ("momentum",),
        "adam": _ADAM,
        "adamw": _ADAM,
        "adam_keras": _ADAM,
        "muon": ("momentum",),
        "airbench": ("momentum",),
        "airbench2025": ("momentum",),
    },
    "optimizer.scale_with_batch": {
        "none": (),
        "linear": ("reference_batch_size",),
        "sqrt": ("reference_batch_size",),
    },
    "schedule.name": {
        "constant": (),
        "plateau": ("factor", "patience", "min_delta", "cooldown", "min_rate"),
        "inverse_time": _DECAYS,
        "inverse_time_rounded": ("decay_rate",),
        "exponential": _DECAYS,
        "step": ("boundaries", "factor"),
        "cosine": ("final_fraction",),
        "linear": ("final_fraction",),
        "polynomial": ("final_fraction", "power"),
        "cosine_restarts": ("final_fraction", "restart_epochs", "restart_growth"),
        "one_cycle": (),
        "one_cycle_torch": (),
    },
}


def takers(field: str) -> tuple[str, list[str]]:
    """Return the field that chooses the part that a field belongs to, and the parts that take it.

    They are "" and [] for a field that belongs to no such part.
    """
    section, _, name = field.partition(".")
    for owner, parts in _TAKEN.items():
        names = [part for part, taken in parts.items() if name in taken]
        if names and owner.startswith(f"{section}."):
            return owner, names
    return "", []


def is_unused(field: str, part_names: Collection[Any]) -> bool:
    """Return whether none of some built-in optimizers or schedules takes a field.

    A user's own part may take any field.

    Args:
      field: such as "optimizer.momentum".
      part_names: optimizers or schedules, as the field belongs to.
    """
    owner, names = takers(field)
    return bool(owner) and all(part in _TAKEN[owner] and part not in names for part in part_names)


def notes_on_unused(config: Mapping[str, Any]) -> list[str]:
    """Return a line for each field that has no effect, where it is not the default or in a phase.

    Args:
      config: the fields by dotted name, see `flatten`.
    """
    lines = []
    for field in FIELDS:
        if config[field] != FIELDS[field].default and (reason := _reason(field, config)):
            lines.append(f"config.{field} = {config[field]!r} {reason}")
    for phase in map(Phase.parse, config["phases"]):
        for field, value in phase.overrides.items():
            if reason := _reason(field, config):
                lines.append(
                    f"config.phases, phase {str(phase)!r}: config.{field} = {value!r} {reason}"
                )
    return lines


def _reason(field: str, config: Mapping[str, Any]) -> str:
    """Return why a field has no effect; "" if it may have one."""
    owner, names = takers(field)
    if not owner or not is_unused(field, [config[owner]]):
        return ""
    return (
        f"has no effect with config.{owner} = {config[owner]!r}; it is taken by {join_names(names)}"
    )
