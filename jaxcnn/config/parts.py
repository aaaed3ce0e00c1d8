"""Registries of parts by name: networks, datasets, optimizers, …, jaxcnn's own and the user's.

A user's part is a decorated function in a user's file or notebook. Its registration records the
file and the digest of the file, so that a run can say which file it needs, and that it has changed.
"""

import contextlib
import dataclasses
import functools
import hashlib
import inspect
import os
import re
import sys
import tokenize
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from jaxcnn.errors import UserError

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable)

# the config field that names the parts of each kind: one name, or a tuple of names
FIELD_OF = {
    "network": "model.name",
    "dataset": "dataset.name",
    "augmentation": "augment.extra",
    "optimizer": "optimizer.name",
    "schedule": "schedule.name",
    "loss": "loss.name",
    "metric": "metrics",
}
_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_NAME = re.compile(r"[\w.-]+")
_SHOWN = 200  # characters of an error's text


class PartError(UserError):
    """A mistake in a user's part; the line names the part, its file and its line."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A user's part, as it was registered.

    Attributes:
      kind: a key of `FIELD_OF`.
      name: the name in configs.
      file: the file that registered it, as the user named it; "" for a notebook or a session.
      line: of the function.
      digest: of the file, or of the function's source in a notebook; "" if there is no source.
      path: of the file, absolute and without links; "" without a file.
      code: the name of the code in a traceback.
    """

    kind: str
    name: str
    file: str
    line: int
    digest: str
    path: str
    code: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} ({self.file or 'a notebook or session'}:{self.line})"

    def fault(self, text: str, line: int = 0) -> PartError:
        """Return the error of a mistake in the part; `line` is the function's by default."""
        part = dataclasses.replace(self, line=line) if line else self
        return PartError(f"{part}: {text}")

    @contextlib.contextmanager
    def naming(self, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Raise any error of the block as a `PartError` with the line of the user's file.

        Args:
          passing: errors that are raised unchanged.
        """
        try:
            yield
        except (PartError, MemoryError, *passing):
            raise
        except UserError as error:
            raise self.fault(str(error)) from error
        except Exception as error:  # the user's Python may raise anything
            raise self.fault(_describe(error), _last_line(error, self.code)) from error

    def guard(self, function: Callable) -> Callable:
        """Return the function; an error in it is a `PartError`."""

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            with self.naming():
                return function(*args, **kwargs)

        return guarded

    def check_array(self, value: Any, shape: tuple[int, ...], *, integers: bool = False) -> Any:
        """Return what the part's function returned as an array, checked for shape and dtype.

        Args:
          value: an array or a number.
          shape: the shape that it must have.
          integers: allow an integer dtype as well.

        Raises:
          UserError: it has another shape or dtype, or is no array.
        """
        import jax.numpy as jnp  # `compare` reads configs without JAX

        expected = f"a float array {shape}" if shape else "one number"
        try:
            array = jnp.asarray(value)
        except (TypeError, ValueError) as error:
            raise self.fault(f"must return {expected}, not {value!r:.80}") from error
        kinds = (jnp.floating, jnp.integer) if integers else (jnp.floating,)
        if array.shape != shape or not any(jnp.issubdtype(array.dtype, kind) for kind in kinds):
            raise self.fault(f"must return {expected}, not {array.dtype} {array.shape}")
        return array


class Registry(dict[str, T]):
    """The parts of a kind by name: the built-in ones and the user's.

    Args:
      kind: a key of `FIELD_OF`.
      arguments: the positional arguments with which the parts' functions are called.
      keywords: their arguments by keyword.
      reserved: names that a user's part cannot have, beside the names of the entries.
    """

    def __init__(
        self,
        kind: str,
        arguments: Sequence[str] = (),
        *,
        keywords: Sequence[str] = (),
        reserved: Collection[str] = (),
    ):
        super().__init__()
        self.kind, self._reserved = kind, reserved
        self._arguments, self._keywords = arguments, keywords
        self.parts: dict[str, Part] = {}
        REGISTRIES[kind] = self

    def knows(self, name: str) -> bool:
        """Return whether a part of this name exists, of jaxcnn or of the user."""
        return name in self or name in self._reserved

    def built_in(self, name: str) -> Callable:
        """Return the decorator that makes a function of jaxcnn the entry of a name."""
        return lambda entry: self.setdefault(name, entry)

    def decorator(self, name: str, make: Callable[..., T]) -> Callable:
        """Return the decorator that registers a function under a name.

        A user's part may be registered again, as when the cell of a notebook runs again.

        Args:
          name: of letters, digits, "_", "-" and ".".
          make: returns the entry for a user's function and its `Part`, or for a function of jaxcnn
            alone.

        Raises:
          UserError: the name or the function cannot be registered.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserError(
                f"{name!r} is no name; write @jaxcnn.{self.kind}(NAME) with a name of letters, "
                "digits, '_', '-' and '.'"
            )

        def register(function: Function) -> Function:
            part = _part_of(self.kind, name, function, sys._getframe(1))
            if part is None:
                if name in self:
                    raise ValueError(f"two {self.kind}s are named {name}")
                self[name] = make(function)
                return function
            self._check(part, function)
            self[name] = make(part.guard(function), part)
            self.parts[name] = part
            return function

        return register

    def _check(self, part: Part, function: Any) -> None:
        """Check that a user's function can be registered as a part."""
        name, before = part.name, self.parts.get(part.name)
        if before is None and self.knows(name):
            raise part.fault(
                f"jaxcnn has {_with_article(self.kind)} of this name; choose another name"
            )
        if before and before.path and part.path and before.path != part.path:
            raise part.fault(f"{before.file}:{before.line} has this name too; rename one of them")
        if not callable(function):
            raise part.fault(f"must be a function, not {_with_article(type(function).__name__)}")
        try:
            inspect.signature(function).bind(*self._arguments, **dict.fromkeys(self._keywords))
        except TypeError as error:
            keywords = [f"{keyword}=…" for keyword in self._keywords]
            expected = ", ".join([*self._arguments, *keywords]) or "no argument"
            raise part.fault(f"must take {expected}; all others need defaults") from error
        except ValueError:  # a function without a signature, such as one in C
            return


REGISTRIES: dict[str, Registry] = {}


def names_of(kind: str) -> list[str]:
    """Return the names of all parts of a kind."""
    return list(REGISTRIES.get(kind, ()))


def used_parts(config: Mapping[str, Any]) -> list[Part]:
    """Return the user's parts that a config names.

    Args:
      config: the fields by dotted name, see `flatten`.
    """
    return [
        REGISTRIES[kind].parts[name]
        for kind, name in named_parts(config)
        if kind in REGISTRIES and name in REGISTRIES[kind].parts
    ]


def named_parts(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the kinds and names of all parts that a config names, as `used_parts` does."""
    pairs = []
    for kind, field in FIELD_OF.items():
        value = config.get(field, ())
        names = value if isinstance(value, (tuple, list)) else [value]
        pairs += [(kind, name) for name in names if isinstance(name, str)]
    return pairs


def unknown_parts(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the kinds and names of the parts that a config names and nobody has registered."""
    return [
        (kind, name)
        for kind, name in named_parts(config)
        if _NAME.fullmatch(name) and not (kind in REGISTRIES and REGISTRIES[kind].knows(name))
    ]


def fault_in_user_code(error: BaseException) -> UserError | None:
    """Return an error of a user's file as a message with file and line; None for other errors."""
    codes = {part.code for registry in REGISTRIES.values() for part in registry.parts.values()}
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in codes]
    if not frames:
        return None
    return UserError(f"{frames[-1].filename}:{frames[-1].lineno}: {_describe(error)}")


def _part_of(kind: str, name: str, function: Any, frame: Any) -> Part | None:
    """Return the part that the code of a frame registers; None for jaxcnn's own code."""
    code = frame.f_code.co_filename
    if code.startswith(_PACKAGE):
        return None
    function_code = getattr(inspect.unwrap(function), "__code__", None)
    is_there = function_code and function_code.co_filename == code
    line = function_code.co_firstlineno if is_there else frame.f_lineno
    file = code if os.path.isfile(code) else ""
    path = os.path.realpath(file) if file else ""
    return Part(kind, name, file, line, _digest(code, function), path, code)


def _digest(code: str, function: Any) -> str:
    """Return the digest, 32 hex digits, of a file or else of a function's source."""
    try:
        content = Path(code).read_bytes()
    except OSError:
        try:
            content = inspect.getsource(function).encode()
        except (OSError, TypeError, SyntaxError, tokenize.TokenError):  # not there, or no Python
            return ""
    return hashlib.sha256(content).hexdigest()[:32]


def _last_line(error: BaseException, code: str) -> int:
    """Return the innermost line of a file or cell at which an error was raised; 0 for none."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 0 for f in reversed(frames) if f.filename == code), 0)


def _describe(error: BaseException) -> str:
    """Return the kind and the text of an error, with advice if jax.jit cannot run the code."""
    first = str(error).strip().split("\n")[0]
    text = f"{type(error).__name__}: {first[:_SHOWN]}" if first else type(error).__name__
    if type(error).__module__.startswith("jax") and "Tracer" in type(error).__name__:
        text += " It is compiled: use jnp.where for if, and jax.numpy for NumPy"
    return text


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
