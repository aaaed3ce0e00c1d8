"""Registries of parts by name: networks, datasets, optimizers, …, jaxcnn's own and the user's."""

import contextlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from jaxcnn.config.part import Part, describe_error, part_of
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
_NAME = re.compile(r"[\w.-]+")
_running: list[set[tuple[str, str]]] = []  # kind and name of the parts of each file that is run


@contextlib.contextmanager
def parts_of_a_file() -> Iterator[None]:
    """Refuse parts of one kind and name that are registered during the block, a file's run."""
    _running.append(set())
    try:
        yield
    finally:
        _running.pop()


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

        def register(entry: T) -> T:
            self._add_built_in(name, entry)
            return entry

        return register

    def _add_built_in(self, name: str, entry: T) -> None:
        if name in self:
            raise ValueError(f"{name!r} names two parts of the kind {self.kind}")
        self[name] = entry

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
        if callable(name) and (part := part_of(self.kind, "NAME", name, sys._getframe(2))):
            raise part.fault(f'write @jaxcnn.{self.kind}("NAME"), with parentheses')
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserError(
                f"{name!r} is no name; write @jaxcnn.{self.kind}(NAME) with a name of letters, "
                "digits, '_', '-' and '.'"
            )

        def register(function: Function) -> Function:
            part = part_of(self.kind, name, function, sys._getframe(1))
            if part is None:
                self._add_built_in(name, make(function))
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
        of_file = _running[-1] if _running else set()
        if (self.kind, name) in of_file:
            raise part.fault("the file has two of this name; rename one of them")
        of_file.add((self.kind, name))
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
    return UserError(f"{frames[-1].filename}:{frames[-1].lineno}: {describe_error(error)}")


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
