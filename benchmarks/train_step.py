"""Training steps a second on the CPU, jaxcnn beside torch: `python benchmarks/train_step.py`.

For each network three processes train it, with data in memory: jaxcnn as its loop does it; torch
(eager, channels_last, one thread a core, fused optimizer); and torch with jaxcnn's heap settings.
They take turns, and the medians over the rounds are compared. A step is everything from the uint8
images in memory on: gather, scale, forward, loss, backward, optimizer, sums of loss and accuracy.

The machine must have nothing else to do: torch's threads wait for each other spinning, so that
other processes make it tens of times slower, and jaxcnn look as much better. A warning says so.

Needs torch: `pip install -e '.[bench]'`.
"""

import contextlib
import functools
import importlib.metadata
import importlib.util
import json
import multiprocessing
import os
import platform
import runpy
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from rich.console import Console
from rich.table import Table

from jaxcnn import cli, runtime
from jaxcnn.errors import UserError

_QUICK = flags.DEFINE_bool("quick", False, "Small networks and short rounds: under a minute.")
_NETWORKS = flags.DEFINE_list("networks", [], "The networks to measure (default: all).")
_JSON = flags.DEFINE_string("json", "", "The file that the results are written to, as JSON.")

# network: its config file and variant
RECIPES = {
    "lenet": ("lenet", "cifar10"),
    "mnist_bn_dropout": ("mnist", "bn_dropout"),
    "mlp_model2": ("mlp", "model2"),
    "simpler_cnn": ("simpler_cnn", "cifar10"),
    "googlenet": ("googlenet", "cifar10"),
    "resnet50": ("resnet50", "cifar10"),
}
QUICK_NETWORKS = ("lenet", "mnist_bn_dropout", "mlp_model2")
PREFIXES = ("", "torch_", "torch_same_heap_")  # of the sides' speeds, in a row of the results
PACKAGES = ("jax", "jaxlib", "flax", "torch", "numpy")
NUM_IMAGES = 25_600  # a round has at most the batches of these
NUM_CLASSES = 10

ROUNDS, FEWEST_ROUNDS, MOST_SECONDS = 5, 3, 40.0  # fewer rounds where they take too long
BUSY_CORES = 0.2  # from here on, other processes spoil the comparison


def load_config(network: str) -> Any:
    """The config of a network's published recipe, with pixels 0…1 and no dataset to load."""
    file, variant = RECIPES[network]
    path = Path(__file__).resolve().parents[1] / "configs" / f"{file}.py"
    config = runpy.run_path(str(path))["get_config"](variant)
    config.dataset.scaling = "unit"
    return config


