"""Code, versions, machine, devices and settings of a run, for `environment.json`."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import jaxcnn
from jaxcnn.process.devices import are_exact, device_name
from jaxcnn.process.numerics import numeric_settings

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
_CODE = ("jaxcnn", "configs")  # the folders of a checkout that decide a run's numbers
_GIT_SECONDS = 10
_OF_TRAINING = ("code", "python", "versions", "machine", "devices")


def environment(devices: list[Any]) -> dict[str, Any]:
    """Return the code, versions, machine, devices, settings and command of this process."""
    return {
        "code": code_version(Path(jaxcnn.__file__).parents[1]),
        "python": platform.python_version(),
        "versions": package_versions(),
        "machine": platform.platform(),
        "devices": [device_name(device) for device in devices],
        "exact": are_exact(devices),
        "settings": numeric_settings(),
        "command": sys.argv,
    }


def continued(
    earlier: dict[str, Any], now: dict[str, Any], step: int, *, trains: bool
) -> dict[str, Any]:
    """Return the record of a run that goes on, from its earlier record and the one of this start.

    It names the code, versions, machine and devices of the last training; a start that only tests
    or reports changes none of them. Those of earlier parts, if they were others, are in "starts".

    Args:
      earlier: the content of `environment.json`; empty for a new run.
      now: `environment` of this process.
      step: finished training steps.
      trains: whether a step is left to train.
    """
    starts = list(earlier.get("starts", []))
    kept = [start for start in starts if start["until_step"] < step]
    # that trained up to this step: what later parts trained, if anything, is lost
    part = next(iter(starts[len(kept) :]), earlier)
    before = {name: part[name] for name in _OF_TRAINING if name in part}
    if not trains:
        now = now | before
    elif step and before != {name: now[name] for name in before}:
        kept.append({"until_step": step} | before)
    return now | ({"starts": kept} if kept else {})


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that affect a run's numbers."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions | {"jaxcnn": jaxcnn.__version__}


def code_version(root: Path) -> dict[str, Any]:
    """Return jaxcnn's version, and in a git checkout the commit and whether it was modified.

    Args:
      root: the folder that holds the package.
    """
    code: dict[str, Any] = {"version": jaxcnn.__version__}
    if not (root / ".git").exists():  # git would look for a repository around it
        return code
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", *_CODE)
    if commit is None or changes is None:
        return code
    return code | {"commit": commit, "modified": bool(changes)}


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints, or None if it is missing, fails or takes too long."""
    # a hook of another repository sets GIT_DIR
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            env=environ | {"GIT_OPTIONAL_LOCKS": "0"},  # the checkout may be another user's
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
