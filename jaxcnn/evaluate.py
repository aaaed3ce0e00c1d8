"""Scores a run: `python -m jaxcnn.evaluate --workdir=DIR [--split=test|validation|train]`.

Writes figures to `DIR/evaluation`, pictures to `DIR/plots`, and a section of `DIR/report.md`.
"""

import sys
from pathlib import Path

from absl import flags

from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command
from jaxcnn.text import printable, printable_json

_WORKDIR = path_flag("workdir", "The run's folder.")
_DATA_AT = path_flag(
    "data_at", "Where the run's own data are, if they were moved: its folder, or data_dir."
)
_SPLIT = flags.DEFINE_enum("split", "test", ("test", "validation", "train"), "What is scored.")
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", None, ("best", "latest"), "Whose weights; default: those the run itself tests."
)
_LAYERS = flags.DEFINE_list(
    "layers", [], "Whose feature maps are drawn; default: the first convolution, the last map."
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")


def main(arguments: list[str]) -> None:
    """Scores the run, and prints the figures."""
    if arguments:
        raise UserError(f"{arguments[0]}: not understood; flags begin with --workdir")
    if not _WORKDIR.value:
        raise UserError("name the folder of a run with --workdir=DIR")
    from jaxcnn.reporting.report import write_report
    from jaxcnn.reporting.scoring import score_run
    from jaxcnn.workdir.run_data import notes_on_data

    workdir = _WORKDIR.value
    if not _JSON.value:
        _print_data(workdir)
    scores = score_run(
        workdir,
        split=_SPLIT.value,
        checkpoint=_CHECKPOINT.value or "",
        layers=_LAYERS.value,
        data_at=_DATA_AT.value,
    )
    for line in notes_on_data(workdir, _DATA_AT.value):
        print(f"note: {line}", file=sys.stderr)
    if (workdir / "result.json").exists():  # there is no report before
        write_report(workdir)
    _print(scores, workdir)


def _print_data(workdir: Path) -> None:
    """Names the images that will be read: the run's config says which, whoever wrote it."""
    from jaxcnn.workdir.run_files import read_part_if_there

    dataset = (read_part_if_there(workdir, "config.json") or {}).get("dataset")
    if dataset:
        place = _DATA_AT.value or dataset.get("data_dir")
        where = f", {'at' if _DATA_AT.value else 'prepared in'} {place}" if place else ""
        print(printable(f"reads the images of {dataset['name']}{where}"), flush=True)


def _print(scores: dict, workdir: Path) -> None:
    if _JSON.value:
        print(printable_json(scores))
        return
    from rich.console import Console

    from jaxcnn.reporting.evaluation_report import render

    console = Console(highlight=False, markup=False)
    for part in render(scores):
        console.print(part)
    where = f"figures in {workdir / 'evaluation'}, pictures in {workdir / 'plots'}"
    console.print(printable(where))


if __name__ == "__main__":
    command.run(main)
