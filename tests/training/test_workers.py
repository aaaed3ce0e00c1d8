"""A population whose members train in processes of their own."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time

import jax
import pytest
from populations import (
    assert_as_alone,
    configs_of,
    largest_difference,
    rows_of,
    train_alone,
    train_together,
)
from runs import assert_same_bits, last_state

from jaxcnn import models
from jaxcnn.config.sweep import with_values
from jaxcnn.data.dataset import Dataset
from jaxcnn.errors import Stopped, UserError
from jaxcnn.models import model_config
from jaxcnn.process import memory
from jaxcnn.training import workers
from jaxcnn.training.member_programs import Form, choose_form
from jaxcnn.training.run import make_run

ONE, PROCESSES = Form(1, 1), Form(1, 1, 2)


@pytest.fixture
def config(config):
    config.model = model_config("mlp", hidden=(16,))
    config.num_devices, config.test_with = 1, "last"
    config.optimizer.update(name="momentum", learning_rate=0.01, ema_decay=0.9)
    config.augment.update(crop=2, flip="alternating", mixup=0.2)
    return config


def test_the_form_on_a_cpu():
    network = models.build(
        **model_config("lenet"), num_classes=10, image_shape=(32, 32, 3), abstract=True
    )
    numbers = {"num_members": 4, "num_devices": 2}
    summary = models.summary(network)
    assert choose_form(summary, **numbers, num_cores=8) == Form(1, 1, 4)
    assert choose_form(summary, **numbers, num_cores=1) == Form(2, 1)
    assert "in each of 4 processes" in str(Form(1, 1, 4))


def test_only_long_trainings_on_usual_devices_have_processes(config, dataset, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(jax, "local_device_count", lambda: 3)
    run = make_run(config, dataset)
    assert workers.usable_cores([run, run]) == 1
    monkeypatch.setattr(workers, "_LEAST_OPERATIONS", 1)
    assert workers.usable_cores([run, run]) == 3
    with monkeypatch.context() as patches:
        patches.setattr(workers.memory, "available", lambda: 2.5 * 2**30)
        assert workers.usable_cores([run, run]) == 2
    monkeypatch.setattr(jax, "local_device_count", lambda: 8)
    assert workers.usable_cores([run, run]) == 1


@pytest.mark.slow
def test_they_end_as_alone(config, dataset, tmp_path):
    config.precision = "float64"
    with jax.enable_x64(True):
        configs = configs_of(config, "optimizer.learning_rate=.005,.01; loss.l2=0,.01")
        assert_as_alone(configs, dataset, tmp_path, PROCESSES)


@pytest.mark.slow
def test_convolutions_start_as_alone_in_float32(config, dataset28, tmp_path):
    """Over five steps: a run alone has threads that share a sum, and rounds otherwise."""
    config.model, config.num_steps = model_config("lenet"), 5
    config.augment.update(crop=0, flip="none", mixup=0.0)
    configs = configs_of(config, "seed=0..1")
    members = train_together(configs, dataset28, tmp_path / "all", PROCESSES)
    for index, member in enumerate(members):
        loop = train_alone(configs[index], dataset28, tmp_path / f"alone{index}")
        assert member.position == loop.position
        assert largest_difference(member.state.params, loop.state.params) < 1e-5
    assert largest_difference(members[0].state.params, members[1].state.params) > 1e-2


@pytest.mark.parametrize("every_steps", [0, pytest.param(2, marks=pytest.mark.long)])
def test_stopped_in_mid_epoch_they_resume_to_the_last_bit(every_steps, config, dataset, tmp_path):
    """All states are those of one process that trains one member at a time."""
    config.num_epochs, config.checkpoint.every_steps = 3, every_steps
    configs = configs_of(config, "seed=3..5")
    train_together(configs, dataset, tmp_path / "whole", ONE)
    parts = tmp_path / "parts"

    timers = []

    def stop(members):
        if not timers:
            timers.append(threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGTERM)))
            timers[0].start()

    with pytest.raises(Stopped, match="saved"):
        train_together(configs, dataset, parts, PROCESSES, on_epoch=stop)
    train_together(configs, dataset, parts, PROCESSES)
    for index, own in enumerate(configs):
        assert rows_of(tmp_path / "whole" / str(index)) == rows_of(parts / str(index))
        folders = tmp_path / "whole" / str(index), parts / str(index)
        assert_same_bits(*(last_state(own, dataset, folder) for folder in folders))


def test_two_populations_have_different_cores(monkeypatch):
    own, bound = os.getpid(), subprocess.Popen(["sleep", "60"])
    affinity = {0: {3, 5, 7}, own: {3, 5, 7}, bound.pid: {3}}
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: affinity.get(pid, set()))
    with bound:
        assert workers._cores(2) == [5, 7]
        assert workers._cores(3) == [5, 7, 3]
        bound.kill()
    assert workers._cores(2) == [3, 5]


@pytest.fixture
def started(monkeypatch):
    """The processes that the test has started."""
    processes, start = [], workers._start

    def start_and_note(core):
        connection, process = start(core)
        processes.append(process)
        return connection, process

    monkeypatch.setattr(workers, "_start", start_and_note)
    return processes


def test_a_lost_process_is_one_line(config, dataset, tmp_path, started):
    configs = configs_of(config, "seed=0..1")
    with pytest.raises(UserError, match="has ended with exit code -9, maybe for lack of memory"):
        train_together(configs, dataset, tmp_path, PROCESSES, on_epoch=lambda _: started[0].kill())
    assert all(process.poll() is not None for process in started)


def test_interrupted_at_the_start_none_is_left(config, dataset, tmp_path, started, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(workers.Workers, "send", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_together(configs_of(config, "seed=0..1"), dataset, tmp_path, PROCESSES)
    assert started and all(process.poll() is not None for process in started)


def test_files_of_the_working_directory_are_not_modules(tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise ImportError")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    connection, process = workers._start(*workers._cores(1))
    connection.close()
    assert process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_starts_gets_no_signals(number):
    connection, process = workers._start(*workers._cores(1))
    for _ in range(20):
        process.send_signal(number)
        time.sleep(0.02)
    connection.close()
    assert process.wait(60) == 0


def test_a_fault_has_its_traceback(config, dataset, tmp_path):
    configs = [with_values(config, {"seed": seed}) for seed in range(2)]

    class Unreadable(Dataset):
        def __reduce__(self):
            return (int, ("no dataset",))

    fields = [field.name for field in dataclasses.fields(dataset)]
    unreadable = Unreadable(**{name: getattr(dataset, name) for name in fields})
    with pytest.raises(RuntimeError, match="ValueError: invalid literal"):
        train_together(configs, unreadable, tmp_path, PROCESSES)


def test_lack_of_memory_is_one_line(config, dataset, tmp_path):
    class TooLarge(Dataset):
        def __reduce__(self):
            return (bytearray, (2**62,))

    fields = [field.name for field in dataclasses.fields(dataset)]
    large = TooLarge(**{name: getattr(dataset, name) for name in fields})
    with pytest.raises(UserError, match="the machine is short of memory"):
        train_together(configs_of(config, "seed=0..1"), large, tmp_path, PROCESSES)


def test_a_container_s_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_LIMITS", tmp_path)
    free = memory.available()
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3000\n")
    assert memory.available() > 0.5 * free
    (tmp_path / "memory.max").write_text("5000\n")
    assert memory.available() == 2000


@pytest.mark.parametrize("form", [ONE, PROCESSES])
def test_a_signal_in_the_last_test_stops(form, config, dataset, tmp_path):
    def stop(members):
        if not any(member.is_training for member in members):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped, match="^stopped; the same command"):
        train_together(configs_of(config, "seed=0..1"), dataset, tmp_path, form, on_epoch=stop)


def test_a_process_that_is_lost_within_a_message_is_one_line(
    config, dataset, tmp_path, monkeypatch
):
    program = workers._PROGRAM.replace("serve(Connection(", "lose(Connection(").replace(
        "from jaxcnn.training.worker import serve",
        "def lose(connection):\n"
        "    connection.recv(), connection.recv()\n"
        "    connection._send(b'\\0\\0\\0\\x09begin')",
    )
    monkeypatch.setattr(workers, "_PROGRAM", program)
    with pytest.raises(UserError, match="has ended with exit code 0"):
        train_together(configs_of(config, "seed=0..1"), dataset, tmp_path, PROCESSES)


def test_a_parent_that_ends_within_a_message_leaves_no_traceback(capfd):
    connection, process = workers._start(*workers._cores(1))
    connection._send(b"\0\0\0\x09begin")
    connection.close()
    assert process.wait(60) == 0 and capfd.readouterr().err == ""


PARENT = """
from jaxcnn.training import workers
class Slow:
    def __reduce__(self):
        return exec, ("import time; print('busy', flush=True); time.sleep(60)",)
connection, process = workers._start(*workers._cores(1))
connection.send(Slow())
process.wait()
"""


def test_a_busy_process_ends_with_its_parent():
    """Both have the same output, which closes when both have ended."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"busy\n"
        parent.kill()
        parent.communicate(timeout=20)
