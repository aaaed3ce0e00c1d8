"""Several processes that train together: how they meet, which of them writes, how they end.

All run the same command, and each makes the same decisions from the same numbers. Process 0 alone
writes to the terminal and to the run's folder; checkpoints are written by all. Where one dies or
hangs the others cannot go on: each says so in one line and ends with exit code 75, and the same
command, started again for all, resumes from the newest checkpoint.
"""

import contextlib
import ctypes
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import NoReturn

from jaxcnn.errors import Disagreement, Diverged, Stopped, UserError

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
_CONNECT_SECONDS = 300  # in which all processes must have started
_HEARTBEAT_SECONDS = 30  # without a sign of life after which a process is given up
_WAIT_SECONDS = 3600  # for another that prepares a dataset, or draws the report
# how XLA's collectives and JAX's coordination service say that another process is gone
_LOSS = re.compile(
    "gloo|nccl|coordination ?service|distributed service|heartbeat|socket closed"
    "|connection (reset|closed|refused)",
    re.IGNORECASE,
)


class _Group:
    """What this process knows of its group."""

    index: int | None = None  # its number; None where there is no group
    is_joined = False
    native = -1  # the file that takes what native code prints
    abort_handler = None  # kept alive here, as C holds no reference to it
    ending = threading.Lock()  # held by the thread that ends the process


def index() -> int:
    """This process's number in its group; 0 also for a process of its own."""
    return _Group.index or 0


def is_main() -> bool:
    """Whether this is the process that writes: process 0, or a process of its own."""
    return index() == 0


def is_group() -> bool:
    """Whether this process has joined others."""
    return _Group.is_joined


def label() -> str:
    """What begins this process's lines on stderr: nothing outside a group."""
    return "" if _Group.index is None else f"process {_Group.index}: "


@contextlib.contextmanager
def group(find_cluster: bool) -> Iterator[None]:
    """Joins the group that the environment names, and leaves it at the end.

    It must come before JAX's first computation. With `JAX_COORDINATOR_ADDRESS` (host:port of
    process 0), `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID` set the group is theirs; else, with
    `find_cluster`, JAX asks the cluster (SLURM, Open MPI, Kubernetes, TPU pod); else this is a
    process of its own and nothing is done.

    Raises:
      UserError: the environment names a group incompletely, or it cannot be joined.
    """
    settings = _settings(os.environ, find_cluster)
    if settings is None:
        yield
        return
    _join(settings)
    try:
        with watched():
            yield
    except (Stopped, Diverged, Disagreement):  # as a rule all end so, and none gets lost
        with contextlib.suppress(Exception):
            wait_for_all("end", seconds=20)
        _Group.ending.acquire()
        raise
    else:
        with watched():
            _leave()


def _settings(environment: Mapping[str, str], find_cluster: bool) -> dict | None:
    """The arguments of `jax.distributed.initialize`, or None where there is no group."""
    given = [name for name in VARIABLES if environment.get(name)]
    if len(given) < len(VARIABLES):
        if given and not find_cluster:
            missing = ", ".join(name for name in VARIABLES if name not in given)
            raise UserError(f"{', '.join(given)} set but not {missing}: set all three, or none")
        return {} if find_cluster else None
    address = environment["JAX_COORDINATOR_ADDRESS"]
    if not re.fullmatch(r".+:\d+", address):
        raise UserError(f"JAX_COORDINATOR_ADDRESS = {address}: must be host:port of process 0")
    number, of = environment["JAX_PROCESS_ID"], environment["JAX_NUM_PROCESSES"]
    if not (number.isdecimal() and of.isdecimal() and int(number) < int(of)):
        raise UserError(
            f"JAX_PROCESS_ID = {number}, JAX_NUM_PROCESSES = {of}: must be numbers, the first from "
            "0 to one less than the second"
        )
    return {
        "coordinator_address": address,
        "num_processes": int(of),
        "process_id": int(number),
        "cluster_detection_method": "deactivate",  # else SLURM's would leave us a single GPU
    }


