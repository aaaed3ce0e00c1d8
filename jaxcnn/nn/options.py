"""The words that options of layers take."""

import functools
from collections.abc import Callable, Iterable

import jax

from jaxcnn.errors import UserError

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "linear": lambda x: x,
    "relu": jax.nn.relu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "silu": jax.nn.silu,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "leaky_relu": jax.nn.leaky_relu,  # slope 0.01
}
PADDINGS = ("valid", "same")


def check_option(option: str, value: object, choices: Iterable[str]) -> None:
    """Check that an option of a layer or of a network holds one of its words.

    Raises:
      UserError: the value is none of the choices.
    """
    words = list(choices)
    if value not in words:
        raise UserError(f"option {option} = {value!r}: allowed is one of {', '.join(words)}")
