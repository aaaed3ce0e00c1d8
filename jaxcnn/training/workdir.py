"""The folder of a run: what is in it belongs to one run, and says which."""

import contextlib
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
from ml_collections import ConfigDict

from jaxcnn import distributed
from jaxcnn.config import flatten, older_defaults
from jaxcnn.errors import UserError
from jaxcnn.reporting.protocol import end_of
from jaxcnn.reporting.published import HARMLESS
from jaxcnn.reporting.writers import read_json, write_json

# A run may be resumed with more epochs or another rate, but with these it is another run.
_IDENTITY = (
    "model.", "dataset.name", "dataset.label_set", "dataset.image_size", "dataset.scaling",
    "validation", "init_from", "seed", "optimizer.name", "optimizer.ema_decay",
)  # fmt: skip
# Other images under the same name are other data, too.
_DATA_IDENTITY = ("class_names", "image_shape", "num_examples", "pixel_mean", "pixel_std")
# What may be set otherwise when a run has ended, and its test is repeated.
_AFTER_THE_END = (*HARMLESS, "test_with", "early_stopping.")
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "jaxcnn")


def to_dict(config: ConfigDict) -> dict[str, Any]:
    """A config as nested dicts with lists for tuples, as JSON holds it."""
    plain = {}
    for name, value in config.items():
        nested = to_dict(value) if isinstance(value, ConfigDict) else value
        plain[name] = list(nested) if isinstance(nested, tuple) else nested
    return plain


@contextlib.contextmanager
def open_workdir(workdir: Path, config: ConfigDict) -> Iterator[list[str]]:
    """Makes the folder, or takes up the run that is in it; it is this process's while entered.

    Gives a line for each field that differs from what the run had before. A new run's config is
    written; an older one's is left, see `write_config`. Process 0 does so for its group.

    Raises:
      UserError: the folder cannot be written, holds something else, holds another run, or another
        process is at work in it.
    """
    if "[" in str(workdir.absolute()):  # Orbax looks for its files by patterns, and finds none
        raise UserError(f"{workdir}: no [ may be in the folder's path; name another --workdir")
    if not distributed.is_main():
        distributed.wait_for_all("the folder is open")
        yield []
        return
    path = workdir / "config.json"
    lock = filelock.FileLock(workdir / ".lock")
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        if not path.exists() and any(not file.name.startswith(".") for file in workdir.iterdir()):
            raise UserError(f"{workdir}: holds files but no run; name another --workdir")
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise UserError(f"{workdir}: another process is training in it") from error
    except OSError as error:
        raise UserError(f"{workdir}: {error.strerror}; name another --workdir") from error
    try:
        changes = _changes(workdir, read_json(path), to_dict(config)) if path.exists() else []
        _refuse_after_the_end(workdir, config, changes)
        if not path.exists():
            write_json(path, to_dict(config))
        distributed.wait_for_all("the folder is open")
        yield changes
    finally:
        lock.release()


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
    before = _environment_before(workdir) if step else {}
    known = list(before.get("changes", []))
    if step and changed:
        known.append({"step": step, "fields": changed})
    write_json(workdir / "config.json", to_dict(config))
    write_json(workdir / "dataset.json", dataset)
    about_the_past = {"changes": known, "ended": _ends(workdir, before)}
    write_json(workdir / "environment.json", environment(devices) | about_the_past)


def _environment_before(workdir: Path) -> dict[str, Any]:
    path = workdir / "environment.json"
    return read_json(path) if path.exists() else {}


def _ends(workdir: Path, before: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The ends that the run has come to and gone on from, each with a score of the test set; None
    where older code may have left out one."""
    if before.get("ended") is None and before.get("changes"):
        return None
    ends, path = before.get("ended") or [], workdir / "result.json"
    end = end_of(read_json(path)) if before and path.exists() else None
    return ends if end is None or end in ends else [*ends, end]


def _changes(workdir: Path, before: Any, now: dict) -> list[str]:
    if not isinstance(before, dict):
        raise UserError(f"{workdir}/config.json: is not a run's; name another --workdir")
    missing = flatten(to_dict(older_defaults()))
    before, now = {n: v for n, v in missing.items() if n in now} | flatten(before), flatten(now)
    changed = [name for name in now if before.get(name) != now[name]]
    for name in changed:
        if name.startswith(_IDENTITY):
            raise UserError(
                f"{workdir}: holds another run: its {name} is {before.get(name)!r}, this one's is "
                f"{now[name]!r}; name another --workdir"
            )
    return [f"{name}: {before.get(name)!r} before, now {now[name]!r}" for name in changed]


def _refuse_after_the_end(workdir: Path, config: ConfigDict, changes: list[str]) -> None:
    """Sees to it that a run that has ended, and does not go on, keeps the recipe it ended with."""
    path = workdir / "result.json"
    if not path.exists():
        return
    num_epochs = read_json(path)["num_epochs"]
    goes_on = any(change.startswith(("num_epochs", "early_stopping.")) for change in changes)
    if goes_on and config.num_epochs > num_epochs:
        return
    for change in changes:
        if not change.startswith(_AFTER_THE_END):
            raise UserError(
                f"{workdir}: the run has ended, after {num_epochs} epochs, and does not go on with "
                f"{change}; give more config.num_epochs, or name another --workdir"
            )


def refuse_other_data(workdir: Path, now: dict[str, Any]) -> None:
    """Sees to it that the data are those that the folder's `dataset.json`, if any, tells of.

    Raises:
      UserError: the classes, the size of the images or the numbers of examples are others.
    """
    path = workdir / "dataset.json"
    before = read_json(path) if path.exists() else {}
    if not isinstance(before, dict):
        raise UserError(f"{path}: is not a run's; name another --workdir")
    for name in _DATA_IDENTITY:
        known = before.get(name)
        if known is not None and name in now and known != now[name]:
            raise UserError(
                f"{workdir}: was trained on other data: their {name}, {_short(known)} before, now "
                f"are {_short(now[name])}; name another --workdir, or bring the data back"
            )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def environment(devices: list[Any]) -> dict[str, Any]:
    """Versions, machine and devices, for `environment.json`."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "python": platform.python_version(),
        "versions": versions,
        "machine": platform.platform(),
        "devices": [_device_name(device) for device in devices],
        "command": sys.argv,
    }


def _device_name(device: Any) -> str:
    """Such as `NVIDIA H100 80GB HBM3`, or the processor's name for a simulated host device."""
    if device.platform == "cpu":
        with contextlib.suppress(OSError, StopIteration):  # other systems than Linux lack the file
            lines = Path("/proc/cpuinfo").read_text().splitlines()
            line = next(line for line in lines if line.startswith("model name"))
            return line.partition(":")[2].strip()
    return device.device_kind
