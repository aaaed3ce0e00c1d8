"""Processes that train together: the same numbers, one that writes, and none left waiting."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import compilation
import pytest

import jaxcnn
from jaxcnn.data.dataset import load_dataset
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.process import group
from jaxcnn.training.group_check import differences

CONFIG = """
from jaxcnn.config.defaults import default_config
from jaxcnn.models import model_config

def get_config():
    config = default_config()
    config.model = model_config("mlp", hidden=(64, 32))
    config.dataset.image_size = 0
    config.optimizer.update(name="momentum", learning_rate=0.05)
    config.augment.update(crop=1, flip="alternating", mixup=0.1)
    config.num_epochs = 6
    config.checkpoint.every_steps = 7
    return config
"""
# joins as the main job does, but gives up sooner
IMPATIENT = """
import sys
from jaxcnn import main
from jaxcnn.process import command, group
group._CONNECT_SECONDS = 3
command.run(main.main, sys.argv)
"""

# joins, tells so with a file, and has nothing to do
IDLE = """
import pathlib, sys, time
from jaxcnn.process import group, host
host.prepare()
with group.joined(find_cluster=False):
    pathlib.Path(sys.argv[2].partition("=")[2] + str(group.index())).touch()
    time.sleep(100)
"""

# trains from Python with a hook, which tells its process and ends the run
HOOKED = """
import sys
import jaxcnn
from jaxcnn.process import group, host

def stop(row):
    print("hook of process", group.index(), "epoch", row["epoch"], file=sys.stderr, flush=True)
    if row["epoch"] == 2:
        raise jaxcnn.StopTraining("enough")

flags = dict(argument.split("=", 1) for argument in sys.argv[1:])
host.prepare()
with group.joined(find_cluster=False):
    jaxcnn.train(flags["--config"], flags["--workdir"], hooks=[stop], quiet=True)
"""

# trains twice, as a script that compares two seeds does
TWICE = """
import sys
import jaxcnn
from jaxcnn.process import group, host

flags = dict(argument.split("=", 1) for argument in sys.argv[1:])
host.prepare()
with group.joined(find_cluster=False):
    config = jaxcnn.load_config(flags["--config"])
    config.num_epochs = 1
    for config.seed in (0, 1, 1):  # the second run of seed 1 has ended
        jaxcnn.train(config, flags["--workdir"] + str(config.seed), quiet=True)
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def start(tmp_path_factory, config):
    """Starts the main job with several devices, or as a group of several processes."""
    environment = os.environ | {"TFDS_DATA_DIR": str(tmp_path_factory.mktemp("data"))}
    started = []
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def start(
        workdir,
        *more,
        processes=1,
        devices=1,
        program=("-m", "jaxcnn.main"),
        last_arguments=(),
        last_environment=None,
        last_directory=None,
    ):
        command = [sys.executable, *program, f"--config={config}", f"--workdir={workdir}", *more]
        flags = {
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}{compilation.FLAGS}"
        }
        members = group_of(processes) if processes > 1 else [{}]
        each = [{"args": command, "env": environment | flags | member} for member in members]
        each[-1]["args"] = [*command, *last_arguments]
        each[-1]["env"] |= last_environment or {}
        each[-1]["cwd"] = last_directory
        processes = [subprocess.Popen(**one, **pipes) for one in each]
        started.extend(processes)
        return processes

    yield start
    for process in started:  # where a test failed
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    """What one process with two devices leaves."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    assert ends(start(workdir, devices=2)) == [(0, "")]
    return outcome(workdir)


def group_of(count):
    """What each process of a group finds in its environment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        values = [f"127.0.0.1:{listener.getsockname()[1]}", str(count)]
    names = group.VARIABLES
    return [dict(zip(names, [*values, str(index)], strict=True)) for index in range(count)]


def ends(processes, seconds=300):
    """The exit codes and what was said on stderr."""
    errors = [process.communicate(timeout=seconds)[1] for process in processes]
    return [(process.returncode, said) for process, said in zip(processes, errors, strict=True)]


def outcome(workdir):
    """Losses and accuracies of every epoch, and of the result."""
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    result = json.loads((workdir / "result.json").read_text())
    numbers = [(row["epoch"], row["loss"], row["accuracy"]) for row in rows]
    return [*numbers, (result["best_epoch"], result["test_loss"], result["test_accuracy"])]


