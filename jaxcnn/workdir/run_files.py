"""The JSON files of a run's folder: read, checked by their schemas, and checked for their run.

`config.json` holds the run's identity, a random id. All other files and the checkpoints name this
id, so that files of another run are recognized. Every command reads the files through this module.
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
from jaxcnn.workdir.schemas import CONFIG, DIGESTS, EVALUATION, FILES, PROGRESS, PROVENANCE

EVALUATIONS = "evaluation/*.json"
CALIBRATION = "calibration.json"  # the temperature of the logits of the tested weights; optional
DIVERGED = "diverged.json"  # of a member whose loss was not finite, until it trains again
_BRING_BACK = "bring the run's own back, or move it away"
CALIBRATIONS = {name: f"calibration_{name}.json" for name in ("best", "latest")}  # of other weights
TEST_EVALUATION = "evaluation/test.json"  # of the weights that the run itself tests


@dataclasses.dataclass(frozen=True)
class Identity:
    """The identity of a run.

    Attributes:
      id: 32 hexadecimal digits; "" for a run of older code, whose files name no id.
      had_none: the run got its id when it was resumed, so its older files name no id.
    """

    id: str = ""
    had_none: bool = True

    def owns(self, run_id: str) -> bool:
        """Return whether a file that names an id, or "" for none, may be of this run."""
        return run_id == self.id or (not run_id and self.had_none)


def new_identity(*, had_none: bool = False) -> Identity:
    """Return a new identity, for a new run or for an older one that has none."""
    return Identity(secrets.token_hex(16), had_none)


def read_identity(workdir: Path) -> Identity:
    """Return the identity of the run in a folder.

    Raises:
      UserError: `config.json` is damaged.
    """
    if not (workdir / "config.json").exists():
        return Identity()
    run = _read_checked(workdir / "config.json", CONFIG).get("run")
    return Identity(run["id"], bool(run["had_none"])) if run else Identity()


def with_identity(config: Mapping[str, Any], identity: Identity) -> dict[str, Any]:
    """Return the content of `config.json`: the fields of the config, and the identity."""
    return {**config, "run": dataclasses.asdict(identity)}


def read_part(workdir: Path, name: str, need: Mapping[str, str] | Sequence[str] = ()) -> dict:
    """Return the content of a JSON file of a run's folder; of `config.json` without the identity.

    Args:
      workdir: the run's folder.
      name: "config.json", "dataset.json", "environment.json", "result.json",
        "provenance.json", or a file of `evaluation/`.
      need: fields that must be present and not null; a mapping gives the text of the error.

    Raises:
      UserError: the file is missing, damaged, of another run, or lacks a field.
    """
    path = workdir / name
    others = PROVENANCE if name == "provenance.json" else EVALUATION
    content = _read_checked(path, FILES.get(name, others))
    for field in need:
        if content.get(field) is None:
            fault = need[field] if isinstance(need, Mapping) else f"has no {field}"
            raise UserError(f"{path}: {fault}")
    if name == "config.json":
        content.pop("run", None)
    elif not read_identity(workdir).owns(content.get("run", "")):
        raise UserError(f"{path}: is not of the run of config.json; {_BRING_BACK}")
    return content


def read_part_if_there(
    workdir: Path, name: str, need: Mapping[str, str] | Sequence[str] = ()
) -> dict | None:
    """Return the content of a JSON file as `read_part` does, or None if there is no such file."""
    return read_part(workdir, name, need) if os.path.lexists(workdir / name) else None


def read_calibration(workdir: Path, checkpoint: str, step: int | None) -> dict | None:
    """Return the content of the file with the temperature of a checkpoint's weights.

    Args:
      workdir: the run's folder.
      checkpoint: "best" or "latest".
      step: after which the weights were saved.

    Returns:
      None if no temperature was fitted for these weights.

    Raises:
      UserError: the file is damaged or of another run.
    """
    for name in (CALIBRATION, CALIBRATIONS[checkpoint]):
        about = read_part_if_there(workdir, name)
        if about and about["step"] == step:
            return about
    return None


def came_from_python(workdir: Path) -> bool:
    """Return whether the data of the run in a folder are a user's arrays."""
    return bool((read_part_if_there(workdir, "dataset.json") or {}).get("from_python"))


