"""The trained network of a run, for a program or a notebook."""

import warnings
from pathlib import Path

from jaxcnn.evaluation.trained import Trained, load_trained
from jaxcnn.workdir.run_parts import notes_on_parts


def load(workdir: str | Path, checkpoint: str = "") -> Trained:
    """Return the trained network of a run, with the weights of one of its checkpoints.

    It warns if a registered file differs from the one that the run used. The function writes
    nothing, so a run may be training in the folder at the same time.

    Args:
      workdir: the run's folder.
      checkpoint: "best" or "latest"; "" for the checkpoint that the run itself tests.

    Raises:
      UserError: the folder holds no run or no such checkpoint, or a file in it is damaged.
    """
    trained = load_trained(workdir, checkpoint)
    for line in notes_on_parts(trained.workdir):
        warnings.warn(line, stacklevel=2)
    return trained
