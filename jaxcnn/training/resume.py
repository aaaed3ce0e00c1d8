"""The start of a training: a new state, or the newest checkpoint of the run's folder."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from jaxcnn.data.order import steps_per_epoch
from jaxcnn.process import group
from jaxcnn.training.messages import batch_size_changed
from jaxcnn.training.run import Run
from jaxcnn.training.state import TrainState, with_hyperparams_of
from jaxcnn.workdir import metrics_log, run_files
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.position import Position
from jaxcnn.workdir.progress import Progress


@dataclasses.dataclass(frozen=True)
class Start:
    """The state and position at which a training starts.

    Attributes:
      state: the state at the position, on the devices.
      progress: the host's record of the run.
      position: the position before the next step.
      is_resumed: whether the state comes from a checkpoint.
    """

    state: TrainState
    progress: Progress
    position: Position
    is_resumed: bool

    @property
    def kept_step(self) -> int | None:
        """The last step whose rows in `metrics.jsonl` are kept; None for a new run.

        Within an epoch, rows of the resumed step exist only if `max_minutes` ended the run there.
        They are dropped, because the epoch writes its rows again at its end.
        """
        return self.position.step - (self.position.row > 0) if self.is_resumed else None


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
      UserError: a checkpoint is of another run, no checkpoint can be read, or `metrics.jsonl` does
        not belong to the checkpoint.
    """
    plan = run.plan
    restored = checkpoints.restore_latest(run.state, warn)
    if restored is None:
        progress = Progress(global_batch_size=plan.global_batch_size)
        progress.run = run_files.read_identity(workdir).id
        return Start(run.state, progress, progress.position(0, plan.steps_per_epoch), False)
    state, progress = with_hyperparams_of(run.state, restored[0]), Progress(**restored[1])
    if plan.config.schedule.name != "plateau":
        progress.plateau = {}
    steps = plan.steps_per_epoch
    if not plan.config.steps_per_epoch:  # with it, the batch size cannot change
        steps = steps_per_epoch(plan.num_examples, progress.global_batch_size)
    position = progress.position(int(state.step), steps)
    if group.is_main():
        digest = progress.metrics_digest
        metrics_log.check_metrics(workdir, position.step, digest, position.epoch)
    progress.run = run_files.read_identity(workdir).id
    before, now = progress.global_batch_size, plan.global_batch_size
    if before != now:
        position, repeated = position.with_batch_size(before, now, plan.steps_per_epoch)
        progress.anchor_epoch, progress.anchor_step = position.anchor_epoch, position.anchor_step
        progress.global_batch_size = now
        warn(batch_size_changed(before, now, repeated))
    progress.resumed.append(position.epochs)
    return Start(state, progress, position, True)
