"""Damaged checkpoints: recognized, renamed or moved out of the way, and described in short."""

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.process import group
from jaxcnn.text import one_line
from jaxcnn.workdir import run_files


def rename_damaged_extras(folder: Path, rank: Callable[[dict[str, float]], Any]) -> list[Path]:
    """Rename damaged files that a checkpoint can do without; return their former paths.

    These are its validation scores and Orbax's metadata. Orbax reads them for all checkpoints
    before it reads any state, and fails where one is damaged. A checkpoint without its scores is no
    longer kept as one of the best.

    Args:
      folder: the folder `checkpoints` of a run.
      rank: computes a checkpoint's rank from its scores.
    """
    damaged = []
    for name, check in (("metrics/metrics", rank), ("_CHECKPOINT_METADATA", dict.keys)):
        for path in folder.glob(f"[0-9]*/{name}"):
            try:
                check(read_json(path))
            except (UserError, ValueError, LookupError, TypeError):
                with contextlib.suppress(OSError):  # another process has renamed it
                    path.rename(path.with_name(f"{path.name}.damaged"))
                damaged.append(path)
    return damaged


def set_aside(folder: Path, step: int) -> Path:
    """Move a damaged checkpoint away, so that a new one can be written; return its new path.

    All processes of a group call this; process 0 moves the files.
    """
    moved = folder.with_name("damaged_checkpoints") / f"{step}-{time.time_ns()}"
    if group.is_main():
        moved.parent.mkdir(exist_ok=True)
        (folder / str(step)).rename(moved)
    group.wait_for_all(f"moved {step}")
    return moved


def refuse_other_runs(workdir: Path, steps: Iterable[int]) -> None:
    """Check that no checkpoint is of another run; a damaged one passes.

    Raises:
      OtherRun: a checkpoint is of another run.
    """
    for step in steps:
        try:
            run_files.read_progress(workdir, step)
        except run_files.OtherRun:
            raise
        except UserError:  # damaged: skipped, or reported when it is read
            continue


def reason_of(error: Exception, folder: Path) -> str:
    """Return the start of an error's text, in one line, with paths relative to `folder`."""
    return one_line(error).replace(f"{folder}/", "")[:100]


def system_reason_of(error: Exception) -> str:
    """Return the last part of an error's text: the system's message for a write that failed."""
    return one_line(error).rsplit(": ", 1)[-1]
