"""Several processes that train together: joining, leaving, and the loss of a process.

All processes run the same command and make the same decisions from the same numbers. Process 0
alone writes to the terminal and to the run's folder; all of them write checkpoints. If a process
dies or hangs, the others cannot go on: each prints one line and ends with exit code 75. The same
command, started again for all, resumes from the newest checkpoint.
"""

import contextlib
import ctypes
import dataclasses
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

from jaxcnn.errors import Disagreement, Diverged, Stopped, UserError
from jaxcnn.text import one_line

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
_CONNECT_SECONDS = 300  # all processes must start within this time
_HEARTBEAT_SECONDS = 30  # a process without a sign of life for this long counts as lost
_WAIT_SECONDS = 3600  # for a process that prepares a dataset, or draws the report
_END_SECONDS = 60  # longer than a process with a message takes to end
_LOST = "another process has ended or cannot be reached; the same command for all resumes the run"
# texts with which XLA's collectives and JAX's coordination service report a lost process
_LOST_PROCESS = re.compile(
    "gloo|nccl|coordination ?service|distributed service|heartbeat|socket closed"
    "|connection (reset|closed|refused)",
    re.IGNORECASE,
)


@dataclasses.dataclass
class _Membership:
    """This process's place in its group."""

    index: int | None = None  # None outside a group
    is_joined: bool = False
    exchanges: int = 0  # calls of `exchange`
    native_output: int = -1  # descriptor of the file that receives the output of native code
    abort_handler: Callable | None = None  # a reference, as C holds none
    ending: threading.Lock = dataclasses.field(default_factory=threading.Lock)


_membership = _Membership()


def index() -> int:
    """Return this process's number in its group; 0 outside a group."""
    return _membership.index or 0


def is_main() -> bool:
    """Return whether this process writes: process 0, or a process outside a group."""
    return index() == 0


def is_group() -> bool:
    """Return whether this process has joined a group."""
    return _membership.is_joined


def label() -> str:
    """Return the prefix of this process's stderr lines; empty outside a group."""
    return "" if _membership.index is None else f"process {_membership.index}: "


def say(line: str) -> None:
    """Print a line to stderr; drop it if the terminal or the program that reads it has ended."""
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):  # or Python's last flush would fail, too
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


@contextlib.contextmanager
def joined(*, find_cluster: bool) -> Iterator[None]:
    """Join the group that the environment describes, and leave it at the end of the block.

    It must come before JAX's first computation. There are three cases:
      `JAX_COORDINATOR_ADDRESS` (host:port of process 0), `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`
      describe the group; or, with `find_cluster`, JAX asks the cluster (SLURM, Open MPI,
      Kubernetes, TPU pod); or there is no group, and nothing is done.

    Raises:
      UserError: the environment describes a group incompletely, or the process cannot join it.
    """
    settings = _settings(os.environ, find_cluster)
    if settings is None:
        yield
        return
    _join(settings)
    try:
        with watched():
            yield
    except (Stopped, Diverged, Disagreement):  # usually raised by all processes at once
        _membership.ending.acquire()  # before the first process leaves: its end is not a loss
        with contextlib.suppress(Exception):
            wait_for_all("end", seconds=20)
        raise
    else:
        with watched():
            _leave()


def _settings(environment: Mapping[str, str], find_cluster: bool) -> dict | None:
    """Return the arguments of `jax.distributed.initialize`; None without a group."""
    present = [name for name in VARIABLES if environment.get(name)]
    if len(present) < len(VARIABLES):
        if present and not find_cluster:
            missing = ", ".join(name for name in VARIABLES if name not in present)
            raise UserError(f"{', '.join(present)} set but not {missing}: set all three, or none")
        return {} if find_cluster else None
    address = environment["JAX_COORDINATOR_ADDRESS"]
    if not re.fullmatch(r".+:\d+", address):
        raise UserError(f"JAX_COORDINATOR_ADDRESS = {address}: must be host:port of process 0")
    number, count = environment["JAX_PROCESS_ID"], environment["JAX_NUM_PROCESSES"]
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise UserError(
            f"JAX_PROCESS_ID = {number}, JAX_NUM_PROCESSES = {count}: the first must be a number "
            "from 0 to one less than the second"
        )
    return {
        "coordinator_address": address,
        "num_processes": int(count),
        "process_id": int(number),
        "cluster_detection_method": "deactivate",  # SLURM's would take a single GPU
    }


