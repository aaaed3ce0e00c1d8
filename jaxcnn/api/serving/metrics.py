"""Counts and times of a server, in the text format of Prometheus.

References:
  https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import bisect
from collections import Counter
from collections.abc import Iterator, Sequence

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Histogram:
    """Counts of values up to each of some bounds, ascending, and above them."""

    def __init__(self, name: str, help_text: str, bounds: Sequence[float]):
        self._name, self._help, self._bounds = name, help_text, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text format."""
        yield from _head(self._name, self._help, "histogram")
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{self._name}_bucket{{le="{bound}"}} {total}'
        yield f"{self._name}_sum {self._sum:.9g}"
        yield f"{self._name}_count {total}"


class Metrics:
    """The figures of a server since its start.

    Attributes:
      seconds: of each request to `/predict` that was answered with predictions.
      batch_size: images of each call of the network.
    """

    def __init__(self):
        self._requests: Counter[tuple[str, int]] = Counter()
        self.seconds = Histogram(
            "jaxcnn_predict_seconds", "Seconds from a request to its predictions.", _SECONDS
        )
        self.batch_size = Histogram(
            "jaxcnn_batch_size", "Images of each call of the network, without padding.", _SIZES
        )

    def count(self, path: str, status: int) -> None:
        """Count a request by its path and the status of its answer."""
        self._requests[path, status] += 1

    def to_text(self) -> str:
        """Return all figures."""
        errors: Counter[str] = Counter()
        lines = list(_head("jaxcnn_requests_total", "Requests by path and status.", "counter"))
        for (path, status), count in sorted(self._requests.items()):
            errors[path] += count if status >= 400 else 0
            lines.append(f'jaxcnn_requests_total{{path="{path}",status="{status}"}} {count}')
        lines += _head("jaxcnn_errors_total", "Requests with status 400 or more.", "counter")
        lines += [f'jaxcnn_errors_total{{path="{path}"}} {errors[path]}' for path in sorted(errors)]
        return "\n".join([*lines, *self.seconds.lines(), *self.batch_size.lines(), ""])


def _head(name: str, help_text: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"
