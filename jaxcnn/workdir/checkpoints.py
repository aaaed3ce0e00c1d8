"""Checkpoints, written and read through Orbax: the newest and the best are kept."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

from jaxcnn.errors import UserError
from jaxcnn.files.paths import check_for_checkpoints
from jaxcnn.process import group
from jaxcnn.workdir import checkpoint_damage as damage
from jaxcnn.workdir import run_files
from jaxcnn.workdir.digests import check_digests, digests_of
from jaxcnn.workdir.orbax_fixes import apply_fixes, quiet_log, quiet_reads
from jaxcnn.workdir.progress import Progress, rank
from jaxcnn.workdir.run_parts import changed_network


class Checkpoints:
    """The checkpoints of a run.

    A checkpoint holds the training state, the fields of `Progress` as JSON, and a checksum of each
    part. Methods that read one raise any kind of exception where it is damaged.

    Args:
      workdir: the run's folder.
      keep_latest: how many of the newest checkpoints are kept.
      keep_best: how many of the best ones, by validation, are kept.
      read_only: nothing is created, renamed or deleted; another process may be training.

    Raises:
      UserError: the folder's path does not suit Orbax, or Orbax cannot read the folder.
    """

    def __init__(
        self, workdir: Path, *, keep_latest: int = 1, keep_best: int = 1, read_only: bool = False
    ):
        apply_fixes()
        check_for_checkpoints(Path(workdir))
        self._workdir = Path(workdir).absolute()
        self._folder = self._workdir / "checkpoints"
        can_rename = group.is_main() and not read_only
        self._renamed = damage.rename_damaged_extras(self._folder, _rank) if can_rename else []
        try:
            with quiet_log():
                options = _options(keep_latest, keep_best, read_only)
                self._manager = ocp.CheckpointManager(self._folder, options=options)
        except Exception as error:  # damage can raise anything
            group.end_if_lost(error)
            raise UserError(f"{self._folder}: cannot be read ({self.reason(error)})") from error

    def save(
        self, state: Any, progress: dict[str, Any], validation: dict[str, float] | None
    ) -> None:
        """Start to write a checkpoint in the background; it appears whole or not at all.

        Args:
          state: the training state, a dataclass with the field `step`.
          progress: the fields of `Progress`.
          validation: `loss` and `accuracy`, which decide what the best checkpoints are; another
            `metric` takes the place of the accuracy. None within an epoch.

        Raises:
          UserError: this checkpoint, or the previous one, cannot be written. `wait` raises it too.
        """
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            progress=ocp.args.JsonSave(progress),
            digests=ocp.args.JsonSave(digests_of(_parts(state) | {"progress": progress})),
        )
        with self._writing(), quiet_log():
            self._manager.save(int(state.step), args=args, metrics=validation, force=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Orbax and TensorStore define their own errors
            group.end_if_lost(error)
            raise UserError(
                f"{self._folder}: a checkpoint cannot be written "
                f"({damage.system_reason_of(error)}); {self._newest_on_disk()}"
            ) from error

    def _newest_on_disk(self) -> str:
        steps = run_files.checkpoint_steps(self._workdir)
        if not steps:
            return "there is none yet, so the same command will start anew"
        return f"the newest is of step {steps[-1]}, where the same command will resume"

    def restore_latest(
        self, like: Any, warn: Callable[[str], None]
    ) -> tuple[Any, dict[str, Any]] | None:
        """Return the newest sound checkpoint's (state, progress); None if there is none at all.

        Newer checkpoints that are damaged are moved to the folder `damaged_checkpoints`.

        Args:
          like: a state of the same structure, on the devices that the state is wanted on.
          warn: called with one line for each damaged file or checkpoint.

        Raises:
          UserError: none of the checkpoints can be read into such a state, or one is of another
            run.
        """
        for path in self._renamed:
            warn(f"{path} cannot be read and was renamed; the checkpoint may do without it")
        damage.refuse_other_runs(self._workdir, self._manager.all_steps())
        reasons: dict[int, str] = {}
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                restored = self.restore(step, like)
            except Exception as error:  # damage can raise anything; an older one may be sound
                group.end_if_lost(error)
                reasons[step] = self.reason(error)
                continue
            self._set_aside(reasons, warn)
            return restored
        if reasons:
            step, reason = next(iter(reasons.items()))
            changed = changed_network(self._workdir)
            raise UserError(
                f"{self._folder}: no checkpoint fits {f'{changed}, ' if changed else ''}or can be "
                f"read (step {step}: {reason}); name another --workdir"
            )
        return None

    def _set_aside(self, reasons: dict[int, str], warn: Callable[[str], None]) -> None:
        for step, reason in reasons.items():
            moved = damage.set_aside(self._folder, step)
            self._manager.reload()
            warn(f"checkpoint {step} cannot be read and was moved to {moved} ({reason})")

    def reason(self, error: Exception) -> str:
        """Return the start of an error's text, with paths relative to the checkpoints' folder."""
        return damage.reason_of(error, self._folder)

    def restore(self, step: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """Return the (state, progress) of the checkpoint at a step, on the devices of `like`."""
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), like
        )
        state = self._read_state(step, ocp.args.StandardRestore(abstract))
        progress = self.restore_progress(step)
        self._check(step, _parts(state))
        return state, progress

    def restore_weights(self, step: int, like: dict[str, Any]) -> dict[str, Any]:
        """Return parts of the state of the checkpoint at a step, for any optimizer.

        Args:
          step: the checkpoint's.
          like: the wanted parts, such as `params` and `batch_stats`: pytrees of
            `jax.ShapeDtypeStruct` with the shapes, dtypes and devices that they get.
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
        with quiet_reads():
            return self._manager.restore(step, args=ocp.args.Composite(state=args))["state"]

    def restore_progress(self, step: int) -> dict[str, Any]:
        """Return the fields of `Progress` in the checkpoint at a step."""
        progress = run_files.read_progress(self._workdir, step)
        unknown = progress.keys() - {field.name for field in dataclasses.fields(Progress)}
        if unknown:
            raise ValueError(f"its progress has an unknown field {min(unknown)!r}")
        self._check(step, {"progress": progress})
        return progress

    def _check(self, step: int, parts: dict[str, Any]) -> None:
        """Raise `ValueError` where a part of the checkpoint differs from the saved one."""
        digests = run_files.read_digests(self._workdir, step)
        if digests is not None:
            check_digests(parts, digests)

    def has(self, step: int) -> bool:
        """Return whether a checkpoint of the step is on disk."""
        return step in self._manager.all_steps()

    def latest_step(self) -> int | None:
        """Return the step of the newest checkpoint on disk, or None if there is none."""
        return self._manager.latest_step()

    def wait(self) -> None:
        """Wait until all checkpoints are on disk.

        Raises:
          UserError: one cannot be written.
        """
        with self._writing():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Free what Orbax holds; call it after `wait`, or after an error.

        Errors of an unfinished write are dropped, so that they don't hide an earlier error.
        """
        with contextlib.suppress(Exception):
            self._manager.close()


def _options(keep_latest: int, keep_best: int, read_only: bool) -> ocp.CheckpointManagerOptions:
    # Orbax's `max_to_keep` with `best_fn` would delete the newest checkpoint if it is not a best.
    preserved = [
        policy.LatestN(keep_latest),
        policy.BestN(get_metric_fn=_rank, n=keep_best, keep_checkpoints_without_metrics=False),
    ]
    return ocp.CheckpointManagerOptions(
        preservation_policy=policy.AnyPreservationPolicy(preserved),
        best_fn=_rank,
        best_mode="max",
        cleanup_tmp_directories=not read_only,
        create=not read_only,
        read_only=read_only,
        lightweight_initialize=read_only,  # skips the scores, which only saving needs
        multiprocessing_options=_processes(read_only),
    )


def _processes(read_only: bool) -> ocp.options.MultiprocessingOptions:
    """Return which processes of a group take part: all of them in training, else this one alone."""
    if not read_only:
        return ocp.options.MultiprocessingOptions()
    index = jax.process_index()
    return ocp.options.MultiprocessingOptions(primary_host=index, active_processes={index})


def _parts(state: Any) -> dict[str, Any]:
    return {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}


def _rank(validation: dict[str, float]) -> tuple[float, float]:
    """Return the rank of a validation: a better metric first, then a lower loss."""
    return rank(validation, "metric" if "metric" in validation else "accuracy")
