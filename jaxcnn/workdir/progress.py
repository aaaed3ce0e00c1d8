"""What the host knows of a run, as JSON in every checkpoint."""

import dataclasses
import math

from jaxcnn.workdir.position import Position


@dataclasses.dataclass
class Progress:
    """What the host knows of a run; goes into every checkpoint as JSON.

    Attributes:
      best_epoch, best_step: of the best validation so far; 0 while there is none.
      best_accuracy, best_loss: its figures.
      lowest_loss: the lowest validation loss, by `early_stopping.min_delta`.
      epochs_without_gain: epochs since that loss.
      last_accuracy, last_loss: of the last validation.
      seconds: of the whole run, evaluation and compilation included.
      train_seconds, train_images: time and images of the timed training steps.
      global_batch_size: images per step.
      anchor_epoch, anchor_step: see `Position`.
      resumed: the epochs done at each resume.
      run: the identity of the run, see `run_files.Identity`.
      metrics_digest: of the rows of `metrics.jsonl` that belong to the checkpoint.
      data_digest: of the meaning of the network's input and output, see `run_files.data_digest`.
    """

    best_epoch: int = 0
    best_step: int = 0
    best_accuracy: float = -1.0
    best_loss: float = math.inf
    lowest_loss: float = math.inf
    epochs_without_gain: int = 0
    last_accuracy: float = -1.0
    last_loss: float = math.inf
    seconds: float = 0.0
    train_seconds: float = 0.0
    train_images: int = 0
    global_batch_size: int = 0
    anchor_epoch: int = 0
    anchor_step: int = 0
    resumed: list[float] = dataclasses.field(default_factory=list)
    run: str = ""
    metrics_digest: str = ""
    data_digest: str = ""

    def position(self, step: int, steps_per_epoch: int) -> Position:
        """Return the position after a step, in epochs of `steps_per_epoch` steps."""
        return Position(step, steps_per_epoch, self.anchor_epoch, self.anchor_step)

    def add_validation(
        self, epoch: int, step: int, scores: dict[str, float], min_delta: float
    ) -> bool:
        """Record an epoch's validation; return whether it is the best so far.

        More accuracy is better, then less loss. Of equals the later one is the best, because its
        checkpoint is the one that is kept. Patience counts epochs without a lower loss.
        """
        loss, accuracy = scores["loss"], scores["accuracy"]
        self.last_loss, self.last_accuracy = loss, accuracy
        self.epochs_without_gain += 1
        if loss < self.lowest_loss - min_delta:
            self.lowest_loss, self.epochs_without_gain = loss, 0
        is_best = (accuracy, -loss) >= (self.best_accuracy, -self.best_loss)
        if is_best:
            self.best_epoch, self.best_step = epoch, step
            self.best_accuracy, self.best_loss = accuracy, loss
        return is_best
