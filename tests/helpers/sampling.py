"""Cases of a test, of which the quick suite takes a sample."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def every(number: int, cases: Iterable[Any]) -> Sequence[Any]:
    """Return the cases, all but every `number`th one marked slow."""
    return [case if index % number == 0 else _slow(case) for index, case in enumerate(cases)]


def _slow(case: Any) -> Any:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.slow)
