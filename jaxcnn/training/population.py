"""A population: runs that differ in numbers alone, trained by one compiled step.

Each member is a run of its own, with its own folder, checkpoints and metrics (`member.py`). The
population computes the steps and the evaluations of a chunk of members together, an epoch at a
time, and hands each member its state.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

import jax

from jaxcnn.data import feed
from jaxcnn.errors import Stopped
from jaxcnn.process.signals import StopSignal
from jaxcnn.training.epoch_steps import EpochSteps, Scores
from jaxcnn.training.member import Member
from jaxcnn.training.member_programs import MemberPrograms
from jaxcnn.training.parallel import on_every_device
from jaxcnn.training.timing import Clock


class Population:
    """The training of members, in chunks that a compiled step trains together.

    A chunk has the same number of slots at each call, so that a member's numbers do not depend on
    the others: a slot without a member to train computes a copy, which is dropped.

    Args:
      members: the members; None for one that has ended, whose slot stays.
      programs: the compiled steps; several populations may use the same.
    """

    def __init__(self, members: Sequence[Member | None], programs: MemberPrograms):
        self._members = [member for member in members if member]
        first, form = self._members[0], programs.form
        self._programs = programs
        self._chunks = [
            members[start : start + form.width] for start in range(0, len(members), form.width)
        ]
        data = first.run.data
        if form.num_devices > 1:
            dataset = first.run.dataset
            data = {n: feed.put_split(dataset.splits[n], self._programs.mesh) for n in data}
        self._epoch_steps = EpochSteps(first.run, programs, data)

    def train(self, on_epoch: Callable[[], None], num_epochs: float = math.inf) -> None:
        """Train all members to their ends, an epoch of each chunk in turn.

        Args:
          on_epoch: called when members have finished an epoch.
          num_epochs: finished epochs at which members pause; a later call trains them on.

        Raises:
          Stopped: a signal asked for it; all members are saved.
          UserError: a member's folder is no longer this process's.
        """
        with StopSignal() as signal:
            while any(_next_group(chunk, num_epochs) for chunk in self._chunks):
                for chunk in self._chunks:
                    if group := _next_group(chunk, num_epochs):
                        self._train_epoch(chunk, group, signal)
                        if signal.requested:
                            stop(self._members)
                        on_epoch()
            if signal.requested:  # in the last members' test
                stop(self._members)

    def _train_epoch(
        self, chunk: Sequence[Member | None], group: Sequence[Member], signal: StopSignal
    ) -> None:
        """Train the rest of an epoch of a group of the chunk, or until a signal asks to stop."""
        programs, lead, clock = self._programs, group[0], Clock()
        slots = [member if member and member in group else lead for member in chunk]
        slots += [lead] * (programs.form.width - len(slots))
        starts = {member: member.position.step for member in group}
        start = state = programs.put([member.state for member in slots])
        values = programs.put([member.values for member in slots])
        numbers = programs.put([member.epoch_numbers() for member in slots])
        order = programs.put([member.epoch_order() for member in slots])
        row, end = _steps_left(lead)
        done = 0
        steps = self._epoch_steps.steps(start, values, numbers, order, lead.position, clock)
        with contextlib.closing(steps):
            while row + done < end and not signal.requested:
                state, num_steps = next(steps)
                done += num_steps
                due = [member for member in group if member.is_save_due(starts[member] + done)]
                for member, member_state in self._handed_out(chunk, due, state):
                    member.save_within_epoch(member_state, starts[member] + done)
        scores = self._scores(slots, state, values) if row + done == end else []
        for member, member_state in self._handed_out(chunk, group, state):
            means = scores[chunk.index(member)] if scores else {}
            member.take_steps(member_state, starts[member] + done, _share(clock, len(group)), means)

    def _scores(self, slots: Sequence[Member], state: Any, values: Any) -> list[Scores]:
        """Return the scores of each slot at the end of an epoch."""
        orders = self._programs.put([member.eval_orders() for member in slots])
        return self._epoch_steps.scores(state, values, orders)

    def _handed_out(
        self, chunk: Sequence[Member | None], members: Sequence[Member], state: Any
    ) -> Iterator[tuple[Member, Any]]:
        """Yield members of a chunk, each with its own state, on its device."""
        on_host = jax.device_get(state) if members else None
        for index, member in enumerate(chunk):
            if member and member in members:
                member_state = self._programs.take(on_host, index)
                yield member, on_every_device(member_state, member.plan.mesh)


def stop(members: Iterable[Member]) -> NoReturn:
    """Save all members and raise `Stopped`."""
    members = list(members)
    training = [member for member in members if member.is_training]
    for member in training:
        member.save_to_stop()
    for member in members:  # some may have ended since the last report
        member.saving.checkpoints.wait()
    saved = f" and saved {len(training)} members" if training else ""
    raise Stopped(f"stopped{saved}; the same command goes on")


def _next_group(chunk: Sequence[Member | None], num_epochs: float) -> list[Member]:
    """Return the members of a chunk that train next: those at the row of the one furthest behind.

    All members are at the same row, unless the process was killed while it saved them. None of them
    has finished `num_epochs`.
    """
    training = [member for member in chunk if member and member.has_epochs_left(num_epochs)]
    if not training:
        return []
    lead = min(training, key=lambda member: member.position.step)
    return [member for member in training if _steps_left(member) == _steps_left(lead)]


def _steps_left(member: Member) -> tuple[int, int]:
    """Return the row of a member's next step, and the end of its epoch."""
    return member.position.row, member.plan.steps_of_epoch(member.position)


def _share(clock: Clock, num_members: int) -> Clock:
    """Return a member's share of the time in which several were trained."""
    share = Clock()
    share.images, share.seconds = clock.images, clock.seconds / num_members
    return share
