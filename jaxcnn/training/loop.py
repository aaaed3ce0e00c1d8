"""The loop: epochs of steps, evaluation, checkpoints, and the rows that a run writes."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from jaxcnn.errors import Diverged, Stopped
from jaxcnn.process import group
from jaxcnn.process.signals import StopSignal
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.evaluate import evaluate, to_means
from jaxcnn.training.final_test import choose_weights, describe_training, test_scores
from jaxcnn.training.notices import MAX_SKIPPED, not_finite, other_batches, skipped_steps
from jaxcnn.training.parallel import Agreement, wait_for
from jaxcnn.training.run import Run
from jaxcnn.training.state import with_hyperparams_of
from jaxcnn.workdir import metrics_log, run_files
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.metrics_log import MetricsWriter, NoWriter
from jaxcnn.workdir.progress import Clock, Progress

REFRESH_SECONDS = 0.5  # how often the host reads the sums for the progress bar


class Loop:
    """Trains a run in a workdir, from where its newest checkpoint left it.

    `check_folder` is called before each write; it raises UserError to end the run.
    """

    def __init__(self, run: Run, workdir: Path, console: Console, check_folder=lambda: None):
        self.run, self.config, self.console = run, run.config, console
        self.check_folder = check_folder
        self.state = run.state
        self.progress = Progress(global_batch_size=self.config.global_batch_size)
        settings = self.config.checkpoint
        self.checkpoints = Checkpoints(
            workdir, keep_latest=settings.keep_latest, keep_best=settings.keep_best
        )
        restored = self.checkpoints.restore_latest(run.state, console.warn)
        if restored:
            self.state = with_hyperparams_of(run.state, restored[0])
            self.progress = Progress(**restored[1])
        self.step = int(self.state.step)
        if restored and group.is_main():
            epochs = self._finished_epochs()
            metrics_log.check_metrics(workdir, self.step, self.progress.metrics_digest, epochs)
        self.progress.run = run_files.read_identity(workdir).id
        self._take_over_batch_size()
        if restored:
            self.progress.add_resume(self.step, run.steps_per_epoch)
        self.compiled: set[Callable] = set()
        skipped = int(self.state.sums["bad_steps"])  # in an epoch that is resumed
        self.allowed_bad_steps = MAX_SKIPPED if self.config.optimizer.skip_bad_steps else skipped
        # in mid-epoch the rows of this step tell of a run that max_minutes ended here
        resume_step = self.step - self._is_in_mid_epoch if restored else None
        is_main = group.is_main()
        self.writer = NoWriter()
        if is_main:
            self.writer = MetricsWriter(workdir, resume_step=resume_step, warn=console.warn)
        self.agree = Agreement(run.mesh)
        self.started = time.monotonic() - self.progress.seconds
        self.saved_step, self.saved_at = self.step, time.monotonic()
        self.is_time_over = False
        self._look_at_the_clock()

    @property
    def epoch(self) -> int:
        """The epoch (0-based) that the next step belongs to."""
        return self.progress.epoch_at(self.step, self.run.steps_per_epoch)

    @property
    def ended(self) -> str:
        """Why no step is left: "epochs", "early_stopping" or "max_minutes"; "" while one is."""
        if self.epoch >= self.config.num_epochs:
            return "epochs"
        if 0 < self.config.early_stopping.patience <= self.progress.epochs_without_gain:
            return "early_stopping"
        return "max_minutes" if self.is_time_over else ""

    @property
    def _is_in_mid_epoch(self) -> bool:
        return self.step > self.progress.first_step(self.epoch, self.run.steps_per_epoch)

    def _finished_epochs(self) -> int:
        """The epochs that are finished at a restored checkpoint, counted in its own batches."""
        if self.config.steps_per_epoch:  # then the batch size cannot be another
            return self.progress.epoch_at(self.step, self.run.steps_per_epoch)
        return self.progress.finished_epochs(self.step, len(self.run.views["train"].indices))

    def _take_over_batch_size(self) -> None:
        """Keep the position where the config's batch size is not that of the checkpoint."""
        before, now = self.progress.global_batch_size, self.config.global_batch_size
        if before != now:
            num_examples = len(self.run.views["train"].indices)
            again = self.progress.change_batch_size(self.step, num_examples, now)
            self.console.warn(other_batches(before, now, again))

    def train(self) -> dict[str, Any]:
        """Train the epochs that are left, and test; return what `result.json` holds.

        Where `max_minutes` ends the run in mid-epoch, or a changed config does, the part of the
        epoch is validated as well. The run can go on as if it had not been.

        Raises:
          Stopped: a signal asked for it; the run is saved.
          Diverged: the loss is not finite.
        """
        closing = contextlib.closing
        with closing(self.checkpoints), closing(self.writer), group.watched():
            with StopSignal() as stop:
                row = None
                while not self.ended:
                    epoch, row = self.epoch, self._train_epoch(stop)
                    if self.epoch > epoch:
                        self._finish_epoch(row)
                if self._is_in_mid_epoch:
                    self._finish_part(row or self._train_row(self.state.sums, Clock()))
                self.checkpoints.wait()
                if any(self.agree.at_once(stop.requested)):
                    self._stop(None)
            return self._result()

    def _look_at_the_clock(self) -> None:
        """Learn, with the whole group, whether the run's time is over."""
        if self.config.max_minutes and self.step:
            is_over = _have_passed(self.config.max_minutes, self.started)
            self.is_time_over = any(self.agree.at_once(is_over))

    def _train_epoch(self, stop: StopSignal) -> dict[str, Any]:
        """Train an epoch, or what is left of it and of the run's time; return its row of the
        metrics."""
        epoch, num_steps = self.epoch, self.run.steps_per_epoch
        first_step = self.progress.first_step(epoch, num_steps)
        clock = Clock()
        with self.console.progress(epoch + 1, self.config.num_epochs, num_steps) as bar:
            for sums, is_time in self._steps(epoch, first_step, stop, clock):
                if is_time:
                    scores = self._scores(sums)
                    done = self.step - first_step
                    bar.update(done, images_per_second=clock.images_per_second, **scores)
            row = self._train_row(sums, clock)
        if skipped := int(sums["bad_steps"]):
            first, scale = int(sums["bad_step"]), float(self.state.rate_scale)
            self.console.warn(skipped_steps(skipped, first, scale))
        self.progress.train_seconds += clock.seconds
        self.progress.train_images += clock.images
        return row

    def _train_row(self, sums: dict[str, jax.Array], clock: Clock) -> dict[str, Any]:
        """Return the row of the epoch's steps so far; it waits for them."""
        scores = self._scores(sums)
        clock.stop()
        return {
            "split": "train",
            **scores,
            "learning_rate": float(self.state.opt_state.hyperparams["learning_rate"]),
            "seconds": clock.seconds,
            "images_per_second": clock.images_per_second,
        }

    def _steps(
        self, epoch: int, first_step: int, stop: StopSignal, clock: Clock
    ) -> Iterator[tuple[dict, bool]]:
        """Runs the epoch's steps; gives the sums of the step before, the last one's at the end,
        and whether it is time to read them."""
        run = self.run
        numbers = run.epoch_numbers(epoch, first_step)
        num_examples = len(run.views["train"].indices)
        batch_size = self.config.global_batch_size
        sums = None
        clock.start()
        end = first_step + run.steps_per_epoch
        for data, order, num_steps in run.train_feed(epoch, self.step - first_step):
            stops, is_over, is_late, is_time = self.agree(  # each process has its own clock
                stop.requested,
                _have_passed(self.config.max_minutes, self.started),
                _have_passed(self.config.checkpoint.every_minutes, self.saved_at),
                clock.is_time(REFRESH_SECONDS),
            )
            if stops:
                self._stop(sums)
            if is_over and self.step:  # there is something to test
                self.is_time_over = True
                break
            previous = sums
            train = run.train_steps if num_steps > 1 else run.train_step
            compiles = train not in self.compiled
            if compiles:
                jax.block_until_ready(previous)
                clock.stop()
            with self._patience(compiles), jax.transfer_guard("disallow"):
                self.state, sums = train(self.state, data, numbers, order)
            seen = (self.step - first_step) * batch_size
            self.step += num_steps
            if self.step < end:
                self._save_if_due(sums, is_late)
            if compiles:
                jax.block_until_ready(sums)
                self.compiled.add(train)
                clock.start()
                continue
            clock.add(min(num_steps * batch_size, num_examples - seen))
            if previous is not None:
                wait_for(previous, self.config.dataset.streaming)
                yield previous, is_time
        yield sums or self.state.sums, False

    def _patience(self, compiles: bool) -> contextlib.AbstractContextManager:
        """While entered, a compilation that takes long is spoken of."""
        return self.console.waiting("compiling") if compiles else contextlib.nullcontext()

    def _scores(self, sums: dict[str, jax.Array]) -> dict[str, float]:
        """The epoch's running means; reading them waits for the step they come from."""
        sums = jax.device_get(sums)
        if sums["bad_steps"] > self.allowed_bad_steps:
            self._diverge(int(sums["bad_step"]), float(sums["gradient_norm"]))
        return to_means(sums)

    def _finish_epoch(self, row: dict[str, Any]) -> None:
        """Evaluates, writes the epoch's rows, saves, and shows a line of the table."""
        validation = self._evaluate(row, self.epoch)
        is_best = self.progress.add_validation(
            self.epoch, self.step, validation, self.config.early_stopping.min_delta
        )
        self._look_at_the_clock()
        if is_best or self.ended or self.epoch % self.config.checkpoint.every_epochs == 0:
            self._save(validation)
        self._show(row, validation, self.epoch, is_best)

    def _finish_part(self, row: dict[str, Any]) -> None:
        """Evaluate the part of an epoch in which the run ended.

        The checkpoint knows nothing of it: a part is not the best epoch and costs no patience.
        """
        if self.checkpoints.latest_step() != self.step:
            self._save(None)
        epoch = self.epoch + 1
        validation = self._evaluate(row, epoch)
        self.progress.last_loss = validation["loss"]
        self.progress.last_accuracy = validation["accuracy"]
        self._show(row, validation, epoch, is_best=False)

    def _evaluate(self, row: dict[str, Any], epoch: int) -> dict[str, float]:
        """Score the validation split, and write the rows of an epoch (from 1)."""
        rows = [row]
        if self.config.evaluate_train:
            rows.append({"split": "train_evaluated"} | evaluate(self.run, self.state, "train"))
        with self._patience(self.run.eval_step not in self.compiled):
            validation = evaluate(self.run, self.state, "validation")
        self.compiled.add(self.run.eval_step)
        if not math.isfinite(validation["loss"]):
            self._diverge(self.step, float(self.state.sums["gradient_norm"]))
        rows.append({"split": "validation"} | validation)
        self.check_folder()
        for each in rows:
            self.writer.write({"step": self.step, "epoch": epoch} | each)
        return validation

    def _show(self, row: dict, validation: dict, epoch: int, is_best: bool) -> None:
        self.console.epoch_row(
            epoch=epoch,
            num_epochs=self.config.num_epochs,
            train=row,
            validation=validation,
            is_best=is_best,
        )

    def _save_if_due(self, sums: dict[str, jax.Array], is_late: bool) -> None:
        """Saves in mid-epoch, after so many steps or minutes since the last time."""
        if is_late or 0 < self.config.checkpoint.every_steps <= self.step - self.saved_step:
            self._scores(sums)  # a state that diverged is not saved
            self._save(None)

    def _save(self, validation: dict[str, float] | None) -> None:
        self.check_folder()
        self.progress.seconds = time.monotonic() - self.started
        self.progress.metrics_digest = self.writer.digest()
        self.saved_step, self.saved_at = self.step, time.monotonic()
        self.checkpoints.save(self.state, dataclasses.asdict(self.progress), validation)

    def _stop(self, sums: dict[str, jax.Array] | None) -> None:
        if sums is not None:
            self._scores(sums)  # a state that diverged is not saved
        if self.checkpoints.latest_step() != self.step:
            self._save(None)
        self.checkpoints.wait()
        raise Stopped(f"stopped and saved at step {self.step}; the same command resumes there")

    def _diverge(self, step: int, gradient_norm: float) -> None:
        rate = float(self.state.opt_state.hyperparams["learning_rate"])
        raise Diverged(
            not_finite(self.config, step, rate, gradient_norm, self.checkpoints.latest_step())
        )

    def _result(self) -> dict[str, Any]:
        self.state, tested_with = choose_weights(
            self.run, self.state, self.checkpoints, self.progress, self.console.warn
        )
        test = test_scores(self.run, self.state, self.progress)
        self.writer.write({"step": self.step, "epoch": self.epoch, "split": "test"} | test)
        return {
            "test_accuracy": test["accuracy"],
            "test_loss": test["loss"],
            "tested_with": tested_with,
            "ended": self.ended,
            "seconds": time.monotonic() - self.started,
            "run": self.progress.run,
            "metrics_digest": self.writer.digest(),
        } | describe_training(self.run, self.progress, self.step)


def _have_passed(minutes: float, since: float) -> bool:
    """Whether so many minutes are over since a time of `time.monotonic`; 0: never."""
    return 0 < minutes <= (time.monotonic() - since) / 60
