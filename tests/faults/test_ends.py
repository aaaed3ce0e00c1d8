"""Runs that are killed or signalled at any moment: nothing is lost beyond the last save."""

import random
import shutil
import signal
import time

import pytest
from outcomes import assert_one_line, outcome


@pytest.mark.slow
@pytest.mark.parametrize("count", [8, pytest.param(50, marks=pytest.mark.long)])
def test_killed_at_random_it_ends_as_if_nothing_had_been(count, start, finish, whole, tmp_path):
    """Every other kill falls into the epochs, which are as good as one save after the other."""
    reference, seconds = whole
    rng, workdir, ended = random.Random(count), tmp_path / "run", 0
    for index in range(count):
        process, has_begun = start(workdir), count_starts(workdir)
        while index % 2 and count_starts(workdir) == has_begun and process.poll() is None:
            time.sleep(0.05)
        time.sleep(rng.uniform(0.0, 0.3 if index % 2 else 1.1) * seconds)
        process.kill()
        process.communicate()
        if (workdir / "result.json").exists():
            assert outcome(workdir) == outcome(reference)
            shutil.rmtree(workdir)
            ended += 1
    code, _, errors = finish(workdir)
    assert (code, errors) == (0, "")
    assert outcome(workdir) == outcome(reference)
    print(f"{count} kills in {ended + 1} runs")


def count_starts(workdir):
    """How many processes have come to train in a folder."""
    return len(list(workdir.glob("tensorboard/*")))


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, pytest.param(30, marks=pytest.mark.long)])
def test_signals_at_random_save_and_exit_with_75(count, start, finish, whole, tmp_path):
    """In start-up, compilation, epochs, saves, evaluation and the report at the end."""
    reference, seconds = whole
    rng = random.Random(count)
    for index in range(count):
        process = start(tmp_path / "run")
        time.sleep(0.6 + (index + rng.random()) / count * seconds)  # Python itself has started
        process.send_signal(rng.choice([signal.SIGTERM, signal.SIGINT]))
        signalled = time.monotonic()
        _, errors = process.communicate()
        if process.returncode == 0:  # it was through before
            continue
        assert process.returncode == 75
        *notices, last = errors.strip().splitlines()
        assert last.startswith("stopped") and "the same command" in last
        assert all(line.startswith("stopping after this step") for line in notices), errors
        assert time.monotonic() - signalled < 30
    code, _, errors = finish(tmp_path / "run")
    assert (code, errors) == (0, "")
    assert outcome(tmp_path / "run") == outcome(reference)


@pytest.mark.slow
def test_a_second_signal_exits_at_once(start, whole, tmp_path):
    process = start(tmp_path / "run", "--config.num_epochs=2000")
    wait_for_an_epoch(tmp_path / "run")
    # of one kind, the second could be lost; and a process that runs could save before it comes
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert "Traceback" not in errors


@pytest.mark.slow
def test_a_second_process_in_the_folder_is_refused(start, finish, whole, tmp_path):
    first = start(tmp_path / "run", "--config.num_epochs=200")
    wait_for_an_epoch(tmp_path / "run")
    code, _, errors = finish(tmp_path / "run", "--config.num_epochs=200")
    first.kill()
    first.communicate()
    assert code == 2
    assert_one_line(errors, "another process is training in it")


def wait_for_an_epoch(workdir):
    metrics = workdir / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.1)
