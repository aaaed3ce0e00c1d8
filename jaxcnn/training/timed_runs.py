"""Compiled runs of several seeds, timed and tested."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxcnn.training.compiled_run import CompiledRun
from jaxcnn.training.state import TrainState

PROTOCOL = (
    "seconds from the first use of the training images to the end of the last step, by the host's "
    "clock; compilation, a warm-up run on shuffled labels, initialization and tests are not "
    "counted; test_seconds are those of the test, without and with views"
)


def time_runs(
    run: CompiledRun,
    num_runs: int,
    *,
    together: int = 1,
    on_warm: Callable[[float], None] = lambda seconds: None,
    on_row: Callable[[dict[str, Any]], None] = lambda row: None,
) -> dict[str, Any]:
    """Train and test several seeds, counted up from the config's.

    Args:
      run: the compiled programs.
      num_runs: the number of seeds, a multiple of `together`.
      together: seeds that one call trains.
      on_warm: called with the seconds of compilation and warm-up run.
      on_row: called with the row of each seed.

    Returns:
      The fields of `summarize`, `compile_seconds`, `together`, and `rows`, see `measure`.
    """
    started, rows = time.perf_counter(), []
    warm_up(run, together)
    compile_seconds = time.perf_counter() - started
    on_warm(compile_seconds)
    for first in range(run.config.seed, run.config.seed + num_runs, together):
        for row in measure(run, list(range(first, first + together))):
            rows.append(row)
            on_row(row)
    timing = {"compile_seconds": compile_seconds, "together": together}
    return summarize(rows) | timing | {"rows": rows}


def warm_up(run: CompiledRun, num_seeds: int) -> None:
    """Compile the programs for `num_seeds` seeds at once, and run them on shuffled labels."""
    data, rng = run.train_data, np.random.default_rng(run.config.seed)
    labels = rng.permutation(np.asarray(data["labels"]))
    data = data | {"labels": jax.device_put(labels, data["labels"].sharding)}
    states, _, _ = _train(run, [run.config.seed] * num_seeds, data)
    run.scores(states[0])


def measure(run: CompiledRun, seeds: list[int]) -> list[dict[str, Any]]:
    """Train seeds in one call, and test them.

    Returns:
      A row per seed: `seed`, `accuracy` (with test-time augmentation), `plain_accuracy` (without),
      `train_loss` (mean of the last epoch), `seconds` (the call's, divided by the seeds) and
      `test_seconds`. Accuracies are fractions.
    """
    states, losses, seconds = _train(run, seeds, run.train_data)
    started = time.perf_counter()
    scores = [run.scores(state) for state in states]
    test_seconds = time.perf_counter() - started
    return [
        {
            "seed": seed,
            "accuracy": score["tta_accuracy"],
            "plain_accuracy": score["accuracy"],
            "train_loss": loss,
            "seconds": seconds / len(seeds),
            "test_seconds": test_seconds / len(seeds),
        }
        for seed, score, loss in zip(seeds, scores, losses, strict=True)
    ]


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the statistics of the rows of `measure`.

    Returns:
      `runs`, their number; `mean`, `std` (sample standard deviation; None for one run) and `min` of
      the accuracy; the mean `plain_accuracy`; and the medians `seconds` and `test_seconds`.
    """
    accuracies = [row["accuracy"] for row in rows]
    return {
        "runs": len(rows),
        "mean": statistics.mean(accuracies),
        "std": statistics.stdev(accuracies) if len(rows) > 1 else None,
        "min": min(accuracies),
        "plain_accuracy": statistics.mean(row["plain_accuracy"] for row in rows),
        "seconds": statistics.median(row["seconds"] for row in rows),
        "test_seconds": statistics.median(row["test_seconds"] for row in rows),
    }


def _train(
    run: CompiledRun, seeds: list[int], data: dict[str, jax.Array]
) -> tuple[list[TrainState], list[float], float]:
    """Return the trained states, their mean losses in the last epoch, and the seconds of the call.

    A single seed is trained by the program without an axis for the seeds.
    """
    is_single = len(seeds) == 1
    first = run.first_state(seeds[0]) if is_single else run.first_states(seeds)
    train = run.train if is_single else run.train_several
    jax.block_until_ready(first)
    started = time.perf_counter()
    trained, sums = jax.block_until_ready(train(first, data))
    seconds = time.perf_counter() - started
    losses = np.asarray(sums["loss"] / sums["count"])[..., -1].reshape(-1)
    states = [trained]
    if not is_single:
        states = [jax.tree.map(lambda leaf, i=i: leaf[i], trained) for i in range(len(seeds))]
    return states, losses.tolist(), seconds
