"""The scores by which a search ranks its trials: always of the validation split."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.training.member import Member
from jaxcnn.training.plan import Plan
from jaxcnn.training.timing import images_per_second
from jaxcnn.workdir.metrics_log import read_metrics

COSTS = ("parameters", "operations", "seconds")


@dataclasses.dataclass(frozen=True)
class Score:
    """The validation of a run's weights.

    Attributes:
      accuracy, loss: of the validation split.
      epochs: finished epochs of the training.
      images_per_second: the speed of the training; None if it is unknown.
      is_diverged: whether the loss was not finite; then the accuracy is 0, and the loss infinity.
    """

    accuracy: float
    loss: float
    epochs: int
    images_per_second: float | None = None
    is_diverged: bool = False

    @property
    def rank(self) -> tuple[float, float]:
        """The key that sorts scores, the best one first."""
        return -self.accuracy, self.loss


def diverged_score(epochs: int) -> Score:
    """Return the score of a member that diverged after some finished epochs."""
    return Score(0.0, math.inf, epochs, is_diverged=True)


def score_of_member(member: Member, weights: str) -> Score:
    """Return the score of a member that trains, or has ended in this process.

    Args:
      member: it has finished an epoch, or diverged.
      weights: "best" or "last", as of `config.test_with`.
    """
    progress, epochs = member.progress, member.position.epoch
    if member.failure:
        return diverged_score(epochs)
    speed = images_per_second(progress.train_images, progress.train_seconds)
    if weights == "best" and progress.best_epoch:
        return Score(progress.best_accuracy, progress.best_loss, epochs, speed)
    return Score(progress.last_accuracy, progress.last_loss, epochs, speed)


def score_of_result(folder: Path, config: ConfigDict, result: Mapping[str, Any]) -> Score:
    """Return the score of the weights that a run in a folder has tested."""
    is_best = config.test_with == "best" and result["best_epoch"]
    accuracy = result["best_validation_accuracy" if is_best else "last_validation_accuracy"]
    rows = [row for row in read_metrics(folder) if row["split"] == "validation"]
    if is_best:
        rows = [row for row in rows if row["epoch"] == result["best_epoch"]]
    return Score(accuracy, rows[-1]["loss"], result["num_epochs"], result["images_per_second"])


def cost_of(name: str, plan: Plan, score: Score) -> float:
    """Return a cost of a trial.

    Args:
      name: one of `COSTS`.
      plan: of the trial.
      score: of the trial.

    Returns:
      Parameters of the network; or operations of its forward pass for one image; or seconds of
      training per epoch, as they were measured. Infinity if they are unknown.
    """
    if name == "parameters":
        return plan.network.parameters
    if name == "operations":
        return plan.network.flops
    images = plan.count_images(0, plan.steps_per_epoch)
    return images / score.images_per_second if score.images_per_second else math.inf
