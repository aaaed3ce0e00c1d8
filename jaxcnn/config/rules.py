"""A row of the table of fields: default, help, allowed values, and effect on a resumed run."""

import dataclasses
import enum
import math
import re
from collections.abc import Callable
from typing import Any


class Effect(enum.Enum):
    """The effect of a changed field on a run."""

    ABOUT = "nothing; reports quote it"
    NONE = "no number beyond rounding"
    REPEAT = "another run of the same recipe"
    END = "when the run ends, and what it tests"
    NUMBERS = "every number from then on"
    RUN = "another run"


@dataclasses.dataclass(frozen=True)
class Rule:
    """The values that a field may hold.

    Attributes:
      holds: returns whether a value of the field's type is allowed.
      allowed: the allowed values in words.
      choices: the allowed values, where they are a few words.
      registry: the kind of the parts whose names are the allowed values; "" for none.
    """

    holds: Callable[[Any], bool]
    allowed: str
    choices: tuple[str, ...] = ()
    registry: str = ""


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a config.

    Attributes:
      default: the value in `default_config()`; its type is the field's type.
      help: one sentence for `--help` and the docs.
      rule: the allowed values; None for any value of the type.
      effect: the effect of another value on a run that is resumed.
    """

    default: Any
    help: str
    rule: Rule | None = None
    effect: Effect = Effect.NUMBERS


def _is_factor(entry: str) -> bool:
    """Return whether an entry is NAME=FACTOR, with a finite factor of at least 0."""
    name, _, factor = entry.rpartition("=")
    try:
        return bool(name.strip()) and 0 <= float(factor) < math.inf
    except ValueError:
        return False


def one_of(*choices: str) -> Rule:
    """Return the rule of a field that holds one of a few words."""
    listed = ", ".join(choice or '""' for choice in choices)
    return Rule(lambda value: value in choices, f"one of {listed}", choices)


def some_of(registry: str, *choices: str) -> Rule:
    """Return the rule of a field that holds a tuple of registered names, each at most once."""
    listed = f": {', '.join(choices)}" if choices else ""
    return Rule(
        lambda value: (
            all(isinstance(name, str) and name in choices for name in value)
            and len(set(value)) == len(value)
        ),
        f"a tuple of registered {registry}{listed}",
        choices,
    )


def registered(registry: str) -> Rule:
    """Return the rule of a field that holds a name in a registry, such as "optimizers"."""
    return Rule(lambda _: True, f"one of the {registry}", registry=registry)


def between(low: float, high: float = math.inf, *, open_low=False, open_high=False) -> Rule:
    """Return the rule of a finite number in an interval; an open end excludes the end itself."""

    def holds(value: float) -> bool:
        above = value > low if open_low else value >= low
        return math.isfinite(value) and above and (value < high if open_high else value <= high)

    above = f"more than {low:g}" if open_low else f"at least {low:g}"
    limit = str(high) if isinstance(high, int) else f"{high:g}"
    below = f" and {'less than' if open_high else 'at most'} {limit}"
    return Rule(holds, above + (below if math.isfinite(high) else ""))


AT_LEAST_0 = between(0)
AT_LEAST_1 = between(1)
POSITIVE = between(0, open_low=True)
FRACTION = between(0, 1, open_high=True)
# float32 cannot sample a Beta distribution with a tiny alpha
ALPHA = Rule(lambda value: value == 0 or 0.01 <= value <= 100, "0, or from 0.01 to 100")
NAMES = Rule(
    lambda value: all(type(name) in (str, int) and name != "" for name in value),
    "names, with commas between them; a number with a point needs quotes: \"'1.5'\"",
)
SPLIT = Rule(
    lambda value: (
        value in ("content", "shuffle")
        or value.endswith((".csv", ".tsv", ".jsonl"))
        or "," in value
    ),
    "content, shuffle, a file ending in .csv, .tsv or .jsonl, or splits of tfds with a comma",
    ("content", "shuffle"),
)
FIT = Rule(
    lambda value: re.fullmatch(r"crop|stretch|pad(:edge|:#[0-9a-fA-F]{6})?", value) is not None,
    "crop, stretch, pad, pad:edge or pad:#rrggbb",
    ("crop", "stretch", "pad", "pad:edge"),
)
PATTERNS = Rule(
    lambda value: not value or all(entry.strip() for entry in value.split(",")),
    "names of layers or parameters, with commas between them",
)
FACTORS = Rule(
    lambda value: not value or all(map(_is_factor, value.split(","))),
    "entries NAME=FACTOR with factors of at least 0, with commas between them",
)
EPOCHS = Rule(
    lambda value: (
        all(type(epoch) in (int, float) and 0 < epoch < 2**31 for epoch in value)
        and list(value) == sorted(set(value))
    ),
    "rising positive epochs",
)
WEIGHTS = Rule(
    lambda value: (
        all(type(weight) in (int, float) and 0 <= weight < 2**31 for weight in value)
        and (not value or any(value))
    ),
    "numbers of at least 0, with commas between them",
)
