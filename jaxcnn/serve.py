"""Open a page to try a run's network on: `python -m jaxcnn.serve --workdir=DIR`.

The page takes pictures from a file, a drop or a camera, and shows classes, probabilities and
Grad-CAM. Programs send pictures to `/predict`, and read `/health` and `/metrics`. The server is
reachable from this machine only, unless `--host` names another address. Ctrl-C ends it.
"""

import sys

from absl import flags

from jaxcnn.config.flag import register_flag
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command
from jaxcnn.process.run_flags import checkpoint_flag
from jaxcnn.text import printable

_WORKDIR = path_flag("workdir", "The folder of the run whose network is used.")
_CHECKPOINT = checkpoint_flag()
_MIN_CONFIDENCE = flags.DEFINE_float(
    "min_confidence",
    None,
    "The least probability of the first class, 0 to 1; pictures below it are unknown.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_HOST = flags.DEFINE_string(
    "host", "127.0.0.1", "The address to listen on; 0.0.0.0 lets other machines in."
)
_PORT = flags.DEFINE_integer("port", 8000, "The port to listen on; 0 takes a free one.", 0, 65535)
register_flag()


def main(arguments: list[str]) -> None:
    """Serve the run's network until a signal arrives."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; pictures go to the page")
    if not _WORKDIR.value:
        raise UserError("give --workdir=DIR, the folder of a run")
    from jaxcnn.api.serving.server import listen, serve
    from jaxcnn.evaluation.trained import load_trained
    from jaxcnn.workdir.run_parts import notes_on_parts

    listener = listen(_HOST.value, _PORT.value)
    trained = load_trained(_WORKDIR.value, _CHECKPOINT.value or "")
    for line in notes_on_parts(_WORKDIR.value):
        print(f"note: {printable(line)}", file=sys.stderr)
    serve(trained, listener, _MIN_CONFIDENCE.value or 0.0)


if __name__ == "__main__":
    command.run(main)
