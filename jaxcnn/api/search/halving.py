"""Successive halving: after a few epochs the worst members of a population are dropped.

References:
  Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization,
  AISTATS 2016. https://arxiv.org/abs/1502.07943
  Li et al., Hyperband: a novel bandit-based approach to hyperparameter optimization, JMLR 2018.
  https://arxiv.org/abs/1603.06560
"""

import dataclasses
import math
from collections.abc import Callable

from jaxcnn.api.search.scores import Score
from jaxcnn.api.search.trainer import LiveTrials

_FACTOR = 3  # a rung keeps a third of the members; the next comes after three times the epochs


@dataclasses.dataclass(frozen=True)
class Rung:
    """A point at which members are dropped.

    Attributes:
      num_epochs: finished epochs.
      num_kept: members that train on.
    """

    num_epochs: int
    num_kept: int


def make_rungs(num_members: int, num_epochs: int) -> list[Rung]:
    """Return the rungs of a population; one member trains to the end.

    Eight members of 30 epochs have rungs after 4 epochs, with 3 members left, and after 10, with 1.

    Args:
      num_members: members that start.
      num_epochs: epochs of a whole run.
    """
    counts = [num_members]
    while counts[-1] > 1:
        counts.append(math.ceil(counts[-1] / _FACTOR))
    kept = counts[1:]
    rungs = {}
    for index, count in enumerate(kept):
        epochs = math.ceil(num_epochs / _FACTOR ** (len(kept) - index))
        if epochs < num_epochs:
            rungs[epochs] = Rung(epochs, count)  # of two rungs at an epoch, the one that keeps less
    return list(rungs.values())


def epochs_of(num_members: int, num_epochs: int) -> int:
    """Return the epochs that a population with rungs trains, over all members."""
    total, done, left = 0, 0, num_members
    for rung in make_rungs(num_members, num_epochs):
        total += left * (rung.num_epochs - done)
        done, left = rung.num_epochs, rung.num_kept
    return total + left * (num_epochs - done)


def train_halved(
    live: LiveTrials,
    num_members: int,
    weights: str,
    on_drop: Callable[[int, Score], None],
) -> None:
    """Train trials up to the last rung, and drop the worst at each.

    Args:
      live: the trials; some may have been dropped in an earlier process.
      num_members: members that started.
      weights: "best" or "last", those that are ranked.
      on_drop: called with the number and the score of each trial that is dropped.
    """
    for rung in make_rungs(num_members, live.num_epochs):
        live.train(rung.num_epochs)
        scores = live.scores(weights)
        in_order = sorted(scores, key=lambda number: (scores[number].rank, number))
        for number in in_order[rung.num_kept :]:
            if live.is_training(number):
                live.drop(number)
                on_drop(number, scores[number])
