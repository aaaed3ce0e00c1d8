"""The process as it is before JAX starts."""

import importlib.util
import os
import re
import subprocess
import sys

import jax
import pytest

from jaxcnn.process import devices

THREADS_POLICY = """
import os, threading
from jaxcnn.process import host
host.prepare()
thread = threading.Thread(target=lambda: print(os.sched_getscheduler(0)))
thread.start(); thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux only")
def test_threads_are_scheduled_as_those_of_a_batch_job():
    run = subprocess.run([sys.executable, "-c", THREADS_POLICY], capture_output=True, text=True)
    assert run.stdout.strip() == str(os.SCHED_BATCH), run.stderr


UNTUNED = """
import os
from jaxcnn.process import heap, host
before = os.sched_getscheduler(0)
host.prepare()
heap.tidy_after_compiling()
print(os.sched_getscheduler(0) == before, heap._glibc())
"""


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux only")
def test_a_variable_switches_the_tuning_off():
    environment = os.environ | {"JAXCNN_HOST_TUNING": "0"}
    command = [sys.executable, "-c", UNTUNED]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.stdout == "True None\n", run.stderr


without_cuda = pytest.mark.skipif(
    any(importlib.util.find_spec(f"jax_cuda{version}_plugin") for version in (12, 13)),
    reason="JAX may be able to use a GPU",
)
# `hardware_utils` is where JAX looks for a GPU
DEVICES = """
from jax._src import hardware_utils
hardware_utils._NVIDIA_GPU_DEVICES = ["/dev/null"]
from jaxcnn.process import command, devices
command.run(lambda _: devices.start())
"""


def start_devices(**environment):
    environment = {name: value for name, value in os.environ.items() if "JAX" not in name} | {
        name: str(value) for name, value in environment.items()
    }
    command = [sys.executable, "-c", DEVICES]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    return run.returncode, run.stderr


@without_cuda
@pytest.mark.skipif(sys.platform != "linux", reason="JAX looks for GPUs on Linux only")
def test_a_gpu_that_jax_cannot_use_is_told_in_one_line():
    code, said = start_devices()
    assert (code, said.count("\n")) == (0, 1)
    assert said.startswith("warning: An NVIDIA GPU may be present")
    assert "Falling back to cpu" in said and "pip install -e '.[cuda]'" in said
    assert start_devices(JAX_PLATFORMS="cpu") == (0, "")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("JAX_PLATFORMS", "cuda", marks=without_cuda),
        ("JAX_DISABLE_JIT", True),
    ],
)
def test_a_variable_with_which_nothing_works_is_one_line(variable, value):
    code, said = start_devices(**{variable: value})
    assert (code, said.count("\n")) == (2, 1) and said.startswith(f"error: {variable}={value}: ")


def test_devices_are_told_in_words():
    class Device:
        platform, device_kind, process_index = "gpu", "NVIDIA H100 80GB HBM3", 0

    class Other(Device):
        process_index = 1

    assert devices.describe([Device()] * 8) == "8 × NVIDIA H100 80GB HBM3"
    assert devices.describe([Device(), Other()]) == "2 × NVIDIA H100 80GB HBM3, in 2 processes"
    assert not devices.are_exact([Device()])
    assert devices.are_exact(jax.devices("cpu"))
    assert re.match("8 simulated devices on .", devices.describe(jax.devices("cpu")))


# an error of Python that the user must see, and a compilation of which XLA complains
NATIVE_ERRORS = """
import logging
from jaxcnn.process import host
host.prepare()
import jax, jax.numpy as jnp
logging.getLogger("jax._src.xla_bridge").error("a device is lost")
def slow():
    ones = jnp.ones((50, 50))
    return jax.lax.reduce_window(ones, 0.0, jax.lax.add, (30, 30), (1, 1), "SAME")
jax.jit(slow).lower().compile()
"""


@pytest.mark.slow
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