def _join(settings: dict) -> None:
    import jax

    address = settings.get("coordinator_address", "the cluster's first host")
    _divert_native_output()
    _end_in_one_line_on_abort(
        f"the processes of the group did not all meet at {address} within "
        f"{_CONNECT_SECONDS} seconds"
    )
    jax.config.update("jax_enable_preemption_service", False)  # it would take our SIGTERM
    try:
        jax.distributed.initialize(
            **settings,
            initialization_timeout=_CONNECT_SECONDS,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=_WAIT_SECONDS,
        )
    except Exception as error:  # from JAX, the cluster or the network
        no_cluster = "" if settings else "--distributed: JAX finds no cluster, or "
        raise UserError(f"{no_cluster}cannot join the group at {address} ({_short(error)})") from (
            error
        )
    _membership.is_joined = True  # from here on the process must not wait for the others to end
    _membership.index = jax.process_index()
    if not is_main():
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _leave() -> None:
    """Wait until all processes are done, and leave the group."""
    import jax

    jax.distributed.shutdown()
    _membership.is_joined = False


def leave_with(code: int) -> NoReturn:
    """End the process with an exit code; inside a group at once.

    JAX's own exit would wait for the other processes, and they wait for this one. An immediate
    end tells them that it is gone.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if _membership.is_joined:
        os._exit(code)
    sys.exit(code)


def wait_for_all(place: str, seconds: int = _WAIT_SECONDS) -> None:
    """Wait until all processes have reached the named place; no effect outside a group.

    The first collective must start within 30 seconds on all processes, so work whose time differs
    between processes belongs before such a barrier.
    """
    if _membership.is_joined:
        from orbax.checkpoint import multihost

        wait = multihost.get_barrier_sync_fn()
        wait(key=f"jaxcnn {place}", timeout_ms=1000 * seconds)


def exchange(topic: str, text: str) -> list[str]:
    """Return the texts of all processes in their order; outside a group `text` alone.

    It needs no device: texts go through the coordination service. All processes make the same
    calls, such as one in each training of a script.
    """
    if not _membership.is_joined:
        return [text]
    from jax._src import distributed  # JAX keeps its client there, and Orbax takes it from there

    client = distributed.global_state.client
    assert client is not None  # this process has joined
    _membership.exchanges += 1  # the service takes a name once
    topic = f"{topic} {_membership.exchanges}"
    folder = f"jaxcnn/{topic.replace(' ', '_')}"
    client.key_value_set(f"{folder}/{index()}", text)
    wait_for_all(topic)
    texts = {name.rpartition("/")[2]: value for name, value in client.key_value_dir_get(folder)}
    return [texts[number] for number in sorted(texts, key=int)]


def expected_processes() -> int:
    """Return the size of the group as this process was told it."""
    from jax._src import distributed

    return distributed.global_state.num_processes or 1


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """End the process with one line if another process is lost during the block.

    It must be the innermost context: closing others first would wait for the lost process.
    """
    try:
        yield
    except Exception as error:
        end_if_lost(error)
        raise


def end_if_lost(error: Exception) -> None:
    """End the process with one line if the error reports a lost process."""
    may_be_lost = _membership.is_joined and not isinstance(error, UserError)
    if may_be_lost and _LOST_PROCESS.search(str(error)):
        _end(Stopped.exit_code, f"{_LOST} ({_short(error)})")


def _short(error: Exception) -> str:
    """Return the start of a native error's message, without the place in its source."""
    return re.sub(r".*\.cc:\d+\] ", "", one_line(error))[:120]


def _end(code: int, line: str) -> NoReturn:
    """Print the line and end the process; if it is ending already, wait for that."""
    if not _membership.ending.acquire(timeout=_END_SECONDS):
        os._exit(code)
    say(f"{label()}{line}")
    os._exit(code)


def _divert_native_output() -> None:
    """Send the output of native code to a temporary file; Python's goes where it went before.

    JAX's native code reports each connection, and prints pages when a process is lost. The file is
    shown only after a crash.
    """
    _membership.native_output, path = tempfile.mkstemp()
    os.unlink(path)
    sys.stdout.flush()
    for number, name in ((1, "stdout"), (2, "stderr")):
        encoding = getattr(sys, name).encoding
        copy = os.fdopen(os.dup(number), "w", buffering=1, encoding=encoding, errors="replace")
        setattr(sys, name, copy)
        os.dup2(_membership.native_output, number)


def _end_in_one_line_on_abort(line_while_joining: str) -> None:
    """Answer SIGABRT, with which JAX's runtime ends a process when another one is lost.

    Only a signal handler in C can act at this point. The output of any other abort is shown, and
    the abort goes on.
    """

    @ctypes.CFUNCTYPE(None, ctypes.c_int)
    def on_abort(_: int) -> None:
        text = os.pread(_membership.native_output, 1 << 20, 0).decode(errors="replace")
        if "distributed service detected fatal errors" in text:
            if not _membership.is_joined:
                _end(UserError.exit_code, f"error: {line_while_joining}")
            _end(Stopped.exit_code, _LOST)
        print(text, file=sys.stderr, flush=True)

    _membership.abort_handler = on_abort
    ctypes.CDLL(None).signal(signal.SIGABRT, on_abort)
