"""Sides that do the same work in turns: the machinery that the benchmarks share.

A side is a process of its own that holds one network and does a task when told: so many training
steps, or passes over its data. The sides take turns, so that what else the machine does meets all
of them alike; medians over the rounds are compared.
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import json
import multiprocessing
import time
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import machine
import numpy as np
from recipes import EVAL_BATCH_SIZE

from jaxcnn.errors import UserError
from jaxcnn.process import heap

FEWEST_ROUNDS, MOST_ROUNDS = 3, 9
ENOUGH_SECONDS = 8.0  # after them the fewest rounds will do
LONG_SECONDS = 4.0  # a turn that takes as long needs none before it to warm up
OPERATIONS = {"train_step": 3, "epoch": 3, "evaluation": 1}  # in multiples of the forward ones
PACKAGES = ("jax", "jaxlib", "flax", "torch", "keras", "numpy")


@dataclasses.dataclass(frozen=True)
class Side:
    """What a side is made of.

    Attributes:
      module: has a class `Worker(job, **options)` with `about`, a method named as the job's task
        that takes how often to do it, and `device_memory()`.
      package: what must be installed.
      keeps_heap: whether the process has jaxcnn's heap settings.
      options: of the class.
    """

    module: str
    package: str
    keeps_heap: bool = False
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Job:
    """What all sides do: a task, with a network, its config, and so many images of noise."""

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
    "torch": Side("torch_side", "torch"),
    "torch_same_heap": Side("torch_side", "torch", keeps_heap=True),
    "torch_cuda_graphs": Side("torch_side", "torch", options={"mode": "reduce-overhead"}),
    "torch_no_workers": Side("torch_side", "torch", options={"num_workers": 0}),
    "keras": Side("keras_side", "keras"),
    "keras_pydataset": Side("keras_side", "keras", options={"augments_on_host": True}),
}


def serve(connection: Connection, name: str, job: Job) -> None:
    """The process of a side: does what it is told, and answers with the seconds it took and the
    peak memory in bytes (of the GPU where there is one)."""
    side = SIDES[name]
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
            connection.send((seconds, worker.device_memory() or machine.peak_memory()))


class Process:
    """A side's process, as seen by the parent."""

    def __init__(self, name: str, job: Job):
        self.name, self.job = name, job
        self.count, self.seconds, self.memory = 1, 0.0, 0
        context = multiprocessing.get_context("spawn")
        self.connection, far_end = context.Pipe()
        # no daemon: torch's DataLoader has processes of its own
        self.process = context.Process(target=serve, args=(far_end, name, job))
        self.process.start()
        far_end.close()

    def receive(self) -> Any:
        """The next answer; a UserError if the process has ended."""
        try:
            return self.connection.recv()
        except EOFError:
            raise UserError(f"{self.name} failed on {self.job.network}, as shown above") from None

    def ask(self, method: str, count: int) -> None:
        """Has something done so often, without waiting for it."""
        self.connection.send((method, count))

    def do(self, method: str, count: int) -> float:
        """Has something done so often; returns the seconds that it took."""
        self.ask(method, count)
        seconds, self.memory = self.receive()
        return seconds

    def take_turn(self) -> float:
        """A round; returns the seconds of one time that the task was done.

        Once more before, which is not timed unless it takes long: the system takes memory from
        those who wait, and other sides' data fill the caches. An epoch is long enough without.
        """
        if self.job.task != "epoch":
            self.seconds = self.do(self.job.task, 1)
            if self.seconds >= LONG_SECONDS:
                return self.seconds
        self.seconds = self.do(self.job.task, self.count)
        return self.seconds / self.count

    def lengthen(self, round_seconds: float) -> bool:
        """Does more in a round where the last one was short; returns whether it does."""
        wanted = round(round_seconds * self.count / self.seconds)
        is_short = wanted >= 1.5 * self.count
        if is_short:
            self.count = wanted
        return is_short

    def close(self) -> None:
        """Tells the process to end."""
        self.connection.close()

    def wait(self) -> None:
        """Waits for its end, for a while."""
        self.process.join(timeout=5)
        self.process.kill()


