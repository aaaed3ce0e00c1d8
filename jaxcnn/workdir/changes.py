"""What a resumed run may change of its config."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten, older_defaults, to_dict
from jaxcnn.config.fields import effect_of
from jaxcnn.config.rules import Effect
from jaxcnn.data.places import same_dataset
from jaxcnn.errors import UserError
from jaxcnn.workdir import run_files
from jaxcnn.workdir.endings import how_on, read_ended, what_stops
from jaxcnn.workdir.run_data import PICTURES


@dataclasses.dataclass(frozen=True)
class Change:
    """A field of a resumed run whose value is not the one that the run had before."""

    name: str
    before: Any
    now: Any

    @property
    def changes_numbers(self) -> bool:
        """Whether the numbers of the run change beyond rounding."""
        return effect_of(self.name) not in (Effect.NONE, Effect.REPEAT)

    @property
    def may_follow_the_end(self) -> bool:
        """Whether an ended run may take the change and repeat its test."""
        return effect_of(self.name) != Effect.NUMBERS

    def __str__(self) -> str:
        return f"{self.name}: {self.before!r} before, now {self.now!r}"


def find_changes(workdir: Path, config: ConfigDict) -> list[Change]:
    """Return the fields whose values differ from the run's, except those that reports only quote.

    Raises:
      UserError: the folder holds another run.
    """
    saved = run_files.read_part(workdir, "config.json")
    for name in ("model", "dataset", "seed"):  # a run has these: the file is another program's
        if name not in saved:
            raise UserError(
                f"{workdir}: holds another run: its config.json has no {name}; name another "
                "--workdir"
            )
    now, missing = flatten(to_dict(config)), flatten(to_dict(older_defaults()))
    before = {name: missing[name] for name in now if name in missing} | flatten(saved)
    changes = [
        Change(name, before.get(name), value)
        for name, value in now.items()
        if before.get(name) != value and effect_of(name) != Effect.ABOUT
    ]
    for change in changes:
        if _is_other_run(change, workdir, now):
            raise UserError(
                f"{workdir}: holds another run: its {change.name} is {change.before!r}, this one's "
                f"is {change.now!r}; name another --workdir"
            )
    return changes


def _is_other_run(change: Change, workdir: Path, now: dict[str, Any]) -> bool:
    if change.name == "global_batch_size":  # an epoch of some batches would have other examples
        return bool(now["steps_per_epoch"])
    if change.name == "dataset.name" and (
        same_dataset(change.before, change.now) or (workdir / PICTURES).exists()
    ):  # the pictures were moved: `load_run_data` has compared them
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
    stops = what_stops(ended, config) if ended else []
    for change in changes:
        if stops and not change.may_follow_the_end:
            raise UserError(
                f"{workdir}: the run ended after {ended['num_epochs']} epochs and cannot take "
                f"{change}; it goes on with {how_on(stops, ended, config)}; or name another "
                "--workdir"
            )
