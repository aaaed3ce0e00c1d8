"""Every test sees eight simulated CPU devices; set before JAX is imported anywhere."""

import atexit
import gc
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import compilation
import filelock
import pytest

os.environ["JAX_PLATFORMS"] = os.environ.get("JAXCNN_TEST_PLATFORM", "cpu")
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8" + compilation.FLAGS

# a shell's background jobs ignore Ctrl-C, and so would the commands that tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

# for all of pytest-xdist's workers
if "PYTEST_XDIST_WORKER" not in os.environ:
    _shared = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, _shared, ignore_errors=True)
    # many tests run the same programs: each is compiled once, with JAXCNN_TEST_CACHE for several
    # suites
    os.environ["JAX_COMPILATION_CACHE_DIR"] = (
        os.environ.get("JAXCNN_TEST_CACHE") or f"{_shared}/programs"
    )
    # no test reads or writes the user's datasets
    os.environ["TFDS_DATA_DIR"] = f"{_shared}/data"
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"


@pytest.fixture(scope="session")
def trained_workdir(tmp_path_factory):
    """The folder of a finished run: LeNet, two epochs on the digits. To be read, not changed: one
    of pytest-xdist's workers trains it for all."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with filelock.FileLock(folder / "trained.lock"):
        if not (folder / "trained").exists():
            train_quickstart(folder / "training", folder / "data")
            (folder / "training").rename(folder / "trained")
    return folder / "trained"


def train_quickstart(workdir, data_dir):
    from jaxcnn.api import train
    from jaxcnn.config.quickstart import get_config
    from jaxcnn.reporting.terminal.console import Console

    config = get_config()
    config.num_epochs, config.num_devices = 2, 2
    config.augment.update(shift=0.0, rotation=0.0)  # which take long to compile
    config.dataset.data_dir = str(data_dir)
    train(config, workdir, console=Console(io.StringIO()))


@pytest.fixture(scope="module", autouse=True)
def forget_programs():
    """Compiled programs stay in the process's memory, a module's are of no use to the next."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        gc.collect()


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures are empty files: what is in them takes seconds."""
    from matplotlib.figure import Figure

    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)


@pytest.fixture(scope="session")
def dataset():
    """300 training and 90 test images 16x16x1 of 4 classes."""
    from bars import make_dataset

    return make_dataset(16)


@pytest.fixture(scope="session")
def dataset28():
    """The same at 28x28x1."""
    from bars import make_dataset

    return make_dataset(28)


@pytest.fixture(scope="session")
def dataset32():
    """The same at 32x32x3."""
    from bars import make_dataset

    return make_dataset(32, channels=3)


@pytest.fixture
def config():
    """Two epochs of LeNet in batches of 64, on two devices; 300 images leave a short batch."""
    from jaxcnn.config.defaults import default_config

    config = default_config()
    config.num_devices = 2
    config.num_epochs = 2
    config.optimizer.learning_rate = 3e-3
    return config


@pytest.fixture
def dense(config):
    """Gives `config` a network that compiles in a third of LeNet's time."""
    from jaxcnn.models import model_config

    config.model = model_config("mlp", hidden=(16,))


@pytest.fixture
def tiny(monkeypatch):
    """The config of a network with BatchNorm and Dropout that is registered for one test."""
    from tiny import ENTRY

    from jaxcnn.models import model_config, registry

    monkeypatch.setitem(registry._ENTRIES, "tiny", ENTRY)
    return model_config("tiny")


@pytest.fixture
def own_parts():
    """Parts that a test registers are forgotten after it."""
    import jaxcnn
    from jaxcnn.config.parts import REGISTRIES

    for kind in ("network", "dataset", "augmentation", "optimizer", "schedule", "loss", "metric"):
        getattr(jaxcnn, kind)
    before = {kind: (dict(r), dict(r.parts)) for kind, r in REGISTRIES.items()}
    yield
    for kind, (entries, parts) in before.items():
        for names, kept in ((REGISTRIES[kind], entries), (REGISTRIES[kind].parts, parts)):
            names.clear()
            names.update(kept)


@pytest.fixture
def train(monkeypatch, dataset):
    """Trains a config in a folder, on `dataset` or another; gives the result and what was
    printed. The pictures of a report take longer than a short run, and are left out."""
    from jaxcnn.api import arguments, run
    from jaxcnn.reporting.terminal.console import Console

    plot_curves = run.plot_curves

    def train(config, workdir, data=dataset, *, curves=False, **options):
        monkeypatch.setattr(arguments, "load_run_data", lambda *_: data)
        monkeypatch.setattr(run, "plot_curves", plot_curves if curves else lambda _: [])
        monkeypatch.setattr(run, "evaluate_run", lambda *_, **__: None)
        printed = io.StringIO()
        result = run.train(config, workdir, console=Console(printed), **options)
        return result.values, printed.getvalue()

    return train


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """Runs commands in copies of a process that has imported all: each takes a tenth of a second.
    Gives the exit code, stdout and stderr as a dict of code, output and errors."""
    server = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "helpers" / "forked.py"],
        env=os.environ
        | {
            "TFDS_DATA_DIR": str(tmp_path_factory.mktemp("data")),
            "XLA_FLAGS": "--xla_force_host_platform_device_count=1" + compilation.FLAGS,
        },
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip

    def command(name, *arguments, folder):
        asked = {"command": name, "arguments": arguments, "folder": str(folder)}
        print(json.dumps(asked), file=server.stdin, flush=True)
        return json.loads(server.stdout.readline())

    with server:
        yield command
        server.stdin.close()
