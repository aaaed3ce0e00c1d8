"""Sides that do the same work in turns: the machinery that the benchmarks share.

A side is a process of its own. It holds one network and does a task when told: a number of training
steps, or of passes over its data. The sides take turns, so that whatever else the machine does
meets all of them alike. Medians over the rounds are compared.
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import machine
from recipes import EVAL_BATCH_SIZE
from rounds import agree, take_turns

from jaxcnn.errors import UserError
from jaxcnn.process import heap
from jaxcnn.process.memory import peak_resident
from results import prefix, to_operations, to_speeds

LONG_SECONDS = 4.0  # a turn that takes as long needs no warm-up
CHECKOUT = "jaxcnn_at="  # begins the name of a side that runs another checkout
OPERATIONS = {"train_step": 3, "epoch": 3, "evaluation": 1}  # in multiples of the forward ones


@dataclasses.dataclass(frozen=True)
class Side:
    """One side.

    Attributes:
      module: has a class `Worker(job, **options)` with `about`, `device_memory()`, and a method
        named like the job's task, which takes the number of times to do it.
      package: the package that must be installed.
      keeps_heap: the process has jaxcnn's heap settings.
      options: of the class.
      core: the only core that the process may use; None for all.
    """

    module: str
    package: str
    keeps_heap: bool = False
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    core: int | None = None


@dataclasses.dataclass(frozen=True)
class Job:
    """The work of all sides: a task, with a network, its config, and a number of noise images."""

    network: str
    task: str
    config: Any
    size: int

    @property
    def batch_size(self) -> int:
        """Images in a batch."""
        return EVAL_BATCH_SIZE if self.task == "evaluation" else self.config.global_batch_size

    @property
    def images_per_turn(self) -> int:
        """Images that the task sees when it is done once: a step's, else all."""
        return self.batch_size if self.task == "train_step" else self.size


SIDES = {
    "jaxcnn": Side("jaxcnn_side", "jax"),
    "jaxcnn_bfloat16": Side("jaxcnn_side", "jax", options={"precision": "bfloat16"}),
    "torch": Side("torch_side", "torch"),
    "torch_same_heap": Side("torch_side", "torch", keeps_heap=True),
    "torch_bfloat16": Side("torch_side", "torch", options={"precision": "bfloat16"}),
    "torch_cuda_graphs": Side("torch_side", "torch", options={"mode": "reduce-overhead"}),
    "torch_no_workers": Side("torch_side", "torch", options={"num_workers": 0}),
    "keras": Side("keras_side", "keras"),
    "keras_pydataset": Side("keras_side", "keras", options={"augments_on_host": True}),
}


def serve(connection: Connection, name: str, job: Job, side: Side | None = None) -> None:
    """Run the process of a side until the parent closes the connection.

    It answers each request with the seconds the work took and the peak memory in bytes (of the GPU
    where there is one).
    """
    side = side or SIDES[name]
    if side.core is not None:
        os.sched_setaffinity(0, {side.core})
    if side.keeps_heap:
        heap.keep_freed_memory()
    worker = importlib.import_module(side.module).Worker(job, **side.options)
    connection.send(worker.about)
    with contextlib.suppress(EOFError):  # the parent is done
        while True:
            method, count = connection.recv()
            started = time.perf_counter()
            getattr(worker, method)(count)
            seconds = time.perf_counter() - started
            connection.send((seconds, worker.device_memory() or peak_resident()))


def start(
    name: str, side: Side | None, job: Job, connection: Connection
) -> subprocess.Popen | multiprocessing.Process:
    """Start and return the process of a side, which answers through the connection."""
    if side:
        # no daemon: torch's DataLoader has processes of its own
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(connection, name, job, side)
        )
        process.start()
        return process
    script, checkout = Path(__file__).with_name("checkout_side.py"), checkout_of(name)
    descriptor = connection.fileno()
    words = [descriptor, checkout, job.network, job.task, job.size]
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, words)],
        pass_fds=[descriptor],
        env=os.environ | {"PYTHONPATH": str(checkout)},
    )


def checkout_of(name: str) -> Path:
    """Return the folder of the side `jaxcnn_at=PATH`."""
    return Path(name.removeprefix(CHECKOUT)).expanduser().resolve()


