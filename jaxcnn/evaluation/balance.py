"""Class balance: classes of unequal size, and classes that the network never recognizes."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.data.counts import is_unequal

ClassMetrics = Mapping[str, Any]  # one class: "name", "support" (images), "recall", …


def shows_balanced_accuracy(classes: Sequence[ClassMetrics]) -> bool:
    """Return whether the evaluated classes differ so much in size that accuracy misleads."""
    return is_unequal(row.get("support") or 0 for row in classes)


def balanced_accuracy(classes: Sequence[ClassMetrics]) -> float | None:
    """Return the mean recall of the classes that have images, a fraction; None without images."""
    recalls = [row["recall"] for row in classes if row.get("support")]
    return sum(recalls) / len(recalls) if recalls else None


def unrecognized_classes(classes: Sequence[ClassMetrics]) -> list[str]:
    """Return the names of the classes that have images and a recall of 0."""
    return [row["name"] for row in classes if row["support"] and not row["recall"]]
