"""The Python files beside a user's file, which it can import as a script can."""

import ast
import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from jaxcnn.errors import UserError

_folders: list[str] = []  # those of the files that ran, in the order of `sys.path`


def find_beside(path: Path) -> None:
    """Let a user's file import the files beside it.

    Raises:
      UserError: Python would take another file of the same name for one of them.
    """
    folder = os.path.abspath(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last, so that a file hides no package; parts import when called
    if folder not in _folders:
        _folders.append(folder)
    for name, beside in _imported_beside(path):
        taken = _file_of(name)
        folders = {os.path.dirname(os.path.realpath(file)) for file in (taken, beside)}
        if _is_user_s(taken) and len(folders) > 1:
            raise UserError(
                f"{path}: imports {name}, which is {taken} in this process and not {beside}; "
                "rename one of them"
            )


def _imported_beside(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and file of each module beside a file that it imports, also by another one."""
    left, seen = [path], set()
    while left:
        for name in sorted(_imports(left.pop()) - seen):
            seen.add(name)
            for beside in (path.parent / name / "__init__.py", path.parent / f"{name}.py"):
                if beside == path:  # it has the name of a package that it imports
                    break
                if beside.exists():
                    left.append(beside)
                    yield name, beside
                    break


def _imports(path: Path) -> set[str]:
    """Return the first parts of the names that a file imports; none if it is no Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # running the file names the error
        return set()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _file_of(name: str) -> str:
    """Return the file of a module that is or would be imported; "" without one."""
    if module := sys.modules.get(name):
        return getattr(module, "__file__", None) or ""
    spec = importlib.util.find_spec(name)
    return spec.origin if spec and spec.has_location and spec.origin else ""


def _is_user_s(file: str) -> bool:
    """Return whether a module lies beside a user's file, the script, or in the working directory.

    Python's own modules and installed packages lie elsewhere, and go before the user's files.
    """
    if not file:
        return False
    folders = [*_folders, *map(os.path.abspath, sys.path[:1])]
    with contextlib.suppress(OSError):  # the working directory was deleted
        folders.append(os.getcwd())
    folder = os.path.dirname(os.path.abspath(file))
    if os.path.basename(file) == "__init__.py":
        folder = os.path.dirname(folder)
    return folder in folders
