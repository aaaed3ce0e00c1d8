"""What every command shares: flags are parsed, and a user's mistake is one line and exit code 2."""

import functools
import os
import re
import sys
import traceback
from collections.abc import Callable

from absl import app, flags, logging

from jaxcnn.config.fields import FIELDS
from jaxcnn.config.help import guess_field
from jaxcnn.errors import Disagreement, Diverged, Stopped, UserError
from jaxcnn.files.paths import user_path
from jaxcnn.process import group, host
from jaxcnn.process.explain import explain, is_closed_pipe, one_line
from jaxcnn.process.signals import INTERRUPTED, interruptible, stopping_at_once
from jaxcnn.text import printable

_CLOSED_PIPE = 141  # 128 + SIGPIPE, as other programs have it
_HELP = {"-h", "-help", "--help"}


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


def _wrong_field(error: Exception, argv: list[str]) -> str:
    """What is wrong with a flag --config.FIELD that ml_collections refuses; "" where its error is
    about something else."""
    fields = list(FIELDS)
    word = re.search(r"\w+", str(error))
    name = word[0] if word else ""
    for argument in argv:
        flag, _, value = argument.lstrip("-").partition("=")
        field = flag.removeprefix("config.")
        if field == flag:
            continue
        members = [each for each in fields if each.startswith(f"{field}.")]
        if members and "parse" in str(error):
            named = f"; --{flag}.name={value}?" if f"{field}.name" in members else ""
            return f"--{flag} is a group of fields: name one of {', '.join(members)}{named}"
        if field in fields or name not in field.split("."):
            continue
        if field.startswith("model."):
            guess = re.search(r'Did you mean "(\w+)"', str(error))
            hint = f"; did you mean model.{guess[1]}?" if guess else ""
            return f"{flag}: the network that the config file names has no such option{hint}"
        return f"{flag} is not a field of a run{guess_field(field, fields)}"
    return ""


def _parse_flags(describe_config: Callable[[], str] | None, argv: list[str]) -> list[str]:
    """Parses absl and ml_collections flags; whatever is wrong with them is the user's to mend."""
    logging.set_verbosity(logging.FATAL)  # ml_collections warns of what is refused below
    if not _HELP.isdisjoint(argv[1:]):
        app.usage(shorthelp=True, writeto_stdout=True)
        if describe_config:
            print(describe_config())
        sys.exit(0)
    try:
        return flags.FLAGS(list(map(_with_home, argv)))
    except UserError:
        raise
    except flags.Error as error:
        raise UserError(_wrong_field(error, argv) or _without_traceback(str(error))) from error
    except Exception as error:  # a config file is the user's Python: it may raise anything
        text = one_line(error).replace("\\n", " ").replace("\\'", "'")  # a repr, in ml_collections
        raise UserError(_wrong_field(error, argv) or f"config: {text}") from error


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
    describe_config: Callable[[], str] | None = None,
) -> None:
    """Runs `command(positional arguments)` as a program, on `argv` or the command line.

    Exit codes: what the command returns (0 for None), 2 for a fault of the user or the machine,
    130 for Ctrl-C, 141 where nobody reads the output any more; but 75 for Ctrl-C and SIGTERM where
    it is `resumable`, so that the same command goes on. Any other exception is a fault of this
    program: its traceback is shown, exit code 1. `--help` also prints what `describe_config`
    returns.
    """

    def main(argv: list[str]) -> int | None:
        logging.set_verbosity(logging.FATAL)  # Orbax tells of every file, and of errors it raises
        code = command(argv[1:])
        sys.stdout.flush()
        return code

    try:
        with stopping_at_once() if resumable else interruptible():
            host.prepare()
            app.run(main, argv=argv, flags_parser=functools.partial(_parse_flags, describe_config))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        group.leave_with(INTERRUPTED)
    except (Exception, SystemExit) as error:
        _end(error)


def _end(error: Exception | SystemExit) -> None:
    """Ends the program in the way that fits what ended the command."""
    if is_closed_pipe(error):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to print
        group.leave_with(_CLOSED_PIPE)
    if isinstance(error, SystemExit):
        raise error
    known = explain(error)
    if known is None:
        traceback.print_exception(error)
        group.leave_with(1)
    label = "" if isinstance(known, Stopped) else "error: "
    is_everyones = isinstance(known, (Stopped, Diverged, Disagreement))
    if group.is_main() or not is_everyones:
        print(group.label() + label + printable(one_line(known)), file=sys.stderr)
    group.leave_with(known.exit_code)
