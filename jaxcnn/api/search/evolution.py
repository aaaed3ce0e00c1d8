"""Population-based training: between generations, the best members replace the worst.

References:
  Jaderberg et al., Population based training of neural networks, 2017.
  https://arxiv.org/abs/1711.09846
"""

import dataclasses
import math
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxcnn.api.search.explore import draw, explore
from jaxcnn.api.search.scores import Score
from jaxcnn.api.search.trainer import LiveTrials
from jaxcnn.config.sweep import Assignment, Values
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json, writing_to

_FILE = "lineage.json"
_SHARE = 4  # the best quarter replaces the worst one


@dataclasses.dataclass(frozen=True)
class Birth:
    """A member that goes on from the weights of another, and the member whose place it takes.

    Attributes:
      member: its number.
      parent: the number of the member whose folder it copies.
      epochs: finished epochs of the parent.
      values: the fields' values from then on.
      replaces: the number of the member that trains no more.
      accuracy, loss: of that member's last weights on the validation split.
    """

    member: int
    parent: int
    epochs: int
    values: Assignment
    replaces: int
    accuracy: float
    loss: float | None


class Lineage:
    """The members of a population over its generations, in the file `lineage.json`.

    Args:
      workdir: the population's folder.
      fields: the values that each field may take.
      population: members of a generation.
      seed: of all draws.

    Attributes:
      births: in their order.
      last_epochs: finished epochs at the last generation that is recorded; 0 for none.

    Raises:
      UserError: the file is damaged.
    """

    def __init__(self, workdir: Path, fields: Mapping[str, Values], population: int, seed: int):
        self._path, self._fields, self._seed = workdir / _FILE, fields, seed
        self._first = {number: draw(fields, seed, number) for number in range(population)}
        self.births: list[Birth] = []
        self.last_epochs = 0
        if self._path.exists():
            saved = read_json(self._path)
            try:
                self.births = [Birth(**birth) for birth in saved["births"]]
                self.last_epochs = int(saved["epochs"])
            except (LookupError, TypeError, ValueError) as error:
                raise UserError(f"{self._path}: is damaged ({error})") from error

    @property
    def values(self) -> dict[int, Assignment]:
        """The values of all members so far, by number."""
        return self._first | {birth.member: birth.values for birth in self.births}

    @property
    def living(self) -> dict[int, Assignment]:
        """The values of the members that train, by number."""
        gone = {birth.replaces for birth in self.births}
        return {number: values for number, values in self.values.items() if number not in gone}

    def plan(self, scores: Mapping[int, Score], training: set[int], epochs: int) -> list[Birth]:
        """Return the births of a generation: the best quarter takes the places of the worst.

        Args:
          scores: of the last weights of the living members.
          training: the members with steps left; those that diverged may be replaced as well.
          epochs: finished epochs.
        """
        in_order = sorted(scores, key=lambda number: (scores[number].rank, number))
        count = _num_replaced(len(in_order))
        worst = [n for n in reversed(in_order) if n in training or scores[n].is_diverged][:count]
        parents = [n for n in in_order if n in training and n not in worst][:count]
        births = []
        for parent, replaced in zip(parents, worst, strict=False):
            member, score = len(self.values) + len(births), scores[replaced]
            values = explore(self._fields, self.values[parent], self._seed, member)
            loss = None if score.is_diverged else score.loss
            births.append(Birth(member, parent, epochs, values, replaced, score.accuracy, loss))
        return births

    def record(self, births: list[Birth], epochs: int) -> None:
        """Write that a generation has ended."""
        self.births, self.last_epochs = self.births + births, epochs
        rows = [dataclasses.asdict(birth) for birth in self.births]
        write_json(self._path, {"epochs": epochs, "births": rows})

    def rows(self, scores: Mapping[int, Score]) -> list[dict[str, Any]]:
        """Return the rows of all members for `result.json`, the best one first.

        Args:
          scores: of the living members.
        """
        starts = {birth.member: birth.epochs for birth in self.births}
        ends: dict[int, tuple[str, float, float | None, int]] = {}
        for birth in self.births:
            score = ("replaced", birth.accuracy, birth.loss, birth.epochs)
            ends[birth.replaces] = score if birth.loss is not None else ("diverged", 0.0, None, 0)
        for number, score in scores.items():
            state, loss = ("diverged", None) if score.is_diverged else ("finished", score.loss)
            ends[number] = (state, score.accuracy, loss, score.epochs)
        rows = []
        for number, values in self.values.items():
            state, accuracy, loss, epochs = ends[number]
            rows.append(
                {"trial": number, "state": state, **values, "validation_accuracy": accuracy}
                | {"validation_loss": loss, "epochs": epochs, "from_epoch": starts.get(number, 0)}
                | {"lineage": self._lineage(number)}
            )
        return sorted(rows, key=_rank)

    def _lineage(self, number: int) -> list[int]:
        """Return the members from whose weights a member's come, the first one first."""
        parents = {birth.member: birth.parent for birth in self.births}
        numbers = [number]
        while numbers[0] in parents:
            numbers.insert(0, parents[numbers[0]])
        return numbers


def _num_replaced(population: int) -> int:
    """Return how many members a generation replaces."""
    return max(1, population // _SHARE)


def num_births(population: int, num_epochs: int, generation: int) -> int:
    """Return how many members join a population in all.

    Args:
      population: members of a generation.
      num_epochs: epochs of a whole run.
      generation: epochs of a generation.
    """
    return len(range(generation, num_epochs, generation)) * _num_replaced(population)


def _rank(row: Mapping[str, Any]) -> tuple[float, float, int]:
    """Return the key that sorts rows, the best one first."""
    loss = row["validation_loss"]
    return -row["validation_accuracy"], math.inf if loss is None else loss, row["trial"]


def evolve(
    live: LiveTrials,
    folder: Callable[[int], Path],
    lineage: Lineage,
    num_epochs: int,
) -> None:
    """Train a population in generations.

    Args:
      live: the living members.
      folder: returns the folder of a member.
      lineage: records the generations.
      num_epochs: epochs of a generation.

    Raises:
      Stopped: a signal asked for it; all members are saved.
    """
    for epochs in range(num_epochs, live.num_epochs, num_epochs):
        live.train(epochs)
        if epochs <= lineage.last_epochs:  # in an earlier process
            continue
        scores = live.scores("last")
        training = {number for number in scores if live.is_training(number)}
        births = lineage.plan(scores, training, epochs)
        for birth in births:
            live.save(birth.parent)
            _copy(folder(birth.parent), folder(birth.member))
        lineage.record(births, epochs)
        for birth in births:
            live.drop(birth.replaces)
            live.join(birth.member, birth.values)
    live.train()


def _copy(parent: Path, folder: Path) -> None:
    """Copy a member's folder, whole or not at all.

    If the folder exists, a process made it and died before it recorded the generation.
    """
    unfinished = folder.with_name(f".{folder.name}")
    with writing_to(folder):
        for path in (unfinished, folder):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(parent, unfinished, ignore=shutil.ignore_patterns(".lock"))
        os.replace(unfinished, folder)
