"""Classify pictures: `python -m jaxcnn.predict --workdir=DIR IMAGE… | FOLDER…`.

Each picture is cropped at its center to the proportions of the network's input, usually a square,
and resized. If the run's `dataset.fit` says so, it is stretched or padded instead.
A warning names pictures of one color, and pictures unlike those of the training.
Exit code 1: some files were no images and were skipped; 2: nothing could be classified.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from jaxcnn.config.flag import register_flag
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag, user_path
from jaxcnn.process import command
from jaxcnn.process.run_flags import checkpoint_flag
from jaxcnn.text import printable

if TYPE_CHECKING:
    from jaxcnn.evaluation.predictions import TopClasses

_WORKDIR = path_flag("workdir", "The folder of the run whose network is used.")
_CHECKPOINT = checkpoint_flag()
_TOP_K = flags.DEFINE_integer("top_k", 5, "The number of classes to show for each picture.", 1)
_TTA = flags.DEFINE_enum(
    "tta",
    "none",
    ["none", "flip", "six_views"],
    "Test-time augmentation; flip: average with the mirror image; six_views: with shifts as well.",
)
_MIN_CONFIDENCE = flags.DEFINE_float(
    "min_confidence",
    None,
    "The least probability of the first class, 0 to 1; pictures below it are unknown.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_INVERT = flags.DEFINE_bool(
    "invert",
    False,
    "Take the negatives, such as of black on white for a network of white on black.",
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of a table.")
_GRID = path_flag("grid", "Draw the pictures with their classes to this file.")
register_flag()


def main(arguments: list[str]) -> int:
    """Classify the pictures in the files and folders, and name the files that are no pictures."""
    from jaxcnn.reporting.figures.prediction_grid import check_grid, draw_grid
    from jaxcnn.reporting.terminal.prediction_table import print_table

    if not _WORKDIR.value or not arguments:
        raise UserError(
            "give --workdir=DIR, the folder of a run, and pictures or folders of pictures"
        )
    check_grid(_GRID.value)
    from jaxcnn.data.pictures.decoding import find_pictures
    from jaxcnn.evaluation.predictions import predict
    from jaxcnn.evaluation.trained import load_trained
    from jaxcnn.evaluation.user_pictures import find_warnings, read_pictures, warning_line
    from jaxcnn.reporting.terminal.progress_bar import track
    from jaxcnn.workdir.run_parts import notes_on_parts

    trained = load_trained(_WORKDIR.value, _CHECKPOINT.value or "")
    for line in notes_on_parts(_WORKDIR.value):
        print(f"note: {printable(line)}", file=sys.stderr)
    files, invert = list(find_pictures(map(user_path, arguments))), _INVERT.value
    paths, images, skipped = read_pictures(trained, track(files, "reading"), invert=invert)
    for error in skipped.values():
        print(f"skipped: {printable(str(error))}", file=sys.stderr)
    if not paths:
        raise UserError(
            f"none of the {len(files)} files is an image"
            if files
            else "the folders hold no pictures"
        )
    warnings = find_warnings(trained, paths, images, invert=invert)
    for warning in warnings:
        print(warning_line(warning, len(paths)), file=sys.stderr)
    predictions = predict(
        trained,
        paths,
        images,
        top_k=_TOP_K.value,
        tta=_TTA.value,
        min_confidence=_MIN_CONFIDENCE.value,
    )
    if _JSON.value:
        print(_to_json(predictions, skipped, warnings))
    else:
        print_table(predictions)
    if _GRID.value:
        draw_grid(predictions, _GRID.value)
    return 1 if skipped else 0


def _to_json(
    predictions: Sequence["TopClasses"], skipped: Iterable[Path], warnings: list[dict]
) -> str:
    output = {
        "predictions": [prediction.to_json() for prediction in predictions],
        "skipped": [str(path) for path in skipped],
        "warnings": warnings,
    }
    return json.dumps(output, indent=1)


if __name__ == "__main__":
    command.run(main)