def evaluations(workdir: Path) -> list[str]:
    """Return the names of the evaluations in a run's folder, for `read_part`."""
    return sorted(str(path.relative_to(workdir)) for path in workdir.glob(EVALUATIONS))


def check_parts(workdir: Path) -> None:
    """Check that all JSON files of a run's folder are readable and of the same run.

    Raises:
      UserError: a file is damaged or of another run.
    """
    for name in (*FILES, *evaluations(workdir)):
        read_part_if_there(workdir, name)


def missing_parts(workdir: Path) -> list[str]:
    """Return a warning for each missing file that every run with a checkpoint has written."""
    if not checkpoint_steps(workdir):
        return []
    consequences = {
        "dataset.json": "a change of the data cannot be detected",
        "environment.json": "earlier changes of the config are no longer known",
    }
    return [
        f"{workdir / name} is missing: {consequence}"
        for name, consequence in consequences.items()
        if not (workdir / name).exists()
    ]


def checkpoint_steps(workdir: Path) -> list[int]:
    """Return the steps of the checkpoints on disk, in ascending order."""
    names = [path.name for path in (workdir / "checkpoints").glob("[0-9]*")]
    return sorted(int(name) for name in names if name.isdecimal() and name.isascii())


def read_progress(workdir: Path, step: int) -> dict[str, Any]:
    """Return the fields of `Progress` in a checkpoint.

    Raises:
      UserError: the file is missing or damaged, or a value is impossible at this step.
      OtherRun: the checkpoint is of another run.
    """
    path = workdir / "checkpoints" / str(step) / "progress" / "metadata"
    progress = _read_checked(path, PROGRESS, with_infinity=True)
    for name in ("best_step", "anchor_step", "best_epoch", "anchor_epoch", "epochs_without_gain"):
        if progress.get(name, 0) > step:  # each epoch has at least one step
            raise UserError(f"{path}: {name} = {progress[name]}: must be at most the step, {step}")
    if not read_identity(workdir).owns(progress.get("run", "")):
        folder = workdir / "checkpoints" / str(step)
        from jaxcnn.workdir.digests import digests_of  # which imports JAX; `compare` needs none

        digests = read_digests(workdir, step)
        if digests and digests_of({"progress": progress})["progress"] != digests.get("progress"):
            raise UserError(f"{path}: checksum mismatch: it is not what was written")
        raise OtherRun(f"{folder}: is not of the run of config.json; {_BRING_BACK}")
    return progress


def read_digests(workdir: Path, step: int) -> dict[str, int] | None:
    """Return the checksums of a checkpoint's parts; None for a checkpoint of older code.

    Raises:
      UserError: the file is damaged.
    """
    folder = workdir / "checkpoints" / str(step) / "digests"
    return _read_checked(folder / "metadata", DIGESTS) if folder.exists() else None


class OtherRun(UserError):
    """A checkpoint is of another run; somebody copied it into the folder."""


def data_digest(about: Mapping[str, Any]) -> str:
    """Return the digest, 32 hexadecimal digits, of the meaning of a network's input and output.

    Args:
      about: the content of `dataset.json`.
    """
    named = [about[name] for name in ("class_names", "image_shape", "pixel_shift", "pixel_scale")]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]


def refuse_links(workdir: Path) -> None:
    """Check that no link leads out of a run's folder, so that all reads and writes stay inside it.

    Raises:
      UserError: a link leads out, or there is a pipe, a socket or a device.
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
    """Return whether a path is a file, a folder or a link, or is gone: a run may be training."""
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True
    return kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


def _read_checked(path: Path, kind: Kind, *, with_infinity: bool = False) -> dict:
    content = read_json(path, with_infinity=with_infinity)
    if not isinstance(content, dict):
        raise UserError(f"{path}: is not a JSON object")
    try:
        kind(content, "")
    except Wrong as error:
        raise UserError(f"{path}: {error}") from error
    return content


@contextlib.contextmanager
def refusing_damage(path: Path) -> Iterator[None]:
    """Raise any error of the block as a `UserError` that names the damaged file."""
    try:
        yield
    except Exception as error:  # a damaged file can raise anything
        if str(path) in str(error):
            raise
        raise UserError(f"{path}: is not a run's, or damaged ({error})") from error
