"""A part of the user's: a decorated function in a file or a notebook, and the mistakes in it.

Its registration records the file and the digest of the file, so that a run can say which file it
needs, and that it has changed.
"""

import contextlib
import dataclasses
import functools
import hashlib
import inspect
import os
import tokenize
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.files.paths import staying_here

_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_SHOWN = 200  # characters of an error's text


class PartError(UserError):
    """A mistake in a user's part; the line names the part, its file and its line."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A user's part, as it was registered.

    Attributes:
      kind: a key of `parts.FIELD_OF`.
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
        except (Exception, SystemExit) as error:  # the user's Python may raise anything
            raise self.fault(describe_error(error), _last_line(error, self.code)) from error

    def guard(self, function: Callable) -> Callable:
        """Return the function; an error in it is a `PartError`."""

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            with self.naming(), staying_here():
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


def part_of(kind: str, name: str, function: Any, frame: Any) -> Part | None:
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


def describe_error(error: BaseException) -> str:
    """Return the kind and the text of an error, with advice if jax.jit cannot run the code."""
    first = str(error).strip().split("\n")[0]
    text = f"{type(error).__name__}: {first[:_SHOWN]}" if first else type(error).__name__
    if type(error).__module__.startswith("jax") and "Tracer" in type(error).__name__:
        text += " It is compiled: use jnp.where for if, and jax.numpy for NumPy"
    return text
