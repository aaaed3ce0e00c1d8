"""Names that libraries treat specially, folders within a dataset, deleted locks, jumping clocks."""

import dataclasses
import errno
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import filelock
import jax
import numpy as np
import pytest
from outcomes import assert_one_line, files_in
from PIL import Image

from jaxcnn.config.defaults import default_config, to_dict
from jaxcnn.data.places import find_place
from jaxcnn.data.preparing.lock import writing
from jaxcnn.data.preparing.reporter import Reporter
from jaxcnn.errors import UserError
from jaxcnn.files.locks import FolderLock
from jaxcnn.files.writing import write_json
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.folder import lock_folder, open_workdir
from jaxcnn.workdir.progress import Progress
from jaxcnn.workdir.run_files import checkpoint_steps


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class State:
    """The least that a checkpoint holds."""

    step: jax.Array
    params: jax.Array


def state_at(step):
    return State(jax.numpy.asarray(step), jax.numpy.arange(8.0) + step)


@pytest.mark.parametrize(
    ("workdir", "said"),
    [
        ("runs\\lenet", "the folder's path must not contain \\"),
        ("a[1]/run", "the folder's path must not contain ["),
        ("a*b", "the folder's path must not contain *"),
        ("run?", "the folder's path must not contain ?"),
        ("gs:/bucket", "the folder's path must not contain gs:"),
        ("gs://bucket/run", "gs://bucket/run: is an address"),
        ("\udcff", "its path is not in UTF-8"),
        ("/".join(["y" * 200] * 20), "its path is longer than 3936 bytes"),
        ("~nobody_of_that_name/run", "there is no such home directory"),
    ],
)
def test_a_run_s_folder_that_checkpoints_would_get_lost_in(command, tmp_path, workdir, said):
    done = command("main", f"--workdir={workdir}", folder=tmp_path)
    assert done["code"] == 2 and not any(tmp_path.iterdir())
    assert_one_line(done["errors"], said)


def test_other_names_are_those_of_folders(tmp_path):
    for name in ("a#b %41", "line\nend.", "~{a,b}|&;'\"", "é💥", "5", "s3:", "x" * 255):
        checkpoints = Checkpoints(tmp_path / name)
        checkpoints.save(state_at(3), dataclasses.asdict(Progress(global_batch_size=8)), None)
        checkpoints.wait()
        restored, _ = checkpoints.restore_latest(state_at(0), pytest.fail)
        np.testing.assert_array_equal(restored.params, state_at(3).params)
        checkpoints.close()
    assert len(list(tmp_path.iterdir())) == 7


@pytest.mark.parametrize("data_dir", ["a**b", "\udcff", "gs://bucket/data"])
def test_a_folder_for_datasets_that_tfds_cannot_use(command, tmp_path, data_dir):
    done = command("prepare", "digits", f"--data_dir={data_dir}", folder=tmp_path)
    assert done["code"] == 2 and not any(tmp_path.iterdir())
    assert_one_line(done["errors"])


@pytest.fixture
def pictures(tmp_path):
    """A folder of two classes."""
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for shade in range(10):
            picture = Image.new("L", (8, 8), shade * 20 + len(name))
            picture.save(tmp_path / "pictures" / name / f"{shade}.png")
    return tmp_path / "pictures"


def test_nothing_is_written_among_the_pictures(command, pictures, tmp_path):
    before = files_in(pictures)
    (tmp_path / "link").symlink_to(pictures)
    (tmp_path / "config.py").write_text(
        "from jaxcnn.config.quickstart import get_config as start\n"
        f"def get_config():\n    c = start()\n    c.dataset.name = 'folder:{pictures}'\n"
        "    return c"
    )
    run = tmp_path / "run"
    run.mkdir()
    config = default_config()
    config.dataset.name = f"folder:{pictures}"
    write_json(run / "config.json", to_dict(config))
    for line in (
        ["main", "--config.dataset.name=folder:."],
        ["main", f"--config.dataset.name=folder:{tmp_path}/link", "--workdir=cat/run"],
        ["main", f"--config.dataset.name=folder:{pictures}", f"--workdir={tmp_path}/link/run"],
        ["prepare", "folder:.", "--data_dir=data", "--image_size=8"],
        ["find_lr", f"--config={tmp_path}/config.py"],
        ["compare", str(run)],
    ):
        done = command(*line, folder=pictures)
        assert done["code"] == 2, (line, done)
        assert_one_line(done["errors"], "lies in the dataset's folder", "name another")
    assert files_in(pictures) == before


def test_an_archive_that_is_a_pipe_is_not_waited_for(command, tmp_path):
    os.mkfifo(tmp_path / "cifar-10-python.tar.gz")
    done = command("prepare", "cifar10", "--archives=.", folder=tmp_path)
    assert done["code"] == 2
    assert_one_line(done["errors"], "it holds cifar-10-python.tar.gz (no ordinary file)")