def assert_same(first, second):
    """To rounding; an example on the edge may fall to the other side."""
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=3e-3)


def wait_for_an_epoch(workdir):
    metrics = workdir / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.02)


@pytest.mark.long
def test_a_process_dies_and_the_same_command_resumes(start, whole, tmp_path):
    workdir = tmp_path / "run"
    processes = start(workdir, processes=2)
    wait_for_an_epoch(workdir)
    processes[1].kill()
    (code, said), _ = ends(processes, seconds=60)
    assert code == 75 and said.count("\n") == 1
    assert said.startswith("process 0: another process has ended")
    processes = start(workdir, "--config.dataset.streaming=True", processes=2)
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert "resuming in epoch" in outputs[0] and "Gloo" not in outputs[0] and outputs[1] == ""
    assert_same(outcome(workdir), whole)


@pytest.mark.long
def test_a_signal_to_one_of_four_stops_all_and_one_resumes(start, whole, tmp_path):
    workdir = tmp_path / "run"
    processes = start(workdir, processes=4)
    wait_for_an_epoch(workdir)
    processes[2].send_signal(signal.SIGTERM)
    (code, said), *others = ends(processes)
    assert code == 75 and said.startswith("process 0: stopped and saved at step")
    assert others == [(75, "")] * 3
    assert ends(start(workdir, devices=2)) == [(0, "")]
    assert_same(outcome(workdir), whole)


@pytest.mark.long
def test_a_group_trains_in_phases_and_resumes_between_them(start, tmp_path):
    phases = "--config.phases=2,'2 fresh optimizer.learning_rate=0.02',1"
    flags = (phases, "--config.num_epochs=5")
    assert ends(start(tmp_path / "one", *flags, devices=2)) == [(0, "")]
    for num_epochs in (2, 5):  # the second phase begins as the run is resumed
        flags = (phases, f"--config.num_epochs={num_epochs}")
        assert ends(start(tmp_path / "two", *flags, processes=2)) == [(0, "")] * 2
    assert_same(outcome(tmp_path / "two"), outcome(tmp_path / "one"))
    names = ("config", "result")
    one, two = ([read_json(tmp_path / run / f"{n}.json") for n in names] for run in ("one", "two"))
    assert one[0]["phases"] == two[0]["phases"] and one[1]["phases"] == two[1]["phases"]


@pytest.mark.slow
def test_a_hook_in_process_0_ends_all(start, tmp_path):
    processes = start(tmp_path / "run", processes=2, program=("-c", HOOKED))
    called = "".join(f"hook of process 0 epoch {epoch}\n" for epoch in (1, 2))
    assert ends(processes) == [(0, called), (0, "")]
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["ended"], result["num_epochs"]) == ("hook", 2)
    assert result["hook_reason"] == "enough"


@pytest.mark.slow
def test_a_group_trains_twice(start, tmp_path):
    assert ends(start(tmp_path / "run", processes=2, program=("-c", TWICE))) == [(0, ""), (0, "")]
    assert (tmp_path / "run1" / "report.md").exists()


def test_a_process_dies_while_the_others_wait(start, tmp_path):
    """JAX's runtime would abort them, with pages of its own."""
    processes = start(tmp_path / "run", processes=2, program=("-c", IDLE))
    while not (tmp_path / "run1").exists():
        time.sleep(0.02)
    processes[0].kill()
    _, (code, said) = ends(processes, seconds=60)
    assert code == 75 and said.count("\n") == 1
    assert said.startswith("process 1: another process has ended")


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_a_process_that_stays_alone(index, start, tmp_path):
    processes = start(tmp_path / "run", processes=2, program=("-c", IMPATIENT))
    processes[1 - index].kill()
    code, said = ends(processes)[index]
    assert code == 2 and said.count("\n") == 1 and "did not all meet at 127.0.0.1:" in said


def test_a_mistake_in_the_folder_ends_all(start, tmp_path):
    (tmp_path / "notes.txt").write_text("of another kind")
    (code, said), (other_code, _) = ends(start(tmp_path, processes=2))
    assert code == 2 and said.startswith("process 0: error: ") and "holds files but no run" in said
    assert other_code == 75


