"""The members of a population in their folders: each is opened, and tested when it has ended."""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.api.population_console import PopulationConsole
from jaxcnn.api.run import check_data, is_complete, record_start
from jaxcnn.errors import UserError
from jaxcnn.files.writing import write_json
from jaxcnn.training.member import Member, MemberRun
from jaxcnn.training.run import Run
from jaxcnn.training.transfer import load_start, start_from
from jaxcnn.workdir.beginning import is_new
from jaxcnn.workdir.changes import find_changes, refuse_changes_after_the_end
from jaxcnn.workdir.endings import read_ended
from jaxcnn.workdir.folder import open_workdir
from jaxcnn.workdir.run_files import (
    DIVERGED,
    checkpoint_steps,
    missing_parts,
    read_part_if_there,
)
from jaxcnn.workdir.run_parts import notes_on_parts
from jaxcnn.workdir.weights import RunWeights

# fields that decide when a member ends; all members are tested again with another `test_with`
_OF_THE_END = ("early_stopping.", "max_minutes")


def result_of(folder: Path, config: ConfigDict) -> dict[str, Any] | None:
    """Return the result of a member that has ended; None while there is something left."""
    ended = read_ended(folder)
    return ended if ended and is_complete(folder, config, ended) else None


def divergence_of(folder: Path) -> dict[str, Any] | None:
    """Return the record of a member that diverged, and would do so again; None without one."""
    return read_part_if_there(folder, DIVERGED)


def not_again(folder: Path, reason: str) -> str:
    """Return why a member that has diverged is not trained, and how to train it."""
    return f"{reason}; it is not trained again: delete {folder / DIVERGED} to try"


def refuse_another_recipe(folder: Path, config: ConfigDict) -> None:
    """Check that a member that has begun goes on with its recipe, before others train.

    All members have one recipe from their first step on, or the better of them would be luck. A
    single run may take such changes, and records them.

    Raises:
      UserError: the config changes the member's numbers or its end.
    """
    if not (folder / "config.json").exists():
        return
    try:
        changes = find_changes(folder, config)
        refuse_changes_after_the_end(folder, config, changes)
        for change in changes:
            if not change.may_follow_the_end or change.name.startswith(_OF_THE_END):
                raise UserError(f"{folder}: has begun and cannot take the change of {change}")
    except UserError as error:
        raise UserError(
            f"{error}. It is one of several runs of one recipe: one whose config has changed, or "
            "that was trained on alone in its folder, cannot go on"
        ) from error


def checkpoint_of_part(folder: Path, run: Run) -> Path | None:
    """Return the checkpoint of a member that ended within an epoch; None without one.

    A member with something left repeats that part from the checkpoint before, to the same bits:
    members are validated by the population's program alone, at the end of a part they train.
    """
    step = run.plan.config.num_steps
    checkpoint = folder / "checkpoints" / str(step)
    return checkpoint if step % run.plan.steps_per_epoch and checkpoint.exists() else None


class Ends:
    """Tests members when they end, or records that they have diverged.

    Args:
      members: the members by number.
      folder_of: returns the folder of a member.
      shown: shows the epochs.

    Attributes:
      failures: the line of the error that ended a member, by its number.
    """

    def __init__(
        self,
        members: Mapping[int, Member],
        folder_of: Callable[[int], Path],
        shown: PopulationConsole,
    ):
        self._members, self._folder_of, self._shown = members, folder_of, shown
        self._ended: set[int] = set()
        self.failures: dict[int, str] = {}

    def report(self) -> None:
        """Test the members that have ended since the last call, and show the epoch of all."""
        for index, member in self._members.items():
            if member.is_training or index in self._ended:
                continue
            self._ended.add(index)
            if member.failure:
                self.failures[index] = member.failure
                self._shown.warn(index, member.failure)
                _record_divergence(member, self._folder_of(index))
            else:
                _test(member, self._folder_of(index))
        self._shown.epoch(self._members)


@dataclasses.dataclass(frozen=True)
class Opener:
    """Opens the folders of members, until the stack is closed.

    Attributes:
      stack: closes what is opened.
      describe: returns the content of a member's `dataset.json`.
      data_at: the place of the data; None for the one in the config.
      shown: shows warnings and notes.
    """

    stack: contextlib.ExitStack
    describe: Callable[[MemberRun], dict[str, Any]]
    data_at: Path | None
    shown: PopulationConsole
    _weights: dict[str, RunWeights] = dataclasses.field(default_factory=dict)

    def open(self, index: int, folder: Path, member_run: MemberRun) -> Member:
        """Return a member that starts, or resumes from its newest checkpoint."""
        run, config = member_run.run, member_run.run.plan.config
        is_first, part = is_new(folder, read_ended(folder)), checkpoint_of_part(folder, run)
        is_first = is_first or (part is not None and len(checkpoint_steps(folder)) == 1)
        if is_first and config.init_from:
            state, lines = start_from(self._start_weights(config), run.state)
            run = dataclasses.replace(run, state=state)
            self.shown.note(lines)
        opened = open_workdir(folder, config)
        changes, check_folder = self.stack.enter_context(opened)
        description = self.describe(member_run)
        data_warnings = check_data(run, folder, description, self.data_at, is_new=is_first)
        if part:
            if is_first:  # after a kill, a member without a result starts anew
                for name in ("result.json", "metrics.jsonl"):
                    (folder / name).unlink(missing_ok=True)
            shutil.rmtree(part)
        for line in (*missing_parts(folder), *notes_on_parts(folder), *data_warnings):
            self.shown.warn(index, line)
        display = self.shown.display(index)
        member = Member.open(run, folder, display, check_folder)
        member.template, member.values = member_run.template, member_run.values
        self.stack.enter_context(contextlib.closing(member.saving.checkpoints))
        self.stack.enter_context(contextlib.closing(member.metrics))
        record_start(member, folder, description, changes)
        return member

    def _start_weights(self, config: ConfigDict) -> RunWeights:
        """Return the weights that `config.init_from` names; several members load them once."""
        if config.init_from not in self._weights:
            self._weights[config.init_from] = load_start(config)
        return self._weights[config.init_from]


def _test(member: Member, folder: Path) -> None:
    """Test a member that has ended, and write its result; its report follows at the end."""
    member.saving.checkpoints.wait()
    result = member.result()
    member.check_folder()
    write_json(folder / "result.json", result)


def _record_divergence(member: Member, folder: Path) -> None:
    """Write that a member has diverged, so that the same call does not train it again."""
    member.check_folder()
    record = {"reason": member.failure, "epochs": member.position.epoch}
    write_json(folder / DIVERGED, record | {"run": member.progress.run})
