"""What every command shares: flags are parsed, and a user's mistake is one line and exit code 2."""

import sys
from collections.abc import Callable

from absl import app, flags, logging

from jaxcnn import runtime
from jaxcnn.errors import Stopped, UserError


def _one_line(error: BaseException) -> str:
    """The message of an exception on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _fail(error: BaseException) -> None:
    label = "" if isinstance(error, Stopped) else "error: "
    print(label + _one_line(error), file=sys.stderr)
    sys.exit(getattr(error, "exit_code", UserError.exit_code))


def _parse_flags(argv: list[str]) -> list[str]:
    """Parses absl and ml_collections flags; whatever is wrong with them is the user's to mend."""
    try:
        return flags.FLAGS(argv)
    except (flags.Error, UserError) as error:
        return _fail(error)
    except Exception as error:  # a config file is the user's Python: it may raise anything
        text = _one_line(error).replace("\\n", " ").replace("\\'", "'")  # a repr, in ml_collections
        return _fail(UserError(f"config: {text}"))


def run(command: Callable[[list[str]], int | None], argv: list[str] | None = None) -> None:
    """Runs `command(positional arguments)` as a program, on `argv` or the command line.

    Exit codes: what the command returns (0 for None), 2 for a user's mistake, 130 for Ctrl-C.
    """
    runtime.prepare()

    def guarded(argv: list[str]) -> int | None:
        logging.set_verbosity(logging.FATAL)  # Orbax tells of every file, and of errors it raises
        try:
            return command(argv[1:])
        except UserError as error:
            return _fail(error)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    app.run(guarded, argv=argv, flags_parser=_parse_flags)
