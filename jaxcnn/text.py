"""Text for people: numbers as words, and names made safe for a terminal.

Numbers look the same in the console and in reports. None and NaN become a dash.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeGuard


def percent(fraction: float | None) -> str:
    """Return a fraction as `12.34%`."""
    return f"{100 * fraction:.2f}%" if _is_number(fraction) else "-"


def loss(value: float | None) -> str:
    """Return a loss as `1.2345`."""
    if not _is_number(value):
        return "-"
    return f"{value:.4f}" if value < 1e5 else f"{value:.3e}"


def rate(value: float | None) -> str:
    """Return a number with three significant digits: `0.00123`."""
    return f"{value:.3g}" if _is_number(value) else "-"


def decimal(value: float | None) -> str:
    """Return a number with one decimal: `1,234.5`."""
    return f"{value:,.1f}" if _is_number(value) else "-"


def integer(value: float | None) -> str:
    """Return a number without decimals: `12,345`."""
    return f"{value:,.0f}" if _is_number(value) else "-"


def clock(seconds: float | None) -> str:
    """Return a time as minutes and seconds, with hours from one hour on: `0:07`, `1:02:03`."""
    if not _is_number(seconds):
        return "-"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def duration(seconds: float) -> str:
    """Return a time in its largest unit, with two digits: `25 min`, `2.5 h`, `3.2 days`."""
    for unit, size, limit in (("min", 60, 90 * 60), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds / 86400:.1f} days"


def printable(text: str) -> str:
    """Return a text, such as a file's name, on one line and with control characters escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def some_names(names: Sequence[object], most: int = 3) -> str:
    """Return the first `most` names, and the number of the others."""
    shown = ", ".join(printable(str(name)) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def join_names(names: Sequence[object], most: int = 5) -> str:
    """Return "a, b and c"; with more than `most` names, the first ones and the others' number."""
    shown = [str(name) for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most:,} more")
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def count_names(names: Sequence[str]) -> str:
    """Return each name once, with its count: "2 × a, 1 × b"."""
    return ", ".join(f"{count} × {name}" for name, count in Counter(names).items())


def printable_lines(text: str) -> str:
    """Return a text with control characters escaped, except line ends."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(value: Any) -> str:
    """Return JSON for the terminal: control characters in strings are JSON escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def one_line(error: BaseException) -> str:
    """Return the message of an exception on one line; without a message, its type."""
    return " ".join(str(error).split()) or type(error).__name__


def shorten(text: str, letters: int) -> str:
    """Return a text; if it is too long, its start and end with "…" between them.

    Args:
      text: any text.
      letters: the most characters to return, at least three.
    """
    half = (letters - 1) // 2
    return text if len(text) <= letters else f"{text[: letters - 1 - half]}…{text[-half:]}"


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
