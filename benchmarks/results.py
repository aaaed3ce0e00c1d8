"""Results of a benchmark: rows of figures, and the JSON file that holds them."""

import contextlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import machine
import numpy as np

from jaxcnn.errors import UserError

PACKAGES = ("jax", "jaxlib", "flax", "torch", "keras", "numpy")


def prefix(name: str) -> str:
    """Return the prefix of a side's figures in a row: nothing for jaxcnn."""
    return "" if name == "jaxcnn" else f"{name}_"


def to_speeds(names: list[str], rounds: np.ndarray) -> dict[str, Any]:
    """Return medians, and the first side's ratios to the others with their range over the rounds.

    Args:
      names: of the sides.
      rounds: images per second (rounds, sides).
    """
    medians = np.median(rounds, axis=0).tolist()
    speeds = {
        f"{prefix(name)}images_per_second": median
        for name, median in zip(names, medians, strict=True)
    }
    for name, median, column in zip(names[1:], medians[1:], rounds.T[1:], strict=True):
        ratios = (rounds[:, 0] / column).tolist()
        speeds[f"ratio_to_{name}"] = medians[0] / median
        speeds[f"ratio_to_{name}_range"] = [min(ratios), max(ratios)]
    return speeds


def to_operations(row: dict[str, Any], factor: int, product_seconds: float) -> dict[str, float]:
    """Return operations a second, those of a matrix product, and the ratio of the two.

    Args:
      row: with `flops_per_image`, `images_per_second` and `product_flops`.
      factor: the task's operations, as a multiple of the forward ones.
      product_seconds: the time of the matrix product.
    """
    speed = 1e-9 * factor * row["flops_per_image"] * row["images_per_second"]
    limit = 1e-9 * row["product_flops"] / product_seconds
    return {
        "gflops_per_second": speed,
        "product_gflops_per_second": limit,
        "share_of_product": speed / limit,
    }


def check_json(path: str) -> None:
    """Check, before the work, that a results file can be written; "" stands for none.

    Raises:
      UserError: its folder does not exist.
    """
    if path and not Path(path).resolve().parent.is_dir():
        raise UserError(f"--json={path}: there is no such folder")


def write_results(path: Path, benchmark: str, rows: list[dict[str, Any]]) -> None:
    """Write rows as JSON, with the machine and the versions of the packages."""
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    about = {"benchmark": benchmark, "device": machine.describe(), "versions": versions}
    path.write_text(json.dumps(about | {"rows": rows}, indent=2) + "\n")
