"""The start of a training: a new state, or the newest checkpoint of the run's folder."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from ml_collections import ConfigDict

from jaxcnn.config.phases import phases_of
from jaxcnn.data.order import steps_per_epoch
from jaxcnn.errors import UserError
from jaxcnn.process import group
from jaxcnn.training.messages import batch_size_changed
from jaxcnn.training.phases import begin_due_phase, enter_phase
from jaxcnn.training.run import Run
from jaxcnn.training.state import TrainState
from jaxcnn.workdir import metrics_log, run_files
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.metrics_log import MetricsWriter, NoWriter
from jaxcnn.workdir.phases import adopt_begun
from jaxcnn.workdir.position import Position
from jaxcnn.workdir.progress import Progress


@dataclasses.dataclass(frozen=True)
class Start:
    """The state and position at which a training starts.

    Attributes:
      run: the run as the phase in progress trains it.
      state: the state at the position, on the devices.
      progress: the host's record of the run.
      position: the position before the next step.
      is_resumed: whether the state comes from a checkpoint.
      is_within_epoch: whether the checkpoint lies within an epoch. The position may then still be
        the epoch's start, because larger batches begin there.
    """

    run: Run
    state: TrainState
    progress: Progress
    position: Position
    is_resumed: bool = False
    is_within_epoch: bool = False

    @property
    def kept_step(self) -> int | None:
        """The last step whose rows in `metrics.jsonl` are kept; None for a new run.

        Within an epoch, rows of the resumed step exist only if `max_minutes` ended the run there.
        They are dropped, because the epoch writes its rows again at its end.
        """
        return self.position.step - self.is_within_epoch if self.is_resumed else None


def open_metrics(
    workdir: Path, start: Start, warn: Callable[[str], None]
) -> MetricsWriter | NoWriter:
    """Return the writer of a run's metrics, which writes in process 0 of a group alone."""
    if not group.is_main():
        return NoWriter()
    return MetricsWriter(workdir, resume_step=start.kept_step, warn=warn)


def take_up(
    run: Run, workdir: Path, checkpoints: Checkpoints, warn: Callable[[str], None]
) -> Start:
    """Return where the run in a folder resumes, or the start of a new run.

    Args:
      run: ready to train, as its current config says.
      workdir: the run's folder.
      checkpoints: of the folder.
      warn: called with messages about damaged checkpoints and a changed batch size.

    Raises:
      UserError: a checkpoint is of another run, no checkpoint can be read, `metrics.jsonl` does not
        belong to the checkpoint, a phase differs that has finished or ends earlier than here, or
        the batch size changes where the rate decays by steps.
    """
    plan, config = run.plan, run.plan.config
    restored = checkpoints.restore_latest(run.state, warn)
    if restored is None:
        progress = Progress(global_batch_size=plan.global_batch_size)
        progress.run = run_files.read_identity(workdir).id
        position = progress.position(0, plan.steps_per_epoch)
        progress.begin_phase(str(phases_of(config)[0]), position)
        run, state, position, _ = enter_phase(run, run.state, progress, position, is_new=True)
        return Start(run, state, progress, position)
    state, progress = restored[0], Progress(**restored[1])
    steps = plan.steps_per_epoch
    if not plan.config.steps_per_epoch:  # with it, the batch size cannot change
        steps = steps_per_epoch(plan.num_examples, progress.global_batch_size)
    position = progress.position(int(state.step), steps)
    if group.is_main():
        digest = progress.metrics_digest
        metrics_log.check_metrics(workdir, position.step, digest, position.epoch)
    progress.run = run_files.read_identity(workdir).id
    progress.resumed.append(position.epochs)
    progress.phases = adopt_begun(config, progress.phases, position.epochs, workdir)
    is_new, is_within_epoch = begin_due_phase(config, progress, position), position.row > 0
    before = progress.global_batch_size
    run, state, position, repeated = enter_phase(run, state, progress, position, is_new=is_new)
    if before != progress.global_batch_size:
        _refuse_decay_steps(config, before, workdir)
        if not is_new:
            warn(batch_size_changed(before, progress.global_batch_size, repeated))
    return Start(run, state, progress, position, True, is_within_epoch)


def _refuse_decay_steps(config: ConfigDict, batch_size: int, workdir: Path) -> None:
    """Refuse another batch size where the rate decays by steps, which would be counted anew."""
    if config.schedule.decay_steps:
        raise UserError(
            f"{workdir}: config.schedule.decay_steps = {config.schedule.decay_steps:g}: another "
            f"batch size would shift the decay; keep config.global_batch_size = {batch_size}, or "
            "set config.schedule.decay_epochs"
        )
