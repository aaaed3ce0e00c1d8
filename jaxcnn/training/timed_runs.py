"""Runs of several seeds by the programs of `compiled_run`, timed and tested."""

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
    "clock; compiling, a warm-up run on shuffled labels, first values and tests are not counted"
)


def time_runs(
    run: CompiledRun,
    num_runs: int,
    *,
    together: int = 1,
    on_warm: Callable[[float], None] = lambda seconds: None,
    on_row: Callable[[dict[str, Any]], None] = lambda row: None,
) -> dict[str, Any]:
    """Trains and tests as many seeds, from the config's on.

    Args:
      run: the programs.
      num_runs: a multiple of `together`.
      together: seeds that one call trains.
      on_warm: is told the seconds that compiling and the warm-up run took.
      on_row: is told each row.

    Returns:
      What `summarize` gives, `compile_seconds`, `together`, and `rows`, see `measure`.
    """
    started, rows = time.perf_counter(), []
    warm_up(run, together)
    compile_seconds = time.perf_counter() - started
    on_warm(compile_seconds)
    for first in range(run.config.seed, run.config.seed + num_runs, together):
        for row in measure(run, list(range(first, first + together))):
            rows.append(row)
            on_row(row)
    more = {"compile_seconds": compile_seconds, "together": together, "rows": rows}
    return summarize(rows) | more


def warm_up(run: CompiledRun, num_seeds: int) -> None:
    """Compiles the programs for so many seeds at once, and runs them on labels that say nothing."""
    data, rng = run.train_data, np.random.default_rng(run.config.seed)
    labels = rng.permutation(np.asarray(data["labels"]))
    data = data | {"labels": jax.device_put(labels, data["labels"].sharding)}
    states, _, _ = _train(run, [run.config.seed] * num_seeds, data)
    run.scores(states[0])


def measure(run: CompiledRun, seeds: list[int]) -> list[dict[str, Any]]:
    """Trains the seeds by one call, and tests them.

    Returns:
      For each seed `seed`, `accuracy` (by test-time augmentation), `plain_accuracy`, `train_loss`
      (of the last epoch) and `seconds` (its share of the call's).
    """
    states, losses, seconds = _train(run, seeds, run.train_data)
    scores = [run.scores(state) for state in states]
    return [
        {
            "seed": seed,
            "accuracy": score["tta_accuracy"],
            "plain_accuracy": score["accuracy"],
            "train_loss": loss,
            "seconds": seconds / len(seeds),
        }
        for seed, score, loss in zip(seeds, scores, losses, strict=True)
    ]


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """`runs`; of the accuracy `mean`, `std` (the sample's, None of one run) and `min`; the mean
    `plain_accuracy`; `seconds`, the median over the runs."""
    accuracies = [row["accuracy"] for row in rows]
    return {
        "runs": len(rows),
        "mean": statistics.mean(accuracies),
        "std": statistics.stdev(accuracies) if len(rows) > 1 else None,
        "min": min(accuracies),
        "plain_accuracy": statistics.mean(row["plain_accuracy"] for row in rows),
        "seconds": statistics.median(row["seconds"] for row in rows),
    }


def _train(
    run: CompiledRun, seeds: list[int], data: dict[str, jax.Array]
) -> tuple[list[TrainState], list[float], float]:
    """The trained states, their mean losses in the last epoch, and the seconds it took."""
    several = len(seeds) > 1
    first = run.first_states(seeds) if several else run.first_state(seeds[0])
    jax.block_until_ready(first)
    started = time.perf_counter()
    trained, sums = jax.block_until_ready(
        (run.train_several if several else run.train)(first, data)
    )
    seconds = time.perf_counter() - started
    losses = np.asarray(sums["loss"] / sums["count"])[..., -1].reshape(-1)
    states = [trained]
    if several:
        states = [jax.tree.map(lambda leaf, i=i: leaf[i], trained) for i in range(len(seeds))]
    return states, losses.tolist(), seconds
