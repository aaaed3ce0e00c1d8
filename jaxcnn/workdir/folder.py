"""The folder of a run: it is opened and locked, and its describing JSON files are written."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten, nest, older_rules, to_dict
from jaxcnn.errors import UserError
from jaxcnn.files.locks import FolderLock
from jaxcnn.files.paths import check_for_checkpoints
from jaxcnn.files.writing import write_json
from jaxcnn.process import group
from jaxcnn.process.numerics import numeric_settings, refuse_other_settings
from jaxcnn.workdir import run_files
from jaxcnn.workdir.changes import Change, find_changes, refuse_changes_after_the_end
from jaxcnn.workdir.endings import identify_end, is_same_end
from jaxcnn.workdir.environment import continued, environment
from jaxcnn.workdir.full_paths import config_in_full, full_name, with_full_paths
from jaxcnn.workdir.phases import Begun
from jaxcnn.workdir.run_parts import changed_parts, describe_parts


@contextlib.contextmanager
def open_workdir(
    workdir: Path, config: ConfigDict
) -> Iterator[tuple[list[Change], Callable[[], None]]]:
    """Make the folder of a new run, or open that of a resumed run; lock it within the block.

    The config of a new run is written. That of a resumed run stays unchanged until `write_config`.
    In a group of processes, process 0 does this and the others wait.

    Yields:
      The changes of a resumed run's config, and a function that raises `UserError` if the folder
      was deleted or replaced.

    Raises:
      UserError: the folder cannot be written, holds other files or another run, or another process
        is training in it.
    """
    check_for_checkpoints(workdir)
    if not group.is_main():
        group.wait_for_all("the folder is open")
        yield [], lambda: None
        return
    is_new = not (workdir / "config.json").exists()

    def check_content() -> None:
        if is_new and any(not file.name.startswith(".") for file in workdir.iterdir()):
            raise UserError(f"{workdir}: holds files but no run; name another --workdir")
        run_files.refuse_links(workdir)

    lock = lock_folder(workdir, check_content)
    try:
        changes = [] if is_new else check_run(workdir, config)
        _give_identity(workdir, config)
        group.wait_for_all("the folder is open")
        yield changes, lock.check
    finally:
        lock.release()


def lock_folder(workdir: Path, check_content: Callable[[], None]) -> FolderLock:
    """Make a folder if it is missing, check what is in it, and lock it.

    Args:
      workdir: the folder.
      check_content: raises `UserError` if the folder holds something else; nothing is written
        before.

    Raises:
      UserError: the folder holds something else, cannot be written, or another process trains in
        it.
    """
    lock = FolderLock(workdir)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        check_content()
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        name = lock.left_by()
        who = f", {name}; if that one is gone, delete {workdir / '.lock'}" if name else ""
        raise UserError(f"{workdir}: another process is training in it{who}") from error
    except NotImplementedError as error:  # by older versions of filelock
        raise UserError(
            f"{workdir}: its file system cannot lock files; name another --workdir"
        ) from error
    except OSError as error:
        raise UserError(f"{workdir}: {error.strerror}; name another --workdir") from error
    return lock


def check_run(workdir: Path, config: ConfigDict) -> list[Change]:
    """Return the changes of a run's config, after all checks of the run that is in the folder.

    Raises:
      UserError: a file is damaged or of another run, or the config or a setting of JAX, XLA or
        jaxcnn is another run's.
    """
    changes = find_changes(workdir, config)
    check_run_files(workdir)
    refuse_other_settings(_read_environment(workdir).get("settings"), numeric_settings(), workdir)
    refuse_changes_after_the_end(workdir, config, changes)
    return changes


def check_run_files(workdir: Path) -> None:
    """Check that the files of a run, if the folder holds one, are readable and of the same run.

    Raises:
      UserError: a file is damaged, is of another run, or is a link out of the folder.
    """
    if (workdir / "config.json").exists():
        run_files.refuse_links(workdir)
        run_files.check_parts(workdir)


def _give_identity(workdir: Path, config: ConfigDict) -> None:
    """Write a new run's `config.json`; add an identity to an older run's, which has none."""
    path = workdir / "config.json"
    if not path.exists():
        identity = run_files.new_identity()
        write_json(path, run_files.with_identity(config_in_full(config), identity))
    elif not run_files.read_identity(workdir).id:
        before = run_files.read_part(workdir, "config.json")
        identity = run_files.new_identity(had_none=True)
        write_json(path, run_files.with_identity(before, identity))


def write_config(
    workdir: Path,
    config: ConfigDict,
    dataset: dict[str, Any],
    devices: list[Any],
    changes: Sequence[Change] = (),
    step: int = 0,
    phases: Begun = (),
    *,
    trains: bool = True,
) -> None:
    """Write `config.json`, `dataset.json` and `environment.json` when a run starts or continues.

    Args:
      workdir: the run's folder.
      config: the config from `step` on.
      dataset: the facts of the run's data that a user of the trained network needs.
      devices: the devices of the run.
      changes: the changes of the config at `step`. `environment.json` lists those that change
        numbers.
      step: finished training steps.
      phases: the phases that have begun.
      trains: whether a step is left to train; else the run is only tested or reported.
    """
    changed = [str(change) for change in changes if change.changes_numbers]
    changed += [
        f"{part.kind} {part.name!r}: its file {part.file or 'in a notebook'} has changed"
        for _, part in changed_parts(workdir)
    ]
    earlier = _read_environment(workdir) if step else {}
    all_changes = list(earlier.get("changes", []))
    change = {"step": step, "fields": changed}
    if step and changed and all_changes[-1:] != [change]:  # the last one: see below
        all_changes.append(change)
    identity = run_files.read_identity(workdir)
    owner = {"run": identity.id}
    plain = _without_older_rules(workdir, config)
    history = {"changes": all_changes, "ended": _ends(workdir, earlier)}
    now = continued(earlier, environment(devices), step, trains=trains) | history | owner
    if len(phases) > 1:
        now["phases"] = list(phases)
    if parts := describe_parts(config):
        now["parts"] = parts
    now["exact"] = now["exact"] and earlier.get("exact", True)
    # the config comes last: if a kill leaves the old one, the next start finds the change again. If
    # that start takes the change back, the list keeps it, though no step was trained with it
    write_json(workdir / "environment.json", now)
    write_json(workdir / "dataset.json", dataset | owner | {"name": full_name(dataset["name"])})
    write_json(workdir / "config.json", run_files.with_identity(plain, identity))


def _without_older_rules(workdir: Path, config: ConfigDict) -> dict[str, Any]:
    """Return the config without the fields that an older run lacks, so that its rules stay.

    Its paths are written in full.
    """
    older = older_rules(run_files.read_part(workdir, "config.json"))
    leaves = with_full_paths(flatten(to_dict(config)))
    return nest({name: value for name, value in leaves.items() if name not in older})


def _ends(workdir: Path, environment: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the run's ends so far, each with its test.

    None if the list may be incomplete: an older run was changed, and older code kept no list.
    """
    if environment.get("ended") is None and environment.get("changes"):
        return None
    ends = environment.get("ended") or []
    result = run_files.read_part_if_there(workdir, "result.json", ["num_epochs"])
    if not (environment and result) or any(is_same_end(end, result) for end in ends):
        return ends
    return [*ends, identify_end(result)]


def _read_environment(workdir: Path) -> dict[str, Any]:
    """Return the content of `environment.json`, empty if there is no file."""
    return run_files.read_part_if_there(workdir, "environment.json") or {}
