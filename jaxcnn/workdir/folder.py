"""The folder of a run: what is in it belongs to one run, and says which."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
from ml_collections import ConfigDict

from jaxcnn.config.fields import HARMLESS, older_rules, to_dict
from jaxcnn.errors import UserError
from jaxcnn.files.locks import FolderLock
from jaxcnn.files.paths import check_for_checkpoints
from jaxcnn.files.writing import write_json
from jaxcnn.process import group
from jaxcnn.process.numerics import numeric_settings, refuse_other_settings
from jaxcnn.workdir import run_files
from jaxcnn.workdir.changes import changes_of_config, refuse_changes_after_the_end
from jaxcnn.workdir.endings import end_of
from jaxcnn.workdir.environment import environment


@contextlib.contextmanager
def open_workdir(
    workdir: Path, config: ConfigDict
) -> Iterator[tuple[list[str], Callable[[], None]]]:
    """Makes the folder, or takes up the run that is in it; it is this process's while entered.

    Gives a line for each field that differs from what the run had before, and a function that
    raises UserError where the folder is no longer this process's, as somebody deleted or replaced
    it. A new run's config is written; an older one's is left, see `write_config`. Process 0 does so
    for its group.

    Raises:
      UserError: the folder cannot be written, holds something else, holds another run, or another
        process is at work in it.
    """
    check_for_checkpoints(workdir)
    if not group.is_main():
        group.wait_for_all("the folder is open")
        yield [], lambda: None
        return
    is_new = not (workdir / "config.json").exists()
    lock = FolderLock(workdir)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        if is_new and any(not file.name.startswith(".") for file in workdir.iterdir()):
            raise UserError(f"{workdir}: holds files but no run; name another --workdir")
        run_files.refuse_links(workdir)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise UserError(f"{workdir}: another process is training in it") from error
    except OSError as error:
        raise UserError(f"{workdir}: {error.strerror}; name another --workdir") from error
    try:
        changes = [] if is_new else changes_of_config(workdir, to_dict(config))
        check_run_files(workdir)
        refuse_other_settings(_recorded(workdir).get("settings"), numeric_settings(), workdir)
        refuse_changes_after_the_end(workdir, config, changes)
        _give_identity(workdir, config)
        group.wait_for_all("the folder is open")
        yield changes, lock.check
    finally:
        lock.release()


def check_run_files(workdir: Path) -> None:
    """Check that a run that is in the folder can be read, and is one run.

    Raises:
      UserError: a file is damaged or of another run, or leads out of the folder.
    """
    if (workdir / "config.json").exists():
        run_files.refuse_links(workdir)
        run_files.check_parts(workdir)


def _give_identity(workdir: Path, config: ConfigDict) -> None:
    """Write a new run's `config.json`, and give a run of older code an identity in its own."""
    path = workdir / "config.json"
    if not path.exists():
        identity = run_files.new_identity()
        write_json(path, run_files.with_identity(to_dict(config), identity))
    elif not run_files.read_identity(workdir).id:
        before = run_files.read_part(workdir, "config.json")
        identity = run_files.new_identity(had_none=True)
        write_json(path, run_files.with_identity(before, identity))


def write_config(
    workdir: Path,
    config: ConfigDict,
    dataset: dict[str, Any],
    devices: list[Any],
    changes: Sequence[str] = (),
    step: int = 0,
) -> None:
    """Writes `config.json`, `dataset.json` (what a user of the trained network must know of its
    data) and `environment.json`, once it is certain that the run goes on.

    Args:
      changes: what is set otherwise from `step` on, as `open_workdir` gives it; what matters to the
        numbers is kept in `environment.json`, for those who read the run's result.
    """
    changed = [change for change in changes if not change.startswith(HARMLESS)]
    before = _recorded(workdir) if step else {}
    known = list(before.get("changes", []))
    if step and changed:
        known.append({"step": step, "fields": changed})
    identity = run_files.read_identity(workdir)
    named = {"run": identity.id}
    plain = _without_older_rules(workdir, config)
    write_json(workdir / "config.json", run_files.with_identity(plain, identity))
    write_json(workdir / "dataset.json", dataset | named)
    about_the_past = {"changes": known, "ended": _ends(workdir, before)}
    now = environment(devices) | about_the_past | named
    now["exact"] = now["exact"] and before.get("exact", True)
    write_json(workdir / "environment.json", now)


def _without_older_rules(workdir: Path, config: ConfigDict) -> dict[str, Any]:
    """The config without the fields that the run's own has not: it keeps the older rules."""
    plain = to_dict(config)
    for name in older_rules(run_files.read_part(workdir, "config.json")):
        *parts, leaf = name.split(".")
        section = functools.reduce(dict.__getitem__, parts, plain)
        del section[leaf]
    return plain


def _ends(workdir: Path, before: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The ends that the run has come to and gone on from, each with a score of the test set; None
    where older code may have left out one."""
    if before.get("ended") is None and before.get("changes"):
        return None
    ends = before.get("ended") or []
    result = run_files.read_part_if_there(workdir, "result.json", ["num_epochs"])
    end = end_of(result) if before and result else None
    return ends if end is None or end in ends else [*ends, end]


def _recorded(workdir: Path) -> dict[str, Any]:
    """What the run has written of its environment, if anything."""
    return run_files.read_part_if_there(workdir, "environment.json") or {}
