"""The loop: epochs of steps, evaluation, checkpoints, and the rows that a run writes."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import Diverged, Stopped
from jaxcnn.reporting.console import Console
from jaxcnn.reporting.writers import MetricsWriter
from jaxcnn.training.checkpoints import Checkpoints
from jaxcnn.training.evaluate import evaluate, to_means
from jaxcnn.training.parallel import on_every_device, wait_on_cpu
from jaxcnn.training.setup import Run
from jaxcnn.training.signals import StopSignal
from jaxcnn.training.state import TrainState

REFRESH_SECONDS = 0.5  # how often the host reads the sums for the progress bar


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


class Loop:
    """Trains a run in a workdir, from where its newest checkpoint left it."""

    def __init__(self, run: Run, workdir: Path, console: Console):
        self.run, self.config, self.console = run, run.config, console
        self.state, self.progress = run.state, Progress()
        settings = self.config.checkpoint
        self.checkpoints = Checkpoints(
            workdir, keep_latest=settings.keep_latest, keep_best=settings.keep_best
        )
        restored = self.checkpoints.restore_latest(run.state, console.warn)
        if restored:
            self.state = with_hyperparams_of(run.state, restored[0])
            self.progress = Progress(**restored[1])
        self.step = int(self.state.step)
        self.has_compiled = False
        self.writer = MetricsWriter(workdir, resume_step=self.step if restored else None)
        self.started = time.monotonic() - self.progress.seconds

    @property
    def epoch(self) -> int:
        """The epoch (0-based) that the next step belongs to."""
        return self.step // self.run.steps_per_epoch

    def train(self) -> dict[str, Any]:
        """All epochs that are left, then the test; returns what `result.json` holds.

        Raises:
          Stopped: a signal asked for it; the run is saved.
          Diverged: the loss is not finite.
        """
        with contextlib.closing(self.checkpoints), contextlib.closing(self.writer):
            with StopSignal() as stop:
                while self.epoch < self.config.num_epochs and not self._out_of_patience():
                    self._finish_epoch(self._train_epoch(stop))
            self.checkpoints.wait()
            return self._result()

    def _out_of_patience(self) -> bool:
        patience = self.config.early_stopping.patience
        return 0 < patience <= self.progress.epochs_without_gain

    def _train_epoch(self, stop: StopSignal) -> dict[str, Any]:
        """One epoch, or what is left of it; returns its row of the metrics."""
        epoch, num_steps = self.epoch, self.run.steps_per_epoch
        clock = Clock()
        with self.console.progress(epoch + 1, self.config.num_epochs, num_steps) as bar:
            for sums in self._steps(epoch, stop, clock):
                if clock.is_time(REFRESH_SECONDS):
                    scores = self._scores(sums)
                    done = self.step - epoch * num_steps
                    bar.update(done, images_per_second=clock.images_per_second, **scores)
            scores = self._scores(sums)
        clock.stop()
        self.progress.train_seconds += clock.seconds
        self.progress.train_images += clock.images
        return {
            "split": "train",
            **scores,
            "learning_rate": float(self.state.opt_state.hyperparams["learning_rate"]),
            "seconds": clock.seconds,
            "images_per_second": clock.images_per_second,
        }

    def _steps(self, epoch: int, stop: StopSignal, clock: "Clock") -> Iterator[dict]:
        """Runs the epoch's steps; gives the sums of the step before, the last one's at the end."""
        run = self.run
        data, order = run.data["train"], run.train_order(epoch)
        first_step = epoch * run.steps_per_epoch
        numbers = {"number": np.int32(epoch), "first_step": np.int32(first_step)}
        numbers = on_every_device(numbers, run.mesh)
        num_examples = len(run.views["train"].indices)
        batch_size = self.config.global_batch_size
        sums = None
        if self.has_compiled:
            clock.start()
        while self.step < first_step + run.steps_per_epoch:
            if stop.requested:
                self._stop(sums)
            previous = sums
            with jax.transfer_guard("disallow"):
                self.state, sums = run.train_step(self.state, data, numbers, order)
            seen = (self.step - first_step) * batch_size
            self.step += 1
            if not self.has_compiled:  # the first step compiles, and is not timed
                jax.block_until_ready(sums)
                self.has_compiled = True
                clock.start()
                continue
            clock.add(min(batch_size, num_examples - seen))
            if previous is not None:
                wait_on_cpu(previous)
                yield previous
        yield sums

    def _scores(self, sums: dict[str, jax.Array]) -> dict[str, float]:
        """The epoch's running means; reading them waits for the step they come from."""
        sums = jax.device_get(sums)
        if sums["bad_step"] >= 0:
            self._diverge(int(sums["bad_step"]))
        return to_means(sums)

    def _finish_epoch(self, row: dict[str, Any]) -> None:
        """Evaluates, writes the epoch's rows, saves, and shows a line of the table."""
        rows = [row]
        if self.config.evaluate_train:
            rows.append({"split": "train_evaluated"} | evaluate(self.run, self.state, "train"))
        validation = evaluate(self.run, self.state, "validation")
        if not math.isfinite(validation["loss"]):
            self._diverge(self.step)
        rows.append({"split": "validation"} | validation)
        for each in rows:
            self.writer.write({"step": self.step, "epoch": self.epoch} | each)
        is_best = self.progress.add_validation(
            self.epoch, self.step, validation, self.config.early_stopping.min_delta
        )
        is_last = self.epoch == self.config.num_epochs or self._out_of_patience()
        if is_best or is_last or self.epoch % self.config.checkpoint.every_epochs == 0:
            self._save(validation)
        self.console.epoch_row(
            epoch=self.epoch,
            num_epochs=self.config.num_epochs,
            train=row,
            validation=validation,
            is_best=is_best,
        )

    def _save(self, validation: dict[str, float] | None) -> None:
        self.progress.seconds = time.monotonic() - self.started
        self.checkpoints.save(self.state, dataclasses.asdict(self.progress), validation)

    def _stop(self, sums: dict[str, jax.Array] | None) -> None:
        if sums is not None:
            self._scores(sums)  # a state that diverged is not saved
        if self.checkpoints.latest_step() != self.step:
            self._save(None)
        self.checkpoints.wait()
        raise Stopped(f"stopped and saved at step {self.step}; the same command resumes there")

    def _diverge(self, step: int) -> None:
        rate = float(self.state.opt_state.hyperparams["learning_rate"])
        saved = self.checkpoints.latest_step()
        kept = "there is no checkpoint" if saved is None else f"the last good checkpoint is {saved}"
        raise Diverged(
            f"the loss is not finite at step {step} (learning rate {rate:.3g}); {kept}; "
            "a lower config.optimizer.learning_rate or config.optimizer.gradient_clip may help"
        )

    def _result(self) -> dict[str, Any]:
        progress, config = self.progress, self.config
        tested_with = self._choose_weights()
        test = self._test()
        self.writer.write({"step": self.step, "epoch": self.epoch, "split": "test"} | test)
        return {
            "test_accuracy": test["accuracy"],
            "test_loss": test["loss"],
            "tested_with": tested_with,
            "best_epoch": progress.best_epoch,
            "best_validation_accuracy": progress.best_accuracy,
            "last_validation_accuracy": progress.last_accuracy,
            "num_epochs": self.epoch,
            "seconds": time.monotonic() - self.started,
            "images_per_second": progress.train_images / max(progress.train_seconds, 1e-9),
            "parameters": self.run.num_parameters,
            "seed": config.seed,
        }

    def _choose_weights(self) -> str:
        """Takes the weights that `test_with` names, and says which they are: "best" or "last"."""
        best_step = self.progress.best_step
        if self.config.test_with == "best" and best_step != self.step:
            if not self.checkpoints.has(best_step):  # damaged, or gone with a later one's damage
                self.console.warn(f"the best checkpoint, {best_step}, is gone: testing the last")
                return "last"
            self.state, _ = self.checkpoints.restore(best_step, self.state)
        return self.config.test_with

    def _test(self) -> dict[str, float]:
        """The test split's loss and accuracy."""
        if self.config.validation == "test":  # scored as validation a moment ago
            return {"loss": self.progress.last_loss, "accuracy": self.progress.last_accuracy}
        return evaluate(self.run, self.state, "test")


def with_hyperparams_of(configured: TrainState, restored: TrainState) -> TrainState:
    """The restored state with the numbers that the config gives now: they may have been changed."""
    opt_state = restored.opt_state._replace(hyperparams=configured.opt_state.hyperparams)
    return restored.replace(hyperparams=configured.hyperparams, opt_state=opt_state)


class Clock:
    """Times an epoch's steps, without the first one of a process, which compiles."""

    def __init__(self):
        self.images, self.seconds, self._started, self._shown = 0, 0.0, 0.0, 0.0

    def start(self) -> None:
        """Starts to count time."""
        self._started = self._shown = time.perf_counter()

    def add(self, images: int) -> None:
        """Counts a step's images."""
        self.images += images

    def stop(self) -> None:
        """Ends the epoch."""
        self.seconds = time.perf_counter() - self._started

    def is_time(self, seconds: float) -> bool:
        """Whether that many seconds have passed since it last said so."""
        now = time.perf_counter()
        is_time = now - self._shown >= seconds
        if is_time:
            self._shown = now
        return is_time

    @property
    def images_per_second(self) -> float:
        """So far."""
        return self.images / max(self.seconds or time.perf_counter() - self._started, 1e-9)
