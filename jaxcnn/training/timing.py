"""The time of a run, and the time of the steps of an epoch."""

import time


class Clock:
    """Images and seconds of the timed steps of an epoch: those that compile are not timed."""

    def __init__(self):
        self.images, self.seconds = 0, 0.0
        self._started: float | None = None  # None: stopped
        self._displayed = 0.0

    def start(self) -> None:
        """Start or resume counting time."""
        self._started = self._displayed = time.perf_counter()

    def stop(self) -> None:
        """Pause until the next start."""
        if self._started is not None:
            self.seconds += time.perf_counter() - self._started
        self._started = None

    def add(self, images: int) -> None:
        """Count the images of a step."""
        self.images += images

    def is_display_due(self, seconds: float) -> bool:
        """Return whether `seconds` have passed since it last returned True."""
        now = time.perf_counter()
        is_due = now - self._displayed >= seconds
        if is_due:
            self._displayed = now
        return is_due

    @property
    def images_per_second(self) -> float | None:
        """The speed so far; None if no step was timed."""
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        return images_per_second(self.images, self.seconds + running)

    @property
    def figures(self) -> dict[str, float | None]:
        """The columns of a metrics row: `seconds` and `images_per_second`."""
        return {"seconds": self.seconds, "images_per_second": self.images_per_second}


class RunTime:
    """The time of a whole run, over all its resumes.

    Args:
      seconds: the time before this resume.
    """

    def __init__(self, seconds: float = 0.0):
        self._started = time.monotonic() - seconds

    @property
    def seconds(self) -> float:
        """The time so far, in seconds."""
        return time.monotonic() - self._started

    def exceeds(self, minutes: float, since: float = 0.0) -> bool:
        """Return whether `minutes` have passed since the run's time `since`, in seconds.

        0 minutes means no limit: they never pass.
        """
        return 0 < minutes <= (self.seconds - since) / 60


def images_per_second(images: int, seconds: float) -> float | None:
    """Return the speed, or None if nothing was timed."""
    return images / max(seconds, 1e-9) if images else None
