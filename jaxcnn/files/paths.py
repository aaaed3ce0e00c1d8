"""The paths that users name: expanded, and checked before anything is written.

Orbax, TensorStore and tfds give a meaning to some characters. What they write to such a path lies
somewhere else, or they do not find it again.
"""

import os
import re
from pathlib import Path

from absl import flags

from jaxcnn.errors import UserError

flags.disclaim_key_flags()  # `path_flag` defines flags of the module that calls it


_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# TensorStore takes \ for /, Orbax reads [, * and ? as patterns and gs:/ as a bucket of Google's
_SPECIAL_TO_CHECKPOINTS = re.compile(r"[\\\[*?]|gs:(?=/|$)")
_SPECIAL_TO_DATASETS = re.compile(r"\*\*")  # tfds refuses to look for it
_LONGEST = 4096 - 160  # bytes: Linux's limit, less what the libraries add


def user_path(text: str) -> Path:
    """Return a path that a user typed, with `~` as the home directory.

    Raises:
      UserError: it is an address such as gs://bucket, or there is no such home directory.
    """
    if _ADDRESS.match(text):
        raise UserError(f"{text}: is an address; name a path of this machine")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # no HOME and no entry in passwd, or no such user
        raise UserError(f"{text}: there is no such home directory; write out its path") from error


class _PathParser(flags.ArgumentParser):
    """Reads a flag's path; an empty one is None, as where the flag is not given."""

    syntactic_help = "a path"

    def flag_type(self) -> str:
        """Return the name for `--help`."""
        return "path"

    def parse(self, argument: str) -> Path | None:
        """Return the path."""
        return user_path(argument) if argument else None


def path_flag(name: str, help_text: str) -> flags.FlagHolder[Path | None]:
    """Define a flag that holds a path; None where it is not given."""
    return flags.DEFINE(_PathParser(), name, None, help_text)


def check_for_checkpoints(workdir: Path) -> None:
    """Refuse a run's folder in whose path Orbax or TensorStore would not write, or not read.

    Raises:
      UserError: it names what is wrong with the path.
    """
    _check(workdir, _SPECIAL_TO_CHECKPOINTS, "name another --workdir")


def check_for_dataset(data_dir: Path) -> None:
    """Refuse a folder in which tfds would not write a dataset, or not read it.

    Raises:
      UserError: it names what is wrong with the path.
    """
    _check(data_dir, _SPECIAL_TO_DATASETS, "name another data_dir")


def _check(folder: Path, special: re.Pattern[str], advice: str) -> None:
    path = os.path.abspath(folder)
    found = special.search(path)
    if found:
        raise UserError(f"{folder}: no {found[0]} may be in the folder's path; {advice}")
    try:
        length = len(path.encode())
    except UnicodeEncodeError as error:
        raise UserError(f"{folder}: its path is not in UTF-8; {advice}") from error
    if length > _LONGEST:
        raise UserError(f"{folder}: its path has more than {_LONGEST} bytes; {advice}")
