"""The settings of users' pictures, `dataset.exclude`, `fit` and `split`, and who takes them."""

from collections.abc import Mapping
from typing import Any

from jaxcnn.config.rules import FIT, SPLIT
from jaxcnn.errors import UserError

_TAKERS = {
    "exclude": ("folder:PATH", "table:PATH"),
    "fit": ("folder:PATH", "table:PATH", "tfds:NAME"),
    "split": ("folder:PATH", "table:PATH", "tfds:NAME"),
}
# values that change nothing; older runs on any data have the rule "shuffle"
_WITHOUT_EFFECT = {"exclude": ("",), "fit": ("crop",), "split": SPLIT.choices}


def check_picture_settings(settings: Mapping[str, Any]) -> None:
    """Check the settings of users' pictures.

    Args:
      settings: `name`, the dataset's, and `exclude`, `fit` and `split`.

    Raises:
      UserError: `fit` is wrong, or the dataset does not take one of them.
    """
    if not FIT.holds(settings["fit"]):
        raise UserError(f"fit = {settings['fit']!r}: must be {FIT.allowed}")
    for line in not_taken(settings):
        raise UserError(line)


def not_taken(settings: Mapping[str, Any]) -> list[str]:
    """Return a line for each setting that a dataset does not take; see `check_picture_settings`."""
    name = settings["name"]
    return [
        f"{field} = {settings[field]!r}: only {', '.join(takers[:-1])} and {takers[-1]} take it"
        for field, takers in _TAKERS.items()
        if settings[field] not in _WITHOUT_EFFECT[field]
        and not any(name.startswith(taker.partition(":")[0] + ":") for taker in takers)
    ]
