"""Paths that users name: expanded, and checked before anything is written.

Orbax, TensorStore and tfds treat some characters of a path specially. They would write somewhere
else, or not find their files again.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from jaxcnn.errors import UserError

flags.disclaim_key_flags()  # flags belong to the module that calls `path_flag`

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# TensorStore reads \ as /, Orbax reads [, * and ? as patterns and gs:/ as a bucket of Google's
_SPECIAL_TO_CHECKPOINTS = re.compile(r"[\\\[*?]|gs:(?=/|$)")
_SPECIAL_TO_DATASETS = re.compile(r"\*\*")  # tfds refuses to search such a path
_LONGEST = 4096 - 160  # bytes: Linux's limit, minus the libraries' own file names


def user_path(text: str) -> Path:
    """Return the path that a user typed, with `~` replaced by the home directory.

    Raises:
      UserError: it is an address such as gs://bucket, or the home directory is unknown.
    """
    if _ADDRESS.match(text):
        raise UserError(f"{text}: is an address; give a path on this machine")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # no HOME, no entry in passwd, or no such user
        raise UserError(
            f"{text}: there is no such home directory; write the path in full"
        ) from error


@contextlib.contextmanager
def staying_here() -> Iterator[None]:
    """Come back to the working directory after a block of the user's code, which may leave it."""
    try:
        here = os.getcwd()
    except OSError:  # it was deleted
        here = ""
    try:
        yield
    finally:
        if here:
            _return_to(here)


def _return_to(folder: str) -> None:
    """Make a folder the working directory again; stay where it cannot be entered."""
    with contextlib.suppress(OSError):  # the present working directory was deleted
        if os.getcwd() == folder:
            return
    with contextlib.suppress(OSError):
        os.chdir(folder)


def below(path: Path, folder: Path) -> Path:
    """Return a path relative to a folder; the path itself if it lies outside."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path


class _PathParser(flags.ArgumentParser):
    """Parses a flag's path; an empty one is None, as without the flag."""

    syntactic_help = "a path"

    def flag_type(self) -> str:
        """Return the type's name for `--help`."""
        return "path"

    def parse(self, argument: str) -> Path | None:
        """Return the path, or None for an empty one."""
        return user_path(argument) if argument else None


def path_flag(name: str, help_text: str) -> flags.FlagHolder[Path | None]:
    """Define a flag that holds a path, or None if it is not given."""
    return flags.DEFINE(_PathParser(), name, None, help_text)


def check_for_checkpoints(workdir: Path) -> None:
    """Check that Orbax and TensorStore can write to a run's folder and read from it.

    Raises:
      UserError: they cannot; the line names the reason in the path.
    """
    _check(workdir, _SPECIAL_TO_CHECKPOINTS, "name another --workdir")


def check_for_dataset(data_dir: Path) -> None:
    """Check that tfds can write a dataset to a folder and read it from there.

    Raises:
      UserError: it cannot; the line names the reason in the path.
    """
    _check(data_dir, _SPECIAL_TO_DATASETS, "name another data_dir")


def _check(folder: Path, special: re.Pattern[str], advice: str) -> None:
    path = os.path.abspath(folder)
    match = special.search(path)
    if match:
        raise UserError(f"{folder}: the folder's path must not contain {match[0]}; {advice}")
    try:
        length = len(path.encode())
    except UnicodeEncodeError as error:
        raise UserError(f"{folder}: its path is not in UTF-8; {advice}") from error
    if length > _LONGEST:
        raise UserError(f"{folder}: its path is longer than {_LONGEST} bytes; {advice}")
