"""Export a run's network: `python -m jaxcnn.export --workdir=DIR [--out=FILE]`.

The file needs jax but not jaxcnn; the command prints the lines of Python that use it.
"""

import sys

from jaxcnn.config.flag import register_flag
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command
from jaxcnn.process.run_flags import checkpoint_flag
from jaxcnn.text import printable

_WORKDIR = path_flag("workdir", "The folder of the run whose network is exported.")
_OUT = path_flag("out", "The file to write (default: model.zip in the workdir).")
_CHECKPOINT = checkpoint_flag()
register_flag()


def main(arguments: list[str]) -> None:
    """Write the file, and print how to use it."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; give --workdir=DIR")
    if not _WORKDIR.value:
        raise UserError("name the folder of a run with --workdir=DIR")
    from jaxcnn.evaluation.export import export_network, loader
    from jaxcnn.evaluation.trained import load_trained
    from jaxcnn.workdir.run_parts import notes_on_parts

    file = _OUT.value or _WORKDIR.value / "model.zip"
    if not file.parent.is_dir():
        raise UserError(f"--out={file}: there is no folder {file.parent}")
    export_network(load_trained(_WORKDIR.value, _CHECKPOINT.value or ""), file)
    for line in notes_on_parts(_WORKDIR.value):
        print(f"note: {printable(line)}", file=sys.stderr)
    print(f"{file}: {file.stat().st_size:,} bytes. Use it without jaxcnn:\n\n{loader(file)}")


if __name__ == "__main__":
    command.run(main)
