"""The switch of the host's tuning, and the scheduler's part of it.

On Linux, commands tune two things for XLA's CPU programs: glibc's heap (`heap.py`) and the
scheduling policy. Neither changes a number. `JAXCNN_HOST_TUNING=0` leaves both as they are.
"""

import contextlib
import os

VARIABLE = "JAXCNN_HOST_TUNING"


def is_on() -> bool:
    """Return whether the host may be tuned: unless `JAXCNN_HOST_TUNING` is 0."""
    return os.environ.get(VARIABLE, "").strip() != "0"


def schedule_as_batch() -> None:
    """Give the process, and the threads that it starts from now on, the policy SCHED_BATCH.

    A thread that wakes up then waits for its turn; under the default policy Linux interrupts
    another thread for it. XLA has more threads than there are cores, and the threads of two devices
    hinder each other less this way. It has no effect if tuning is off, on other systems, under
    another policy than the default one, or where a container forbids it.
    """
    if not is_on():
        return
    with contextlib.suppress(AttributeError, OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
