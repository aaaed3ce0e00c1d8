"""Rounds in which the sides of a benchmark take turns, until two rounds agree."""

import itertools
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sides import Process

FEWEST_ROUNDS, MOST_ROUNDS = 3, 9
ENOUGH_SECONDS = 8.0  # after them the fewest rounds will do if they agree
TOLERANCE = 0.1  # two rounds agree if no side's times differ by more


def take_turns(processes: "list[Process]", round_seconds: float, until: float) -> np.ndarray:
    """Return the seconds of each turn (rounds, sides); rounds with a short turn don't count.

    Args:
      processes: the sides.
      round_seconds: the least seconds of a turn.
      until: value of `time.perf_counter()` at which they should be done.
    """
    for process in processes:  # compile, all at once
        process.ask(processes[0].job.task, 1)
    for process in processes:
        process.receive()
    rounds, length, started = [], 0.0, time.perf_counter()
    while True:
        now = time.perf_counter()
        if not is_worth_another(rounds, now - started, until - now - length):
            break
        times = [process.take_turn() for process in processes]
        length = time.perf_counter() - now
        are_short = [process.lengthen(round_seconds) for process in processes]
        if not any(are_short):
            rounds.append(times)
    return np.array(rounds)


def is_worth_another(rounds: list[list[float]], seconds: float, seconds_left: float) -> bool:
    """Return whether there should be one more round; there is at least one.

    Args:
      rounds: seconds of the turns so far.
      seconds: since the first round.
      seconds_left: after one more round.
    """
    if not rounds:
        return True
    is_enough = len(rounds) >= FEWEST_ROUNDS and seconds >= ENOUGH_SECONDS and agree(rounds)
    return len(rounds) < MOST_ROUNDS and not is_enough and seconds_left >= 0


def agree(rounds: list[list[float]]) -> bool:
    """Return whether two rounds have the same time for each side, within `TOLERANCE`."""
    return any(
        all(max(pair) <= (1 + TOLERANCE) * min(pair) for pair in zip(first, second, strict=True))
        for first, second in itertools.combinations(rounds, 2)
    )
