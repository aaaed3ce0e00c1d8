"""SIGTERM and SIGINT: the first asks to stop after the step, the second exits at once."""

import os
import signal


class StopSignal:
    """While entered, the first signal sets `requested`; the second ends the process."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self):
        self.requested = False

    def __enter__(self) -> "StopSignal":
        self._previous = {number: signal.signal(number, self._handle) for number in self.SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _) -> None:
        if self.requested:
            os._exit(128 + number)
        self.requested = True
