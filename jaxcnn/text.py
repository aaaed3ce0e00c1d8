"""Numbers as words, the same in the console and in reports. None and NaN are a dash."""

import json
import math
from collections.abc import Sequence
from typing import Any, TypeGuard


def percent(fraction: float | None) -> str:
    """`12.34%`."""
    return f"{100 * fraction:.2f}%" if _is_number(fraction) else "-"


def loss(value: float | None) -> str:
    """`1.2345`."""
    if not _is_number(value):
        return "-"
    return f"{value:.4f}" if value < 1e5 else f"{value:.3e}"


def rate(value: float | None) -> str:
    """`0.00123`: three digits."""
    return f"{value:.3g}" if _is_number(value) else "-"


def decimal(value: float | None) -> str:
    """`12.3`."""
    return f"{value:,.1f}" if _is_number(value) else "-"


def integer(value: float | None) -> str:
    """`12,345`."""
    return f"{value:,.0f}" if _is_number(value) else "-"


def clock(seconds: float | None) -> str:
    """`0:07`, `12:34`, `1:02:03`: hours, minutes, seconds."""
    if not _is_number(seconds):
        return "-"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def duration(seconds: float) -> str:
    """`25 min`, `2.5 h`, `16 h`, `3.2 days`: two digits."""
    for unit, size, limit in (("min", 60, 90 * 60), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds / 86400:.1f} days"


def printable(text: str) -> str:
    """A file's name, say, on one line and without control characters: what a terminal would act
    on, or cannot show, is escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def some_names(names: Sequence[object], most: int = 3) -> str:
    """The first few names, such as files', and how many there are besides."""
    shown = ", ".join(printable(str(name)) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def printable_lines(text: str) -> str:
    """As `printable`, but lines stay lines."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(value: Any) -> str:
    """JSON for the terminal: what is not printable is escaped, so that it reads the same."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def shorten(text: str, letters: int) -> str:
    """A text of at most so many letters, an odd number; of a longer one both ends."""
    half = letters // 2
    return text if len(text) <= letters else f"{text[:half]}…{text[-half:]}"


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
