"""Train in a separate process, and report its memory and open files over time.

`python benchmarks/soak.py --minutes=15`: LeNet on the digits, one checkpoint per epoch. Linux only.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SECONDS = 5  # between samples
WARM_UP = 60  # seconds left out of the report


def look(pid: int) -> tuple[int, int]:
    """Return a process's anonymous resident memory in bytes, and its number of open files.

    Memory-mapped files are left out, because the system may drop their pages at any time.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1))
    return 1024 * kilobytes, len(os.listdir(f"/proc/{pid}/fd"))


def watch(process: subprocess.Popen, minutes: float) -> np.ndarray:
    """Sample a process until it or the time ends; return rows (seconds, bytes, open files)."""
    started, rows = time.monotonic(), []
    while (now := time.monotonic() - started) < 60 * minutes and process.poll() is None:
        rows.append((now, *look(process.pid)))
        time.sleep(SECONDS)
    return np.array(rows)


def report(rows: np.ndarray) -> None:
    """Print memory and open files after the warm-up: means of each tenth, range and slope."""
    seconds, memory, handles = rows[rows[:, 0] > WARM_UP].T
    tenths = [part.mean() for part in np.array_split(memory, min(10, len(memory)))]
    first, last = tenths[0], tenths[-1]
    slope = np.polyfit(seconds / 3600, memory, 1)[0]
    print(
        f"{seconds[-1] / 60:.1f} minutes, {len(seconds)} samples after the first minute\n"
        f"resident memory: {first / 2**20:.1f} MiB at first, {last / 2**20:.1f} MiB at last "
        f"({last / first - 1:+.2%}), {memory.min() / 2**20:.1f} to {memory.max() / 2**20:.1f}; "
        f"slope {slope / 2**20:+.2f} MiB an hour; by tenths of the time "
        f"{', '.join(f'{part / 2**20:.1f}' for part in tenths)}\n"
        f"open files: {handles[0]:.0f} at first, {handles[-1]:.0f} at last, {handles.min():.0f} to "
        f"{handles.max():.0f}"
    )


def main() -> None:
    """Train, sample, stop and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    arguments, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "jaxcnn.main", f"--workdir={folder}/run"]
        flags = [*more, "--config.num_epochs=1000000"]
        with subprocess.Popen([*command, *flags], stdout=subprocess.DEVNULL) as process:
            rows = watch(process, arguments.minutes)
            process.send_signal(signal.SIGTERM)
        metrics = Path(folder) / "run" / "metrics.csv"
        epochs = metrics.read_text().count(",validation,") if metrics.exists() else 0
    print(f"exit code {process.returncode} after {epochs} epochs, each with a checkpoint")
    if not epochs or rows[-1, 0] <= WARM_UP:
        sys.exit("error: the run ended, or was ended, before there was anything to judge")
    report(rows)


if __name__ == "__main__":
    main()
