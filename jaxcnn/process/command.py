"""The frame of every command: flags are parsed, and an error is one line and an exit code."""

import functools
import os
import re
import sys
import traceback
from collections.abc import Callable

from absl import app, flags, logging

from jaxcnn.config.fields import FIELDS
from jaxcnn.config.flag import register_first
from jaxcnn.config.help import guess_field
from jaxcnn.errors import Disagreement, Diverged, Stopped, UserError
from jaxcnn.process import group, host
from jaxcnn.process.explain import explain, is_closed_pipe
from jaxcnn.process.signals import INTERRUPTED, interruptible, stopping_at_once
from jaxcnn.text import one_line, printable

_CLOSED_PIPE = 141  # 128 + SIGPIPE, as of other programs
_HELP = {"-h", "-help", "--help"}
# the requirement of a flag, by the words of absl and Python for a wrong value
_EXPECTED = {
    r"invalid literal for int\(\).*": "must be a whole number",
    r"could not convert string to float.*": "must be a number",
    r"\('Non-boolean argument.*": "must be True or False",
}


def run(
    command: Callable[[list[str]], int | None],
    argv: list[str] | None = None,
    *,
    resumable: bool = False,
    describe_config: Callable[[], str] | None = None,
) -> None:
    """Run `command(positional arguments)` as a program, on `argv` or the command line.

    The exit code is the value that the command returns (0 for None), or the `exit_code` of a
    `UserError`. Ctrl-C gives 130. A closed output gives 141. A bug of jaxcnn gives 1 and a
    traceback.

    Args:
      command: gets the positional arguments.
      argv: the program's name and its arguments.
      resumable: Ctrl-C and SIGTERM end the command with code 75, and the same command resumes.
      describe_config: returns what `--help` prints of the config's fields.
    """

    def main(argv: list[str]) -> int | None:
        logging.set_verbosity(logging.FATAL)  # Orbax logs every file, and errors that it raises
        code = command(argv[1:])
        sys.stdout.flush()
        return code

    try:
        with stopping_at_once() if resumable else interruptible():
            host.prepare()
            app.run(main, argv=argv, flags_parser=functools.partial(_parse_flags, describe_config))
    except KeyboardInterrupt:
        group.say("interrupted")
        group.leave_with(INTERRUPTED)
    except (Exception, SystemExit) as error:
        _end(error)


def _end(error: Exception | SystemExit) -> None:
    """End the program with the line and the exit code that fit the error."""
    if is_closed_pipe(error):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the unprinted rest
        group.leave_with(_CLOSED_PIPE)
    if isinstance(error, SystemExit):
        raise error
    user_error = explain(error)
    if user_error is None:
        traceback.print_exception(error)
        group.leave_with(1)
    prefix = "" if isinstance(user_error, Stopped) else "error: "
    is_everyones = isinstance(user_error, (Stopped, Diverged, Disagreement))
    if group.is_main() or not is_everyones:
        group.say(group.label() + prefix + printable(one_line(user_error)))
    group.leave_with(user_error.exit_code)


def _parse_flags(describe_config: Callable[[], str] | None, argv: list[str]) -> list[str]:
    """Parse the flags of absl and ml_collections; any error in them is the user's."""
    logging.set_verbosity(logging.FATAL)  # ml_collections warns about flags that are refused below
    if not _HELP.isdisjoint(argv[1:]):
        app.usage(shorthelp=True, writeto_stdout=True)
        if describe_config:
            print(describe_config())
        sys.exit(0)
    try:
        return flags.FLAGS(register_first(argv))
    except UserError:
        raise
    except flags.Error as error:
        text = str(error)
        for words, expected in _EXPECTED.items():
            text = re.sub(words, expected, text)
        raise UserError(_wrong_field(error, argv) or text) from error
    except Exception as error:  # ml_collections has no type of its own for wrong fields
        text = one_line(error).replace("\\n", " ").replace("\\'", "'")  # it adds a repr
        raise UserError(_wrong_field(error, argv) or f"config: {text}") from error


def _wrong_field(error: Exception, argv: list[str]) -> str:
    """Return the line about a flag --config.FIELD that ml_collections refuses.

    It is empty if the error is about something else.
    """
    fields = list(FIELDS)
    word = re.search(r"\w+", str(error))
    name = word[0] if word else ""
    for argument in argv:
        flag, _, value = argument.lstrip("-").partition("=")
        field = flag.removeprefix("config.")
        if field == flag:
            continue
        members = [member for member in fields if member.startswith(f"{field}.")]
        if members and "parse" in str(error):
            hint = f"; did you mean --{flag}.name={value}?" if f"{field}.name" in members else ""
            return f"--{flag} is a group of fields; name one of {', '.join(members)}{hint}"
        if field in fields or name not in field.split("."):
            continue
        if field.startswith("model."):
            guess = re.search(r'Did you mean "(\w+)"', str(error))
            hint = f"; did you mean model.{guess[1]}?" if guess else ""
            return (
                f"{flag}: the network of the config file has no such option{hint}; for another "
                "network's, set config.model = model_config(NAME, …) in a config file"
            )
        return f"{flag} is not a field of a run{guess_field(field, fields)}"
    return ""
