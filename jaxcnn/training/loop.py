"""The training loop: steps, evaluation, checkpoints and the rows of `metrics.jsonl`."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

import jax

from jaxcnn.errors import Diverged, Stopped
from jaxcnn.optim.plateau import Plateau, next_plateau
from jaxcnn.process import group
from jaxcnn.process.signals import StopSignal
from jaxcnn.training.display import Display
from jaxcnn.training.evaluate import evaluate, to_means
from jaxcnn.training.first_calls import FirstCalls
from jaxcnn.training.messages import MAX_SKIPPED, not_finite, steps_skipped, stopped
from jaxcnn.training.parallel import Agreement, wait_for
from jaxcnn.training.phases import begin_due_phase, describe_phase, enter_phase
from jaxcnn.training.result import describe_training, score_test_split
from jaxcnn.training.resume import Start, open_metrics, take_up
from jaxcnn.training.run import Run
from jaxcnn.training.saving import Saving
from jaxcnn.training.stopping import Hook, Stopping
from jaxcnn.training.timing import Clock, RunTime
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.epochs import epoch_row
from jaxcnn.workdir.metrics_log import MetricsWriter, NoWriter
from jaxcnn.workdir.schemas import Row

Sums = dict[str, jax.Array]


class Loop:
    """The training of a run, from its start or a checkpoint to its end.

    Args:
      run: ready to train.
      start: the phase, state and position at which the training starts.
      display: shows the training to the user.
      metrics: writes the rows of the metrics.
      checkpoints: of the run's folder.
      check_folder: called before each write; raises `UserError` to end the run.
      hooks: get the row of each epoch before its checkpoint is saved, see `call_hooks`.
    """

    def __init__(
        self,
        run: Run,
        start: Start,
        *,
        display: Display,
        metrics: MetricsWriter | NoWriter,
        checkpoints: Checkpoints,
        check_folder: Callable[[], None] = lambda: None,
        hooks: Sequence[Hook] = (),
    ):
        self.whole_run, self.config = run, run.plan.config
        self.run, self.plan = start.run, start.run.plan
        self.display, self.hooks = display, hooks
        self.metrics, self.check_folder = metrics, check_folder
        self.state, self.progress, self.position = start.state, start.progress, start.position
        self.time = RunTime(self.progress.seconds)
        self.stopping = Stopping(self.config, Agreement(self.plan.mesh), self.time)
        self.saving = Saving(self.plan, start, checkpoints, metrics, self.time, check_folder)
        self.first_calls = FirstCalls(display)
        skipped = int(self.state.sums["bad_steps"])  # of a resumed epoch
        self.allowed_bad_steps = MAX_SKIPPED if self.config.optimizer.skip_bad_steps else skipped
        self.stopping.check_time(self.position.step)

    @classmethod
    def open(
        cls,
        run: Run,
        workdir: Path,
        display: Display,
        check_folder: Callable[[], None] = lambda: None,
        hooks: Sequence[Hook] = (),
    ) -> Self:
        """Return the loop of a run that starts, or resumes from its folder's newest checkpoint.

        Raises:
          UserError: the run in the folder cannot be resumed.
        """
        keep = run.plan.config.checkpoint
        checkpoints = Checkpoints(workdir, keep_latest=keep.keep_latest, keep_best=keep.keep_best)
        start = take_up(run, workdir, checkpoints, display.warn)
        metrics = open_metrics(workdir, start, display.warn)
        return cls(
            run, start, display=display, metrics=metrics, checkpoints=checkpoints,
            check_folder=check_folder, hooks=hooks,
        )  # fmt: skip

    @property
    def ended(self) -> str:
        """The reason why no step is left, see `Stopping.reason`; "" while one is."""
        return self.stopping.reason(self.position, self.progress)

    def train(self) -> dict[str, Any]:
        """Train the remaining epochs and test; return the content of `result.json`.

        A run that ends within an epoch is validated there too. It can go on later as if that
        validation had not happened.

        Raises:
          Diverged: the loss is not finite.
          Stopped: a signal asked for it; the run is saved.
          UserError: the folder is no longer this process's.
          Exception: a hook raised it; the run is saved.
        """
        checkpoints, closing = self.saving.checkpoints, contextlib.closing
        with closing(checkpoints), closing(self.metrics), group.watched():
            with StopSignal() as signal:
                row = None
                self.display.note(describe_phase(self.config, self.progress))
                while not self.ended:
                    epoch, row = self.position.epoch, self._train_epoch(signal)
                    if self.position.epoch > epoch:
                        self.finish_epoch(row)
                        self._begin_due_phase()
                if self.position.row:
                    self.finish_part(row or self._train_row(self.state.sums, Clock()))
                checkpoints.wait()
                if self.stopping.is_requested(signal):
                    self.stop(None)
            return self.result()

    def _begin_due_phase(self) -> None:
        """Go on with the next phase if one has ended and the run has not."""
        if self.ended or not begin_due_phase(self.config, self.progress, self.position):
            return
        self.run, self.state, self.position, _ = enter_phase(
            self.whole_run, self.state, self.progress, self.position, is_new=True
        )
        self.plan = self.run.plan
        self.display.note(describe_phase(self.config, self.progress))

    def _train_epoch(self, signal: StopSignal) -> Row:
        """Train the rest of the epoch, or until the run's time is over; return its row."""
        clock, first_step = Clock(), self.position.first_step
        epoch, steps = self.position.epoch + 1, self.plan.steps_of_epoch(self.position)
        with self.display.progress(epoch, self.plan.num_epochs, steps) as bar:
            for sums, is_displayed in self._steps(signal, clock):
                if is_displayed:
                    steps_done, speed = self.position.step - first_step, clock.images_per_second
                    bar.update(steps_done, images_per_second=speed, **self._means(sums))
            row = self._train_row(sums, clock)
        self._count_epoch(sums, clock)
        return row

    def _count_epoch(self, sums: Sums, clock: Clock) -> None:
        """Warn of the epoch's skipped steps, and count its time."""
        if skipped := int(sums["bad_steps"]):
            scale = float(self.state.rate_scale)
            self.display.warn(steps_skipped(skipped, int(sums["bad_step"]), scale))
        self.progress.train_seconds += clock.seconds
        self.progress.train_images += clock.images

    def _steps(self, signal: StopSignal, clock: Clock) -> Iterator[tuple[Sums, bool]]:
        """Run the remaining steps of the epoch.

        Yields:
          The sums of the previous step, so that the host never waits, and whether to display them.
          The last item has the sums of the last step.
        """
        run, start, sums = self.run, self.position, None
        numbers = run.epoch_numbers(start, Plateau(**self.progress.plateau).factor)
        clock.start()
        for data, order, num_steps in run.train_feed(start, clock):
            decision = self.stopping.decide(signal, self.saving.saved_at, clock)
            if decision.stop:
                self.stop(sums)
            if decision.end and self.position.step:  # a run without a step cannot be tested
                self.stopping.end_by_time()
                break
            previous, train = sums, run.train_steps if num_steps > 1 else run.train_step
            is_compiled = self.first_calls.is_over(train)
            images = self.plan.count_images(self.position.row, num_steps)
            if not is_compiled:
                jax.block_until_ready(previous)
                clock.stop()
            with self.first_calls.waiting(train), jax.transfer_guard("disallow"):
                self.state, sums = train(self.state, data, numbers, order)
            self.position = self.position.after(num_steps)
            if self.position.row and (decision.save or self.saving.is_due(self.position.step)):
                self._means(sums)  # raises for a state that diverged, which is not saved
                self.saving.save(self.state, self.position, None)
            if not is_compiled:
                jax.block_until_ready(sums)
                clock.start()
                continue
            clock.add(images)
            if previous is not None:
                wait_for(previous, self.plan.streams)
                yield previous, decision.display
        yield sums or self.state.sums, False

    def _train_row(self, sums: Sums, clock: Clock) -> Row:
        """Return the metrics row of the epoch's steps so far; wait for them."""
        means = self._means(sums)
        clock.stop()
        rate = float(self.state.opt_state.hyperparams["learning_rate"])
        return {"split": "train", **means, "learning_rate": rate, **clock.figures}

    def _means(self, sums: Sums) -> dict[str, float]:
        """Return the means of an epoch's sums; wait for the step that computes them.

        Raises:
          Diverged: more steps than allowed were not finite.
        """
        sums = jax.device_get(sums)
        if sums["bad_steps"] > self.allowed_bad_steps:
            self._diverge(int(sums["bad_step"]), float(sums["gradient_norm"]))
        return to_means(sums)

    def finish_epoch(self, train: Row) -> None:
        """Evaluate, write the epoch's rows, call the hooks, and save."""
        number, step = self.position.epoch, self.position.step
        validation, row = self._evaluate(train, number)
        config = self.plan.config
        is_best = self.progress.add_validation(number, step, validation, config)
        self.progress.plateau = next_plateau(self.progress.plateau, validation["loss"], config)
        self.show_epoch(number, train, validation, is_best)
        self.stopping.check_time(step)
        try:
            self.stopping.call_hooks(self.hooks, row, self.progress)
        except BaseException:
            if not group.is_group():  # where all processes would have to save
                self.saving.save(self.state, self.position, validation)
            raise
        if is_best or self.ended or number % self.config.checkpoint.every_epochs == 0:
            self.saving.save(self.state, self.position, validation)

    def finish_part(self, train: Row) -> None:
        """Save, then evaluate the part of an epoch in which the run ended.

        A part cannot be the best epoch, and does not count for early stopping.
        """
        self.saving.save_if_new(self.state, self.position)
        self._evaluate_part(train)

    def _evaluate_part(self, train: Row) -> None:
        number = self.position.epoch + 1
        validation, row = self._evaluate(train, number)
        self.progress.keep_last(validation)
        self.show_epoch(number, train, validation, is_best=False)
        self.stopping.call_hooks(self.hooks, row, self.progress)

    def show_epoch(self, epoch: int, train: Row, validation: Row, is_best: bool) -> None:
        """Show the figures of an epoch (1-based)."""
        figures = {"train": train, "validation": validation, "is_best": is_best}
        self.display.epoch_row(epoch=epoch, num_epochs=self.plan.num_epochs, **figures)

    def _evaluate(self, train: Row, epoch: int) -> tuple[dict[str, float], Row]:
        """Evaluate, and write the rows of an epoch (1-based); return validation, and one row."""
        where = {"step": self.position.step, "epoch": epoch}
        rows = [where | train]
        if self.config.evaluate_train:
            rows.append(where | {"split": "train_evaluated"} | self._scores("train"))
        with self.first_calls.waiting(self.run.eval_step):
            validation = self._scores("validation")
        if not math.isfinite(validation["loss"]):
            self._diverge(self.position.step, float(self.state.sums["gradient_norm"]))
        rows.append(where | {"split": "validation"} | validation)
        self.check_folder()
        for row in rows:
            self.metrics.write(row)
        return validation, epoch_row(rows)

    def _scores(self, view: str) -> dict[str, float]:
        return evaluate(self.run, self.state, view)

    def stop(self, sums: Sums | None) -> NoReturn:
        """Save and raise `Stopped`; `sums` are of the last step, if it is not checked yet."""
        if sums is not None:
            self._means(sums)  # raises for a state that diverged, which is not saved
        self.saving.save_if_new(self.state, self.position)
        self.saving.checkpoints.wait()
        raise Stopped(stopped(self.position.step))

    def _diverge(self, step: int, gradient_norm: float) -> NoReturn:
        rate = float(self.state.opt_state.hyperparams["learning_rate"])
        saved, num_steps = self.saving.checkpoints.latest_step(), self.position.step
        raise Diverged(not_finite(self.plan.config, step, rate, gradient_norm, saved, num_steps))

    def result(self) -> dict[str, Any]:
        """Test, and return the content of `result.json`."""
        checkpoints, warn = self.saving.checkpoints, self.display.warn
        test, tested_with = score_test_split(self.run, self.state, checkpoints, self.progress, warn)
        where = {"step": self.position.step, "epoch": self.position.epoch}
        self.metrics.write(where | {"split": "test"} | test)
        return {
            "test_accuracy": test["accuracy"],
            "test_loss": test["loss"],
            "tested_with": tested_with,
            "seconds": self.time.seconds,
            "run": self.progress.run,
            "metrics_digest": self.metrics.digest(),
        } | describe_training(self.plan, self.progress, self.position, self.ended)
