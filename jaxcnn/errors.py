"""Errors that end a command with one line instead of a traceback."""


class UserError(Exception):
    """A mistake of the user; the text is one line: what is wrong, where, and what to do.

    Commands print it on stderr without a traceback and exit with `exit_code`.
    """

    exit_code = 2


class Diverged(UserError):
    """The loss is not finite."""

    exit_code = 3


class Stopped(UserError):
    """A signal stopped the run; the run is saved, and the same command resumes it."""

    exit_code = 75  # EX_TEMPFAIL: try again


class StopTraining(Exception):
    """Raised by a user's hook to end the run: it is saved, tested and reported.

    The text, `StopTraining("reason")`, becomes part of the result and of the report.
    """


class Disagreement(UserError):
    """The processes of a group were started with different settings; all of them raise it."""
