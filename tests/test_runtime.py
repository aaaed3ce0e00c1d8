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
