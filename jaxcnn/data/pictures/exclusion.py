"""Lists of pictures to leave out: a text file with a path in each line.

Empty lines, and lines that begin with `#`, are comments.
"""

import os
from pathlib import Path

from jaxcnn.errors import UserError


def read_exclusion(file: Path, folder: Path) -> set[Path]:
    """Return the pictures that a list leaves out.

    Args:
      file: the list, in UTF-8.
      folder: the folder that its paths are relative to.

    Raises:
      UserError: the file cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    # splitlines() would also split at characters that names may hold, such as U+2028
    paths = (line for line in text.split("\n") if line.strip() and not line.startswith("#"))
    return {Path(os.path.normpath(folder / path)) for path in paths}


def exclusion_line(name: str) -> str:
    """Return the line of a picture, whose name may begin like a comment."""
    return f"./{name}" if name.startswith("#") else name