def assert_refused(processes, *phrases):
    """All end soon with exit code 2, and process 0 says each of the phrases in its one line."""
    (code, said), other = ends(processes, seconds=60)
    assert (code, said.count("\n")) == (2, 1) and other == (2, "")
    assert said.startswith("process 0: error: the processes of the group ")
    assert [phrase for phrase in phrases if phrase not in said] == [], said


@pytest.mark.slow
def test_other_settings_in_one_process_end_all(start, tmp_path):
    """An optimizer or a step at which to save would hang, L2 or a seed give wrong numbers."""
    processes = start(
        tmp_path / "run",
        processes=2,
        last_arguments=["--config.loss.l2=0.001", "--config.checkpoint.every_steps=8"],
        last_environment={"JAX_ENABLE_X64": "1", "JAX_DEFAULT_PRNG_IMPL": "rbg"},
    )
    assert_refused(
        processes,
        "config.loss.l2 is 0.0 in process 0, 0.001 in process 1",
        "config.checkpoint.every_steps is 7 in process 0, 8 in process 1",
        "JAX_ENABLE_X64 is false in process 0, true in process 1",
        'JAX_DEFAULT_PRNG_IMPL is "threefry2x32" in process 0, "rbg" in process 1',
    )
    assert not (tmp_path / "run").exists()


def test_other_data_and_code_in_one_process_end_all(start, tmp_path):
    load_dataset("digits", data_dir=tmp_path / "data")
    (images,) = (tmp_path / "data").rglob("arrays/train_images.npy")
    changed = bytearray(images.read_bytes())
    changed[-1] ^= 1  # a pixel
    images.write_bytes(changed)
    package = Path(jaxcnn.__file__).parent
    shutil.copytree(package, tmp_path / "jaxcnn", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "jaxcnn/nn/layers.py").open("a") as file:
        file.write("\nANOTHER = 1\n")
    processes = start(
        tmp_path / "run",
        processes=2,
        last_environment={"TFDS_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": ""},
        last_directory=tmp_path,
    )
    assert_refused(
        processes,
        "the digest of the train split is ",
        "the checksum of jaxcnn/nn/layers.py is ",
    )


@pytest.mark.slow
def test_another_number_of_devices_in_one_process_ends_all(start, tmp_path):
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2" + compilation.FLAGS}
    processes = start(tmp_path / "run", processes=2, last_environment=flags)
    assert_refused(processes, "1 in process 0, 2 in process 1")


def test_what_differs_is_told_by_value_and_process():
    everyones = [{"seed": 0, "rate": 0.1}, {"seed": 0, "rate": 0.2}, {"seed": 0, "rate": 0.1}]
    assert differences(everyones) == ["rate is 0.1 in processes 0 and 2, 0.2 in process 1"]
    assert differences(everyones[:1] * 3) == []


ADDRESS = {"JAX_COORDINATOR_ADDRESS": "host:1234"}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (ADDRESS, "set but not JAX_NUM_PROCESSES, JAX_PROCESS_ID"),
        ({"JAX_PROCESS_ID": "0", "JAX_NUM_PROCESSES": "2"}, "set but not JAX_COORDINATOR_ADDRESS"),
        (ADDRESS | {"JAX_PROCESS_ID": "2", "JAX_NUM_PROCESSES": "2"}, "JAX_PROCESS_ID = 2"),
        (ADDRESS | {"JAX_PROCESS_ID": "-1", "JAX_NUM_PROCESSES": "2"}, "JAX_PROCESS_ID = -1"),
        (ADDRESS | {"JAX_PROCESS_ID": "0", "JAX_NUM_PROCESSES": "two"}, "JAX_NUM_PROCESSES = two"),
        (
            {
                "JAX_COORDINATOR_ADDRESS": "host",
                "JAX_PROCESS_ID": "0",
                "JAX_NUM_PROCESSES": "2",
            },
            "must be host:port",
        ),
    ],
)
def test_an_incomplete_environment_is_one_line(environment, message, monkeypatch):
    for name in group.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message) as error, group.joined(find_cluster=False):
        pass
    assert "\n" not in str(error.value)


def test_a_process_of_its_own_joins_nothing(monkeypatch):
    for name in group.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with group.joined(find_cluster=False):
        assert group.is_main() and group.label() == ""
        group.wait_for_all("nobody")