def _join(settings: dict) -> None:
    import jax

    where = settings.get("coordinator_address", "the cluster's first host")
    _divert_native_output()
    _end_clearly_on_abort(
        f"the processes of the group did not all meet at {where} within {_CONNECT_SECONDS} seconds"
    )
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM from us
    try:
        jax.distributed.initialize(
            **settings,
            initialization_timeout=_CONNECT_SECONDS,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=_WAIT_SECONDS,
        )
    except Exception as error:  # JAX's, the cluster's, the network's
        found = "" if settings else "--distributed: JAX finds no cluster here, or "
        raise UserError(f"{found}cannot join the group at {where} ({_short(error)})") from error
    _Group.is_joined = True  # from here on an end must not wait for the others
    _Group.index = jax.process_index()
    if not is_main():
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _leave() -> None:
    """Waits until all are done, and takes leave of them."""
    import jax

    jax.distributed.shutdown()
    _Group.is_joined = False


def leave_with(code: int) -> NoReturn:
    """Ends the process. In a group at once: JAX would wait for the others, who wait for this one;
    so they learn of it."""
    sys.stdout.flush()
    sys.stderr.flush()
    if _Group.is_joined:
        os._exit(code)
    sys.exit(code)


def wait_for_all(what: str, seconds: int = _WAIT_SECONDS) -> None:
    """Waits until all processes are at the same place; a no-op outside a group.

    Collectives must meet within 30 seconds the first time: what takes unlike times comes before.
    """
    if _Group.is_joined:
        from orbax.checkpoint import multihost

        wait = multihost.get_barrier_sync_fn()
        wait(key=f"jaxcnn {what}", timeout_ms=1000 * seconds)


def exchange(what: str, own: str) -> list[str]:
    """Return the texts of all processes in their order; outside a group the own one alone.

    It needs no device: texts go through the coordination service. `what` is used once.
    """
    if not _Group.is_joined:
        return [own]
    from jax._src import distributed  # where JAX keeps its client, as Orbax takes it

    client = distributed.global_state.client
    assert client is not None  # this process has joined
    folder = f"jaxcnn/{what.replace(' ', '_')}"
    client.key_value_set(f"{folder}/{index()}", own)
    wait_for_all(what)
    found = {name.rpartition("/")[2]: text for name, text in client.key_value_dir_get(folder)}
    return [found[number] for number in sorted(found, key=int)]


def expected_processes() -> int:
    """Return how many processes this one was told that the group has."""
    from jax._src import distributed

    return distributed.global_state.num_processes or 1


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Ends the process with the one line where another is lost meanwhile.

    Innermost, so that nothing is closed first that would wait for the lost one.
    """
    try:
        yield
    except Exception as error:
        end_if_lost(error)
        raise


def end_if_lost(error: Exception) -> None:
    """Ends the process with the one line if the error is that another is lost."""
    if _Group.is_joined and not isinstance(error, UserError) and _LOSS.search(str(error)):
        _end(Stopped.exit_code, f"{_LOST} ({_short(error)})")


_LOST = "another process has ended or cannot be reached; the same command for all resumes the run"


def _short(error: Exception) -> str:
    """The last words of an error of native code, without the place in its source."""
    return re.sub(r".*\.cc:\d+\] ", "", " ".join(str(error).split()))[:120]


def _end(code: int, line: str) -> None:
    """Says why, once, whichever thread is first, and ends the process."""
    if not _Group.ending.acquire(blocking=False):
        threading.Event().wait()
    print(f"{label()}{line}", file=sys.stderr, flush=True)
    os._exit(code)


def _divert_native_output() -> None:
    """What JAX's native code prints goes to a file that is seen if it crashes; Python's output
    goes where it went. It tells of each connection, and fills pages where a process is lost."""
    _Group.native, path = tempfile.mkstemp()
    os.unlink(path)
    sys.stdout.flush()
    for number, name in ((1, "stdout"), (2, "stderr")):
        encoding = getattr(sys, name).encoding
        own = os.fdopen(os.dup(number), "w", buffering=1, encoding=encoding, errors="replace")
        setattr(sys, name, own)
        os.dup2(_Group.native, number)


def _end_clearly_on_abort(while_joining: str) -> None:
    """JAX's runtime aborts the process where the coordination service finds another one lost, and
    Python has no say in it: a handler of SIGABRT has. Any other abort is shown, and goes on."""

    @ctypes.CFUNCTYPE(None, ctypes.c_int)
    def on_abort(_: int) -> None:
        text = os.pread(_Group.native, 1 << 20, 0).decode(errors="replace")
        if "distributed service detected fatal errors" in text:
            if not _Group.is_joined:
                _end(UserError.exit_code, f"error: {while_joining}")
            _end(Stopped.exit_code, _LOST)
        print(text, file=sys.stderr, flush=True)

    _Group.abort_handler = on_abort
    ctypes.CDLL(None).signal(signal.SIGABRT, on_abort)
