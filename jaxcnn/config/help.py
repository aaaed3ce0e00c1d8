"""The table of config fields for `--help`, and suggestions for misspelled names."""

import difflib
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from jaxcnn.config.fields import FIELDS

_WIDTH = 80  # characters of a line


def describe_fields(allowed: Mapping[str, str], options: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of all fields by group: default, allowed values and meaning.

    Args:
      allowed: the allowed values in words, by field.
      options: the options of each network, with their defaults.
    """
    lines = ["fields of the config, with the defaults of jaxcnn.config.default_config():"]
    group = None
    for name, field in FIELDS.items():
        if _group(name) != group:
            group = _group(name)
            lines.append("")
        default = '""' if field.default == "" else field.default
        rule = f"  ({allowed[name]})" if name in allowed else ""
        lines += _wrap(f"--config.{name}={default}{rule}", "  ")
        lines += _wrap(field.help, "      ")
    lines += ["", "options of the networks, --config.model.OPTION, with their defaults:", ""]
    for network, defaults in options.items():
        if defaults:
            listed = ", ".join(f"{key}={value!r}" for key, value in defaults.items())
            lines += _wrap(f"{network}: {listed}", "  ")
    return "\n".join(lines)


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent="      ")


def guess_field(name: str, fields: Iterable[str]) -> str:
    """Return "; did you mean …?" for a name that is not a field, or "".

    Fields with the same last name in other groups come first, then fields with these initials
    (`lr`), then fields of similar spelling. The group `published` is left out, because config
    files alone declare it.

    Args:
      name: the dotted name, such as "optimizer.lr".
      fields: the dotted names of all fields.
    """
    leaf = name.rpartition(".")[2]
    settable = [field for field in fields if _group(field) != "published"]
    leaves = {field: field.rpartition(".")[2] for field in settable}
    matches = [field for field, other in leaves.items() if other == leaf]
    matches = matches or [field for field, other in leaves.items() if leaf == _initials(other)]
    if not matches:
        close = difflib.get_close_matches(leaf, set(leaves.values()), n=1)
        matches = [field for field, other in leaves.items() if other in close]
        matches = [field for field in matches if _group(field) == _group(name)] or matches
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


def guess_value(value: object, choices: Iterable[str]) -> str:
    """Return "; did you mean …?" for a value that is not one of the choices, or ""."""
    close = difflib.get_close_matches(value, choices) if isinstance(value, str) else []
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _initials(words: str) -> str:
    return "".join(word[:1] for word in words.split("_"))


def _group(field: str) -> str:
    return field.rpartition(".")[0]
