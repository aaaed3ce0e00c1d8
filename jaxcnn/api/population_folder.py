"""The folder of a population: `sweep.json`, `members/000` and so on, and `result.json`."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.config.sweep import Assignment
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.workdir.folder import lock_folder

_SWEEP = "sweep.json"
_MEMBERS = "members"


def member_folder(workdir: Path, index: int) -> Path:
    """Return the folder of a member."""
    return workdir / _MEMBERS / f"{index:03}"


@contextlib.contextmanager
def open_folder(
    workdir: Path, fields: Mapping[str, Sequence[Any]], members: Sequence[Assignment]
) -> Iterator[None]:
    """Make the folder of a new population, or open that of a resumed one; lock it in the block.

    Args:
      workdir: the population's folder.
      fields: the values of each field that varies.
      members: the fields' values of each member.

    Raises:
      UserError: the folder holds something else, cannot be written, or another process trains in
        it.
    """
    lock = lock_folder(workdir, lambda: check_sweep(workdir, members))
    try:
        content = {name: list(values) for name, values in fields.items()}
        write_json(workdir / _SWEEP, {"fields": content, "members": list(members)})
        (workdir / _MEMBERS).mkdir(exist_ok=True)
        yield
    finally:
        lock.release()


def check_sweep(workdir: Path, members: Sequence[Assignment]) -> None:
    """Check that the folder is empty or holds this population.

    Raises:
      UserError: it does not.
    """
    if not (workdir / _SWEEP).exists():
        if any(not file.name.startswith(".") for file in workdir.iterdir()):
            raise UserError(f"{workdir}: holds files but no sweep; name another --workdir")
        return
    saved = read_json(workdir / _SWEEP)
    before = saved.get("members") if isinstance(saved, dict) else None
    if not isinstance(before, list):
        raise UserError(f"{workdir / _SWEEP}: is damaged: it has no list of members")
    if before != list(members):
        raise UserError(
            f"{workdir}: holds another sweep, of {len(before)} members; name another --workdir"
        )
