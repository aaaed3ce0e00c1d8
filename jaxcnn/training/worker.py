"""A process that trains members of a population on one core, an epoch at a time.

`workers.py` starts it, and sends it members' states. It keeps none of them, and writes no file.
"""

import contextlib
import ctypes
import dataclasses
import signal
import time
import traceback
from collections.abc import Iterable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np
from ml_collections import ConfigDict

from jaxcnn.process import heap, host, numerics
from jaxcnn.process.explain import explain
from jaxcnn.workdir.position import Position

if TYPE_CHECKING:
    from jaxcnn.data.dataset import Dataset
    from jaxcnn.training.epoch_steps import Scores

STOP = "stop"
_PR_SET_PDEATHSIG = 1  # of `prctl`, from Linux's <sys/prctl.h>


@dataclasses.dataclass(frozen=True)
class Setup:
    """The parts that all members of a program share.

    Attributes:
      program: its number, by which tasks name it.
      config: of one of the members.
      dataset: the dataset of all; None for that of the setup before.
      fields: the names of the fields in which members differ.
      jax_options: see `numerics.jax_options`.
    """

    program: int
    config: ConfigDict
    dataset: "Dataset | None"
    fields: Iterable[str]
    jax_options: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Task:
    """The rest of an epoch of a member.

    Attributes:
      program: see `Setup`.
      state: the arrays of its state, on the host.
      values, numbers, order, eval_orders: those of `Member`, on the host.
      position: where it begins.
      num_steps: the steps after which it ends at the latest.
      seconds: the time after which it ends at the latest.
    """

    program: int
    state: list[np.ndarray]
    values: dict[str, np.ndarray]
    numbers: dict[str, Any]
    order: np.ndarray
    eval_orders: dict[str, np.ndarray]
    position: Position
    num_steps: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Done:
    """The outcome of a task.

    Attributes:
      state: the arrays of the state, on the host.
      num_steps: the steps that were done.
      images, seconds: of the steps that were timed.
      scores: of the state, if it ends the epoch; else {}.
    """

    state: list[np.ndarray]
    num_steps: int
    images: int
    seconds: float
    scores: "Scores"


class _MemberTrainer:
    """Trains members of a program, one at a time.

    Args:
      setup: what they share.
      dataset: of all members.
      connection: may bring `STOP` while a member trains.
      others: of other programs.
    """

    def __init__(
        self,
        setup: Setup,
        dataset: "Dataset",
        connection: Connection,
        others: "Iterable[_MemberTrainer]",
    ):
        import jax

        from jaxcnn.training.epoch_steps import EpochSteps
        from jaxcnn.training.member import make_template
        from jaxcnn.training.member_programs import Form, MemberPrograms

        numerics.set_jax_options(setup.jax_options)
        templates = [other.template for other in others]
        self.template = make_template(setup.config, dataset, setup.fields, templates)
        run = self.template.run
        self._connection, self._plan = connection, run.plan
        programs = MemberPrograms(
            self.template.variation, Form(1, 1), run.plan.network, run.plan.steps_per_dispatch
        )
        self._steps = EpochSteps(run, programs, run.data)
        self._structure = jax.tree.structure(run.state)

    def train(self, task: Task) -> Done:
        """Train a member until its epoch ends, its time is up, or the parent stops it."""
        import jax

        from jaxcnn.training.timing import Clock

        put, clock, started = self._steps.programs.put, Clock(), time.monotonic()
        state = put([jax.tree.unflatten(self._structure, task.state)])
        values = put([task.values])
        steps = self._steps.steps(
            state, values, put([task.numbers]), put([task.order]), task.position, clock
        )
        num_steps, is_stopped = 0, False
        with contextlib.closing(steps):
            while num_steps < task.num_steps and not is_stopped:
                state, count = next(steps)
                num_steps += count
                is_late = time.monotonic() - started >= task.seconds
                is_stopped = is_late or self._connection.poll()
        is_end = task.position.row + num_steps == self._plan.steps_of_epoch(task.position)
        scores = {}
        if is_end:
            scores = self._steps.scores(state, values, put([task.eval_orders]))[0]
        arrays = jax.tree.leaves(jax.device_get(state))
        return Done(arrays, num_steps, clock.images, clock.seconds, scores)


def _end_with_parent() -> None:
    """Let Linux kill this process when the parent ends; a compilation takes up to minutes."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(connection: Connection) -> None:
    """Train members until the parent closes the connection.

    Each answer is a `Done`, or the `UserError` that explains an error, or a bug's traceback.
    """
    _end_with_parent()
    setups: dict[int, tuple[Setup, Any]] = {}  # with the dataset
    trainers: dict[int, _MemberTrainer] = {}
    dataset = None
    try:
        while True:
            message = connection.recv()
            if isinstance(message, Setup):
                if not setups:
                    host.prepare()
                    heap.tidy_after_compiling()
                dataset = message.dataset or dataset
                setups[message.program] = message, dataset
            elif message != STOP:  # it may come after the end of the last task
                number = message.program
                if number not in trainers:
                    others = trainers.values()
                    trainers[number] = _MemberTrainer(*setups[number], connection, others)
                connection.send(trainers[number].train(message))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent has ended
    except Exception as error:
        with contextlib.suppress(OSError):  # the parent has ended
            connection.send(explain(error) or traceback.format_exc())
