"""What every command shares: flags are parsed, and a user's mistake is one line and exit code 2."""

import os
import re
import sys
import traceback
from collections.abc import Callable

from absl import app, flags, logging

from jaxcnn import distributed, runtime
from jaxcnn.errors import Disagreement, Diverged, Stopped, UserError
from jaxcnn.explain import explain, is_closed_pipe, one_line
from jaxcnn.paths import user_path
from jaxcnn.reporting.words import printable
from jaxcnn.training.signals import INTERRUPTED, interruptible, stopping_at_once

_CLOSED_PIPE = 141  # 128 + SIGPIPE, as other programs have it


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
        return flags.FLAGS(list(map(_with_home, argv)))
    except UserError:
        raise
    except flags.Error as error:
        raise UserError(_without_traceback(str(error))) from error
    except Exception as error:  # a config file is the user's Python: it may raise anything
        text = one_line(error).replace("\\n", " ").replace("\\'", "'")  # a repr, in ml_collections
        raise UserError(_unknown_field(error, argv) or f"config: {text}") from error


def _with_home(argument: str) -> str:
    """`--config=~/FILE` with the home directory, as the other flags that name a path have it."""
    flag, equals, value = argument.partition("=")
    is_path = flag.lstrip("-") == "config" and value.startswith("~")
    return f"{flag}={user_path(value)}" if equals and is_path else argument


def run(
    command: Callable[[list[str]], int | None],
    argv: list[str] | None = None,
    *,
    resumable: bool = False,
) -> None:
    """Runs `command(positional arguments)` as a program, on `argv` or the command line.

    Exit codes: what the command returns (0 for None), 2 for a fault of the user or the machine,
    130 for Ctrl-C, 141 where nobody reads the output any more; but 75 for Ctrl-C and SIGTERM where
    it is `resumable`, so that the same command goes on. Any other exception is a fault of this
    program: its traceback is shown, exit code 1.
    """

    def main(argv: list[str]) -> int | None:
        logging.set_verbosity(logging.FATAL)  # Orbax tells of every file, and of errors it raises
        code = command(argv[1:])
        sys.stdout.flush()
        return code

    try:
        with stopping_at_once() if resumable else interruptible():
            runtime.prepare()
            app.run(main, argv=argv, flags_parser=_parse_flags)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        distributed.leave_with(INTERRUPTED)
    except (Exception, SystemExit) as error:
        _end(error)


def _end(error: Exception | SystemExit) -> None:
    """Ends the program in the way that fits what ended the command."""
    if is_closed_pipe(error):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to print
        distributed.leave_with(_CLOSED_PIPE)
    if isinstance(error, SystemExit):
        raise error
    known = explain(error)
    if known is None:
        traceback.print_exception(error)
        distributed.leave_with(1)
    label = "" if isinstance(known, Stopped) else "error: "
    is_everyones = isinstance(known, (Stopped, Diverged, Disagreement))
    if distributed.is_main() or not is_everyones:
        print(distributed.label() + label + printable(one_line(known)), file=sys.stderr)
    distributed.leave_with(known.exit_code)
