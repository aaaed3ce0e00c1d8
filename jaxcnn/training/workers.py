"""The processes that train members of a population, each on a core of its own.

On a CPU this is faster than one process that uses all cores: a small network's step gains little
from a second core, and processes share neither threads nor a heap.
"""

import contextlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import jax

from jaxcnn.config.defaults import flatten
from jaxcnn.config.parts import used_parts
from jaxcnn.errors import UserError
from jaxcnn.process import memory
from jaxcnn.process.host import MOST_DEVICES
from jaxcnn.process.numerics import jax_options
from jaxcnn.process.signals import SIGNALS
from jaxcnn.training.member import Template
from jaxcnn.training.plan import Plan
from jaxcnn.training.run import Run
from jaxcnn.training.worker import Done, Setup, Task

_DEVICES = re.compile(r"--xla_force_host_platform_device_count=\d+")
_LEAST_OPERATIONS = 5e11  # some ten seconds of training
_PROGRAM = """
import sys
sys.path[:] = sys.argv[2:]
from multiprocessing.connection import Connection
from jaxcnn.training.worker import serve
serve(Connection(int(sys.argv[1])))
"""
_PROCESS_BYTES = 2**30  # of Python, JAX and compiled programs
_END_SECONDS = 30.0  # the time in which a process should end


def usable_cores(runs: Sequence[Run], num_started: int = 0) -> int:
    """Return how many cores may have a process that trains members; 1 for none.

    A process needs seconds to start and to compile, so a short training has none. Each needs
    memory for the data. The processes know no parts that the user has registered. Simulated
    devices are used as such.

    Args:
      runs: of the members.
      num_started: processes that have started already.
    """
    if jax.default_backend() != "cpu" or not hasattr(os, "sched_getaffinity"):
        return 1
    plans, num_cores = [run.plan for run in runs], len(os.sched_getaffinity(0))
    is_usual = jax.local_device_count() in (1, min(num_cores, MOST_DEVICES))
    has_own_parts = any(used_parts(flatten(plan.config)) for plan in plans)
    if has_own_parts or sum(map(_operations, plans)) < _LEAST_OPERATIONS or not is_usual:
        return 1
    datasets = {id(run.dataset): run.dataset for run in runs}.values()
    splits = [split for dataset in datasets for split in dataset.splits.values()]
    data = sum(split.images.nbytes for split in splits)
    state = max(sum(leaf.nbytes for leaf in jax.tree.leaves(run.state)) for run in runs)
    per_process = _PROCESS_BYTES + 2 * data + 4 * state  # while it receives them, there are two
    return min(num_cores, max(num_started + int(memory.available() / per_process), 1))


def _operations(plan: Plan) -> float:
    """Return the operations of a run's whole training."""
    images = plan.num_epochs * plan.steps_per_epoch * plan.global_batch_size
    return 3 * plan.network.flops * images


class Workers:
    """The processes; they start at once, and end with `close` or with this process.

    Args:
      num_processes: number of processes, at most one for each core.

    Attributes:
      templates: those whose programs the processes know.
    """

    def __init__(self, num_processes: int):
        self.templates: list[Template] = []
        self._processes: dict[Connection, subprocess.Popen] = {}
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            for core in _cores(num_processes):
                connection, self._processes[connection] = _start(core)
            stack.pop_all()  # they stay

    def program_of(self, template: Template) -> int:
        """Return the number of a template's program, and teach it to the idle processes."""
        if template not in self.templates:
            variation = template.variation
            is_known = self.templates and self.templates[-1].variation.dataset is variation.dataset
            dataset = None if is_known else variation.dataset
            number = len(self.templates)
            setup = Setup(number, variation.config, dataset, variation.fields, jax_options())
            for connection in self._processes:
                self.send(connection, setup)
            self.templates.append(template)
        return self.templates.index(template)

    @property
    def connections(self) -> list[Connection]:
        """The connections to all processes."""
        return list(self._processes)

    def send(self, connection: Connection, message: Setup | Task | str) -> None:
        """Send a process its setup, a task, or `STOP`.

        Raises:
          UserError: the process has ended.
        """
        with self._noticing_the_end(connection):
            connection.send(message)

    def receive(self, connection: Connection) -> Done:
        """Return the outcome of a process's task.

        Raises:
          UserError: the process has ended, or lacks memory or the like.
          RuntimeError: a bug; the text has the process's traceback.
        """
        with self._noticing_the_end(connection):
            answer = connection.recv()
        if isinstance(answer, UserError):
            raise answer
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer

    @contextlib.contextmanager
    def _noticing_the_end(self, connection: Connection) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):  # OSError also within a message
            process = self._processes[connection]
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            raise UserError(
                f"a process that trained members has ended with exit code {process.returncode}, "
                "maybe for lack of memory; the same command resumes at the last checkpoints"
            ) from None

    def close(self) -> None:
        """End all processes."""
        for connection in self._processes:
            connection.close()
        for process in self._processes.values():
            process.kill()  # they keep nothing
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)


def _cores(number: int) -> list[int]:
    """Return cores of this process: those to which the fewest processes are bound.

    So populations that train at the same time, such as those of a search, use different cores.
    """
    bound: Counter[int] = Counter()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it is not the user's, has ended, or is the kernel's
            (process / "exe").readlink()
            cores = os.sched_getaffinity(int(process.name))
            bound.update(cores if len(cores) == 1 else ())
    return sorted(os.sched_getaffinity(0), key=lambda core: (bound[core], core))[:number]


def _start(core: int) -> tuple[Connection, subprocess.Popen]:
    """Start a process on a core; return its connection and itself."""
    own, other = multiprocessing.Pipe()
    flags = _DEVICES.sub("", os.environ.get("XLA_FLAGS", ""))
    with other, _blocked_signals():
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(other.fileno()), *_module_paths()],
            env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
        )
    os.sched_setaffinity(process.pid, {core})
    return own, process


@contextlib.contextmanager
def _blocked_signals() -> Iterator[None]:
    """Let a process that starts in the block get no signals; this one decides when to stop.

    Ctrl-C reaches all processes of a terminal, also while they start.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _module_paths() -> list[str]:
    """Return where the processes find modules: where this process does, jaxcnn's own place first.

    "" is left out: a file of the working directory may have the name of a library's module.
    """
    package = str(Path(__file__).parents[2])
    paths = [path for path in sys.path if path]
    return paths if package in paths else [package, *paths]
