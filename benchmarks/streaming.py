"""Streamed data beside resident data: `python benchmarks/streaming.py`.

Makes a folder of generated pictures, prepares it as a user's would be, and takes a training epoch's
batches from it in turns: resident, read by threads, read by 2 processes. "Feed" puts the batches on
the devices and does nothing else, "training" is LeNet on them. The pictures have been written a
moment ago, so they come from the system's page cache, not from the disk.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from jaxcnn.process import host

host.prepare()

import jax  # noqa: E402
import machine  # noqa: E402

from jaxcnn.config.fields import default_config, network  # noqa: E402
from jaxcnn.data.dataset import Dataset, load_dataset  # noqa: E402
from jaxcnn.training.parallel import wait_for  # noqa: E402
from jaxcnn.training.run import Run, make_run  # noqa: E402

WAYS = {
    "resident": {},
    "threads": {"streaming": True},
    "processes": {"streaming": True, "workers": 2},
}
ROUNDS = 3


def write_pictures(folder: Path, count: int, size: int) -> None:
    """`count` smooth pictures in two classes, as JPEG."""
    rng = np.random.default_rng(0)
    for name in ("first", "second"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        place = folder / ("first", "second")[number % 2] / f"{number:06}.jpg"
        coarse.resize((size, size), Image.BICUBIC).save(place)


def make(dataset: Dataset, name: str, **fields: object) -> Run:
    """Return a run of LeNet on the dataset, with these fields of `config.dataset`."""
    config = default_config()
    config.model = network("lenet")
    config.global_batch_size = 128
    config.dataset.update(name=name, image_size=0, **fields)
    return make_run(config, dataset)


def feed(run: Run) -> None:
    """Put an epoch's batches on the devices; resident data are there already."""
    for data, _, _ in run.train_feed(0):
        jax.block_until_ready(data)


def training(run: Run) -> None:
    """Train an epoch."""
    state, previous = jax.tree.map(np.array, run.state), None
    numbers = run.epoch_numbers(0, 0)
    for data, order, num_steps in run.train_feed(0):
        train = run.train_steps if num_steps > 1 else run.train_step
        state, sums = train(state, data, numbers, order)
        wait_for(previous, run.config.dataset.streaming)
        previous = sums
    jax.block_until_ready(sums)


def measure(runs: dict[str, Run], work: Callable[[Run], None]) -> dict[str, float]:
    """Median images a second of each way, in turns, without the first round, which compiles."""
    seconds: dict[str, list[float]] = {way: [] for way in runs}
    for _ in range(ROUNDS + 1):
        for way, run in runs.items():
            started = time.perf_counter()
            work(run)
            seconds[way].append(time.perf_counter() - started)
    num_examples = len(next(iter(runs.values())).views["train"].indices)
    return {way: num_examples / float(np.median(times[1:])) for way, times in seconds.items()}


def main() -> None:
    """Generates, prepares, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute")
    parser.add_argument("--json", help="file for the rows")
    parser.add_argument("--images", type=int, default=0, help="default: 10,000, quick: 2,000")
    parser.add_argument("--size", type=int, default=96, help="pixels of a side")
    arguments = parser.parse_args()
    if arguments.json and not Path(arguments.json).resolve().parent.is_dir():
        parser.error(f"--json={arguments.json}: there is no such folder")
    if arguments.images < 0 or arguments.size < 1:
        parser.error("--images and --size must be positive")
    count = arguments.images or (2_000 if arguments.quick else 10_000)
    with tempfile.TemporaryDirectory() as folder:
        name = f"folder:{folder}/pictures"
        write_pictures(Path(folder, "pictures"), count, arguments.size)
        started = time.perf_counter()
        dataset = load_dataset(name, data_dir=f"{folder}/data")
        preparing = time.perf_counter() - started
        runs = {way: make(dataset, name, **fields) for way, fields in WAYS.items()}
        found = {work.__name__: measure(runs, work) for work in (feed, training)}
    print(
        f"{machine.describe()}\n{count:,} pictures of {arguments.size}x{arguments.size}, "
        f"prepared at {count / preparing:,.0f} images/s"
    )
    rows = []
    for way, fields in WAYS.items():
        row = {"way": way} | {work: round(rates[way], 1) for work, rates in found.items()}
        row["ratio_to_resident"] = round(row["training"] / found["training"]["resident"], 3)
        megabytes = row["feed"] * arguments.size**2 * 3 / 1e6
        feeding = f"{row['feed']:,.0f} ({megabytes:,.0f} MB/s)"
        print(
            f"{way:10} feed, images/s: {feeding if fields else 'is there':24} "
            f"training, images/s: {row['training']:7,.0f}, "
            f"{row['ratio_to_resident']:.2f} of resident"
        )
        rows.append(row)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"rows": rows}, indent=1))


if __name__ == "__main__":
    main()
