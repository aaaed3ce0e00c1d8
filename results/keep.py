"""Keep the records of runs: `python results/keep.py [--unfinished] RUN…`.

The small files of each run are copied to `results/runs/NAME`, where NAME is the name of the run's
folder: config, environment, data, result, metrics and evaluations, without weights, pictures and
predictions. `python -m jaxcnn.compare results/runs/*` makes all tables and pictures from them.

The files stay as the run wrote them, except that paths in the command of `environment.json` lose
their folders, which tell nothing to others. `provenance.json`, which a queue of runs may write into
the folder with the run's id as `run`, is kept as well. --unfinished also keeps runs that have no
result yet; later records of such a run take the place of its earlier ones.
"""

import re
import sys
from pathlib import Path

from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_bytes, read_json
from jaxcnn.files.writing import to_json_text, write_bytes, writing_to
from jaxcnn.workdir import run_files

RUNS = Path(__file__).parent / "runs"
MOST_BYTES = 100_000  # of a run
_PLACE = re.compile(r"((?:--[^=]*=)?(?:folder:|table:)?)(.*)", re.DOTALL)  # of an argument
_FILES = ("config.json", "dataset.json", "environment.json", "metrics.jsonl")
_IF_THERE = ("result.json", "provenance.json")


def keep(run: Path, runs: Path = RUNS, *, unfinished: bool = False) -> int:
    """Copy the small files of a run to `runs/NAME`; return their size in bytes.

    Raises:
      UserError: the folder holds no run, a damaged, too large or unfinished one, or `runs/NAME`
        holds other files.
    """
    files = kept_files(run)
    if not {"result.json", run_files.TEST_EVALUATION} <= files.keys() and not unfinished:
        raise UserError(f"{run}: has not finished; --unfinished keeps it all the same")
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        raise UserError(f"{run}: its files have {size:,} bytes, more than {MOST_BYTES:,}")
    folder = runs / run.resolve().name
    held = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    if held and held != files and not _is_earlier(folder, run):
        raise UserError(f"{folder}: holds other files; remove it to keep {run} in its place")
    with writing_to(folder):
        for name in held.keys() - files.keys():
            (folder / name).unlink()
    for name, content in files.items():
        with writing_to(folder):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / name, content)
    return size


def kept_files(run: Path) -> dict[str, bytes]:
    """Return the content of each file of a run that is kept, by its name in the run's folder."""
    if not (run / "config.json").exists():
        raise UserError(f"{run}: holds no run: there is no config.json")
    run_files.refuse_links(run)
    run_files.check_parts(run)
    names = [*_FILES, *(name for name in _IF_THERE if (run / name).exists())]
    names += sorted(
        str(path.relative_to(run))
        for path in run.glob("evaluation/*")
        if "predictions" not in path.name and not path.name.startswith(".")
    )
    files = {name: read_bytes(run / name) for name in names}
    environment = read_json(run / "environment.json")
    environment["command"] = list(map(_without_folder, environment.get("command", [])))
    return files | {"environment.json": to_json_text(environment).encode()}


def _is_earlier(folder: Path, run: Path) -> bool:
    """Return whether a folder holds the records that a run had before it finished."""
    if (folder / "result.json").exists():
        return False
    kept = run_files.read_identity(folder)
    return bool(kept.id) and kept.id == run_files.read_identity(run).id


def _without_folder(argument: str) -> str:
    """Return `--workdir=NAME` for `--workdir=/FOLDER/NAME`; other arguments unchanged.

    A dataset's name, `folder:` or `table:`, is kept in front.
    """
    before, place = _PLACE.fullmatch(argument).groups()
    return before + (Path(place).name if place.startswith(("/", "~")) else place)


def main(arguments: list[str]) -> None:
    """Keep the runs."""
    unfinished = "--unfinished" in arguments
    runs = [Path(argument) for argument in arguments if argument != "--unfinished"]
    try:
        if not runs:
            raise UserError("name the folders of runs: python results/keep.py [--unfinished] RUN…")
        for run in runs:
            size = keep(run, unfinished=unfinished)
            print(f"{RUNS / run.resolve().name}: {size:,} bytes")
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
