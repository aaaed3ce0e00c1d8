"""The changes of a resumed run's config: which are allowed, and when."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten, older_defaults, to_dict
from jaxcnn.config.fields import effect_of
from jaxcnn.config.phases import phases_of
from jaxcnn.config.rules import Effect
from jaxcnn.data.places import same_dataset
from jaxcnn.errors import UserError
from jaxcnn.workdir import run_files
from jaxcnn.workdir.endings import how_to_continue, reached_limits, read_ended
from jaxcnn.workdir.full_paths import with_full_paths
from jaxcnn.workdir.run_data import PICTURES

# fields with the path of what decides a run's numbers
_PATHS = ("init_from", "dataset.split", "dataset.exclude")
# fields that decide when early stopping ends a run; a run that it has ended was judged by them
_JUDGED_BY = ("early_stopping.metric", "early_stopping.min_delta")


@dataclasses.dataclass(frozen=True)
class Change:
    """A field of a resumed run's config with a new value.

    Attributes:
      name: dotted name of the field.
      before: the value so far.
      now: the new value.
      depends_on_devices: whether BatchNorm's statistics are over each device's part.
    """

    name: str
    before: Any
    now: Any
    depends_on_devices: bool = False

    @property
    def changes_numbers(self) -> bool:
        """True if the run's results change by more than rounding."""
        if self.name == "num_devices" and self.depends_on_devices:
            return True
        return effect_of(self.name) not in (Effect.NONE, Effect.REPEAT)

    @property
    def may_follow_the_end(self) -> bool:
        """True if an ended run may take the change and repeat its test."""
        return effect_of(self.name) != Effect.NUMBERS

    def __str__(self) -> str:
        return f"{self.name}: {self.before!r} before, now {self.now!r}"


def find_changes(workdir: Path, config: ConfigDict) -> list[Change]:
    """Return the changes of the run's config, without fields that only describe it.

    Raises:
      UserError: the folder holds another run.
    """
    saved = run_files.read_part(workdir, "config.json")
    for name in ("model", "dataset", "seed"):  # another program's file may lack them
        if name not in saved:
            raise UserError(
                f"{workdir}: holds another run: its config.json has no {name}; name another "
                "--workdir"
            )
    now, older = with_full_paths(flatten(to_dict(config))), flatten(to_dict(older_defaults()))
    before = {name: older[name] for name in now if name in older}
    before |= with_full_paths(flatten(saved))
    changes = [
        Change(name, before.get(name), value, config.batch_norm == "per_device")
        for name, value in now.items()
        if before.get(name) != value
        and effect_of(name) != Effect.ABOUT
        and not (name == "phases" and _is_one_more(saved, to_dict(config)))
    ]
    # of several fields, the dataset's name says best which run the folder holds
    for change in sorted(changes, key=lambda change: change.name != "dataset.name"):
        if _is_other_run(change, workdir, now):
            raise UserError(
                f"{workdir}: holds another run: its {change.name} is {change.before!r}, this one's "
                f"is {change.now!r}; name another --workdir{_if_moved(change, workdir)}"
            )
    return changes


def _if_moved(change: Change, workdir: Path) -> str:
    """Return what else helps if a path has changed; "" for another change."""
    values = (change.before, change.now)
    if change.name in _PATHS and all(isinstance(v, str) and os.path.isabs(v) for v in values):
        path = workdir / "config.json"
        return f", or, if it was only moved, write its new path into {path}"
    return ""


def _is_one_more(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Return whether a run only gets one more plain phase, which its new `num_epochs` implies."""
    *earlier, last = phases_of(now)
    return last.is_plain and earlier == phases_of(before)


def _is_other_run(change: Change, workdir: Path, now: dict[str, Any]) -> bool:
    if change.name == "global_batch_size":  # it changes the examples of a fixed number of steps
        return bool(now["steps_per_epoch"] or now["num_steps"])
    if change.name == "dataset.name" and (
        same_dataset(change.before, change.now) or (workdir / PICTURES).exists()
    ):  # the pictures may have moved, and `load_run_data` has compared them
        return False
    return effect_of(change.name) in (Effect.RUN, Effect.REPEAT)


def refuse_changes_after_the_end(
    workdir: Path, config: ConfigDict, changes: Sequence[Change]
) -> None:
    """Refuse to change the recipe of a finished run that is not being extended.

    Raises:
      UserError: a change affects the numbers of the ended training.
    """
    ended = read_ended(workdir)
    if ended is None:
        return
    limits = reached_limits(ended, config)
    has_judged = ended["ended"] == "early_stopping" and "early_stopping" in limits
    for change in changes:
        is_of_the_end = has_judged and change.name in _JUDGED_BY
        if limits and (is_of_the_end or not change.may_follow_the_end):
            remedy = how_to_continue(workdir, limits, ended, config)
            raise UserError(
                f"{workdir}: the run ended after {ended['num_epochs']} epochs and cannot take "
                f"the change of {change}; continue it with {remedy}, or name another --workdir"
            )
