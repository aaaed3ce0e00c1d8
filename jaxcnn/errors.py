"""What ends a command in one line instead of a traceback."""


class UserError(Exception):
    """A mistake of the user: its text is one clear line saying what, where, and what to do.

    Commands print it on stderr without a traceback and exit with `exit_code`.
    """

    exit_code = 2


class Diverged(UserError):
    """The loss was not finite."""

    exit_code = 3


class Stopped(UserError):
    """A signal asked the run to stop; it is saved, and the same command resumes it."""

    exit_code = 75  # EX_TEMPFAIL: try again


class Disagreement(UserError):
    """The processes of a group were not started alike; each of them finds the same."""