class Process:
    """A side's process, as seen by the parent.

    Args:
      name: of the side, or `jaxcnn_at=PATH`.
      job: its work.
      side: the side, unless it is one of `SIDES`.
    """

    def __init__(self, name: str, job: Job, side: Side | None = None):
        self.name, self.job = name, job
        self.count, self.seconds, self.memory = 1, 0.0, 0
        self.connection, far_end = multiprocessing.get_context("spawn").Pipe()
        self.process = start(name, side or SIDES.get(name), job, far_end)
        far_end.close()

    def receive(self) -> Any:
        """Return the next answer.

        Raises:
          UserError: the process has ended.
        """
        try:
            return self.connection.recv()
        except EOFError:
            raise UserError(f"{self.name} failed on {self.job.network}, as shown above") from None

    def ask(self, method: str, count: int) -> None:
        """Request that a method does its work `count` times, without waiting for it."""
        self.connection.send((method, count))

    def do(self, method: str, count: int) -> float:
        """Have a method do its work `count` times; return the seconds that it took."""
        self.ask(method, count)
        seconds, self.memory = self.receive()
        return seconds

    def take_turn(self) -> float:
        """Take part in a round; return the seconds of one time that the task was done.

        The task is done once before, untimed, unless it takes long. While a process waits, the
        system takes memory from it, and other sides' data fill the caches. An epoch is long enough
        to need no warm-up.
        """
        if self.job.task != "epoch":
            self.seconds = self.do(self.job.task, 1)
            if self.seconds >= LONG_SECONDS:
                return self.seconds
        self.seconds = self.do(self.job.task, self.count)
        return self.seconds / self.count

    def lengthen(self, round_seconds: float) -> bool:
        """Raise the count of a turn where the last one was short; return whether it was."""
        wanted = round(round_seconds * self.count / self.seconds)
        is_short = wanted >= 1.5 * self.count
        if is_short:
            self.count = wanted
        return is_short

    def close(self) -> None:
        """Tell the process to end."""
        self.connection.close()

    def wait(self) -> None:
        """Wait for its end for some seconds, then end it."""
        if isinstance(self.process, subprocess.Popen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5)
        else:
            self.process.join(timeout=5)
        self.process.kill()


def measure(job: Job, names: list[str], round_seconds: float, until: float) -> dict[str, Any]:
    """Let the sides do a job in turns; return its row of the results.

    The last two arguments are those of `rounds.take_turns`.

    Raises:
      UserError: a side failed, or they don't train the same network on the same kind of device.
    """
    processes = [Process(name, job) for name in names]
    try:
        abouts = [process.receive() for process in processes]
        check_equal(job.network, names, abouts)
        busy = machine.busy_cores()
        seconds = take_turns(processes, round_seconds, until)
        row = {"network": job.network, "batch_size": job.batch_size} | abouts[0]
        row |= {"rounds": len(seconds), "rounds_agree": agree(seconds), "busy_cores": busy}
        row |= to_speeds(names, job.images_per_turn / seconds)
        for process in processes:
            row[f"{prefix(process.name)}peak_memory_bytes"] = process.memory
        if names[0] == "jaxcnn" and job.task in OPERATIONS:
            row |= to_operations(row, OPERATIONS[job.task], best_product(processes[0]))
    finally:
        for process in processes:
            process.close()
        for process in processes:
            process.wait()
    return row


def check_equal(network: str, names: list[str], abouts: list[dict[str, Any]]) -> None:
    """Check that all sides report the same network.

    Raises:
      UserError: they don't.
    """
    for key in ("parameters", "trainable_parameters", "platform"):
        values = [about[key] for about in abouts]
        if len(set(values)) > 1:
            raise UserError(f"{network}: {key} of {', '.join(names)} differ: {values}")


def best_product(process: Process) -> float:
    """Return the seconds of a matrix product, at its fastest."""
    return min(process.do("matrix_product", 3) / 3 for _ in range(3))


def check_installed(names: list[str]) -> None:
    """Check that each side exists and can run.

    Raises:
      UserError: there is no such side or checkout, or its package is not installed.
    """
    for name in names:
        if name.startswith(CHECKOUT):
            if not Path(checkout_of(name), "benchmarks", "jaxcnn_side.py").is_file():
                raise UserError(f"--sides: {name} is not a checkout of jaxcnn")
        elif name not in SIDES:
            choices = ", ".join([*SIDES, f"{CHECKOUT}PATH"])
            raise UserError(f"--sides: there is no {name!r}; there are {choices}")
        elif importlib.util.find_spec(SIDES[name].package) is None:
            raise UserError(f"{SIDES[name].package} is not installed: pip install -e '.[bench]'")
