"""The latency of `jaxcnn serve` at 1, 8 and 64 callers: `python benchmarks/serve.py --workdir=RUN`.

Each caller sends a picture, waits for the answer, and sends the next. Callers and server share this
machine, so the figures hold the callers' own work too.
"""

import asyncio
import contextlib
import io
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import machine
import numpy as np
from absl import flags
from rich.console import Console
from rich.table import Table

import results
from jaxcnn.errors import UserError
from jaxcnn.process.command import run

_WORKDIR = flags.DEFINE_string("workdir", "", "The folder of the run that is served.")
_SIZE = flags.DEFINE_integer("size", 224, "Height and width of the pictures, noise as JPEG.", 1)
_QUICK = flags.DEFINE_bool("quick", False, "A fifth of the time.")
_JSON = flags.DEFINE_string("json", "", "The file that the results are written to, as JSON.")

CALLERS = (1, 8, 64)
SECONDS = 10.0  # for each number of callers
BATCHES = re.compile(r"^jaxcnn_batch_size_(sum|count) (\S+)$", re.M)


@contextlib.contextmanager
def served(workdir: str) -> Iterator[str]:
    """Serve a run during the block, at the address that it gets."""
    command = [sys.executable, "-m", "jaxcnn.serve", f"--workdir={workdir}", "--port=0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        lines = (re.match(r"(http://\S+)/ ", line) for line in process.stdout)
        match = next(filter(None, lines), None)
        if match is None:
            raise UserError("the server ended before its start, as shown above")
        yield match[1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def random_picture(size: int) -> bytes:
    """Return noise as a JPEG."""
    from PIL import Image

    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(pixels).save(file, "jpeg")
    return file.getvalue()


async def measure(address: str, picture: bytes, num_callers: int, seconds: float) -> dict[str, Any]:
    """Return the row of a number of callers."""
    limits = httpx.Limits(max_connections=num_callers)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60) as client:

        async def call(until: float) -> list[float]:
            times = []
            while (start := time.perf_counter()) < until:
                answer = await client.post("/predict", files={"file": ("noise.jpg", picture)})
                answer.raise_for_status()
                times.append(time.perf_counter() - start)
            return times

        async def batches() -> dict[str, float]:
            text = (await client.get("/metrics")).text
            return {name: float(value) for name, value in BATCHES.findall(text)}

        before, start = await batches(), time.perf_counter()
        parts = await asyncio.gather(*[call(start + seconds) for _ in range(num_callers)])
        passed, after = time.perf_counter() - start, await batches()
    times = np.concatenate(parts)
    return {
        "callers": num_callers,
        "requests": len(times),
        "requests_per_second": len(times) / passed,
        "median_seconds": float(np.median(times)),
        "p95_seconds": float(np.quantile(times, 0.95)),
        "most_seconds": float(times.max()),
        "mean_batch": (after["sum"] - before["sum"]) / (after["count"] - before["count"]),
    }


def show(rows: list[dict[str, Any]], title: str) -> None:
    """Print the rows as a table."""
    table = Table(title=title)
    for heading in ("callers", "requests/s", "median ms", "95 % ms", "most ms", "mean batch"):
        table.add_column(heading, justify="right")
    for row in rows:
        names = ("median_seconds", "p95_seconds", "most_seconds")
        times = [f"{1000 * row[name]:.1f}" for name in names]
        speed, batch = f"{row['requests_per_second']:.1f}", f"{row['mean_batch']:.1f}"
        table.add_row(str(row["callers"]), speed, *times, batch)
    Console().print(table)


def main(arguments: list[str]) -> None:
    """Serve the run, call it, and print the table."""
    if arguments or not _WORKDIR.value:
        raise UserError("give --workdir=DIR, the folder of a run, and nothing else")
    results.check_json(_JSON.value)
    seconds = SECONDS / 5 if _QUICK.value else SECONDS
    busy, picture = machine.busy_cores(), random_picture(_SIZE.value)
    rows = []
    with served(_WORKDIR.value) as address:
        asyncio.run(measure(address, picture, 8, seconds / 5))  # fills caches
        for num_callers in CALLERS:
            rows.append(asyncio.run(measure(address, picture, num_callers, seconds)))
    show(rows, f"{machine.describe()}, pictures of {_SIZE.value}x{_SIZE.value}")
    print(f"callers and server share this machine; other processes kept {busy:.1f} cores busy")
    if _JSON.value:
        results.write_results(Path(_JSON.value), "serve", [row | {"busy": busy} for row in rows])


if __name__ == "__main__":
    run(main)
