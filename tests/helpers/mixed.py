"""Folders of runs, changed as users do by accident or by hand."""

import json
import shutil
from pathlib import Path

from jaxcnn.workdir import run_files
from jaxcnn.workdir.digests import digests_of

OTHER = "0123456789abcdef" * 2


def edit(path, change):
    """Writes a JSON file anew, with a change of what it holds."""
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def edit_progress(workdir, step, **fields):
    """Edits a checkpoint's progress, and its checksum with it, so that only sense can refuse."""
    folder = workdir / "checkpoints" / str(step)
    edit(folder / "progress" / "metadata", lambda progress: progress | fields)
    progress = json.loads((folder / "progress" / "metadata").read_text())
    edit(
        folder / "digests" / "metadata",
        lambda digests: digests | digests_of({"progress": progress}),
    )


def as_another_run(workdir, place):
    """A copy of a run as another run of the same recipe leaves it."""
    own = run_files.read_identity(workdir).id
    shutil.copytree(workdir, place)
    for name in ("config.json", "dataset.json", "environment.json", "result.json"):
        path = place / name
        path.write_text(path.read_text().replace(own, OTHER))
    for path in place.glob("evaluation/*.json"):
        path.write_text(path.read_text().replace(own, OTHER))
    for step in run_files.checkpoint_steps(place):
        edit_progress(place, step, run=OTHER)
    return place


def as_older_code(workdir, place):
    """A copy of a run as code left it that gave no identity."""
    shutil.copytree(workdir, place)
    for path in (*place.glob("*.json"), *place.glob("evaluation/*.json")):
        edit(path, lambda found: {k: v for k, v in found.items() if k not in NEWER})
    for step in run_files.checkpoint_steps(place):
        folder = place / "checkpoints" / str(step)
        edit(folder / "progress" / "metadata", lambda p: {k: p[k] for k in p if k not in NEWER})
        shutil.rmtree(folder / "digests")
    return place


NEWER = ("run", "metrics_digest")


def replace(source: Path, target: Path):
    """Puts a file or folder of one run into another."""
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
