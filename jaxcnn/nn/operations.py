"""Operations of a traced function: those of its convolutions and matrix products."""

import math
from collections.abc import Iterator
from typing import Any


def count_operations(jaxpr: Any) -> int:
    """Return the operations of a jaxpr's convolutions and matrix products.

    A multiply-add counts as 2. The body of a scan counts once for each of its steps, and of a
    conditional all branches count.
    """
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name in _COUNTS:
            total += 2 * _COUNTS[equation.primitive.name](equation)
        inner = sum(count_operations(part) for part in _inner(equation.params))
        total += equation.params.get("length", 1) * inner
    return total


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    """Yield the jaxprs among an equation's parameters."""
    for value in params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            part = getattr(part, "jaxpr", part)  # of a closed jaxpr
            if hasattr(part, "eqns"):
                yield part


def _matrix_product(equation: Any) -> int:
    """Return the multiply-adds: one for each output and each contracted entry."""
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = equation.invars[0].aval.shape
    return equation.outvars[0].aval.size * math.prod(shape[axis] for axis in contracted)


def _convolution(equation: Any) -> int:
    """Return the multiply-adds: one for each output and each kernel entry that leads to it.

    The zeros that a transposed convolution puts between the entries of its input do not count.
    """
    kernel, params = equation.invars[1].aval, equation.params
    num_outputs = kernel.shape[params["dimension_numbers"].rhs_spec[0]]
    num_places = num_outputs * math.prod(params["lhs_dilation"])
    return equation.outvars[0].aval.size * kernel.size // num_places


_COUNTS = {"dot_general": _matrix_product, "conv_general_dilated": _convolution}
