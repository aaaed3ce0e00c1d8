"""Lines of a network that are not layers of this package: modules of Flax NNX, and functions."""

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxcnn.errors import UserError
from jaxcnn.nn.context import Context
from jaxcnn.nn.layer import Layer, Scope, Shape
from jaxcnn.nn.tracing import shape_of, trace_call, trace_module


class _Foreign(Layer):
    """The base class of both. Tracing a call gives the output's shape and the operations."""

    def _where(self) -> str:
        return f"{self.path} ({self.details()})"


class Function(_Foreign):
    """A function of a batch, such as `jax.nn.relu`; it has no parameters.

    A function that needs random numbers or the mask is written as a `Layer`. A module that the
    function uses would be a constant, so it is refused.
    """

    def __init__(self, function: Callable[[jax.Array], jax.Array], name: str = ""):
        super().__init__(name)
        named = getattr(function, "func", function)  # of a functools.partial
        self.function, self.function_name = function, getattr(named, "__name__", "function")
        self.kind = self.function_name if self.function_name.isidentifier() else "function"

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Return the shape of the function's output."""
        for used in _values_used(self.function):
            if isinstance(used, nnx.Module) and nnx.to_flat_state(nnx.state(used)):
                raise UserError(
                    f"{self._where()} uses a module, {type(used).__name__}, which would not be "
                    "trained: make the module a line of the network"
                )
        output_shape, self._operations = trace_call(self._where(), shape, self.function)
        return output_shape

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, ...) -> (batch, ...), with the dtype of x."""
        return self.function(x).astype(x.dtype)

    def details(self) -> str:
        """Return the function's name."""
        return self.function_name


def _values_used(function: Callable) -> Iterator[Any]:
    """Yield what a function uses by a name of its code, as a method, or as a bound argument."""
    if isinstance(function, functools.partial):
        yield from (function.func, *function.args, *function.keywords.values())
        yield from _values_used(function.func)
    elif inspect.ismethod(function):
        yield function.__self__
    elif inspect.isfunction(function := inspect.unwrap(function)):
        names = inspect.getclosurevars(function)
        for value in (*names.nonlocals.values(), *names.globals.values()):
            yield from value if isinstance(value, list | tuple) else [value]


class FlaxModule(_Foreign):
    """A module of Flax NNX as a layer: `FlaxModule(nnx.Conv, 3, 16, kernel_size=(3, 3))`.

    Given a class and its arguments, the module is made together with the network: its `nnx.Rngs`
    come from the network's seed and the layer's path. A module that exists already is copied and
    keeps its values, whatever the seed.

    If a module's call takes an argument `context`, the module gets the network's context: the mask,
    the keys and the mesh axis; None if the network was called without any of them. Any other module
    computes on the device's part of the batch alone, filling included. Its statistics are then
    averaged over the devices.

    Its output gets the dtype of its input. To compute in bfloat16, give the module that dtype too.
    """

    def __init__(
        self, module: type[nnx.Module] | nnx.Module, *arguments: Any, name: str = "", **options: Any
    ):
        super().__init__(name)
        is_class = isinstance(module, type)
        cls = module if is_class else type(module)
        if not issubclass(cls, nnx.Module):
            raise UserError(f"FlaxModule takes an nnx.Module or its class, not {module!r}")
        self.class_name = cls.__name__
        self.kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.class_name).lower()
        self.takes_context = "context" in inspect.signature(cls.__call__).parameters
        if not is_class and (arguments or options):
            raise UserError(f"this {self.class_name} exists already and takes no arguments here")
        parameters = inspect.signature(cls.__init__).parameters.values()
        takes_rngs = any(p.name == "rngs" or p.kind is p.VAR_KEYWORD for p in parameters)
        self.needs_rngs = is_class and takes_rngs and "rngs" not in options
        self.make = functools.partial(
            module if is_class else lambda: nnx.clone(module), *arguments, **options
        )

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """Make the module; return the shape of its output."""
        self.module = self._made(scope)
        self._check_state()
        self._join_held(scope)

        def call(module: nnx.Module, x: jax.Array, keys: jax.Array) -> jax.Array:
            return self._call(module, x, Context(keys))

        output_shape, self._operations = trace_module(self._where(), shape, self.module, call)
        return output_shape

    def _made(self, scope: Scope) -> nnx.Module:
        make = self.make
        del self.make  # its arguments may be unhashable, which an attribute must not be

        def module() -> nnx.Module:
            rngs = {"rngs": nnx.Rngs(scope.derive_seed())} if self.needs_rngs else {}
            return make(**rngs)

        if not scope.abstract:
            return module()
        graph, state = nnx.split(nnx.eval_shape(module))
        return nnx.merge(graph, jax.tree.map(shape_of, state))

    def _check_state(self) -> None:
        """Refuse variables that a training step does not carry, and those that are not float32."""
        where = f"{self.path} ({self.class_name})"
        for variable in self.variables():
            check_kind(variable, where)
            if variable.get_value().dtype != jnp.float32:
                about = f"{type(variable).__name__} of {variable.get_value().dtype}"
                raise UserError(f"{where} holds {about}: give the module param_dtype=jnp.float32")

    def _call(self, module: nnx.Module, x: jax.Array, context: Context) -> jax.Array:
        if not self.takes_context:
            return module(x)
        return module(x, context=context if context.given() else None)

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, ...) -> (batch, ...), with the dtype of x."""
        out = self._call(self.module, x, context)
        context.average_statistics(self.module)
        return out.astype(x.dtype)

    def details(self) -> str:
        """Return the name of the module's class."""
        return self.class_name


def check_kind(variable: nnx.Variable, where: str) -> None:
    """Refuse a variable of a kind that a training step does not carry.

    Args:
      variable: of a network.
      where: the layer that holds it, for the message.

    Raises:
      UserError: it is no parameter or statistic.
    """
    where = f"{where} holds {type(variable).__name__}"
    if isinstance(variable, nnx.RngState):
        raise UserError(f"{where}, random state that is not saved: use jaxcnn.nn.Dropout")
    if not isinstance(variable, nnx.Param | nnx.BatchStat):
        raise UserError(f"{where}: a network keeps nnx.Param and nnx.BatchStat alone")
