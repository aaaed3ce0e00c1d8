"""The files of a run's folder: what each may hold, and which belong together.

Every command reads them here. `config.json` gives the run its identity, a random number that the
other files and the checkpoints name, so that another run's are told from its own.
"""

import dataclasses
import hashlib
import json
import math
import os
import secrets
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.reporting.reading import parse_json, read_bytes, read_json
from jaxcnn.reporting.run_tables import CONFIG, DIGESTS, EVALUATION, FILES, PROGRESS, ROW
from jaxcnn.reporting.schemas import Kind, Wrong

Row = dict[str, Any]
_MOST_METRICS = 1 << 30  # bytes
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


def read_metrics(workdir: str | Path) -> list[Row]:
    """Return the rows of a run, in order. A last line that is not whole is left out; null is None.

    Raises:
      UserError: there are no metrics in the folder, or a line is damaged.
    """
    path = Path(workdir) / "metrics.jsonl"
    if not path.exists():
        raise UserError(f"{path} is not there: {workdir} is not the folder of a run")
    lines = read_bytes(path, _MOST_METRICS).split(b"\n")
    rows = []
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            row = parse_json(line.decode("utf-8"))
            ROW(row, "")
        except ValueError as error:
            if index == len(lines) - 1 and not isinstance(error, Wrong):  # no end of the line
                break
            where = f"{path}: line {index + 1}"
            raise UserError(f"{where} is not a row of metrics ({error})") from error
        rows.append(row)
    return rows


def read_own_metrics(workdir: Path, result: Mapping[str, Any] | None) -> list[Row]:
    """Return as `read_metrics`, if the rows are those that the result, or else the newest
    checkpoint, was written with.

    Raises:
      UserError: they are not, the checkpoint is of another run, or as `read_metrics`.
    """
    rows, steps = read_metrics(workdir), checkpoint_steps(workdir)
    if result is not None:
        name, digest, until = "result.json", result.get("metrics_digest"), rows
    elif steps:
        name, until = f"checkpoint {steps[-1]}", rows_until(rows, steps[-1])
        try:
            digest = read_progress(workdir, steps[-1]).get("metrics_digest")
        except OtherRun:
            raise
        except UserError:  # a damaged checkpoint takes nothing from the metrics
            return rows
    else:
        return rows
    tested = [row["accuracy"] for row in rows if row["split"] == "test" and "accuracy" in row]
    if digest and result is not None and tested and tested[-1] != result.get("test_accuracy"):
        raise UserError(
            f"{workdir / 'result.json'}: its test_accuracy is not the one in metrics.jsonl"
        )
    if digest and digest != digest_of(until):
        raise UserError(f"{workdir / 'metrics.jsonl'}: is not the one that {name} was written with")
    return rows


def json_line(row: Row) -> str:
    """Return a row as it stands in `metrics.jsonl`."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def rows_until(rows: Iterable[Row], step: int) -> list[Row]:
    """Return the rows that a run had at a checkpoint: the test's come after its end."""
    return [row for row in rows if row["step"] <= step and row["split"] != "test"]


def digest_of(rows: Iterable[Row]) -> str:
    """Return what tells these rows from others; the test's are left out."""
    lines = (json_line(row) for row in rows_until(rows, math.inf))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def data_digest(about: Mapping[str, Any]) -> str:
    """Return what tells one meaning of a network's input and output from another.

    Args:
      about: what `dataset.json` holds.
    """
    named = [about[name] for name in ("class_names", "image_shape", "pixel_shift", "pixel_scale")]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]


def check_metrics(workdir: Path, step: int, digest: str, epochs: int) -> None:
    """Check that `metrics.jsonl` has the rows that a checkpoint was written with.

    Args:
      digest: of the rows, as the checkpoint names it; "" for one of older code.
      epochs: finished at the checkpoint.

    Raises:
      UserError: it is missing, damaged, of another run, or was edited.
    """
    path = workdir / "metrics.jsonl"
    rows = rows_until(read_metrics(workdir) if os.path.lexists(path) else [], step)
    # those of the epoch in progress tell of a run that `max_minutes` ended, after its last save
    rows = [row for row in rows if row["epoch"] <= epochs]
    last = max((row["epoch"] for row in rows), default=0)
    if last != epochs or (digest and digest != digest_of(rows)):
        what = "is not the one" if path.exists() else "is missing, and was there"
        raise UserError(
            f"{path}: {what} that {workdir / 'checkpoints' / str(step)} was written with; bring it "
            "back, or start another --workdir with --init_from, which takes over the weights"
        )


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
