"""Versions, machine, devices and settings of a run, for `environment.json`."""

import platform
import sys
from importlib import metadata
from typing import Any

from jaxcnn.process.devices import are_exact, device_name
from jaxcnn.process.numerics import numeric_settings

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "jaxcnn")


def environment(devices: list[Any]) -> dict[str, Any]:
    """Return the versions, machine, devices, settings and command of this process."""
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
    """Return the versions of the packages that affect a run's numbers."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
