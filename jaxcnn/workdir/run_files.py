"""The files of a run's folder: what each may hold, and which belong together.

Every command reads them here. `config.json` gives the run its identity, a random number that the
other files and the checkpoints name, so that another run's are told from its own.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.schemas import Kind, Wrong
from jaxcnn.workdir.schemas import CONFIG, DIGESTS, EVALUATION, FILES, PROGRESS

EVALUATIONS = "evaluation/*.json"
TEST_EVALUATION = "evaluation/test.json"  # of the weights that the run itself tests


@dataclasses.dataclass(frozen=True)
class Identity:
    """Which run a folder holds.

    Attributes:
      id: 32 hexadecimal digits; "" for a run of older code, whose files name none.
      had_none: the run got its id when it was resumed: its older files name none.
    """

    id: str = ""
    had_none: bool = True

    def owns(self, named: str) -> bool:
        """Whether a file that names a run, or "" for none, may be of this one."""
        return named == self.id or (not named and self.had_none)


def new_identity(*, had_none: bool = False) -> Identity:
    """Return the identity of a run whose folder is made, or of one of older code."""
    return Identity(secrets.token_hex(16), had_none)


def read_identity(workdir: Path) -> Identity:
    """Return which run the folder holds.

    Raises:
      UserError: its config.json is damaged.
    """
    if not (workdir / "config.json").exists():
        return Identity()
    found = _read_checked(workdir / "config.json", CONFIG).get("run")
    return Identity(found["id"], bool(found["had_none"])) if found else Identity()


def with_identity(config: Mapping[str, Any], identity: Identity) -> dict[str, Any]:
    """Return what `config.json` holds: the fields of the config, and which run it is of."""
    return {**config, "run": dataclasses.asdict(identity)}


def read_part(workdir: Path, name: str, need: Mapping[str, str] | Sequence[str] = ()) -> dict:
    """Return what a JSON file of a run's folder holds, without the run's identity for config.json.

    Args:
      name: "config.json", "dataset.json", "environment.json", "result.json", or one of
        `evaluation/`.
      need: fields that must be there and not null, with what is said where one is not.

    Raises:
      UserError: it is not there, damaged, of another run, or lacks a field; the line names it.
    """
    path = workdir / name
    found = _read_checked(path, FILES.get(name, EVALUATION))
    for field in need:
        if found.get(field) is None:
            said = need[field] if isinstance(need, Mapping) else f"has no {field}"
            raise UserError(f"{path}: {said}")
    if name == "config.json":
        found.pop("run", None)
    elif not read_identity(workdir).owns(found.get("run", "")):
        raise UserError(f"{path}: is not of the run of config.json; {_BRING_BACK}")
    return found


_BRING_BACK = "bring the run's own back, or move it away"


def read_part_if_there(
    workdir: Path, name: str, need: Mapping[str, str] | Sequence[str] = ()
) -> dict | None:
    """Return as `read_part`, or None where there is no such file."""
    return read_part(workdir, name, need) if os.path.lexists(workdir / name) else None


def evaluations(workdir: Path) -> list[str]:
    """Return the names of the folder's evaluations, for `read_part`."""
    return sorted(str(path.relative_to(workdir)) for path in workdir.glob(EVALUATIONS))


def check_parts(workdir: Path) -> None:
    """Check, before a run goes on, that what its folder holds can be read and is its own.

    Raises:
      UserError: the first file that is damaged or of another run.
    """
    for name in (*FILES, *evaluations(workdir)):
        read_part_if_there(workdir, name)


def missing_parts(workdir: Path) -> list[str]:
    """Return a line for each file that is missing, though the run wrote it before the checkpoint
    that it has."""
    if not checkpoint_steps(workdir):
        return []
    lost = {
        "dataset.json": "whether the data are those of before cannot be checked",
        "environment.json": "what was changed on the way is no longer known",
    }
    paths = {workdir / name: what for name, what in lost.items()}
    return [f"{path} is missing: {what}" for path, what in paths.items() if not path.exists()]


def checkpoint_steps(workdir: Path) -> list[int]:
    """Return the steps of the checkpoints on disk, the newest last."""
    names = [path.name for path in (workdir / "checkpoints").glob("[0-9]*")]
    return sorted(int(name) for name in names if name.isdecimal() and name.isascii())


def read_progress(workdir: Path, step: int) -> dict[str, Any]:
    """Return what the host knew of the run at a checkpoint.

    Raises:
      UserError: it is not there or damaged, has values that no run has at this step, or the
        checkpoint is of another run.
    """
    path = workdir / "checkpoints" / str(step) / "progress" / "metadata"
    found = _read_checked(path, PROGRESS, with_infinity=True)
    for name in ("best_step", "anchor_step", "best_epoch", "anchor_epoch", "epochs_without_gain"):
        if found.get(name, 0) > step:  # an epoch has a step or more
            raise UserError(f"{path}: {name} = {found[name]}: must be at most the step, {step}")
    if not read_identity(workdir).owns(found.get("run", "")):
        folder = workdir / "checkpoints" / str(step)
        raise OtherRun(f"{folder}: is not of the run of config.json; {_BRING_BACK}")
    return found


def read_digests(workdir: Path, step: int) -> dict[str, int] | None:
    """Return the checksums of a checkpoint's parts; None where older code wrote none.

    Raises:
      UserError: the file is damaged.
    """
    folder = workdir / "checkpoints" / str(step) / "digests"
    return _read_checked(folder / "metadata", DIGESTS) if folder.exists() else None


class OtherRun(UserError):
    """A checkpoint that was copied from another run's folder."""


def data_digest(about: Mapping[str, Any]) -> str:
    """Return what tells one meaning of a network's input and output from another.

    Args:
      about: what `dataset.json` holds.
    """
    named = [about[name] for name in ("class_names", "image_shape", "pixel_shift", "pixel_scale")]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]


def refuse_links(workdir: Path) -> None:
    """Check that nothing in a run's folder leads out of it, so that nothing is read or written
    elsewhere.

    Raises:
      UserError: a link does; or there is a pipe, a socket or a device.
    """
    root = os.path.realpath(workdir)
    for folder, folders, files in os.walk(workdir):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            inside = os.path.realpath(path).startswith(root + os.sep)
            if os.path.islink(path) and not inside:
                raise UserError(
                    f"{path}: is a link out of the run's folder; put what it points to in its place"
                )
            if not _is_ordinary(path):
                raise UserError(f"{path}: is not an ordinary file; move it away")


def _is_ordinary(path: str) -> bool:
    """Whether it is a file, a folder or a link; or gone, as a run may be going on."""
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True
    return kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


def _read_checked(path: Path, kind: Kind, *, with_infinity: bool = False) -> dict:
    found = read_json(path, with_infinity=with_infinity)
    if not isinstance(found, dict):
        raise UserError(f"{path}: is not a JSON object")
    try:
        kind(found, "")
    except Wrong as error:
        raise UserError(f"{path}: {error}") from error
    return found


@contextlib.contextmanager
def refusing_damage(path: Path) -> Iterator[None]:
    """Raise any error of the block as a `UserError` that names the damaged file."""
    try:
        yield
    except Exception as error:  # anything may stand in a file
        if str(path) in str(error):
            raise
        raise UserError(f"{path}: is not a run's, or damaged ({error})") from error
