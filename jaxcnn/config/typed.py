"""A config whose fields keep their types: another type is refused with one line."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.errors import UserError


class WrongType(UserError, TypeError):
    """A field of a config got a value of another type."""


class Config(ConfigDict):
    """A `ConfigDict` that raises `WrongType` in place of ml_collections' `TypeError`."""

    def __setitem__(self, key: str, value: Any) -> None:
        """Set a field; a dict becomes a group of fields.

        Raises:
          WrongType: the field is of another type; a whole number may set a float.
        """
        try:
            super().__setitem__(key, make_config(value) if isinstance(value, dict) else value)
        except TypeError as error:
            problem = f"{key} = {value!r}: is {type(value).__name__}"
            if isinstance(self[key], ConfigDict):
                hint = f"; did you mean {key}.name?" if "name" in self[key] else ""
                raise WrongType(f"{problem}; {key} is a group of fields{hint}") from error
            expected = type(self[key]).__name__
            raise WrongType(f"{problem}; the field takes {expected}") from error


def make_config(fields: Mapping[str, Any]) -> Config:
    """Return a config with these fields, and with each dict in them as a group of fields."""
    config = Config()
    for name, value in fields.items():
        config[name] = value
    return config
