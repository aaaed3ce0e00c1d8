"""Members of a population beside separate runs: `python benchmarks/population.py`.

N members train the same network with other seeds, as `jaxcnn sweep` trains them. Beside them:

- one run with its default devices; N runs one after another take N times as long,
- two runs at a time, with one core each,
- torch, one run after another; and N members as one batch, by `torch.func.vmap`.

All take the same steps on noise, in turns that alternate. Compilation is not counted, and neither
are evaluation and checkpoints. A speed-up is the median of the rounds' ratios of images per second.

Run it on an idle machine. Needs torch, unless --without_torch: `pip install -e '.[bench]'`.
"""

import time
from pathlib import Path
from typing import Any

import machine
import numpy as np
from absl import flags
from recipes import choose_networks, load_config
from rich.console import Console
from rich.table import Table
from rounds import agree, take_turns
from sides import SIDES, Job, Process, Side, check_installed

import results
from jaxcnn.errors import UserError
from jaxcnn.process import command

_QUICK = flags.DEFINE_bool("quick", False, "Few networks and short turns: about a minute.")
_NETWORKS = flags.DEFINE_list("networks", [], "The networks to measure; wildcards are allowed.")
_MEMBERS = flags.DEFINE_list("members", [], "Numbers of members, such as 4,16.")
_FORM = flags.DEFINE_list(
    "form",
    [],
    "Devices, members of each, and processes, such as 1,1,2, in place of the usual form.",
)
_WITHOUT_TORCH = flags.DEFINE_bool("without_torch", False, "Measure jaxcnn alone.")
_JSON = flags.DEFINE_string("json", "", "The file that the results are written to, as JSON.")

NETWORKS = (
    "mlp_base", "mlp_model1", "mlp_model2", "lenet", "mnist_small", "mnist_bn_dropout",
    "mnist_small_bn",
)  # fmt: skip
QUICK_NETWORKS = ("mlp_model2", "lenet")
MEMBERS, QUICK_MEMBERS = (1, 4, 16, 64), (4,)
VMAP_NETWORKS = ("mlp_base", "mlp_model1", "mlp_model2", "lenet", "mnist_small")  # no states
VMAP_MEMBERS = 16
BATCHES = 1000  # of the noise: more than the steps of a turn
STEPS = 100  # of a turn, at least: members in processes are sent there for each
TURN_SECONDS, QUICK_TURN_SECONDS = 1.0, 0.4
MOST_SECONDS, QUICK_MOST_SECONDS = 90.0, 20.0  # of a network


class Pair:
    """Two processes that work at the same time, as one side."""

    def __init__(self, processes: list[Process]):
        self.processes = processes
        self.job, self.count, self.seconds = processes[0].job, 1, 0.0

    def ask(self, method: str, count: int) -> None:
        """Request that both do a task `count` times."""
        for process in self.processes:
            process.ask(method, count)

    def receive(self) -> Any:
        """Wait for both, and return the first one's answer."""
        return [process.receive() for process in self.processes][0]

    def take_turn(self) -> float:
        """Take part in a round; return the seconds of a step of both."""
        for count in (1, self.count):
            started = time.perf_counter()
            self.ask(self.job.task, count)
            self.receive()
            self.seconds = time.perf_counter() - started
        return self.seconds / self.count

    lengthen = Process.lengthen

    def close(self) -> None:
        """Tell the processes to end."""
        for process in self.processes:
            process.close()

    def wait(self) -> None:
        """Wait for their ends."""
        for process in self.processes:
            process.wait()


def start_sides(job: Job, counts: list[int], form: tuple[int, ...]) -> dict[str, Any]:
    """Start the processes of a network, by name; `members_N` are populations."""
    started: dict[str, Any] = {
        f"members_{count}": Process(
            f"members_{count}",
            job,
            Side("population_side", "jax", options={"num_members": count, "form": form}),
        )
        for count in counts
    }
    started["separate_runs"] = Process("separate_runs", job, SIDES["jaxcnn"])
    if machine.num_cores() > 1 and not machine.has_gpu():
        sides = [Side("jaxcnn_side", "jax", core=core) for core in (0, 1)]
        started["two_at_a_time"] = Pair([Process("two_at_a_time", job, side) for side in sides])
    if not _WITHOUT_TORCH.value:
        started["torch"] = Process("torch", job, SIDES["torch"])
        if job.network in VMAP_NETWORKS:
            side = Side("torch_population_side", "torch", options={"num_members": VMAP_MEMBERS})
            started["torch_vmap"] = Process("torch_vmap", job, side)
    return started


