"""The time of one training step of every network: `python benchmarks/step_times.py`.

Each network trains on the CPU with its config's recipe, on noise with its dataset's image size, in
a separate process. The first step, which compiles, is timed apart; the fastest of the others
counts. Run it on an idle machine.
"""

import fnmatch
import os
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import machine
from absl import flags
from recipes import FOLDER, noise
from rich.console import Console
from rich.table import Table

import results
from jaxcnn.config.files import config_variants
from jaxcnn.errors import UserError
from jaxcnn.process import command, heap, host

_CONFIGS = flags.DEFINE_list(
    "configs", ["*"], "Configs to measure, as wildcards such as mnist:*,lenet:*."
)
_STEPS = flags.DEFINE_integer("steps", 5, "Timed steps per config; after 10 s, 3 are enough.", 1)
_JSON = flags.DEFINE_string("json", "", "File to write the results to, as JSON.")

FEWEST_STEPS, ENOUGH_SECONDS = 3, 10.0

COLUMNS = {  # column: heading and format
    "config": ("config", ""),
    "parameters": ("parameters", ","),
    "global_batch_size": ("batch", ","),
    "first_step_seconds": ("first step (s)", ".1f"),
    "step_seconds": ("step (s)", ".3f"),
    "images_per_second": ("images/s", ",.0f"),
    "gflops_per_second": ("GFLOP/s", ".0f"),
}


def measure(name: str, num_steps: int) -> dict[str, Any]:
    """Return the row of a config: seconds of the first and the fastest later step, and speeds.

    A step counts as three times the forward operations.
    """
    host.prepare()
    heap.tidy_after_compiling()
    from jaxcnn.training.parallel import wait_for
    from jaxcnn.training.run import make_run
    from jaxcnn.workdir.position import Position

    config = config_variants(FOLDER)[name]()
    config.validation, config.test_with = "test", "last"
    batch_size = config.global_batch_size
    run = make_run(config, noise(config, 2 * batch_size, batch_size))
    summary = run.plan.network
    state, order, seconds = run.state, run.train_order(0), []
    for step in range(1 + num_steps):
        if step > FEWEST_STEPS and sum(seconds[1:]) > ENOUGH_SECONDS:
            break
        # the same batch each time
        position = Position(step, run.plan.steps_per_epoch, anchor_step=step)
        numbers = run.epoch_numbers(position)
        started = time.perf_counter()
        state, sums = run.train_step(state, run.data["train"], numbers, order)
        wait_for(sums)
        seconds.append(time.perf_counter() - started)
    step_seconds = min(seconds[1:])
    images_per_second = batch_size / step_seconds
    return {
        "config": name,
        "network": summary.name,
        "parameters": summary.parameters,
        "global_batch_size": batch_size,
        "first_step_seconds": seconds[0],
        "step_seconds": step_seconds,
        "images_per_second": images_per_second,
        "gflops_per_second": 3e-9 * summary.flops * images_per_second,
    }


def main(arguments: list[str]) -> None:
    """Measure the configs one by one; print and write the table."""
    known = config_variants(FOLDER)
    names = [n for n in known if any(fnmatch.fnmatch(n, pattern) for pattern in _CONFIGS.value)]
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}")
    if not names:
        raise UserError(f"--configs={','.join(_CONFIGS.value)}: matches none of the configs")
    results.check_json(_JSON.value)
    os.environ["JAX_PLATFORMS"] = "cpu"
    rows = []
    for name in names:
        # a new process each time, which frees its memory at its end
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            try:
                rows.append(pool.submit(measure, name, _STEPS.value).result())
            except BrokenProcessPool as error:
                raise UserError(f"{name}: its process was killed, for lack of memory?") from error
        Console(stderr=True).print(f"{name}: {rows[-1]['step_seconds']:.3f} s")
        if _JSON.value:
            results.write_results(Path(_JSON.value), "step_times", rows)
    Console().print(_table(rows))


def _table(rows: list[dict[str, Any]]) -> Table:
    headings = (heading for heading, _ in COLUMNS.values())
    table = Table(*headings, title=f"A training step: {machine.describe()}", box=None)
    for row in rows:
        table.add_row(*(format(row[key], spec) for key, (_, spec) in COLUMNS.items()))
    return table


if __name__ == "__main__":
    command.run(main)
