"""A population whose members train in processes, each on a core of its own."""

import math
import multiprocessing.connection
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection

import jax

from jaxcnn.process.signals import StopSignal
from jaxcnn.training.member import Member
from jaxcnn.training.parallel import on_every_device
from jaxcnn.training.population import stop
from jaxcnn.training.timing import Clock
from jaxcnn.training.worker import STOP, Done, Task
from jaxcnn.training.workers import Workers

_POLL_SECONDS = 0.1  # the time until a signal is noticed


class WorkerPopulation:
    """The training of members in processes; each member trains alone, an epoch at a time.

    Args:
      members: the members, of one program or several; None for one that has ended.
      workers: the processes; several populations may use the same.
    """

    def __init__(self, members: Iterable[Member | None], workers: Workers):
        self._members = [member for member in members if member]
        self._programs = {member: workers.program_of(member.template) for member in self._members}
        self._workers = workers
        self._clocks: dict[Member, Clock] = {}  # of epochs that are not finished

    def train(self, on_epoch: Callable[[], None], num_epochs: float = math.inf) -> None:
        """Train all members to their ends, the one that is furthest behind first.

        Args:
          on_epoch: called when a member has finished an epoch.
          num_epochs: finished epochs at which members pause; a later call trains them on.

        Raises:
          Stopped: a signal asked for it; all members are saved.
          UserError: a member's folder is no longer this process's, or a process has ended.
        """
        free = self._workers.connections
        busy: dict[Connection, Member] = {}
        with StopSignal() as signal:
            while True:
                if signal.requested:
                    for connection in busy:
                        self._workers.send(connection, STOP)
                    for connection, member in busy.items():
                        self._take(member, self._workers.receive(connection), len(busy))
                    stop(self._members)
                waiting = [m for m in self._due(num_epochs) if m not in busy.values()]
                for member, connection in zip(waiting, list(free), strict=False):
                    free.remove(connection)
                    busy[connection] = member
                    self._workers.send(connection, self._task(member))
                if not busy:
                    return
                ready = multiprocessing.connection.wait(busy, _POLL_SECONDS)
                for connection in [connection for connection in busy if connection in ready]:
                    member = busy.pop(connection)
                    free.append(connection)
                    done = self._workers.receive(connection)
                    if self._take(member, done, num_busy=len(busy) + 1):
                        on_epoch()

    def _due(self, num_epochs: float) -> Sequence[Member]:
        """Return the members that have epochs left, the one that is furthest behind first."""
        training = [member for member in self._members if member.has_epochs_left(num_epochs)]
        return sorted(training, key=lambda member: member.position.step)

    def _task(self, member: Member) -> Task:
        """Return the rest of a member's epoch, or what comes before its next checkpoint."""
        row, end = member.position.row, member.plan.steps_of_epoch(member.position)
        num_steps, seconds = member.limit_to_save(end - row)
        return Task(
            self._programs[member],
            jax.tree.leaves(jax.device_get(member.state)),
            jax.device_get(member.values),
            member.epoch_numbers(),
            member.epoch_order(),
            member.eval_orders(),
            member.position,
            num_steps,
            seconds,
        )

    def _take(self, member: Member, done: Done, num_busy: int) -> bool:
        """Hand a member its state; return whether its epoch has ended.

        The time that the member takes is its share of the time of all that train.
        """
        state = jax.tree.unflatten(jax.tree.structure(member.state), done.state)
        state = on_every_device(state, member.plan.mesh)
        step = member.position.step + done.num_steps
        clock = self._clocks.setdefault(member, Clock())
        clock.images += done.images
        clock.seconds += done.seconds / num_busy
        if done.scores:
            member.take_steps(state, step, self._clocks.pop(member), done.scores)
        elif member.is_save_due(step):
            member.save_within_epoch(state, step)
        else:
            member.take_steps(state, step, clock, {})
        return bool(done.scores)
