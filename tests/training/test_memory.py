"""The batch size that fits, by XLA's account of the step."""

import dataclasses
import re

import jax
import pytest

from jaxcnn.errors import UserError
from jaxcnn.training import memory
from jaxcnn.training.memory import find_batch_size, naming_what_fits, step_memory
from jaxcnn.training.plan import resolve
from jaxcnn.workdir.run_files import read_part

pytestmark = pytest.mark.usefixtures("dense")


def test_a_larger_batch_takes_more(config, dataset):
    needed = {}
    for config.global_batch_size in (8, 64):
        needed[config.global_batch_size] = step_memory(resolve(config, dataset), dataset)
    assert needed[64].temporary > needed[8].temporary > 0
    assert needed[8].resident > dataset.splits["train"].images.nbytes
    config.dataset.streaming = True
    assert step_memory(resolve(config, dataset), dataset).resident < needed[8].resident


@pytest.mark.parametrize(("parts", "size"), [(1, 4096), (3, 1366), (32, 256)])
def test_an_evaluation_step_is_as_large_as_a_part_of_a_training_step(config, dataset, parts, size):
    plan = resolve(config, dataset)
    config.global_batch_size, config.optimizer.accumulation_steps = 4096, parts
    assert dataclasses.replace(plan, config=config).eval_batch_size == size


def test_the_largest_size_that_fits(config, dataset, monkeypatch):
    size, most, _ = find_batch_size(config, dataset)
    assert size == 16  # of 270 examples, so that an epoch has ten steps
    config.global_batch_size = 4
    less = step_memory(resolve(config, dataset), dataset)
    assert less.total < most.total
    monkeypatch.setattr(memory, "device_memory", lambda mesh: (less.total + most.total) // 2 / 0.8)
    smaller, needed, room = find_batch_size(config, dataset)
    assert 1 <= smaller < 16 and needed.total <= room
    assert room == pytest.approx((less.total + most.total) / 2, rel=1e-6)
    monkeypatch.setattr(memory, "device_memory", lambda mesh: 1000)
    with pytest.raises(UserError, match="not even one image fits: a step takes"):
        find_batch_size(config, dataset)


@pytest.mark.slow
def test_a_run_finds_it_once_and_keeps_it(config, train, tmp_path, monkeypatch):
    config.global_batch_size, config.num_epochs = 0, 1
    _, printed = train(config, tmp_path)
    assert re.search(r"global_batch_size = 16: a step takes \d+ MiB of the [\d,]+ MiB", printed)
    assert read_part(tmp_path, "config.json")["global_batch_size"] == 16
    monkeypatch.setattr(memory, "find_batch_size", pytest.fail)
    config.num_epochs = 2
    _, printed = train(config, tmp_path)
    assert "changed: global_batch_size" not in printed
    with pytest.raises(UserError, match="global_batch_size = 0: only jaxcnn train finds"):
        resolve(config, None)


def test_a_batch_that_does_not_fit_names_one_that_does(config, dataset):
    config.global_batch_size = 64
    with (
        pytest.raises(UserError, match=r"global_batch_size = 64: .* 16 fits .*_steps = 4$"),
        naming_what_fits(config, dataset),
    ):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")
    with pytest.raises(jax.errors.JaxRuntimeError), naming_what_fits(config, dataset):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")
