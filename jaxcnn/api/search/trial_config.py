"""The configs of trials: from the values of the fields, checked."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.api.member_config import member_config
from jaxcnn.api.search.explore import draw
from jaxcnn.config.sweep import Assignment, Interval, Values, with_values
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


def ends_of(values: Values) -> list[Any]:
    """Return the values of a list, or the ends of an interval."""
    return [values.low, values.high] if isinstance(values, Interval) else values


def check_values(
    fields: Mapping[str, Values], seed: int, check: Callable[[Assignment], object]
) -> None:
    """Check that each value of a list and each end of an interval fits some of the other values.

    Args:
      fields: the values that each field may take.
      seed: decides with which other values a value is tried.
      check: raises `UserError` for a combination that is not possible.

    Raises:
      UserError: a value fits none of those that are tried; the text is that of the first one.
    """
    for name, values in fields.items():
        for value in ends_of(values):
            errors: list[UserError] = []
            while len(errors) < _DRAWS:
                try:
                    check(draw(fields, seed, len(errors)) | {name: value})
                    break
                except UserError as error:
                    errors.append(error)
            else:
                raise errors[0]
