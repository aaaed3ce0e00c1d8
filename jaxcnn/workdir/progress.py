"""The host's figures about a run, stored as JSON in every checkpoint."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.workdir.position import Position


@dataclasses.dataclass
class Progress:
    """The host's figures about a run at a checkpoint.

    Attributes:
      best_epoch, best_step: finished epochs and steps at the best validation; 0 before the first.
      best_accuracy, best_loss: figures of the best validation.
      best_metrics: its other metrics by name, for `best_metric`.
      lowest_loss: the lowest validation loss; a loss counts as lower if it is lower by more than
        `early_stopping.min_delta`.
      highest_metrics: the highest value of `early_stopping.metric`, by the metric's name; {} where
        the metric is the loss, because `lowest_loss` takes its place.
      epochs_without_gain: epochs since `lowest_loss` or `highest_metrics` last improved.
      last_accuracy, last_loss: figures of the latest validation.
      seconds: duration of the whole run, including evaluation and compilation.
      train_seconds, train_images: duration and images of the timed training steps.
      global_batch_size: images per step over all devices.
      anchor_epoch, anchor_step: see `Position`.
      epochs: finished epochs at the checkpoint.
      phases: the phases that have begun, see `workdir.phases`.
      resumed: finished epochs at each resume.
      plateau: fields of the plateau schedule's state, see `optim.plateau.Plateau`; {} without it.
      run: id of the run, see `run_files.Identity`.
      metrics_digest: digest of the rows of `metrics.jsonl` up to the checkpoint.
      data_digest: digest of the classes, image shape and scaling, see `run_files.data_digest`.
      hook_epochs: `config.num_epochs` when a hook ended the run, which continues with more epochs;
        0 if no hook did.
      hook_reason: the reason that the hook gave.
    """

    best_epoch: int = 0
    best_step: int = 0
    best_accuracy: float = -1.0
    best_loss: float = math.inf
    best_metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    lowest_loss: float = math.inf
    highest_metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    epochs_without_gain: int = 0
    last_accuracy: float = -1.0
    last_loss: float = math.inf
    seconds: float = 0.0
    train_seconds: float = 0.0
    train_images: int = 0
    global_batch_size: int = 0
    anchor_epoch: int = 0
    anchor_step: int = 0
    epochs: int = 0
    phases: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    resumed: list[float] = dataclasses.field(default_factory=list)
    plateau: dict[str, Any] = dataclasses.field(default_factory=dict)
    run: str = ""
    metrics_digest: str = ""
    data_digest: str = ""
    hook_epochs: int = 0
    hook_reason: str = ""

    def position(self, step: int, steps_per_epoch: int) -> Position:
        """Return the position after `step` steps, in epochs of `steps_per_epoch` steps."""
        return Position(step, steps_per_epoch, self.anchor_epoch, self.anchor_step)

    def begin_phase(self, phase: str, position: Position) -> None:
        """Record the start of a phase, and start the count of early stopping anew.

        Args:
          phase: its entry of `config.phases`.
          position: before its first step.
        """
        self.phases.append(
            {"phase": phase, "after_epoch": position.epoch, "after_step": position.step}
        )
        self.lowest_loss, self.highest_metrics = math.inf, {}
        self.epochs_without_gain = 0

    def keep_last(self, scores: dict[str, float]) -> None:
        """Record the figures of the latest validation."""
        self.last_loss, self.last_accuracy = scores["loss"], scores["accuracy"]

    def add_validation(
        self, epoch: int, step: int, scores: dict[str, float], config: ConfigDict
    ) -> bool:
        """Record an epoch's validation; return whether it is the best so far.

        The best validation is the best by `config.best_metric`. Among equals, the lower loss wins,
        and then the later epoch, because its checkpoint is kept. `epochs_without_gain` counts
        epochs without a better `config.early_stopping.metric`.

        Args:
          epoch: finished epochs.
          step: finished steps.
          scores: `loss`, `accuracy`, and the other metrics that the config names.
          config: the checked config.
        """
        self.keep_last(scores)
        self._count_gain(scores, config.early_stopping)
        best = {"accuracy": self.best_accuracy, "loss": self.best_loss} | self.best_metrics
        metric = config.best_metric
        is_best = not self.best_epoch or rank(scores, metric) >= rank(best, metric)
        if is_best:
            self.best_epoch, self.best_step = epoch, step
            self.best_accuracy, self.best_loss = scores["accuracy"], scores["loss"]
            others = scores.keys() - {"accuracy", "loss"}
            self.best_metrics = {name: scores[name] for name in sorted(others)}
        return is_best

    def _count_gain(self, scores: dict[str, float], config: ConfigDict) -> None:
        """Count the epoch in `epochs_without_gain`, which starts anew with a better metric."""
        metric, loss = config.metric, scores["loss"]
        self.epochs_without_gain += 1
        if metric == "loss":
            self.highest_metrics = {}
            if loss < self.lowest_loss - config.min_delta:
                self.lowest_loss, self.epochs_without_gain = loss, 0
        elif scores[metric] > self.highest_metrics.get(metric, -math.inf) + config.min_delta:
            self.highest_metrics, self.epochs_without_gain = {metric: scores[metric]}, 0


def rank(scores: Mapping[str, float], metric: str) -> tuple[float, float]:
    """Return the rank of a validation, which is higher for a better one.

    Args:
      scores: `loss` and `metric`.
      metric: the name of the metric; a higher value is better, except for the loss.
    """
    loss = float(scores["loss"])
    return (-loss if metric == "loss" else float(scores[metric])), -loss
