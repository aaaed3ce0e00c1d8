"""Saving a run: its state, its progress, and the digest of the metrics that belong to them."""

import dataclasses
from collections.abc import Callable

from jaxcnn.training.plan import Plan
from jaxcnn.training.resume import Start
from jaxcnn.training.state import TrainState
from jaxcnn.training.timing import RunTime
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.metrics_log import MetricsWriter, NoWriter
from jaxcnn.workdir.position import Position
from jaxcnn.workdir.progress import rank


class Saving:
    """The checkpoints of a run: when they are due, and what they hold.

    Args:
      plan: the resolved config.
      start: the start of the training; each save sets `epochs`, `seconds` and `metrics_digest` of
        its progress.
      checkpoints: of the run's folder.
      metrics: the log whose digest a checkpoint holds.
      time: the time of the run.
      check_folder: called before each write; raises `UserError` to end the run.
    """

    def __init__(
        self,
        plan: Plan,
        start: Start,
        checkpoints: Checkpoints,
        metrics: MetricsWriter | NoWriter,
        time: RunTime,
        check_folder: Callable[[], None],
    ):
        self.checkpoints, self._metrics, self._progress = checkpoints, metrics, start.progress
        self._time, self._check_folder = time, check_folder
        self._metric = plan.config.best_metric
        self._every_steps = plan.config.checkpoint.every_steps
        self._step, self.saved_at = start.position.step, time.seconds

    def is_due(self, step: int) -> bool:
        """Return whether `checkpoint.every_steps` have passed since the last save."""
        return 0 < self._every_steps <= step - self._step

    def save(
        self, state: TrainState, position: Position, validation: dict[str, float] | None
    ) -> None:
        """Start to write a checkpoint.

        Args:
          state: the state at the position.
          position: after the last finished step.
          validation: `loss`, `accuracy` and `config.best_metric`, which choose the best
            checkpoint; None within an epoch.

        Raises:
          UserError: the folder is no longer this process's.
        """
        self._check_folder()
        self._progress.epochs = position.epoch
        self._progress.seconds = self._time.seconds
        self._progress.metrics_digest = self._metrics.digest()
        self._step, self.saved_at = position.step, self._time.seconds
        if validation and self._metric != "accuracy":
            validation = validation | {"metric": rank(validation, self._metric)[0]}
        self.checkpoints.save(state, dataclasses.asdict(self._progress), validation)

    def save_if_new(self, state: TrainState, position: Position) -> None:
        """Start to write a checkpoint, unless the newest one is of this step."""
        if self.checkpoints.latest_step() != position.step:
            self.save(state, position, None)
