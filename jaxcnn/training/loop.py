"""The loop: epochs of steps, evaluation, checkpoints, and the rows that a run writes."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from jaxcnn import distributed
from jaxcnn.errors import Diverged, Stopped
from jaxcnn.models import summary
from jaxcnn.reporting import run_files
from jaxcnn.reporting.console import Console
from jaxcnn.reporting.writers import MetricsWriter, NoWriter
from jaxcnn.training.checkpoints import Checkpoints
from jaxcnn.training.evaluate import evaluate, to_means
from jaxcnn.training.parallel import Agreement, wait_for
from jaxcnn.training.progress import Clock, Progress, images_per_second
from jaxcnn.training.setup import Run
from jaxcnn.training.signals import StopSignal
from jaxcnn.training.state import TrainState

REFRESH_SECONDS = 0.5  # how often the host reads the sums for the progress bar
MAX_SKIPPED = 10  # bad steps in an epoch before a run that skips them gives up


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
        if restored and distributed.is_main():
            epochs = self.progress.finished_epochs(self.step, len(run.views["train"].indices))
            run_files.check_metrics(workdir, self.step, self.progress.metrics_digest, epochs)
        self.progress.run = run_files.read_identity(workdir).id
        self._take_over_batch_size()
        if restored:
            self.progress.add_resume(self.step, run.steps_per_epoch)
        self.compiled: set[Callable] = set()
        skipped = int(self.state.sums["bad_steps"])  # in an epoch that is resumed
        self.allowed_bad_steps = MAX_SKIPPED if self.config.optimizer.skip_bad_steps else skipped
        resume_step = self.step if restored else None
        is_main = distributed.is_main()
        self.writer = NoWriter()
        if is_main:
            self.writer = MetricsWriter(workdir, resume_step=resume_step, warn=console.warn)
        self.agree = Agreement(run.mesh)
        self.started = time.monotonic() - self.progress.seconds
        self.saved_step, self.saved_at = self.step, time.monotonic()

    @property
    def epoch(self) -> int:
        """The epoch (0-based) that the next step belongs to."""
        return self.progress.epoch_at(self.step, self.run.steps_per_epoch)

    def _take_over_batch_size(self) -> None:
        """Where the config's batch size is not that of the checkpoint: the position is kept."""
        before, now = self.progress.global_batch_size, self.config.global_batch_size
        if before != now:
            num_examples = len(self.run.views["train"].indices)
            again = self.progress.change_batch_size(self.step, num_examples, now)
            self.console.warn(
                f"batches of {now} in place of {before}: the epoch goes on at the same example"
                + (f" less {again}, which are seen again" if again else "")
            )

    def train(self) -> dict[str, Any]:
        """All epochs that are left, then the test; returns what `result.json` holds.

        Raises:
          Stopped: a signal asked for it; the run is saved.
          Diverged: the loss is not finite.
        """
        closing = contextlib.closing
        with closing(self.checkpoints), closing(self.writer), distributed.watched():
            with StopSignal() as stop:
                while self.epoch < self.config.num_epochs and not self._out_of_patience():
                    self._finish_epoch(self._train_epoch(stop))
                self.checkpoints.wait()
                if any(self.agree.at_once(stop.requested)):
                    self._stop(None)
            return self._result()

    def _out_of_patience(self) -> bool:
        patience = self.config.early_stopping.patience
        return 0 < patience <= self.progress.epochs_without_gain

    def _train_epoch(self, stop: StopSignal) -> dict[str, Any]:
        """One epoch, or what is left of it; returns its row of the metrics."""
        epoch, num_steps = self.epoch, self.run.steps_per_epoch
        first_step = self.progress.first_step(epoch, num_steps)
        clock = Clock()
        with self.console.progress(epoch + 1, self.config.num_epochs, num_steps) as bar:
            for sums, is_time in self._steps(epoch, first_step, stop, clock):
                if is_time:
                    scores = self._scores(sums)
                    done = self.step - first_step
                    bar.update(done, images_per_second=clock.images_per_second, **scores)
            scores = self._scores(sums)
        self._tell_skipped(sums)
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
            stops, is_late, is_time = self.agree(  # clocks and signals: each process has its own
                stop.requested, self._is_late(), clock.is_time(REFRESH_SECONDS)
            )
            if stops:
                self._stop(sums)
            previous = sums
            train = run.train_steps if num_steps > 1 else run.train_step
            compiles = train not in self.compiled
            if compiles:
                jax.block_until_ready(previous)
                clock.stop()
            with jax.transfer_guard("disallow"):
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
        yield sums, False

    def _scores(self, sums: dict[str, jax.Array]) -> dict[str, float]:
        """The epoch's running means; reading them waits for the step they come from."""
        sums = jax.device_get(sums)
        if sums["bad_steps"] > self.allowed_bad_steps:
            self._diverge(int(sums["bad_step"]), float(sums["gradient_norm"]))
        return to_means(sums)

    def _finish_epoch(self, row: dict[str, Any]) -> None:
        """Evaluates, writes the epoch's rows, saves, and shows a line of the table."""
        rows = [row]
        if self.config.evaluate_train:
            rows.append({"split": "train_evaluated"} | evaluate(self.run, self.state, "train"))
        validation = evaluate(self.run, self.state, "validation")
        if not math.isfinite(validation["loss"]):
            self._diverge(self.step, float(self.state.sums["gradient_norm"]))
        rows.append({"split": "validation"} | validation)
        self.check_folder()
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

    def _is_late(self) -> bool:
        """Whether the last save is as many minutes ago as it may be."""
        minutes = (time.monotonic() - self.saved_at) / 60
        return 0 < self.config.checkpoint.every_minutes <= minutes

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

    def _tell_skipped(self, sums: dict[str, jax.Array]) -> None:
        """Says how many steps of the epoch were not finite, and what became of the rate."""
        skipped, first = int(sums["bad_steps"]), int(sums["bad_step"])
        if skipped:
            scale = float(self.state.rate_scale)
            self.console.warn(
                f"{skipped} {'steps' if skipped > 1 else 'step'} skipped, step {first} the first: "
                f"not finite; the learning rate is {scale:g} times the schedule's from here on"
            )

    def _diverge(self, step: int, gradient_norm: float) -> None:
        rate = float(self.state.opt_state.hyperparams["learning_rate"])
        saved = self.checkpoints.latest_step()
        kept = "there is no checkpoint" if saved is None else f"the last good checkpoint is {saved}"
        raise Diverged(
            f"the loss is not finite at step {step} (learning rate {rate:.3g}, gradient norm of "
            f"the last finite step {gradient_norm:.3g}); {kept}; a lower "
            "config.optimizer.learning_rate, config.optimizer.gradient_clip or "
            "config.optimizer.skip_bad_steps=True may help"
        )

    def _result(self) -> dict[str, Any]:
        progress, config, network = self.progress, self.config, summary(self.run.model)
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
            "resumed": [done for done in progress.resumed if done < self.epoch],
            "seconds": time.monotonic() - self.started,
            "images_per_second": images_per_second(progress.train_images, progress.train_seconds),
            "parameters": network.parameters,
            "flops": network.flops,
            "seed": config.seed,
            "run": progress.run,
            "metrics_digest": self.writer.digest(),
        }

    def _choose_weights(self) -> str:
        """Takes the weights that `test_with` names, and says which they are: "best" or "last"."""
        best_step = self.progress.best_step
        if self.config.test_with == "best" and best_step != self.step:
            try:
                self.state, _ = self.checkpoints.restore(best_step, self.state)
            except Exception as error:  # damage can raise anything; or it went with a later one's
                distributed.end_if_lost(error)
                self.console.warn(f"the best checkpoint, {best_step}, is lost: testing the last")
                return "last"
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
