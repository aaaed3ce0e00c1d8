"""Data that is read from the disk as it trains gives the same numbers as data that is resident."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
from runs import assert_same_bits, last_state, without_times

from jaxcnn.data import feed
from jaxcnn.data.dataset import Split
from jaxcnn.data.order import in_batches
from jaxcnn.data.stream import stream
from jaxcnn.errors import Stopped, UserError
from jaxcnn.models import model_config
from jaxcnn.process import memory
from jaxcnn.training import loop, parallel
from jaxcnn.training.run import make_run
from jaxcnn.workdir.metrics_log import read_metrics


@pytest.fixture
def config(config):
    """A network that compiles in a third of LeNet's time: these tests ask nothing of it."""
    config.model = model_config("mlp", hidden=(16,))
    return config


@pytest.fixture
def on_disk(dataset, tmp_path):
    """The dataset with its images memory-mapped, as `load_dataset` gives them."""
    splits = {}
    for name, split in dataset.splits.items():
        np.save(tmp_path / f"{name}.npy", split.images)
        splits[name] = Split(np.load(tmp_path / f"{name}.npy", mmap_mode="r"), split.labels)
    return dataclasses.replace(dataset, splits=splits)


@pytest.mark.slow
def test_same_bits_as_resident(config, train, on_disk, tmp_path):
    config.augment.update(crop=2, flip="alternating")
    config.steps_per_dispatch = 2
    resident, _ = train(config, tmp_path / "resident")
    config.dataset.streaming = True
    streamed, _ = train(config, tmp_path / "streamed", on_disk)
    own = ("run", "metrics_digest")  # of each run
    streamed, resident = ({n: r[n] for n in r if n not in own} for r in (streamed, resident))
    assert without_times([streamed]) == without_times([resident])
    rows = [read_metrics(tmp_path / name) for name in ("resident", "streamed")]
    assert without_times(rows[0]) == without_times(rows[1])
    states = [last_state(config, on_disk, tmp_path / name) for name in ("resident", "streamed")]
    assert_same_bits(*states)


def test_stopped_in_mid_epoch_it_goes_on_with_the_same_bits(
    config, train, on_disk, tmp_path, monkeypatch
):
    config.dataset.streaming, config.steps_per_dispatch = True, 2
    train(config, tmp_path / "whole", on_disk)

    class StopAtStep7(loop.Agreement):
        calls = 0

        def __call__(self, *wishes):
            self.calls += len(wishes) == 4  # the decision before a step
            return (self.calls == 5, *wishes[1:])  # 2 + 2 + 1 steps, then 2

    with monkeypatch.context() as patch:
        patch.setattr(loop, "Agreement", StopAtStep7)
        with pytest.raises(Stopped, match="saved at step 7"):
            train(config, tmp_path / "stopped", on_disk)
    train(config, tmp_path / "stopped", on_disk)
    states = [last_state(config, on_disk, tmp_path / name) for name in ("whole", "stopped")]
    assert_same_bits(*states)


@pytest.mark.parametrize("workers", [0, 2])
def test_threads_and_processes_read_what_the_order_names(on_disk, workers):
    split, mesh = on_disk.splits["test"], parallel.make_mesh(2)
    order = in_batches(np.arange(90)[::-1], 32, num_devices=2)  # the last batch is short
    portions = [(0, 2), (2, 3)]
    streamed = stream(split, order, mesh, portions=portions, workers=workers)
    for (start, stop), given in zip(portions, streamed, strict=True):
        expected = feed.take_share(split.images, split.labels, order[:, start:stop])
        assert_same_bits(jax.device_get(given), expected)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="accelerators have memory of their own")
def test_data_that_do_not_fit_are_streamed(config, dataset, on_disk, tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_LIMITS", tmp_path)
    limit.write_text("max\n")
    assert not make_run(config, on_disk).plan.streams
    limit.write_text("75000\n")
    assert make_run(config, on_disk).plan.streams
    with pytest.raises(UserError, match=r"images in memory, but a device has room for 0 MiB"):
        make_run(config, dataset)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_is_gone_is_named(on_disk, workers):
    split, mesh = on_disk.splits["test"], parallel.make_mesh(2)
    order = in_batches(np.arange(90), 32, num_devices=2)
    file = Path(split.images.filename)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"test.npy can no longer be read: it is shorter"):
        next(stream(split, order, mesh, portions=[(0, 1)], workers=workers))
    file.unlink()
    with pytest.raises(UserError, match=r"test.npy can no longer be read: .*No such file"):
        next(stream(split, order, mesh, portions=[(0, 1)], workers=workers))
