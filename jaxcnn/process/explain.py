"""The faults of a machine and of an environment that any command can meet, as one line each."""

import os
import sys

from jaxcnn.errors import UserError

# how XLA says that memory is short, and Python that threads are
_SHORT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "can't start new thread")


def explain(error: BaseException) -> UserError | None:
    """Return an error that any command can meet as one line for its user; None for an exception
    that says nothing but that this program is wrong."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError) or any(text in str(error) for text in _SHORT_OF_MEMORY):
        return UserError(
            f"memory, or another resource of the machine, is short ({one_line(error)[:200]}); "
            "a smaller config.global_batch_size, or config.dataset.streaming = True, takes less"
        )
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return UserError(f"{place}{error.strerror}")
    if isinstance(error, UnicodeEncodeError):
        return UserError(f"{error.object[:200]!a}: is not in UTF-8, and cannot be written so")
    if isinstance(error, FloatingPointError):  # JAX_DEBUG_NANS, JAX_DEBUG_INFS
        return UserError(f"JAX's debugging flags ended the command: {one_line(error)[:200]}")
    if isinstance(error, ImportError) and error.name and error.name.split(".")[0] != "jaxcnn":
        return UserError(f"the package {error.name} does not load: {one_line(error)}")
    return _without_devices()


def one_line(error: BaseException) -> str:
    """Return the message of an exception on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def is_closed_pipe(error: BaseException) -> bool:
    """Return whether an exception comes from a reader of the output, such as `head`, that left."""
    if isinstance(error, SystemExit):  # rich ends the program so
        return isinstance(error.__context__, BrokenPipeError)
    cause = error.__cause__ if isinstance(error, UserError) else None
    return isinstance(cause or error, BrokenPipeError)


def _without_devices() -> UserError | None:
    """The line for a JAX that finds no device, whatever it raised the first time."""
    jax = sys.modules.get("jax")
    try:
        if jax is not None:
            jax.devices()
    except Exception as error:
        asked = os.environ.get("JAX_PLATFORMS", "")
        reason = f" ({one_line(error)[:200]})" if str(error) else ""
        return UserError(
            f"JAX_PLATFORMS = {asked!r}: JAX finds no such device{reason}; unset it, or install "
            "JAX for the device"
        )
    return None
