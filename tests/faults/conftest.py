"""Runs in processes of their own, that may be killed."""

import os
import subprocess
import sys
import time

import compilation
import pytest

CONFIG = """
from jaxcnn.models import model_config
from jaxcnn.config.quickstart import get_config as quickstart

def get_config():
    config = quickstart()
    config.model = model_config("mlp", hidden=(60,))  # of LeNet's size, compiled in a second
    return config
"""
FLAGS = [
    "--config.num_epochs=4",
    "--config.global_batch_size=32",
    "--config.augment.crop=1",
    "--config.checkpoint.every_steps=9",
]


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Datasets in a folder of the tests; one device, so that little is shared."""
    return os.environ | {
        "TFDS_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=1" + compilation.FLAGS,
    }


@pytest.fixture(scope="session")
def start(environment, tmp_path_factory):
    """Starts the main job in a folder."""
    config = tmp_path_factory.mktemp("config") / "small.py"
    config.write_text(CONFIG)

    def start(workdir, *flags, under=(), **more):
        arguments = f"--config={config}", f"--workdir={workdir}", *FLAGS, *flags
        command = [sys.executable, "-m", "jaxcnn.main", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([*under, *command], env=environment | more, **pipes)

    return start


@pytest.fixture(scope="session")
def finish(start):
    """Runs the main job in a folder to its end; gives exit code, stdout, stderr."""

    def finish(workdir, *flags, **more):
        process = start(workdir, *flags, **more)
        output, errors = process.communicate(timeout=600)
        return process.returncode, output, errors

    return finish


@pytest.fixture(scope="session")
def whole(finish, tmp_path_factory):
    """The folder of a run that nothing happened to, and the seconds it took."""
    workdir, started = tmp_path_factory.mktemp("whole") / "run", time.monotonic()
    code, _, errors = finish(workdir)
    assert (code, errors) == (0, "")
    return workdir, time.monotonic() - started
