"""One-line explanations of faults of the machine and the environment that any command can meet."""

import os
import sys

from jaxcnn.config.parts import fault_in_user_code
from jaxcnn.errors import UserError
from jaxcnn.text import one_line

# XLA's text for a lack of memory, and Python's for a lack of threads
_LACK_OF_RESOURCES = ("RESOURCE_EXHAUSTED", "can't start new thread")


def explain(error: BaseException) -> UserError | None:
    """Return an error as one line for the user; None for an exception that is a bug of jaxcnn."""
    if isinstance(error, UserError):
        return error
    if in_user_code := fault_in_user_code(error):
        return in_user_code
    if isinstance(error, MemoryError) or any(text in str(error) for text in _LACK_OF_RESOURCES):
        return UserError(
            f"the machine is short of memory or another resource ({one_line(error)[:200]}); reduce "
            "config.global_batch_size, or set config.dataset.streaming = True"
        )
    if isinstance(error, OSError) and error.strerror:
        prefix = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return UserError(f"{prefix}{error.strerror}")
    if isinstance(error, UnicodeEncodeError):
        return UserError(f"{error.object[:200]!a}: is not in UTF-8 and cannot be written")
    if isinstance(error, FloatingPointError):  # from JAX_DEBUG_NANS or JAX_DEBUG_INFS
        return UserError(f"a debugging option of JAX ended the command: {one_line(error)[:200]}")
    if isinstance(error, ImportError) and error.name and error.name.split(".")[0] != "jaxcnn":
        return UserError(f"the package {error.name} does not load: {one_line(error)}")
    return _missing_device()


def is_closed_pipe(error: BaseException) -> bool:
    """Return whether the reader of the output, such as `head`, has ended."""
    if isinstance(error, SystemExit):  # rich ends the program with it
        return isinstance(error.__context__, BrokenPipeError)
    cause = error.__cause__ if isinstance(error, UserError) else None
    return isinstance(cause or error, BrokenPipeError)


def _missing_device() -> UserError | None:
    """Return the error if JAX finds no device, whatever exception came first; else None."""
    jax = sys.modules.get("jax")
    try:
        if jax is not None:
            jax.devices()
    except Exception as error:
        platforms = os.environ.get("JAX_PLATFORMS", "")
        reason = f" ({one_line(error)[:200]})" if str(error) else ""
        return UserError(
            f"JAX_PLATFORMS = {platforms!r}: JAX finds no such device{reason}; unset it, or "
            "install JAX for the device"
        )
    return None
