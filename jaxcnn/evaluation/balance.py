"""What accuracy hides: classes with few images, and classes that are never recognized."""

from collections.abc import Mapping, Sequence
from typing import Any

_UNEQUAL = 1.5  # largest number of images over the smallest, from which on accuracies differ
_MOST_NAMES = 10  # in a sentence
Row = Mapping[str, Any]  # of one class: "name", "support" (images), "recall"


def is_unequal(classes: Sequence[Row]) -> bool:
    """Whether the classes' numbers of images differ so much that accuracy is mostly that of the
    frequent ones."""
    counts = [row["support"] for row in classes if row.get("support")]
    return bool(counts) and max(counts) > _UNEQUAL * min(counts)


def balanced_accuracy(classes: Sequence[Row]) -> float | None:
    """Return the mean recall of the classes that have images, a fraction; None without images."""
    recalls = [row["recall"] for row in classes if row.get("support")]
    return sum(recalls) / len(recalls) if recalls else None


def unrecognized(classes: Sequence[Row]) -> str:
    """Name the classes that have images of which none is recognized, in a sentence; "" where there
    is no such class."""
    names = [row["name"] for row in classes if row["support"] and not row["recall"]]
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (
        f"No image is recognized of {len(names)} of the {len(classes)} classes: "
        f"{', '.join(names[:_MOST_NAMES])}{more}."
    )
