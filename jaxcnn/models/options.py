"""Options of networks that are one of a few words."""

from typing import TypeVar

from jaxcnn.errors import UserError

T = TypeVar("T")


def choose(option: str, value: str, choices: dict[str, T]) -> T:
    """What the option's value stands for.

    Raises:
      UserError: the value is none of the choices.
    """
    if value not in choices:
        raise UserError(f"option {option} = {value!r}: allowed is one of {', '.join(choices)}")
    return choices[value]
