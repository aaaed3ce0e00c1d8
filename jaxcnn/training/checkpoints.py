"""Checkpoints, through Orbax: the newest and the best are kept, a damaged one is passed over."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

from jaxcnn.errors import UserError


class Checkpoints:
    """The checkpoints of a workdir.

    A checkpoint is the training state and `progress`, a JSON dict of what the host knows: best
    so far, early-stopping count, elapsed time. `read_only` is for those who look at a run that
    may be going on.
    """

    def __init__(
        self, workdir: Path, *, keep_latest: int = 1, keep_best: int = 1, read_only: bool = False
    ):
        # max_to_keep with best_fn would delete the newest checkpoint where it isn't a best one
        preserved = [
            policy.LatestN(keep_latest),
            policy.BestN(
                get_metric_fn=_rank,
                n=keep_best,
                keep_checkpoints_without_metrics=False,
            ),
        ]
        self._folder = (Path(workdir) / "checkpoints").absolute()
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy.AnyPreservationPolicy(preserved),
                best_fn=_rank,
                best_mode="max",
                cleanup_tmp_directories=not read_only,
                create=not read_only,
                read_only=read_only,
            ),
        )

    def save(
        self, state: Any, progress: dict[str, Any], validation: dict[str, float] | None
    ) -> None:
        """Starts to write a checkpoint; it is written in the background, atomically.

        `validation` holds `loss` and `accuracy`, by which the best one is kept; None in mid-epoch.

        Raises:
          UserError: this one, or the one before, cannot be written; so does `wait`.
        """
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state), progress=ocp.args.JsonSave(progress)
        )
        with self._writing():
            self._manager.save(int(state.step), args=args, metrics=validation, force=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Orbax and TensorStore have errors of their own
            reason = " ".join(str(error).split()).rsplit(": ", 1)[-1]  # the system's own words
            raise UserError(
                f"{self._folder}: a checkpoint cannot be written ({reason}); "
                f"the newest is {self._newest_on_disk()}, where the same command will resume"
            ) from error

    def _newest_on_disk(self) -> str:
        steps = [int(path.name) for path in self._folder.iterdir() if path.name.isdigit()]
        return f"of step {max(steps)}" if steps else "none"

    def restore_latest(
        self, like: Any, warn: Callable[[str], None]
    ) -> tuple[Any, dict[str, Any]] | None:
        """The newest sound checkpoint's (state, progress), or None where there is none.

        Args:
          like: a state of the same structure, on the devices where it shall be.
          warn: is told of each damaged checkpoint, which is set aside.

        Raises:
          UserError: there are checkpoints, and none of them can be read into such a state.
        """
        damaged: dict[int, str] = {}
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                restored = self.restore(step, like)
            except Exception as error:  # damage can raise anything; the one before may be sound
                damaged[step] = " ".join(str(error).split())[:100]
                continue
            for bad_step, reason in damaged.items():
                moved = self._set_aside(bad_step)
                warn(f"checkpoint {bad_step} cannot be read and was moved to {moved} ({reason})")
            return restored
        if damaged:
            step, reason = next(iter(damaged.items()))
            raise UserError(
                f"{self._folder}: no checkpoint fits or can be read (step {step}: {reason}); "
                "name another --workdir"
            )
        return None

    def _set_aside(self, step: int) -> Path:
        """Moves a checkpoint out of the way of the one that will be written in its place."""
        moved = self._folder.with_name("damaged_checkpoints") / f"{step}-{time.time_ns()}"
        moved.parent.mkdir(exist_ok=True)
        (self._folder / str(step)).rename(moved)
        self._manager.reload()
        return moved

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

    def restore_weights(self, step: int, like: dict[str, Any]) -> dict[str, Any]:
        """Parts of the state of the checkpoint at a step, whatever the optimizer was.

        Args:
          like: `params`, `batch_stats` and the like, with the shapes and places they shall have.
        """
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.PyTreeRestore(
                    item=like,
                    restore_args=ocp.checkpoint_utils.construct_restore_args(like),
                    partial_restore=True,
                )
            ),
        )
        return restored["state"]

    def restore_progress(self, step: int) -> dict[str, Any]:
        """The progress of the checkpoint at a step."""
        args = ocp.args.Composite(progress=ocp.args.JsonRestore())
        return self._manager.restore(step, args=args)["progress"]

    def has(self, step: int) -> bool:
        """Whether there is a checkpoint of the step on disk."""
        return step in self._manager.all_steps()

    def latest_step(self) -> int | None:
        """The step of the newest checkpoint on disk."""
        return self._manager.latest_step()

    def wait(self) -> None:
        """Waits until what is being written is on disk."""
        with self._writing():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Frees what Orbax holds. It comes after `wait`, or after an error, which it must not hide:
        what cannot be written any more is let go."""
        with contextlib.suppress(Exception):
            self._manager.close()


def _rank(validation: dict[str, float]) -> tuple[float, float]:
    """More accuracy is better, then less loss."""
    return validation["accuracy"], -validation["loss"]