def measure(network: str, counts: list[int], form: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return the rows of a network, one for each number of members."""
    config = load_config(network, "train_step")
    config.validation = "test"
    job = Job(network, "train_step", config, BATCHES * config.global_batch_size)
    turn, most = (
        (QUICK_TURN_SECONDS, QUICK_MOST_SECONDS) if _QUICK.value else (TURN_SECONDS, MOST_SECONDS)
    )
    processes = start_sides(job, counts, form)
    try:
        abouts = {name: process.receive() for name, process in processes.items()}
        for process in processes.values():  # compile; the members' processes start
            process.count = STEPS
            process.ask("train_step", 1)
            process.receive()
        busy = machine.busy_cores()
        rounds = take_turns(list(processes.values()), turn, time.perf_counter() + most)
    finally:
        for process in processes.values():
            process.close()
        for process in processes.values():
            process.wait()
    runs = {"two_at_a_time": 2, "torch_vmap": VMAP_MEMBERS} | {f"members_{n}": n for n in counts}
    speeds = {  # images per second of each round
        name: runs.get(name, 1) * job.batch_size / rounds[:, column]
        for column, name in enumerate(processes)
    }
    common = {"rounds": len(rounds), "rounds_agree": agree(rounds.tolist()), "busy_cores": busy}
    return [
        {"network": network, "members": count, "form": abouts[f"members_{count}"]["form"]}
        | common
        | _ratios(speeds, f"members_{count}", counts)
        for count in counts
    ]


def _ratios(speeds: dict[str, np.ndarray], name: str, counts: list[int]) -> dict[str, Any]:
    """Return images per second of a population, and its speed-ups over the other sides."""
    row: dict[str, Any] = {"images_per_second": float(np.median(speeds[name]))}
    for other in speeds.keys() - {f"members_{count}" for count in counts}:
        ratios = speeds[name] / speeds[other]
        key = f"speedup_over_{other}"
        row[key] = float(np.median(ratios))
        row[f"{key}_range"] = [float(ratios.min()), float(ratios.max())]
    return row


def _numbers(flag: flags.FlagHolder[list[str]]) -> list[int]:
    """Return the positive whole numbers of a flag.

    Raises:
      UserError: a word is no such number.
    """
    for word in flag.value:
        if not word.isdecimal() or int(word) == 0:
            raise UserError(f"--{flag.name}: {word!r} must be a positive whole number")
    return list(map(int, flag.value))


def main(arguments: list[str]) -> None:
    """Measure the networks one by one; print and write the table."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; flags begin with --")
    results.check_json(_JSON.value)
    networks = choose_networks(_NETWORKS.value, QUICK_NETWORKS if _QUICK.value else NETWORKS)
    counts = _numbers(_MEMBERS) or list(QUICK_MEMBERS if _QUICK.value else MEMBERS)
    form = tuple(_numbers(_FORM))
    if len(form) not in (0, 2, 3):
        raise UserError("--form: must be devices, members of each, and processes, such as 1,1,2")
    check_installed(["jaxcnn"] if _WITHOUT_TORCH.value else ["jaxcnn", "torch"])
    rows: list[dict[str, Any]] = []
    for network in networks:
        rows += measure(network, counts, form)
        if _JSON.value:
            results.write_results(Path(_JSON.value), "population", rows)
    show(rows)


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows as a table."""
    others = [key for key in max(rows, key=len) if key.startswith("speedup_over_")]
    others = sorted(key for key in others if not key.endswith("_range"))
    heads = [key.removeprefix("speedup_over_").replace("_", " ") for key in others]
    table = Table("network", "members", "form", "images/s", *heads)
    table.title = f"Populations, speed-up over the same work of others: {machine.describe()}"
    for row in rows:
        table.add_row(
            row["network"],
            str(row["members"]),
            row["form"],
            f"{row['images_per_second']:,.0f}",
            *(_cell(row, key) for key in others),
        )
    Console(width=140).print(table)
    if any(row["busy_cores"] > machine.BUSY_CORES for row in rows):
        Console(width=140).print("other processes ran: the figures are not to be trusted")


def _cell(row: dict[str, Any], key: str) -> str:
    if key not in row:
        return ""
    low, high = row[f"{key}_range"]
    return f"{row[key]:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    command.run(main)