def test_a_deleted_lock_lets_nobody_in(tmp_path):
    config = default_config()
    with open_workdir(tmp_path / "run", config) as (_, check_folder):
        (tmp_path / "run" / ".lock").unlink()
        refused = pytest.raises(UserError, match="another process is training in it")
        with refused, open_workdir(tmp_path / "run", config):
            pass
        check_folder()  # it is this process's still
        (tmp_path / "run").rename(tmp_path / "away")
        with pytest.raises(UserError, match="the folder was deleted, moved or replaced"):
            check_folder()
        with open_workdir(tmp_path / "run", config), pytest.raises(UserError):
            check_folder()


def test_a_deleted_lock_of_a_dataset(tmp_path):
    place = find_place("digits", tmp_path)
    with writing(place, Reporter("digits", None)) as empty:
        (empty.parent / ".lock").unlink()
        with pytest.raises(filelock.Timeout):
            FolderLock(empty.parent).acquire(timeout=0.2)
    with writing(place, Reporter("digits", None)):
        pass


def test_without_locks_on_folders_a_deleted_lock_is_noticed(tmp_path, monkeypatch):
    """As on NFS: `.lock` alone is locked."""
    lock = FolderLock(tmp_path)
    monkeypatch.setattr(lock, "_lock_folder", lambda: True)
    lock.acquire(timeout=0)
    lock.check()
    (tmp_path / ".lock").unlink()
    with pytest.raises(UserError, match=r"its \.lock was deleted"):
        lock.check()
    lock.release()


@pytest.mark.filterwarnings("ignore:flock not supported")
def test_without_any_locks_the_one_that_is_left_names_its_process(tmp_path, monkeypatch):
    def no_flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_flock)
    monkeypatch.setattr("socket.gethostname", lambda: "host1")
    left = lock_folder(tmp_path, lambda: None)
    monkeypatch.setattr("socket.gethostname", lambda: "host2")
    said = f"process {os.getpid()} on host1; if that one is gone, delete .*/.lock"
    with pytest.raises(UserError, match=said):
        lock_folder(tmp_path, lambda: None)
    (tmp_path / ".lock").unlink()
    lock_folder(tmp_path, lambda: None).release()
    left.release()


@pytest.mark.parametrize("keep_best", [1, 2])
def test_the_two_newest_and_the_best_are_kept(keep_best, tmp_path):
    checkpoints = Checkpoints(tmp_path, keep_latest=2, keep_best=keep_best)
    progress = dataclasses.asdict(Progress(global_batch_size=8))
    for step, accuracy in enumerate((0.5, 0.9, 0.8, 0.6, 0.7), start=1):
        checkpoints.save(state_at(step), progress, {"accuracy": accuracy, "loss": 1.0})
        checkpoints.wait()
    checkpoints.close()
    steps = [2, 4, 5] if keep_best == 1 else [2, 3, 4, 5]
    assert checkpoint_steps(tmp_path) == steps


def test_a_clock_that_jumps(tmp_path, monkeypatch):
    """By hours, back and forth, between each two looks at it."""
    real, jumps = time.time, ((-1) ** n * 5000 * n for n in itertools.count())
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(
            state_at(step), dataclasses.asdict(Progress(best_step=step, global_batch_size=8)), None
        )
        checkpoints.wait()
    assert checkpoints.restore_latest(state_at(0), pytest.fail)[1]["best_step"] == 2
    checkpoints.close()


EVENTS = """
from jaxcnn.workdir.metrics_log import MetricsWriter
writer = MetricsWriter("run", resume_step=None, warn=print)
writer.write({"step": 1, "epoch": 1, "split": "train", "loss": 2.0})
writer.close()
"""


@pytest.mark.parametrize(
    ("package", "error", "said"),
    [
        ("torch", "OSError('libcudart.so.12: cannot open shared object file')", ""),
        ("tensorboardX", "TypeError('Descriptors cannot be created directly')",
         "tensorboardX does not load (Descriptors cannot be created directly): no files"),
    ],
)  # fmt: skip
def test_a_broken_package_that_is_not_needed(tmp_path, package, error, said):
    """TensorBoard's files are written without torch, and a run does without them."""
    (tmp_path / f"{package}.py").write_text(f"raise {error}")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", EVENTS], env=os.environ | {"PYTHONPATH": path}, cwd=tmp_path,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(said) and len(done.stdout.splitlines()) == bool(said)
    assert len(list(tmp_path.glob("run/tensorboard/*"))) == (not said)
    assert Path(tmp_path / "run" / "metrics.jsonl").read_text().count("\n") == 1


def test_a_file_s_content_is_on_the_disk_before_its_name(tmp_path, monkeypatch):
    """A power loss leaves the old content or the new one."""
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, f=real: (calls.append(n), f(*a)))
    write_json(tmp_path / "a.json", {"a": 1})
    assert calls == ["fsync", "replace"] and [p.name for p in tmp_path.iterdir()] == ["a.json"]
