"""The start-up time of commands: `python benchmarks/start_up.py`.

It measures the seconds from the command to its first training step (seen by the checkpoint after
it), with an empty and with a warm compile cache; the seconds to build and initialize large
networks; and the seconds of imports before each command reads its arguments, with the large
packages among them. The data are scikit-learn's digits and a folder of noise with CIFAR's image
size.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from absl import flags
from recipes import FOLDER, random_examples
from rich.console import Console
from rich.table import Table

import results
from jaxcnn.errors import UserError
from jaxcnn.process import host
from jaxcnn.process.command import run

_QUICK = flags.DEFINE_bool("quick", False, "Only the quickstart and the imports.")
_JSON = flags.DEFINE_string("json", "", "File to write the results to, as JSON.")

NETWORKS = ("googlenet", "resnet50")
COMMANDS = (
    "main", "sweep", "evaluate", "predict", "compare", "prepare", "summary", "export", "find_lr",
)  # fmt: skip
LARGE = (
    "jax", "flax", "optax", "orbax", "tensorstore", "tensorflow_datasets", "matplotlib", "sklearn",
    "scipy", "PIL",
)  # fmt: skip
WARM_RUNS = 2  # the shorter one counts
IMAGE_SIZE = 32


def write_pictures(folder: Path) -> None:
    """Write noise as PNG files in 10 classes: two training batches of 128, and a small test set."""
    from PIL import Image

    images, _ = random_examples(300, (IMAGE_SIZE, IMAGE_SIZE, 3))
    for index, image in enumerate(images):
        split = "train" if index < 256 else "test"
        path = folder / split / f"class{index % 10}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def seconds_to_first_step(arguments: list[str], environment: dict[str, str]) -> float:
    """Return the seconds from `python -m jaxcnn.main` to the end of its first training step.

    Raises:
      UserError: the command ended before.
    """
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Path(folder) / "run" / "checkpoints"
        command = [sys.executable, "-m", "jaxcnn.main", f"--workdir={checkpoints.parent}"]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, *arguments, "--config.checkpoint.every_steps=1"],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            while not any(checkpoints.glob("[0-9]*")):
                if process.poll() is not None:
                    raise UserError("training ended before its first step, as shown above")
                time.sleep(0.01)
            return time.perf_counter() - started
        finally:
            process.kill()
            process.wait()


def first_step(name: str, arguments: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Return the row of a training command: seconds with an empty and a warm compile cache."""
    with tempfile.TemporaryDirectory() as cache:
        environment = environment | {"JAX_COMPILATION_CACHE_DIR": cache}
        cold, *warm = (seconds_to_first_step(arguments, environment) for _ in range(1 + WARM_RUNS))
    return _row("first step", name, cold, min(warm))


def build(name: str) -> dict[str, Any]:
    """Return the row of a network: seconds to build and initialize it, each in a new process."""
    seconds = []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(1 + WARM_RUNS):
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                seconds.append(pool.submit(seconds_to_build, name, cache).result())
    return _row("build", name, seconds[0], min(seconds[1:]))


def seconds_to_build(name: str, cache: str) -> float:
    """Return the seconds to build a network for CIFAR-10, after the imports."""
    os.environ["JAX_COMPILATION_CACHE_DIR"] = cache
    host.prepare()
    import jax
    from flax import nnx

    from jaxcnn import models

    jax.devices()
    started = time.perf_counter()
    network = models.build(name, num_classes=10, image_shape=(IMAGE_SIZE, IMAGE_SIZE, 3))
    jax.block_until_ready(jax.tree.leaves(nnx.to_pure_dict(nnx.state(network))))
    return time.perf_counter() - started


def _row(what: str, name: str, cold: float, warm: float) -> dict[str, Any]:
    return {"what": what, "name": name, "cold_seconds": cold, "warm_seconds": warm}


def imports(command: str) -> dict[str, Any]:
    """Return the row of a command: seconds of its imports, and its large packages."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", f"jaxcnn.{command}", "--help"],
        capture_output=True,
        text=True,
    )
    seconds = seconds_by_package(done.stderr)
    large = {name: seconds[name] for name in LARGE if name in seconds}
    return {"what": "import", "name": command, "seconds": sum(seconds.values()), "large": large}


def seconds_by_package(report: str) -> dict[str, float]:
    """Return the seconds that `python -X importtime` reports, by top-level package."""
    seconds = collections.Counter()
    for own, module in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", report, re.M):
        seconds[module.partition(".")[0]] += int(own) * 1e-6
    return dict(seconds)


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows as two tables."""
    starts = Table("", "", title="Start-up, seconds")
    loads = Table("command", title="Imports before the arguments are known, seconds")
    for heading in ("compile cache empty", "warm"):
        starts.add_column(heading, justify="right")
    loads.add_column("all", justify="right")
    loads.add_column("of large packages")
    for row in rows:
        if row["what"] == "import":
            large = ", ".join(f"{name} {value:.2f}" for name, value in row["large"].items())
            loads.add_row(row["name"], f"{row['seconds']:.2f}", large or "none")
        else:
            figures = (f"{row[key]:.2f}" for key in ("cold_seconds", "warm_seconds"))
            starts.add_row(row["what"], row["name"], *figures)
    for table in (starts, loads):
        Console().print(table)


def main(arguments: list[str]) -> None:
    """Measure, print the tables and, with `--json`, write the results."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}")
    results.check_json(_JSON.value)
    with tempfile.TemporaryDirectory() as folder:
        from jaxcnn.data.dataset import load_dataset

        data_dir, pictures = str(Path(folder) / "data"), Path(folder) / "pictures"
        environment = {"TFDS_DATA_DIR": data_dir}
        load_dataset("digits", data_dir=data_dir, image_size=IMAGE_SIZE)
        rows = [first_step("quickstart", [], environment)]
        if not _QUICK.value:
            write_pictures(pictures)
            dataset = f"folder:{pictures}"
            load_dataset(dataset, data_dir=data_dir)
            for name in NETWORKS:
                config = [f"--config={FOLDER / name}.py", f"--config.dataset.name={dataset}"]
                rows.append(first_step(name, config, environment))
            rows += [build(name) for name in NETWORKS]
        rows += [imports(command) for command in COMMANDS]
    show(rows)
    if _JSON.value:
        results.write_results(Path(_JSON.value), "start_up", rows)


if __name__ == "__main__":
    run(main)
