"""Evaluate a run: `python -m jaxcnn.evaluate --workdir=DIR [--split=test|validation|train]`.

Writes metrics to `DIR/evaluation`, pictures to `DIR/plots`, and a section of `DIR/report.md`.
`--data=folder:PATH` evaluates it on other labeled pictures. `--label_errors --workdir=FOLDS` lists
the likely label errors of a cross-validation.
"""

import sys
from pathlib import Path

from absl import flags

from jaxcnn.config.flag import register_flag
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command
from jaxcnn.process.run_flags import checkpoint_flag, data_at_flag
from jaxcnn.text import printable, printable_json

_WORKDIR = path_flag("workdir", "The run's folder.")
_DATA_AT = data_at_flag()
_DATA = flags.DEFINE_string(
    "data", "", "Other labeled pictures, folder:PATH or table:PATH, in place of the run's data."
)
_SPLIT = flags.DEFINE_enum(
    "split", "test", ("test", "validation", "train"), "The split to evaluate."
)
_CHECKPOINT = checkpoint_flag()
_LAYERS = flags.DEFINE_list(
    "layers",
    [],
    "The layers whose feature maps are drawn (default: the first convolution and the last maps).",
)
_TTA = flags.DEFINE_enum(
    "tta",
    "none",
    ["none", "flip", "six_views"],
    "Test-time augmentation; flip: average the probabilities with those of the mirror image; "
    "six_views: average the logits of the image, two shifts by a pixel, and their mirror images.",
)
_CALIBRATE = flags.DEFINE_bool(
    "calibrate",
    False,
    "First fit a temperature for these weights on the validation split. From then on, evaluate, "
    "predict, serve and export use it (calibration.json in the run's folder).",
)
_LOGITS = path_flag("logits", "Write the logits to this NPZ file.")
_MISTAKES = path_flag(
    "mistakes", "Write a page with the pictures of all mistakes to this HTML file."
)
_LABEL_ERRORS = flags.DEFINE_bool(
    "label_errors",
    False,
    "List the likely label errors in the training split of the folds in --workdir, from "
    "`train --folds`, and write a page with their pictures.",
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")
register_flag()
_PAIRS = 10  # of classes with the most label errors


def main(arguments: list[str]) -> None:
    """Evaluate the run, and print the metrics."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; give --workdir=DIR")
    if not _WORKDIR.value:
        raise UserError("name the folder of a run with --workdir=DIR")
    for flag, suffix in ((_LOGITS, ".npz"), (_MISTAKES, ".html")):
        if flag.value and flag.value.suffix != suffix:
            raise UserError(f"--{flag.name}={flag.value}: name a file ending in {suffix}")
    if _LABEL_ERRORS.value:
        for flag in (_DATA, _SPLIT, _CHECKPOINT, _LAYERS, _TTA, _CALIBRATE, _LOGITS, _MISTAKES):
            if flags.FLAGS[flag.name].present:
                raise UserError(f"--{flag.name}: has no effect with --label_errors")
        _list_label_errors(_WORKDIR.value)
    else:
        _evaluate(_WORKDIR.value)


def _evaluate(workdir: Path) -> None:
    from jaxcnn.reporting.evaluate_run import evaluate_run
    from jaxcnn.reporting.report import write_report
    from jaxcnn.workdir.run_data import notes_on_data
    from jaxcnn.workdir.run_parts import notes_on_parts

    if not _JSON.value:
        _print_dataset(workdir)
    evaluation = evaluate_run(
        workdir,
        split=_SPLIT.value,
        checkpoint=_CHECKPOINT.value or "",
        layers=_LAYERS.value,
        data_at=_DATA_AT.value,
        tta=_TTA.value,
        refit=_CALIBRATE.value,
        data=_DATA.value,
        logits=_LOGITS.value,
        page=_MISTAKES.value,
    )
    for line in (*notes_on_data(workdir, _DATA_AT.value), *notes_on_parts(workdir)):
        print(f"note: {printable(line)}", file=sys.stderr)
    if (workdir / "result.json").exists():  # an unfinished run has no report
        write_report(workdir)
    _print(evaluation, workdir)


def _list_label_errors(workdir: Path) -> None:
    from jaxcnn.reporting.label_errors import report_label_errors

    result = report_label_errors(workdir, _DATA_AT.value)
    if _JSON.value:
        print(printable_json(result))
        return
    share = f"{result['num_errors']:,} of {result['num_examples']:,}"
    print(f"{share} labels of the training split are likely wrong")
    for pair in result["pairs"][:_PAIRS]:
        print(printable(f"  {pair['count']:,} {pair['true']} → {pair['predicted']}"))
    print(printable(f"list in {result['table']}, pictures in {result['page']}"))
    if result["kept"]:
        print(printable(f"the earlier list is kept in {result['kept']}"))


def _print_dataset(workdir: Path) -> None:
    """Print which images are read; the run's config, which may be another person's, names them."""
    from jaxcnn.workdir.run_files import read_part_if_there

    if _DATA.value:
        print(printable(f"reads the images of {_DATA.value}"), flush=True)
        return
    dataset = (read_part_if_there(workdir, "config.json") or {}).get("dataset")
    if dataset:
        place = _DATA_AT.value or dataset.get("data_dir")
        where = f", {'at' if _DATA_AT.value else 'prepared in'} {place}" if place else ""
        print(printable(f"reads the images of {dataset['name']}{where}"), flush=True)


def _print(evaluation: dict, workdir: Path) -> None:
    if _JSON.value:
        print(printable_json(evaluation))
        return
    from rich.console import Console

    from jaxcnn.reporting.evaluation_report import render

    console = Console(highlight=False, markup=False)
    for part in render(evaluation):
        console.print(part)
    places = f"metrics in {workdir / 'evaluation'}, pictures in {workdir / 'plots'}"
    console.print(printable(places))


if __name__ == "__main__":
    command.run(main)
