"""A config as lines for the terminal."""

import textwrap
from collections.abc import Collection, Mapping
from typing import Any

from jaxcnn.config.published import displayed


def config_lines(config: Mapping[str, Any], width: int, varying: Collection[str] = ()) -> list[str]:
    """Return the fields of a config as lines, one per group, wrapped to `width`."""
    groups: dict[str, list[str]] = {"run": []}
    for name, value in displayed(config).items():
        is_group = hasattr(value, "items")
        fields = value.items() if is_group else [(name, value)]
        entries = groups.setdefault(name if is_group else "run", [])
        for field, value_of_field in fields:
            varies = (f"{name}.{field}" if is_group else field) in varying
            entries.append(f"{field}=varies" if varies else f"{field}={_plain(value_of_field)}")
    margin = max(map(len, groups)) + 2
    return [
        line
        for name, entries in groups.items()
        for line in textwrap.wrap(
            "  ".join(entries), max(width, 40), initial_indent=name.ljust(margin),
            subsequent_indent=" " * margin, break_long_words=False, break_on_hyphens=False,
        )
    ]  # fmt: skip


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value) if value != "" else '""'
