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
from urllib.parse import urlsplit
from urllib.request import urlopen

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


def to_request(picture: bytes) -> bytes:
    """Return the bytes of a request to `/predict` with a picture."""
    part = b'Content-Disposition: form-data; name="file"; filename="noise.jpg"'
    body = b"\r\n".join([b"--part", part, b"", picture, b"--part--", b""])
    head = (
        "POST /predict HTTP/1.1\r\nHost: benchmark\r\n"
        f"Content-Type: multipart/form-data; boundary=part\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def call(address: str, request: bytes, until: float) -> list[float]:
    """Send a request again and again on one connection; return the seconds of each."""
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    times = []
    while (start := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not head.startswith(b"HTTP/1.1 200") or length is None:
            raise UserError(f"the server answered {head.splitlines()[0].decode()}")
        await reader.readexactly(int(length[1]))
        times.append(time.perf_counter() - start)
    writer.close()
    await writer.wait_closed()
    return times


def read_batches(address: str) -> dict[str, float]:
    """Return the sum and the number of the batches until now."""
    with urlopen(f"{address}/metrics") as answer:
        return {name: float(value) for name, value in BATCHES.findall(answer.read().decode())}


async def measure(address: str, picture: bytes, num_callers: int, seconds: float) -> dict[str, Any]:
    """Return the row of a number of callers."""
    request, before, start = to_request(picture), read_batches(address), time.perf_counter()
    callers = [call(address, request, start + seconds) for _ in range(num_callers)]
    times = np.concatenate(await asyncio.gather(*callers))
    passed, after = time.perf_counter() - start, read_batches(address)
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
