"""Classifies pictures: `python -m jaxcnn.predict --workdir=DIR IMAGE… | FOLDER…`.

Of each picture the network sees the largest centred part of its own proportions (a square, but
for a network that was trained on something else), resized.
A warning names pictures of one color, and those unlike the training pictures.
Exit code 1: something was no image and was skipped; 2: nothing could be predicted.
"""

import json
import sys

from absl import flags

from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag, user_path
from jaxcnn.process import command
from jaxcnn.text import printable

_WORKDIR = path_flag("workdir", "The folder of the run whose network is asked.")
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", None, ["best", "latest"], "Whose weights; default: those the run itself tests."
)
_TOP_K = flags.DEFINE_integer("top_k", 5, "How many classes to name.", 1)
_TTA = flags.DEFINE_enum(
    "tta", "none", ["none", "flip"], "Test-time augmentation: flip averages with the mirror image."
)
_INVERT = flags.DEFINE_bool(
    "invert", False, "Invert the pictures: black on white for a network of white on black."
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of a table.")
_GRID = path_flag("grid", "Draw the pictures with their classes into this file.")


def main(arguments: list[str]) -> int:
    """Predicts the pictures that are named, and says which files are none."""
    from jaxcnn.reporting.figures.predictions import check_grid, draw_grid
    from jaxcnn.reporting.terminal.predictions import print_table

    if not _WORKDIR.value or not arguments:
        raise UserError("give --workdir=DIR, the folder of a run, and pictures or folders of them")
    check_grid(_GRID.value)
    from jaxcnn.data.pictures.decoding import find_pictures
    from jaxcnn.evaluation.predictions import predict
    from jaxcnn.evaluation.trained import load_trained
    from jaxcnn.evaluation.user_pictures import find_warnings, in_words, read_pictures
    from jaxcnn.reporting.terminal.progress import track

    trained = load_trained(_WORKDIR.value, _CHECKPOINT.value or "")
    files, invert = list(find_pictures(map(user_path, arguments))), _INVERT.value
    paths, images, skipped = read_pictures(trained, track(files, "reading"), invert=invert)
    for error in skipped.values():
        print(f"skipped: {printable(str(error))}", file=sys.stderr)
    if not paths:
        raise UserError(f"none of the {len(files)} files is an image" if files else "no image")
    warnings = find_warnings(trained, paths, images, invert=invert)
    for warning in warnings:
        print(in_words(warning, len(paths)), file=sys.stderr)
    predictions = predict(trained, paths, images, top_k=_TOP_K.value, tta=_TTA.value)
    if _JSON.value:
        found = {
            "predictions": [prediction.to_json() for prediction in predictions],
            "skipped": [str(path) for path in skipped],
            "warnings": warnings,
        }
        print(json.dumps(found, indent=1))
    else:
        print_table(predictions)
    if _GRID.value:
        draw_grid(predictions, _GRID.value)
    return 1 if skipped else 0


if __name__ == "__main__":
    command.run(main)
