"""Classifies pictures: `python -m jaxcnn.predict --workdir=DIR IMAGE… | FOLDER…`.

Of each picture the network sees the largest centred part of its own proportions (a square, but
for a network that was trained on something else), resized, transparency on white.
Exit code 1: something was no image and was skipped; 2: nothing could be predicted.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from jaxcnn import cli
from jaxcnn.errors import UserError
from jaxcnn.paths import path_flag, user_path
from jaxcnn.reporting.words import printable

if TYPE_CHECKING:
    import numpy as np

_WORKDIR = path_flag("workdir", "The folder of the run whose network is asked.")
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", None, ["best", "latest"], "Whose weights; default: those the run itself tests."
)
_TOP_K = flags.DEFINE_integer("top_k", 5, "How many classes to name.", 1)
_TTA = flags.DEFINE_enum(
    "tta", "none", ["none", "flip"], "Test-time augmentation: flip averages with the mirror image."
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of a table.")
_GRID = path_flag("grid", "Draw the pictures with their classes into this file.")


def main(arguments: list[str]) -> int:
    """Predicts the pictures that are named, and says which files are none."""
    from jaxcnn.reporting import predicted as reporting

    if not _WORKDIR.value or not arguments:
        raise UserError("give --workdir=DIR, the folder of a run, and pictures or folders of them")
    reporting.check_grid(_GRID.value)
    from jaxcnn.data.images import find_pictures
    from jaxcnn.training.predictions import predict
    from jaxcnn.training.trained import load_trained

    trained = load_trained(_WORKDIR.value, _CHECKPOINT.value or "")
    paths, images, skipped = _read(
        list(find_pictures(map(user_path, arguments))), trained.image_shape
    )
    predictions = predict(trained, paths, images, top_k=_TOP_K.value, tta=_TTA.value)
    if _JSON.value:
        found = [prediction.to_json() for prediction in predictions]
        print(json.dumps({"predictions": found, "skipped": skipped}, indent=1))
    else:
        reporting.print_table(predictions)
    if _GRID.value:
        reporting.draw_grid(predictions, _GRID.value)
    return 1 if skipped else 0


def _read(
    paths: list[Path], image_shape: tuple[int, int, int]
) -> tuple[list[Path], "np.ndarray", list[str]]:
    """The files that are pictures, these as the network takes them, and the files that are none."""
    import numpy as np

    from jaxcnn.data.images import fit, read_picture
    from jaxcnn.reporting.progress import track

    mode = "L" if image_shape[-1] == 1 else "RGB"
    images, skipped = {}, {}
    for path in track(paths, "reading"):
        try:
            images[path] = fit(read_picture(path, mode), image_shape)
        except UserError as error:
            skipped[path] = error
    for error in skipped.values():
        print(f"skipped: {printable(str(error))}", file=sys.stderr)
    if not images:
        raise UserError(f"none of the {len(paths)} files is an image" if paths else "no image")
    return list(images), np.stack(list(images.values())), [str(path) for path in skipped]


if __name__ == "__main__":
    cli.run(main)