def random_examples(network: str, num_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise, uint8 (num_images, height, width, channels), and labels, int32 (num_images,)."""
    generator = np.random.default_rng(0)
    image_shape = (28, 28, 1) if network.startswith("mnist") else (32, 32, 3)
    images = generator.integers(0, 256, (num_images, *image_shape), np.uint8)
    return images, generator.integers(0, NUM_CLASSES, num_images, np.int32)


class JaxcnnSide:
    """jaxcnn's own run and step, called as `jaxcnn.training.loop` does; a round is an epoch."""

    def __init__(self, network: str):
        os.environ["JAX_PLATFORMS"] = "cpu"
        runtime.prepare()
        import jax

        from jaxcnn.training.setup import make_run

        self.run = make_run(load_config(network), self._dataset(network))
        self.state, self.step, self.epoch = self.run.state, 0, 0
        self.parameters = self.run.num_parameters
        self.trainable_parameters = sum(leaf.size for leaf in jax.tree.leaves(self.state.params))

    @staticmethod
    def _dataset(network: str) -> Any:
        from jaxcnn.data.arrays import Dataset, Split

        train, test = random_examples(network, NUM_IMAGES), random_examples(network, 256)
        splits = {"train": Split(*train), "test": Split(*test)}
        mean, std = np.full((2, train[0].shape[-1]), [[127.5], [73.9]], np.float32)
        return Dataset("random", tuple("0123456789"), splits, mean, std, 127.5, 73.9)

    def train(self, num_steps: int) -> float:
        """Trains for the first steps of an epoch; returns the seconds they took."""
        import jax

        from jaxcnn.training.parallel import wait_on_cpu

        run, data = self.run, self.run.data["train"]
        order, numbers = run.train_order(self.epoch), run.epoch_numbers(self.epoch, self.step)
        jax.block_until_ready((order, numbers))
        self.step, self.epoch = self.step + num_steps, self.epoch + 1
        sums, started = None, time.perf_counter()
        with jax.transfer_guard("disallow"):
            for _ in range(num_steps):
                previous = sums
                self.state, sums = run.train_step(self.state, data, numbers, order)
                wait_on_cpu(previous)
            jax.block_until_ready(self.state)
        return time.perf_counter() - started


def torch_side(network: str, *, same_heap: bool) -> Any:
    """Torch, with its own heap settings or jaxcnn's."""
    if same_heap:
        runtime.keep_heap()
    import torch
    from torch_networks import Trainer

    torch.set_num_threads(num_cores())
    images, labels = random_examples(network, NUM_IMAGES)
    return Trainer(network, load_config(network), images, labels, NUM_CLASSES)


SIDES = {
    "jaxcnn": JaxcnnSide,
    "torch": functools.partial(torch_side, same_heap=False),
    "torch_same_heap": functools.partial(torch_side, same_heap=True),
}


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def serve(connection: Connection, name: str, network: str) -> None:
    """The process of a side: answers each number of steps with the seconds they took."""
    side = SIDES[name](network)
    connection.send((side.parameters, side.trainable_parameters))
    with contextlib.suppress(EOFError):  # the parent is done
        while True:
            connection.send(side.train(connection.recv()))


class Worker:
    """A side's process, as seen by the parent."""

    def __init__(self, name: str, network: str):
        self.name, self.network, self.num_steps = name, network, 1
        context = multiprocessing.get_context("spawn")
        self.connection, far_end = context.Pipe()
        self.process = context.Process(target=serve, args=(far_end, name, network), daemon=True)
        self.process.start()
        far_end.close()

    def receive(self) -> Any:
        """The next answer; a UserError if the process has ended."""
        try:
            return self.connection.recv()
        except EOFError:
            raise UserError(f"{self.name} failed on {self.network}, as shown above") from None

    def seconds_per_step(self) -> float:
        """Trains a round."""
        self.connection.send(self.num_steps)
        return self.receive() / self.num_steps

    def warm_up(self, round_seconds: float, most_steps: int) -> None:
        """Compiles, then raises the steps of a round until it lasts long enough."""
        self.seconds_per_step()
        for _ in range(3):
            steps = round(round_seconds / self.seconds_per_step())
            if steps <= self.num_steps:
                return
            self.num_steps = min(steps, most_steps)

    def close(self) -> None:
        """Ends the process."""
        self.connection.close()
        self.process.join(timeout=5)
        self.process.kill()


def measure(network: str, round_seconds: float) -> dict[str, Any]:
    """Lets the sides train a network in turns; returns its row of the results."""
    batch_size = load_config(network).global_batch_size
    workers = [Worker(name, network) for name in SIDES]
    try:
        counts = [worker.receive() for worker in workers]
        if len(set(counts)) > 1:
            raise AssertionError(f"{network}: (all, trainable) parameters differ: {counts}")
        for worker in workers:
            worker.warm_up(round_seconds, NUM_IMAGES // batch_size)
        busy, times = busy_cores(), take_turns(workers)
    finally:
        for worker in workers:
            worker.close()
    about = {"network": network, "batch_size": batch_size}
    about |= dict(zip(("parameters", "trainable_parameters"), counts[0], strict=True))
    about |= {"rounds": len(times), "busy_cores": busy}
    return about | to_speeds(batch_size / np.array(times))


def take_turns(workers: list[Worker]) -> list[list[float]]:
    """Seconds per step, by round and worker."""
    times, started = [], time.perf_counter()
    while len(times) < FEWEST_ROUNDS or (
        len(times) < ROUNDS and time.perf_counter() - started < MOST_SECONDS
    ):
        times.append([worker.seconds_per_step() for worker in workers])
    return times


def busy_cores(seconds: float = 0.5) -> float:
    """How many cores other processes use, while ours wait; 0 where there is no /proc."""
    if not Path("/proc/stat").exists():
        return 0.0

    def ticks() -> np.ndarray:  # user, nice, system, idle, waiting for disks, …, since the start
        return np.array(Path("/proc/stat").read_text().split()[1:9], float)

    before = ticks()
    time.sleep(seconds)
    passed = ticks() - before
    return round(float(1 - passed[3:5].sum() / passed.sum()) * os.cpu_count(), 2)


def to_speeds(rounds: np.ndarray) -> dict[str, Any]:
    """Medians, their ratios, and the ratios' range, from images per second (rounds, sides)."""
    ours, torch, same_heap = np.median(rounds, axis=0).tolist()
    ratios = rounds[:, :1] / rounds[:, 1:]
    ranges = [[min(side), max(side)] for side in ratios.T.tolist()]
    return {
        "images_per_second": ours,
        "torch_images_per_second": torch,
        "ratio_to_torch": ours / torch,
        "ratio_to_torch_range": ranges[0],
        "torch_same_heap_images_per_second": same_heap,
        "ratio_to_torch_same_heap": ours / same_heap,
        "ratio_to_torch_same_heap_range": ranges[1],
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Prints the rows as a table."""
    table = Table(title=f"Training, images/s: {device()}")
    columns = ("network", "batch", "parameters", "jaxcnn", "torch", "ratio")
    for column in (*columns, "torch, same heap", "ratio"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for row in rows:
        about = [row["network"], str(row["batch_size"]), f"{row['parameters']:,}"]
        ours, *others = (row[f"{side}images_per_second"] for side in PREFIXES)
        pairs = [text for other in others for text in (f"{other:,.0f}", f"{ours / other:.2f}")]
        table.add_row(*about, f"{ours:,.0f}", *pairs)
    console = Console()
    Console(width=console.width if console.is_terminal else 120).print(table)
    busiest = max(row["busy_cores"] for row in rows)
    if busiest > BUSY_CORES:
        print(f"warning: other processes kept {busiest:.1f} cores busy: no ratio is to be trusted")


def device() -> str:
    """The processor's name and the cores that are used."""
    name, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        fields = (line.partition(":") for line in info.read_text().splitlines())
        name = {key.strip(): value.strip() for key, _, value in fields}.get("model name", name)
    return f"{name}, {num_cores()} cores"


def main(arguments: list[str]) -> None:
    """Measures, prints the table, and writes the JSON file if there is to be one."""
    networks = _NETWORKS.value or (QUICK_NETWORKS if _QUICK.value else RECIPES)
    for name in [*arguments, *networks]:
        if name in arguments or name not in RECIPES:
            raise UserError(f"{name}: not understood; --networks takes {', '.join(RECIPES)}")
    if importlib.util.find_spec("torch") is None:
        raise UserError("torch is not installed: pip install -e '.[bench]'")
    if _JSON.value and not Path(_JSON.value).resolve().parent.is_dir():
        raise UserError(f"--json={_JSON.value}: there is no such folder")
    rows = [measure(network, 0.4 if _QUICK.value else 1.0) for network in networks]
    show(rows)
    if _JSON.value:
        versions = {name: importlib.metadata.version(name) for name in PACKAGES}
        results = {"rows": rows, "device": device(), "versions": versions}
        Path(_JSON.value).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    cli.run(main)
