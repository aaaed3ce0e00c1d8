"""The folder of a run: what is in it belongs to one run, and says which."""

import contextlib
import functools
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
from ml_collections import ConfigDict

from jaxcnn import distributed
from jaxcnn.config import flatten, older_defaults, older_rules
from jaxcnn.data.datasets import same_dataset
from jaxcnn.devices import are_exact, device_name
from jaxcnn.errors import UserError
from jaxcnn.locks import FolderLock
from jaxcnn.numerics import numeric_settings, refuse_other_settings
from jaxcnn.paths import check_for_checkpoints
from jaxcnn.reporting import run_files
from jaxcnn.reporting.endings import how_on, read_ended, what_stops
from jaxcnn.reporting.protocol import end_of
from jaxcnn.reporting.published import HARMLESS
from jaxcnn.reporting.writers import write_json

# A run may be resumed with more epochs or another rate, but with these it is another run.
_IDENTITY = (
    "model.", "dataset.name", "dataset.label_set", "dataset.split", "dataset.image_size",
    "dataset.fraction", "dataset.scaling", "steps_per_epoch", "validation", "holdout", "init_from",
    "seed", "deterministic", "optimizer.name", "optimizer.ema_decay",
)  # fmt: skip
PICTURES = "pictures.csv"  # of a run on a folder of images: content, path, class, split, use
# What may be set otherwise when a run has ended, and its test is repeated.
_AFTER_THE_END = (*HARMLESS, "dataset.name", "test_with", "early_stopping.", "max_minutes")
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "jaxcnn")


def to_dict(config: ConfigDict) -> dict[str, Any]:
    """A config as nested dicts with lists for tuples, as JSON holds it."""
    plain = {}
    for name, value in config.items():
        nested = to_dict(value) if isinstance(value, ConfigDict) else value
        plain[name] = list(nested) if isinstance(nested, tuple) else nested
    return plain


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
    if not distributed.is_main():
        distributed.wait_for_all("the folder is open")
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
        changes = [] if is_new else _changes(workdir, to_dict(config))
        check_run_files(workdir)
        refuse_other_settings(_recorded(workdir).get("settings"), numeric_settings(), workdir)
        _refuse_after_the_end(workdir, config, changes)
        _give_identity(workdir, config)
        distributed.wait_for_all("the folder is open")
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
        group = functools.reduce(dict.__getitem__, parts, plain)
        del group[leaf]
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


def _changes(workdir: Path, now: dict) -> list[str]:
    before = run_files.read_part(workdir, "config.json")
    for name in ("model", "dataset", "seed"):  # every run's has these: it is another program's
        if name not in before:
            raise UserError(
                f"{workdir}: holds another run: its config.json has no {name}; name another "
                "--workdir"
            )
    now, missing = flatten(now), flatten(to_dict(older_defaults()))
    before = {name: missing[name] for name in now if name in missing} | flatten(before)
    changed = [name for name in now if before.get(name) != now[name]]
    for name in changed:
        # the same pictures may lie elsewhere by now: `load_run_data` has looked for them
        may_be_moved = name == "dataset.name" and (
            same_dataset(before[name], now[name]) or (workdir / PICTURES).exists()
        )
        # an epoch of so many batches has other examples where they have another size
        cuts_otherwise = name == "global_batch_size" and now["steps_per_epoch"]
        if (name.startswith(_IDENTITY) and not may_be_moved) or cuts_otherwise:
            raise UserError(
                f"{workdir}: holds another run: its {name} is {before.get(name)!r}, this one's is "
                f"{now[name]!r}; name another --workdir"
            )
    return [f"{name}: {before.get(name)!r} before, now {now[name]!r}" for name in changed]


def _refuse_after_the_end(workdir: Path, config: ConfigDict, changes: list[str]) -> None:
    """Sees to it that a run that has ended, and does not go on, keeps the recipe it ended with."""
    ended = read_ended(workdir)
    stops = what_stops(ended, config) if ended else []
    for change in changes:
        if stops and not change.startswith(_AFTER_THE_END):
            on = how_on(stops, ended, config)
            raise UserError(
                f"{workdir}: the run has ended, after {ended['num_epochs']} epochs, and does not "
                f"go on with {change}; it goes on with {on}; or name another --workdir"
            )


def environment(devices: list[Any]) -> dict[str, Any]:
    """Versions, machine, devices and JAX's settings, for `environment.json`."""
    return {
        "python": platform.python_version(),
        "versions": package_versions(),
        "machine": platform.platform(),
        "devices": [device_name(device) for device in devices],
        "exact": are_exact(devices),
        "settings": numeric_settings(),
        "command": sys.argv,
    }


def package_versions() -> dict[str, str]:
    """The versions of the packages that make a run's numbers."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
