"""Damaged checkpoints: the newest sound one is used and the damaged one named, or nothing is."""

import json
import random
import shutil

import jax
import numpy as np
import pytest
from outcomes import few_or_many

from jaxcnn.data.loading import load_data
from jaxcnn.errors import UserError
from jaxcnn.evaluation.trained import load_trained
from jaxcnn.training.run import make_run
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.run_config import read_config

# Orbax leaves reads that were not waited for where one before them failed
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def sound(trained_workdir):
    """A state to read into, and by step the state and progress that a sound checkpoint gives."""
    config = read_config(trained_workdir)
    like = make_run(config, load_data(config)).state
    checkpoints = Checkpoints(trained_workdir, read_only=True)
    steps = steps_in(trained_workdir)
    assert len(steps) == 2
    states = {step: as_numpy(checkpoints.restore(step, like)) for step in steps}
    checkpoints.close()
    return like, states


def as_numpy(restored):
    return jax.tree.map(np.asarray, restored[0]), restored[1]


def steps_in(workdir):
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir())


def flip(file, rng):
    data = bytearray(file.read_bytes())
    for _ in range(rng.choice([1, 1, 10])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def truncate(file, rng):
    file.write_bytes(file.read_bytes()[: rng.randrange(file.stat().st_size)])


def fill_with_garbage(file, rng):
    garbage = rng.choice([b"[]", b"null", b"{}", rng.randbytes(file.stat().st_size)])
    file.write_bytes(garbage)


def half_delete(file, rng):
    """Deletes the file, or all that lies beside it, or half of that."""
    siblings = [path for path in file.parent.rglob("*") if path.is_file()]
    for path in rng.choice([[file], siblings, siblings[::2]]):
        path.unlink()


DAMAGES = (flip, flip, truncate, fill_with_garbage, half_delete)


def damage(checkpoint, rng):
    """Damages a file of a checkpoint: any of them, or one by its size."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in files]
    file = rng.choice([rng.choice(files), rng.choices(files, sizes)[0]])
    rng.choice(DAMAGES)(file, rng)


def resume(workdir, like):
    """What a resumed run starts from, and what it is told."""
    told, checkpoints = [], Checkpoints(workdir)
    try:
        restored = checkpoints.restore_latest(like, told.append)
    finally:
        checkpoints.close()
    return as_numpy(restored), told


def assert_same(found, expected):
    assert found[1] == expected[1]
    jax.tree.map(np.testing.assert_array_equal, found[0], expected[0])


@few_or_many(10, 200)
def test_damaged_checkpoints(count, sound, trained_workdir, tmp_path):
    like, states = sound
    older, newest = states
    rng, passed_over, refused = random.Random(count), 0, 0
    for number in range(count):
        workdir = shutil.copytree(trained_workdir, tmp_path / str(number))
        damaged = [newest, older] if rng.random() < 0.2 else [newest]
        for step in damaged:
            damage(workdir / "checkpoints" / str(step), rng)
        try:
            found, told = resume(workdir, like)
        except UserError as error:
            assert damaged == [newest, older] and "no checkpoint fits or can be read" in str(error)
            assert steps_in(workdir) == [older, newest]  # and nothing was moved
            refused += 1
        else:
            step = int(found[0].step)
            assert_same(found, states[step])
            if step == older:
                assert any(f"checkpoint {newest} cannot be read" in line for line in told)
                passed_over += 1
        shutil.rmtree(workdir)
    print(f"{count} damaged: {passed_over} passed over, {refused} refused, the rest harmless")
    assert passed_over


@few_or_many(5, 100)
def test_weights_of_a_damaged_run_are_those_or_none(count, sound, trained_workdir, tmp_path):
    """As evaluate, predict and export read them."""
    expected = load_trained(trained_workdir)
    before = jax.tree.leaves(expected.model)
    rng, refused = random.Random(count), 0
    for number in range(count):
        workdir = shutil.copytree(trained_workdir, tmp_path / str(number))
        damage(workdir / "checkpoints" / str(expected.step), rng)
        try:
            found = load_trained(workdir)
        except UserError as error:
            assert f"its checkpoint {expected.step} is damaged" in str(error)
            refused += 1
        else:
            jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(found.model), before)
        shutil.rmtree(workdir)
    print(f"{count} damaged: {refused} refused, the rest harmless")
    assert refused


def test_one_flipped_bit_in_the_weights_is_found(sound, trained_workdir, tmp_path):
    """What the checkpoint's files themselves have no checksum for."""
    like, states = sound
    older, newest = states
    workdir = shutil.copytree(trained_workdir, tmp_path / "run")
    files = (workdir / "checkpoints" / str(newest) / "state").rglob("*")
    largest = max((path for path in files if path.is_file()), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    found, told = resume(workdir, like)
    assert_same(found, states[older])
    assert f"checkpoint {newest} cannot be read" in told[0]


def test_checkpoints_without_digests_are_read(sound, trained_workdir, tmp_path):
    """Those from before there were any."""
    like, states = sound
    workdir = shutil.copytree(trained_workdir, tmp_path / "run")
    for path in (workdir / "checkpoints").glob("*/digests"):
        shutil.rmtree(path)
    assert_same(resume(workdir, like)[0], states[max(states)])


@pytest.mark.parametrize("file", ["config.json", "dataset.json"])
def test_a_run_s_own_files_with_something_else_in_them(file, trained_workdir, tmp_path):
    workdir = shutil.copytree(trained_workdir, tmp_path / "run")
    good = json.loads((workdir / file).read_text())
    for text in ("", "[]", "5", "{}", '{"model": 5}', "[" * 100_000):
        (workdir / file).write_text(text)
        with pytest.raises(UserError, match=str(workdir)):
            load_trained(workdir)
    names, refused = sorted(good)[::3], set()
    for name in names:
        for value in (None, "x", [], -1, {"y": 1}):
            (workdir / file).write_text(json.dumps(good | {name: value}))
            try:
                load_trained(workdir)  # not all that a run writes is asked for
            except UserError as error:
                assert str(workdir) in str(error)
                refused.add(name)
    assert refused == {*names}
