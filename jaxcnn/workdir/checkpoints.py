"""Checkpoints, through Orbax: the newest and the best are kept, a damaged one is passed over."""

import contextlib
import dataclasses
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
import tensorstore
from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

from jaxcnn.errors import UserError
from jaxcnn.files.owners import allow_unknown_owners
from jaxcnn.files.paths import check_for_checkpoints
from jaxcnn.files.reading import read_json
from jaxcnn.process import group
from jaxcnn.workdir import run_files
from jaxcnn.workdir.digests import check_digests, digests_of
from jaxcnn.workdir.event_loops import quiet_loops
from jaxcnn.workdir.progress import Progress

# Orbax asks for these at every save, to log them; TensorStore (up to 0.1.86) never frees what it
# hands to Python as JSON, here 10 kB and more
tensorstore.experimental_collect_matching_metrics = lambda *args, **kwargs: []
# Orbax takes the wall clock's time for its timeouts: a clock that jumps, as after a suspend, would
# end the writing of a checkpoint
_steady_time = types.SimpleNamespace(**vars(time) | {"time": time.monotonic})
_futures = sys.modules[ocp.future.ChainedFuture.__module__]


for _module in (_futures, getattr(_futures, "signaling_client", None)):
    if hasattr(_module, "time"):
        _module.time = _steady_time


