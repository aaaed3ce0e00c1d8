"""Whether a run begins, or goes on from a checkpoint; one that was there is not forgotten."""

from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.workdir.metrics_log import read_metrics
from jaxcnn.workdir.run_files import checkpoint_steps, read_part_if_there


def is_new(workdir: Path, ended: dict[str, Any] | None) -> bool:
    """Return whether a run starts at its first step: the folder has no checkpoint.

    Args:
      workdir: the run's folder.
      ended: the content of `result.json`; None before the run has ended.

    Raises:
      UserError: the run has ended, or has trained beyond its first checkpoint, and its checkpoints
        were deleted.
    """
    if checkpoint_steps(workdir):
        return False
    if ended:
        raise UserError(
            f"{workdir}: the run has ended and its checkpoints are gone, so it cannot go on; name "
            "another --workdir"
        )
    epochs = _epochs_done(workdir)
    if epochs > _most_without_checkpoint(workdir):
        raise UserError(
            f"{workdir}: its checkpoints are gone, and it has trained {epochs} epochs; bring them "
            "back, or name another --workdir"
        )
    return True


def _epochs_done(workdir: Path) -> int:
    has_rows = (workdir / "metrics.jsonl").exists()
    return max((row["epoch"] for row in read_metrics(workdir)), default=0) if has_rows else 0


def _most_without_checkpoint(workdir: Path) -> int:
    """Return the most epochs that a killed run can have trained before it had a checkpoint.

    A checkpoint is on disk before the next one is begun.
    """
    config = read_part_if_there(workdir, "config.json") or {}
    return 2 * config.get("checkpoint", {}).get("every_epochs", 1)
