"""What every command shares: flags are parsed, and a user's mistake is one line and exit code 2."""

import contextlib
import re
import sys
from collections.abc import Callable

from absl import app, flags, logging

from jaxcnn import distributed, runtime
from jaxcnn.errors import Diverged, Stopped, UserError
from jaxcnn.reporting.words import printable
from jaxcnn.training.signals import stopping_at_once


def _one_line(error: BaseException) -> str:
    """The message of an exception on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _fail(error: BaseException) -> None:
    label = "" if isinstance(error, Stopped) else "error: "
    if distributed.is_main() or not isinstance(error, (Stopped, Diverged)):  # those are everyone's
        print(distributed.label() + label + printable(_one_line(error)), file=sys.stderr)
    distributed.leave_with(getattr(error, "exit_code", UserError.exit_code))


def _without_traceback(text: str) -> str:
    """What an error in a config file says, and the line it is in, which ml_collections gives as a
    traceback."""
    what, is_there, trace = text.partition("Error whilst parsing config file:")
    if not is_there:
        return text
    lines = trace.splitlines()
    start = 1 + max(index for index, line in enumerate(lines) if line.startswith(" "))
    own = re.findall(r'File "(?!.*site-packages)[^"]*", line (\d+)', trace)
    return f"{what}{f'line {own[-1]}: ' if own else ''}{' '.join(lines[start:])}"


def _unknown_field(error: Exception, argv: list[str]) -> str:
    """What is wrong with a flag --config.FIELD, of whose name ml_collections gives a part; "" where
    it is not that."""
    name = re.match(r"\W*(\w*)", str(error))[1]
    given = (argument.lstrip("-").partition("=")[0] for argument in argv)
    field = next((flag for flag in given if name in flag.split(".")[1:]), None)
    if field is None:
        return ""
    if field.startswith("config.model."):
        return f"{field}: the network that the config file names has no such option"
    guess = re.search(r'Did you mean "(\w+)"', str(error))
    return f"{field} is not a field of a run" + (f"; did you mean {guess[1]}?" if guess else "")


def _parse_flags(argv: list[str]) -> list[str]:
    """Parses absl and ml_collections flags; whatever is wrong with them is the user's to mend."""
    logging.set_verbosity(logging.FATAL)  # ml_collections warns of what is refused below
    try:
        return flags.FLAGS(argv)
    except UserError as error:
        return _fail(error)
    except flags.Error as error:
        return _fail(UserError(_without_traceback(str(error))))
    except Exception as error:  # a config file is the user's Python: it may raise anything
        text = _one_line(error).replace("\\n", " ").replace("\\'", "'")  # a repr, in ml_collections
        return _fail(UserError(_unknown_field(error, argv) or f"config: {text}"))


def run(
    command: Callable[[list[str]], int | None],
    argv: list[str] | None = None,
    *,
    resumable: bool = False,
) -> None:
    """Runs `command(positional arguments)` as a program, on `argv` or the command line.

    Exit codes: what the command returns (0 for None), 2 for a user's mistake, 130 for Ctrl-C; but
    75 for Ctrl-C and SIGTERM where it is `resumable`, so that the same command goes on.
    """
    runtime.prepare()

    def guarded(argv: list[str]) -> int | None:
        logging.set_verbosity(logging.FATAL)  # Orbax tells of every file, and of errors it raises
        try:
            return command(argv[1:])
        except UserError as error:
            return _fail(error)

    try:
        with stopping_at_once() if resumable else contextlib.nullcontext():
            app.run(guarded, argv=argv, flags_parser=_parse_flags)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        distributed.leave_with(130)
