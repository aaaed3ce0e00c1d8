"""Commands that are killed, have no room for what they write, or meet another in their folder."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

TIMES = ("seconds", "images_per_second")
FLAGS = [
    "--config.num_epochs=4",
    "--config.global_batch_size=32",
    "--config.augment.crop=1",
    "--config.checkpoint.every_steps=9",
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Datasets and compile cache in a folder of the tests; one device, so that little is shared."""
    return os.environ | {
        "TFDS_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=1",
    }


@pytest.fixture(scope="module")
def start(environment):
    """Starts the main job in a folder."""

    def start(workdir, *flags, under=()):
        command = [sys.executable, "-m", "jaxcnn.main", f"--workdir={workdir}", *FLAGS, *flags]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*under, *command], env=environment, text=True, **pipes)

    return start


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    """The folder of a run that nothing happened to, and the seconds it took."""
    workdir, started = tmp_path_factory.mktemp("whole") / "run", time.monotonic()
    process = start(workdir)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    return workdir, time.monotonic() - started


def outcome(workdir):
    """What a run left, without what depends on the clock."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    result = json.loads((workdir / "result.json").read_text())
    kept = ("test_accuracy", "test_loss", "best_epoch", "best_validation_accuracy", "num_epochs")
    return (
        [{name: row[name] for name in row if name not in TIMES} for row in rows],
        {name: result[name] for name in kept},
    )


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_it_ends_as_if_nothing_had_been(kills, start, whole, tmp_path):
    reference, seconds = whole
    rng = random.Random(kills)
    for _ in range(kills):
        process = start(tmp_path / "run")
        time.sleep(rng.uniform(0.3, 1.1) * seconds)
        process.kill()
        process.communicate()
    process = start(tmp_path / "run")
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert outcome(tmp_path / "run") == outcome(reference)


def test_no_room_for_a_checkpoint(start, whole, tmp_path):
    workdir = tmp_path / "run"
    limited = ("sh", "-c", 'ulimit -f 400; exec "$@"', "sh")  # no file above 200 or 400 KB
    process = start(workdir, under=limited)
    _, errors = process.communicate()
    assert process.returncode == 2
    assert errors.count("\n") == 1 and "a checkpoint cannot be written (File too large" in errors
    process = start(workdir)  # with room again
    process.communicate()
    assert outcome(workdir) == outcome(whole[0])


def wait_for_an_epoch(workdir):
    metrics = workdir / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.1)


def test_a_second_process_in_the_folder_is_refused(start, whole, tmp_path):
    first = start(tmp_path / "run", "--config.num_epochs=200")
    wait_for_an_epoch(tmp_path / "run")
    second = start(tmp_path / "run", "--config.num_epochs=200")
    _, errors = second.communicate()
    first.kill()
    first.communicate()
    assert second.returncode == 2 and "another process is training in it" in errors


def test_a_second_signal_exits_at_once(start, whole, tmp_path):
    process = start(tmp_path / "run", "--config.num_epochs=2000")
    wait_for_an_epoch(tmp_path / "run")
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode in (75, 128 + signal.SIGTERM)  # saved before the second one came
    assert "Traceback" not in errors
