"""The times of a run: of its steps, and of the whole."""

import time


class Clock:
    """Times the steps of an epoch, except those that compile."""

    def __init__(self):
        self.images, self.seconds = 0, 0.0
        self._started: float | None = None  # None: stopped
        self._displayed = 0.0

    def start(self) -> None:
        """Start to count time, or go on."""
        self._started = self._displayed = time.perf_counter()

    def stop(self) -> None:
        """Count no time until the next start."""
        if self._started is not None:
            self.seconds += time.perf_counter() - self._started
        self._started = None

    def add(self, images: int) -> None:
        """Count the images of a step."""
        self.images += images

    def is_time(self, seconds: float) -> bool:
        """Return whether `seconds` have passed since this last returned True."""
        now = time.perf_counter()
        is_time = now - self._displayed >= seconds
        if is_time:
            self._displayed = now
        return is_time

    @property
    def images_per_second(self) -> float | None:
        """The speed so far; None if no step has been timed."""
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        return images_per_second(self.images, self.seconds + running)


class RunTime:
    """The time of a whole run, over all its resumes.

    Args:
      seconds: before this resume.
    """

    def __init__(self, seconds: float = 0.0):
        self._started = time.monotonic() - seconds

    @property
    def seconds(self) -> float:
        """The time so far."""
        return time.monotonic() - self._started

    def exceeds(self, minutes: float, since: float = 0.0) -> bool:
        """Return whether `minutes` have passed since a time in seconds; 0 minutes never pass."""
        return 0 < minutes <= (self.seconds - since) / 60


def images_per_second(images: int, seconds: float) -> float | None:
    """Return the speed, or None where nothing was timed."""
    return images / max(seconds, 1e-9) if images else None
