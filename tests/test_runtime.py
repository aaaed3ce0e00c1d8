"""The process as it is before JAX starts."""

import os
import subprocess
import sys

import pytest

THREADS_POLICY = """
import os, threading
from jaxcnn import runtime
runtime.prepare()
thread = threading.Thread(target=lambda: print(os.sched_getscheduler(0)))
thread.start(); thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux only")
def test_threads_are_scheduled_as_those_of_a_batch_job():
    run = subprocess.run([sys.executable, "-c", THREADS_POLICY], capture_output=True, text=True)
    assert run.stdout.strip() == str(os.SCHED_BATCH), run.stderr


# an error of Python that the user must see, and a compilation of which XLA complains
NATIVE_ERRORS = """
import logging
from jaxcnn import runtime
runtime.prepare()
import jax, jax.numpy as jnp
logging.getLogger("jax._src.xla_bridge").error("a device is lost")
def slow():
    ones = jnp.ones((200, 200))
    return jax.lax.reduce_window(ones, 0.0, jax.lax.add, (150, 150), (1, 1), "SAME")
jax.jit(slow).lower().compile()
"""


def test_what_xla_complains_of_is_hidden_and_errors_of_jax_are_not():
    done = [
        subprocess.run(
            [sys.executable, "-c", NATIVE_ERRORS],
            env=os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "0"} | more,
            capture_output=True,
            text=True,
        )
        for more in ({}, {"JAX_LOGGING_LEVEL": "ERROR"})
    ]
    assert [run.returncode for run in done] == [0, 0]
    assert all("a device is lost" in run.stderr for run in done)
    assert ["slow_operation_alarm" in run.stderr for run in done] == [False, True]
