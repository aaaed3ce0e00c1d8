"""SIGTERM and SIGINT: the first stops the run and keeps what it has, the second exits at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

from jaxcnn import distributed
from jaxcnn.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """While entered, the first signal sets `requested`; the second ends the process."""

    entered = 0  # how many are

    def __init__(self):
        self.requested = False

    def __enter__(self) -> "StopSignal":
        StopSignal.entered += 1
        self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        StopSignal.entered -= 1

    def _handle(self, number: int, _) -> None:
        if self.requested:
            os._exit(128 + number)
        self.requested = True


@contextlib.contextmanager
def stopping_at_once() -> Iterator[None]:
    """While entered, the first signal ends the process as `Stopped` would, but where a
    `StopSignal` is entered; the second ends it anyhow. After that they are ignored: what follows
    is the process's end, which a signal must not make look like a failure.

    A thread of its own does it: Python's handlers wait for what XLA computes or compiles, and an
    exception raised by one is lost where libraries are at work.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer)
    try:
        yield
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        os.close(writer)


def _watch(reader: int) -> None:
    """Reads the signals' numbers as they come, until the pipe is closed."""
    count = 0
    while received := os.read(reader, 1):
        if received[0] not in SIGNALS:
            continue
        count += 1
        if count > 1:
            os._exit(128 + received[0])
        if not StopSignal.entered:
            _end()
    os.close(reader)


def _end() -> None:
    cursor = "\x1b[?25h" if sys.stdout.isatty() else ""  # a progress bar may have hidden it
    print(cursor, end="", flush=True)
    if distributed.is_main():
        line = "stopped; the same command goes on from what is saved"
        print(line, file=sys.stderr, flush=True)
    os._exit(Stopped.exit_code)
