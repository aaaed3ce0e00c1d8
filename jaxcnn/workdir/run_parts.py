"""The user's parts of a run: recorded in `environment.json`, required and compared later.

No file is run because a run's folder names it: the folder may be another person's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten
from jaxcnn.config.part import Part
from jaxcnn.config.parts import FIELD_OF, REGISTRIES, unknown_parts, used_parts
from jaxcnn.errors import UserError
from jaxcnn.text import join_names
from jaxcnn.workdir import run_files

Record = Mapping[str, Any]  # kind, name, file and digest of a part


def describe_parts(config: ConfigDict) -> list[dict[str, Any]]:
    """Return the records of the user's parts that a config names, for `environment.json`."""
    return [
        {"kind": part.kind, "name": part.name, "file": part.file, "digest": part.digest}
        for part in used_parts(flatten(config))
    ]


def recorded_parts(workdir: Path) -> list[Record]:
    """Return the records of the parts of the run in a folder; [] if there is no run."""
    return (run_files.read_part_if_there(workdir, "environment.json") or {}).get("parts", [])


def require_parts(
    workdir: Path, config: ConfigDict, kinds: Sequence[str] = tuple(FIELD_OF)
) -> None:
    """Check that the user's parts that a config names are registered, if a run recorded them.

    Args:
      workdir: the folder of the run.
      config: the run's config, or the new config of a resumed run.
      kinds: the kinds of the parts that are needed.

    Raises:
      UserError: some are not registered; the line names the files to give.
    """
    unknown = [(kind, name) for kind, name in unknown_parts(flatten(config)) if kind in kinds]
    if not unknown:
        return
    missing = [r for r in recorded_parts(workdir) if (r["kind"], r["name"]) in unknown]
    if not missing:
        return
    parts = join_names([f"the {record['kind']} {record['name']!r}" for record in missing])
    files = sorted({record["file"] for record in missing})
    if all(files):
        remedy = f"give --register={','.join(files)}"
    else:
        remedy = "register it first, or write it to a file and give --register=FILE"
    are = "are" if len(missing) > 1 else "is"
    raise UserError(f"{workdir}: {parts} of this run {are} not registered; {remedy}")


def changed_parts(workdir: Path) -> list[tuple[Record, Part]]:
    """Return the parts of the run in a folder whose files have changed, as recorded and as now."""
    pairs = [
        (record, REGISTRIES[record["kind"]].parts.get(record["name"]))
        for record in recorded_parts(workdir)
        if record["kind"] in REGISTRIES
    ]
    return [
        (record, part)
        for record, part in pairs
        if part and part.digest and record["digest"] not in ("", part.digest)
    ]


def changed_network(workdir: Path) -> str:
    """Return the network of the run in a folder and its file, if the file has changed; else ""."""
    for record, part in changed_parts(workdir):
        if record["kind"] == "network":
            place = f"file {part.file}" if part.file else "code"
            return f"the network {record['name']!r}, whose {place} has changed since"
    return ""


def notes_on_parts(workdir: Path) -> list[str]:
    """Return a warning for each registered file that differs from the one that the run used."""
    names: dict[str, list[str]] = {}
    for record, part in changed_parts(workdir):
        place = part.file or "a notebook or session"
        names.setdefault(place, []).append(f"{record['kind']} {record['name']!r}")
    return [
        f"{place} has changed since {workdir} recorded it; it gives the run the {join_names(parts)}"
        for place, parts in names.items()
    ]