def take_turns(processes: list[Process], round_seconds: float, until: float) -> np.ndarray:
    """Seconds of a turn (rounds, sides); rounds before all last long enough don't count.

    `until`: the value of `time.perf_counter()` at which they should be done.
    """
    for process in processes:  # compile, all at once
        process.ask(processes[0].job.task, 1)
    for process in processes:
        process.receive()
    rounds, length, started = [], 0.0, time.perf_counter()
    while True:
        now = time.perf_counter()
        if not is_worth_another(len(rounds), now - started, until - now - length):
            break
        times = [process.take_turn() for process in processes]
        length = time.perf_counter() - now
        are_short = [process.lengthen(round_seconds) for process in processes]
        if not any(are_short):
            rounds.append(times)
    return np.array(rounds)


def is_worth_another(num_rounds: int, seconds: float, seconds_left: float) -> bool:
    """Whether there should be one more round, after so many seconds, and with so many left once it
    is done; there is at least one."""
    is_enough = num_rounds >= FEWEST_ROUNDS and seconds >= ENOUGH_SECONDS
    return num_rounds == 0 or (num_rounds < MOST_ROUNDS and not is_enough and seconds_left >= 0)


def measure(job: Job, names: list[str], round_seconds: float, until: float) -> dict[str, Any]:
    """Lets the sides do a job in turns; returns its row of the results. `until`: see `take_turns`.

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
        row |= {"rounds": len(seconds), "busy_cores": busy}
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
    """Sees to it that what the sides say of their networks is the same.

    Raises:
      UserError: it is not.
    """
    for key in ("parameters", "trainable_parameters", "platform"):
        values = [about[key] for about in abouts]
        if len(set(values)) > 1:
            raise UserError(f"{network}: {key} of {', '.join(names)} differ: {values}")


def best_product(process: Process) -> float:
    """Seconds of a matrix product, at its fastest."""
    return min(process.do("matrix_product", 3) / 3 for _ in range(3))


def prefix(name: str) -> str:
    """What stands in front of a side's figures in a row: nothing for jaxcnn."""
    return "" if name == "jaxcnn" else f"{name}_"


def to_speeds(names: list[str], rounds: np.ndarray) -> dict[str, Any]:
    """Medians, and the first side's ratios to the others with their range over the rounds.

    Args:
      names: of the sides.
      rounds: images per second (rounds, sides).
    """
    medians = np.median(rounds, axis=0).tolist()
    speeds = {
        f"{prefix(name)}images_per_second": median
        for name, median in zip(names, medians, strict=True)
    }
    for name, median, column in zip(names[1:], medians[1:], rounds.T[1:], strict=True):
        ratios = (rounds[:, 0] / column).tolist()
        speeds[f"ratio_to_{name}"] = medians[0] / median
        speeds[f"ratio_to_{name}_range"] = [min(ratios), max(ratios)]
    return speeds


def to_operations(row: dict[str, Any], factor: int, product_seconds: float) -> dict[str, float]:
    """Operations a second, those of a matrix product, and the share of these that they are."""
    speed = 1e-9 * factor * row["flops_per_image"] * row["images_per_second"]
    limit = 1e-9 * row["product_flops"] / product_seconds
    return {
        "gflops_per_second": speed,
        "product_gflops_per_second": limit,
        "share_of_product": speed / limit,
    }


def check_installed(names: list[str]) -> None:
    """Sees to it that the sides can be had.

    Raises:
      UserError: there is no such side, or its package is not installed.
    """
    for name in names:
        if name not in SIDES:
            raise UserError(f"--sides: there is no {name!r}; there are {', '.join(SIDES)}")
        if importlib.util.find_spec(SIDES[name].package) is None:
            raise UserError(f"{SIDES[name].package} is not installed: pip install -e '.[bench]'")


def check_json(path: str) -> None:
    """Sees to it, before the work, that a results file can be written.

    Raises:
      UserError: its folder is not there.
    """
    if path and not Path(path).resolve().parent.is_dir():
        raise UserError(f"--json={path}: there is no such folder")


def write_results(path: Path, benchmark: str, rows: list[dict[str, Any]]) -> None:
    """Writes rows as JSON, with the machine and the versions of what was measured."""
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    about = {"benchmark": benchmark, "device": machine.describe(), "versions": versions}
    path.write_text(json.dumps(about | {"rows": rows}, indent=2) + "\n")
