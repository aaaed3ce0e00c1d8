"""Every test sees eight simulated CPU devices; set before JAX is imported anywhere."""

import atexit
import io
import os
import shutil
import signal
import tempfile

import pytest

os.environ["JAX_PLATFORMS"] = os.environ.get("JAXCNN_TEST_PLATFORM", "cpu")
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

# a shell's background jobs ignore Ctrl-C, and so would the commands that tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

# many tests run the same programs: each is compiled once
_cache = tempfile.mkdtemp()
atexit.register(shutil.rmtree, _cache, ignore_errors=True)
os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"


@pytest.fixture(scope="session")
def trained_workdir(tmp_path_factory):
    """The folder of a finished run: LeNet, two epochs on the digits. To be read, not changed."""
    from jaxcnn.api import train
    from jaxcnn.config.quickstart import get_config
    from jaxcnn.reporting.terminal.console import Console

    config = get_config()
    config.num_epochs, config.num_devices = 2, 2
    config.dataset.data_dir = str(tmp_path_factory.mktemp("data"))
    workdir = tmp_path_factory.mktemp("run")
    train(config, workdir, Console(io.StringIO()))
    return workdir
