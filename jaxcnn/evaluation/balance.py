"""Class balance: classes of unequal size, and classes that the network never recognizes."""

from collections.abc import Mapping, Sequence
from typing import Any

_UNEQUAL = 1.5  # size of the largest class over that of the smallest
ClassMetrics = Mapping[str, Any]  # one class: "name", "support" (images), "recall", …


def is_unequal(classes: Sequence[ClassMetrics]) -> bool:
    """Return whether class sizes differ so much that the frequent classes dominate accuracy."""
    counts = [row["support"] for row in classes if row.get("support")]
    return bool(counts) and max(counts) > _UNEQUAL * min(counts)


def balanced_accuracy(classes: Sequence[ClassMetrics]) -> float | None:
    """Return the mean recall of the classes that have images, a fraction; None without images."""
    recalls = [row["recall"] for row in classes if row.get("support")]
    return sum(recalls) / len(recalls) if recalls else None


def unrecognized_classes(classes: Sequence[ClassMetrics]) -> list[str]:
    """Return the names of the classes that have images and a recall of 0."""
    return [row["name"] for row in classes if row["support"] and not row["recall"]]