class Checkpoints:
    """The checkpoints of a workdir.

    A checkpoint is the training state and `progress`, a JSON dict of what the host knows: best
    so far, early-stopping count, elapsed time. `read_only` is for those who look at a run that
    may be going on.
    """

    def __init__(
        self, workdir: Path, *, keep_latest: int = 1, keep_best: int = 1, read_only: bool = False
    ):
        allow_unknown_owners()
        check_for_checkpoints(Path(workdir))
        # max_to_keep with best_fn would delete the newest checkpoint where it isn't a best one
        preserved = [
            policy.LatestN(keep_latest),
            policy.BestN(
                get_metric_fn=_rank,
                n=keep_best,
                keep_checkpoints_without_metrics=False,
            ),
        ]
        self._workdir = Path(workdir).absolute()
        self._folder = self._workdir / "checkpoints"
        may_rename = group.is_main() and not read_only
        self._renamed = self._rename_damaged_extras() if may_rename else []
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy.AnyPreservationPolicy(preserved),
            best_fn=_rank,
            best_mode="max",
            cleanup_tmp_directories=not read_only,
            create=not read_only,
            read_only=read_only,
            lightweight_initialize=read_only,  # without the scores, which only rank
            multiprocessing_options=_alone() if read_only else _together(),
        )
        try:
            self._manager = ocp.CheckpointManager(self._folder, options=options)
        except Exception as error:  # damage can raise anything
            group.end_if_lost(error)
            raise UserError(f"{self._folder}: cannot be read ({self.reason(error)})") from error

    def save(
        self, state: Any, progress: dict[str, Any], validation: dict[str, float] | None
    ) -> None:
        """Starts to write a checkpoint; it is written in the background, atomically.

        `validation` holds `loss` and `accuracy`, by which the best one is kept; None in mid-epoch.

        Raises:
          UserError: this one, or the one before, cannot be written; so does `wait`.
        """
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            progress=ocp.args.JsonSave(progress),
            digests=ocp.args.JsonSave(digests_of(_parts(state) | {"progress": progress})),
        )
        with self._writing():
            self._manager.save(int(state.step), args=args, metrics=validation, force=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Orbax and TensorStore have errors of their own
            group.end_if_lost(error)
            reason = " ".join(str(error).split()).rsplit(": ", 1)[-1]  # the system's own words
            raise UserError(
                f"{self._folder}: a checkpoint cannot be written ({reason}); "
                f"{self._newest_on_disk()}"
            ) from error

    def _newest_on_disk(self) -> str:
        steps = [int(path.name) for path in self._folder.iterdir() if path.name.isdigit()]
        if not steps:
            return "there is none yet, so the same command will start anew"
        return f"the newest is of step {max(steps)}, where the same command will resume"

    def restore_latest(
        self, like: Any, warn: Callable[[str], None]
    ) -> tuple[Any, dict[str, Any]] | None:
        """The newest sound checkpoint's (state, progress), or None where there is none.

        None of them may be of another run.

        Args:
          like: a state of the same structure, on the devices where it shall be.
          warn: is told of each damaged checkpoint, which is set aside.

        Raises:
          UserError: there are checkpoints, and none of them can be read into such a state; or one
            is of another run.
        """
        for path in self._renamed:
            warn(f"{path} cannot be read and was renamed; the checkpoint may do without it")
        self._refuse_other_runs()
        damaged: dict[int, str] = {}
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                restored = self.restore(step, like)
            except Exception as error:  # damage can raise anything; the one before may be sound
                group.end_if_lost(error)
                damaged[step] = self.reason(error)
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

    def _refuse_other_runs(self) -> None:
        for step in self._manager.all_steps():
            try:
                run_files.read_progress(self._workdir, step)
            except run_files.OtherRun:
                raise
            except UserError:  # it is passed over, or asked for later
                continue

    def reason(self, error: Exception) -> str:
        """What an error says of a checkpoint, in short."""
        return " ".join(str(error).split()).replace(f"{self._folder}/", "")[:100]

    def _rename_damaged_extras(self) -> list[Path]:
        """Renames what Orbax would fall over before it is asked for a checkpoint, and can do
        without: a checkpoint that has lost its scores is not kept as one of the best."""
        damaged = []
        for name, check in (("metrics/metrics", _rank), ("_CHECKPOINT_METADATA", dict.keys)):
            for path in self._folder.glob(f"[0-9]*/{name}"):
                try:
                    check(read_json(path))
                except (UserError, ValueError, LookupError, TypeError):
                    with contextlib.suppress(OSError):  # another process of the run was faster
                        path.rename(path.with_name(f"{path.name}.damaged"))
                    damaged.append(path)
        return damaged

    def _set_aside(self, step: int) -> Path:
        """Moves a checkpoint out of the way of the one that will be written in its place."""
        moved = self._folder.with_name("damaged_checkpoints") / f"{step}-{time.time_ns()}"
        if group.is_main():
            moved.parent.mkdir(exist_ok=True)
            (self._folder / str(step)).rename(moved)
        group.wait_for_all(f"moved {step}")
        self._manager.reload()
        return moved

    def restore(self, step: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """The (state, progress) of the checkpoint at a step, placed as `like`; it raises anything
        where the checkpoint is damaged, and so do the other `restore_…`."""
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), like
        )
        state = self._read_state(step, ocp.args.StandardRestore(abstract))
        progress = self.restore_progress(step)
        self._check(step, _parts(state))
        return state, progress

    def restore_weights(self, step: int, like: dict[str, Any]) -> dict[str, Any]:
        """Parts of the state of the checkpoint at a step, whatever the optimizer was.

        Args:
          like: `params`, `batch_stats` and the like, with the shapes and places they shall have.
        """
        args = ocp.args.PyTreeRestore(
            item=like,
            restore_args=ocp.checkpoint_utils.construct_restore_args(like),
            partial_restore=True,
        )
        weights = self._read_state(step, args)
        self._check(step, weights)
        return weights

    def _read_state(self, step: int, args: Any) -> Any:
        with quiet_loops():
            return self._manager.restore(step, args=ocp.args.Composite(state=args))["state"]

    def restore_progress(self, step: int) -> dict[str, Any]:
        """The progress of the checkpoint at a step."""
        progress = run_files.read_progress(self._workdir, step)
        unknown = progress.keys() - {field.name for field in dataclasses.fields(Progress)}
        if unknown:
            raise ValueError(f"its progress has a field {min(unknown)!r}, which no run has")
        self._check(step, {"progress": progress})
        return progress

    def _check(self, step: int, parts: dict[str, Any]) -> None:
        """Raises ValueError where these parts of the checkpoint are not what was saved."""
        digests = run_files.read_digests(self._workdir, step)
        if digests is not None:
            check_digests(parts, digests)

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


def _together() -> ocp.options.MultiprocessingOptions:
    """All processes of a group write, and read, a checkpoint together."""
    return ocp.options.MultiprocessingOptions()


def _alone() -> ocp.options.MultiprocessingOptions:
    """A process of a group reads by itself, and the others need not know."""
    own = jax.process_index()
    return ocp.options.MultiprocessingOptions(primary_host=own, active_processes={own})


def _parts(state: Any) -> dict[str, Any]:
    return {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}


def _rank(validation: dict[str, float]) -> tuple[float, float]:
    """More accuracy is better, then less loss."""
    return float(validation["accuracy"]), -float(validation["loss"])
