"""SIGTERM and SIGINT: the first stops the command and keeps its results, the second exits at once.

A thread of its own receives them. Python's handlers wait while XLA computes or compiles, and an
exception that a handler raises is lost inside some libraries.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from jaxcnn.errors import Stopped
from jaxcnn.process import group

SIGNALS = (signal.SIGTERM, signal.SIGINT)
INTERRUPTED = 128 + signal.SIGINT
_SECONDS_TO_END = 2.0  # for a command to clean up after Ctrl-C


class StopSignal:
    """A context in which the first signal sets `requested`.

    The second signal goes to the handler from before the block: a notebook raises
    KeyboardInterrupt. Without a handler the process ends. Python delivers signals to the main
    thread alone, so the context of another thread changes nothing.
    """

    entered = 0  # number of contexts that are entered

    def __init__(self):
        self.requested = False

    def __enter__(self) -> "StopSignal":
        StopSignal.entered += 1
        is_main = threading.current_thread() is threading.main_thread()
        self._previous = {
            number: signal.signal(number, self._handle) for number in SIGNALS if is_main
        }
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        StopSignal.entered -= 1

    def _handle(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous[signal.Signals(number)]
        if self.requested and callable(previous):
            previous(number, frame)
        elif self.requested:
            os._exit(128 + number)
        self.requested = True


@contextlib.contextmanager
def stopping_at_once() -> Iterator[None]:
    """End the process at the first signal during the block, as `Stopped` would.

    Inside a `StopSignal` the first signal only prints a line, and the run ends itself. The second
    signal always ends the process. After the block signals are ignored: the process is ending, and
    a signal must not make that look like a failure.
    """

    def answer(number: int) -> None:
        if StopSignal.entered:
            _say("stopping after this step (minutes if it compiles); a second signal exits at once")
        else:
            _end(
                Stopped.exit_code,
                "stopped; the same command goes on from what is saved, or begins again",
            )

    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    try:
        with _heard(SIGNALS, answer):
            yield
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C during the block.

    The process ends anyway at the second Ctrl-C, or if it still runs after two seconds, as while
    XLA compiles. If a library turns the KeyboardInterrupt into another exception, the block raises
    KeyboardInterrupt again.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's job in the background
        yield
        return
    heard, over = threading.Event(), threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        heard.set()
        signal.default_int_handler(number, frame)

    def answer(_: int) -> None:
        threading.Thread(target=end_in_time, daemon=True).start()

    def end_in_time() -> None:
        if not over.wait(_SECONDS_TO_END):
            _end(INTERRUPTED, "interrupted")

    signal.signal(signal.SIGINT, interrupt)
    try:
        with _heard((signal.SIGINT,), answer):
            yield
    except Exception as error:
        if heard.is_set():
            raise KeyboardInterrupt from error
        raise
    finally:
        over.set()
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def _heard(numbers: tuple[int, ...], answer: Callable[[int], None]) -> Iterator[None]:
    """Call `answer` in a thread at the first of the signals, and end the process at the second."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_hear, args=(reader, numbers, answer), daemon=True).start()
    signal.set_wakeup_fd(writer)
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        os.close(writer)


def _hear(reader: int, numbers: tuple[int, ...], answer: Callable[[int], None]) -> None:
    """Read the numbers of signals as they arrive, until the pipe is closed."""
    count = 0
    while received := os.read(reader, 1):
        if received[0] not in numbers:
            continue
        count += 1
        if count > 1:
            os._exit(128 + received[0])
        answer(received[0])
    os.close(reader)


def _end(code: int, line: str) -> None:
    try:
        if sys.stdout.isatty():
            print("\x1b[?25h", end="", flush=True)  # shows the cursor, which a progress bar hides
        _say(line)
    finally:  # the terminal may have ended
        os._exit(code)


def _say(line: str) -> None:
    if group.is_main():
        group.say(group.label() + line)
