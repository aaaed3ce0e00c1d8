"""Checkpoints, through Orbax: the newest and the best are kept, a damaged one is passed over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as policy


class Checkpoints:
    """The checkpoints of a workdir.

    A checkpoint is the training state and `progress`, a JSON dict of what the host knows: best
    so far, early-stopping count, elapsed time.
    """

    def __init__(self, workdir: Path, *, keep_latest: int = 1, keep_best: int = 1):
        # max_to_keep with best_fn would delete the newest checkpoint where it isn't a best one
        preserved = [
            policy.LatestN(keep_latest),
            policy.BestN(
                get_metric_fn=_rank,
                n=keep_best,
                keep_checkpoints_without_metrics=False,
            ),
        ]
        self._manager = ocp.CheckpointManager(
            (Path(workdir) / "checkpoints").absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy.AnyPreservationPolicy(preserved),
                best_fn=_rank,
                best_mode="max",
                cleanup_tmp_directories=True,
            ),
        )

    def save(
        self, state: Any, progress: dict[str, Any], validation: dict[str, float] | None
    ) -> None:
        """Starts to write a checkpoint; it is written in the background, atomically.

        `validation` holds `loss` and `accuracy`, by which the best one is kept; None in mid-epoch.
        """
        self._manager.save(
            int(state.step),
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state), progress=ocp.args.JsonSave(progress)
            ),
            metrics=validation,
            force=True,
        )

    def restore_latest(
        self, like: Any, warn: Callable[[str], None]
    ) -> tuple[Any, dict[str, Any]] | None:
        """The newest sound checkpoint's (state, progress), or None where there is none.

        Args:
          like: a state of the same structure, on the devices where it shall be.
          warn: is told of each damaged checkpoint.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                return self.restore(step, like)
            except Exception as error:  # whatever damage does to a file, the next one may be sound
                reason = " ".join(str(error).split())[:100]
                warn(f"checkpoint {step} cannot be read ({reason}); trying the one before")
        return None

    def restore(self, step: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """The (state, progress) of the checkpoint at a step, placed as `like`."""
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), like
        )
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(abstract), progress=ocp.args.JsonRestore()
            ),
        )
        return restored["state"], restored["progress"]

    def latest_step(self) -> int | None:
        """The step of the newest checkpoint on disk."""
        return self._manager.latest_step()

    def wait(self) -> None:
        """Waits until what is being written is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits, and frees what Orbax holds."""
        self._manager.close()


def _rank(validation: dict[str, float]) -> tuple[float, float]:
    """More accuracy is better, then less loss."""
    return validation["accuracy"], -validation["loss"]
