"""The configs of trials: from the values of the fields, checked."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.api.member_config import member_config
from jaxcnn.api.search.explore import draw
from jaxcnn.config.sweep import Assignment, Values, ends_of, with_values
from jaxcnn.errors import UserError
from jaxcnn.training.variation import check_population

_DRAWS = 30  # combinations with a value that are tried


def trial_config(config: ConfigDict, values: Assignment, folder: Path) -> ConfigDict:
    """Return the checked config of a trial, which trains on one device.

    Raises:
      UserError: the values do not fit each other, or a population cannot train them.
    """
    single = with_values(config, {"num_devices": 1})
    trial = member_config("--search", single, values, folder)
    check_population([trial])
    return trial


def try_values(
    fields: Mapping[str, Values], seed: int, fixed: Assignment, check: Callable[[Assignment], Any]
) -> Any:
    """Return what a check gives for some values, with the first of the others that it takes.

    Args:
      fields: the values that each field may take.
      seed: decides which other values are tried.
      fixed: the values of some fields.
      check: raises `UserError` for a combination that is not possible.

    Raises:
      UserError: none that was tried is possible; it is that of the first one.
    """
    errors: list[UserError] = []
    for number in range(_DRAWS if fixed.keys() < fields.keys() else 1):
        try:
            return check(draw(fields, seed, number) | fixed)
        except UserError as error:
            errors.append(error)
    raise errors[0]


def check_each_value(
    fields: Mapping[str, Values], seed: int, check: Callable[[Assignment], object]
) -> None:
    """Check that each value of a list and each end of a range fits some of the other values.

    Args:
      fields, seed, check: see `try_values`.

    Raises:
      UserError: one fits none of those that were tried.
    """
    for name, values in fields.items():
        for value in ends_of(values):
            try_values(fields, seed, {name: value}, check)
