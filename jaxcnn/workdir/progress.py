"""What the host knows of a run, and how long it takes."""

import dataclasses
import math
import time

from jaxcnn.data.order import steps_per_epoch


@dataclasses.dataclass
class Progress:
    """What the host knows of a run; goes into every checkpoint as JSON."""

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
    anchor_epoch: int = 0  # since the batch size last changed epochs are counted from here:
    anchor_step: int = 0  # the number that the first step of that epoch would have had
    resumed: list[float] = dataclasses.field(default_factory=list)  # epochs done at each resume
    run: str = ""  # which run it is of, and which rows of metrics.jsonl it had, see run_files
    metrics_digest: str = ""
    data_digest: str = ""  # of what dataset.json says of the network's input and output

    def epoch_at(self, step: int, steps_per_epoch: int) -> int:
        """The epoch (0-based) that a step belongs to."""
        return self.anchor_epoch + (step - self.anchor_step) // steps_per_epoch

    def finished_epochs(self, step: int, num_examples: int) -> int:
        """The epochs that are done at a step, with batches of the size so far."""
        return self.epoch_at(step, steps_per_epoch(num_examples, self.global_batch_size))

    def first_step(self, epoch: int, steps_per_epoch: int) -> int:
        """The number of an epoch's first step."""
        return self.anchor_step + (epoch - self.anchor_epoch) * steps_per_epoch

    def add_resume(self, step: int, steps_per_epoch: int) -> None:
        """Takes note that the run is taken up at a step."""
        self.resumed.append(self.position(step, steps_per_epoch))

    def position(self, step: int, steps_per_epoch: int) -> float:
        """Return the epochs that are done after a step, with the part of one."""
        epoch = self.epoch_at(step, steps_per_epoch)
        return epoch + (step - self.first_step(epoch, steps_per_epoch)) / steps_per_epoch

    def change_batch_size(self, step: int, num_examples: int, global_batch_size: int) -> int:
        """Goes on from a step with batches of another size, at the same example of the epoch, or
        as little before it as the new batches allow; returns how many will be seen again."""
        old_steps = steps_per_epoch(num_examples, self.global_batch_size)
        epoch = self.epoch_at(step, old_steps)
        seen = (step - self.first_step(epoch, old_steps)) * self.global_batch_size
        self.anchor_epoch, self.anchor_step = epoch, step - seen // global_batch_size
        self.global_batch_size = global_batch_size
        return seen % global_batch_size

    def add_validation(self, epoch: int, step: int, scores: dict, min_delta: float) -> bool:
        """Takes note of an epoch's validation; returns whether it is the best so far.

        More accuracy is better, then less loss; of equals the later one, which is the one that is
        kept. Patience counts epochs without a lower loss.
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


class Clock:
    """Times an epoch's steps, but for those that compile."""

    def __init__(self):
        self.images, self.seconds = 0, 0.0
        self._started: float | None = None  # None: it stands
        self._shown = 0.0

    def start(self) -> None:
        """Starts to count time, or goes on."""
        self._started = self._shown = time.perf_counter()

    def stop(self) -> None:
        """Counts no time until it is started again."""
        if self._started is not None:
            self.seconds += time.perf_counter() - self._started
        self._started = None

    def add(self, images: int) -> None:
        """Counts a step's images."""
        self.images += images

    def is_time(self, seconds: float) -> bool:
        """Whether that many seconds have passed since it last said so."""
        now = time.perf_counter()
        is_time = now - self._shown >= seconds
        if is_time:
            self._shown = now
        return is_time

    @property
    def images_per_second(self) -> float | None:
        """So far; None if no step has been timed."""
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        return images_per_second(self.images, self.seconds + running)


def images_per_second(images: int, seconds: float) -> float | None:
    """None where nothing was timed."""
    return images / max(seconds, 1e-9) if images else None
