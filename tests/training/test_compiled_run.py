"""The speedrun with a narrow network, on scikit-learn's digits: whole runs as one program."""

import jax
import numpy as np
import pytest
from commands import ROOT, run
from compilations import compilations
from sklearn.datasets import load_digits

from jaxcnn.config.files import config_variants
from jaxcnn.data.dataset import Dataset, Split
from jaxcnn.errors import UserError
from jaxcnn.optim import airbench
from jaxcnn.training.compiled_run import make_compiled_run
from jaxcnn.training.timed_runs import time_runs

NUM_TRAIN, NUM_TEST = 600, 400


@pytest.fixture(scope="module")
def dataset():
    """Digits of 16x16 pixels: 600 to train on, 400 for the test."""
    digits = load_digits()
    images = np.kron(digits.images, np.ones((2, 2)))[..., None] * (255 / 16)
    images, labels = images.astype(np.uint8), digits.target.astype(np.int32)
    splits = {
        "train": Split(images[:NUM_TRAIN], labels[:NUM_TRAIN]),
        "test": Split(images[-NUM_TEST:], labels[-NUM_TEST:]),
    }
    pixels = splits["train"].images
    mean, std = pixels.mean((0, 1, 2), dtype=np.float32), pixels.std((0, 1, 2), dtype=np.float32)
    names = tuple(map(str, range(10)))
    return Dataset("digits", names, splits, mean, std, float(pixels.mean()), float(pixels.std()))


def make_config(**changes):
    """The record's recipe with two narrow groups: 4 epochs of 12 steps, on one device."""
    config = config_variants(ROOT / "configs")["speedrun:airbench94"]()
    config.num_devices, config.num_epochs, config.global_batch_size = 1, 4, 50
    config.precision, config.model.widths = "float32", (8, 16)
    config.update_from_flattened_dict(changes)
    return config


@pytest.fixture(scope="module")
def compiled_run(dataset):
    return make_compiled_run(make_config(), dataset)


def trained(run, seed):
    """The parameters after a run, on the host."""
    return jax.device_get(run.train(run.first_state(seed), run.train_data)[0].params)


def once(program, *arguments):
    """What a program gives that is needed but once: compiling is all that costs time."""
    quick = {"xla_backend_optimization_level": 0}
    state, sums = program.lower(*arguments).compile(compiler_options=quick)(*arguments)
    return jax.device_get(state.params), sums


def largest_difference(a, b):
    """Of all parameters, relative to the largest entry of each."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return max(np.abs(x - y).max() / np.abs(x).max() for x, y in pairs)


@pytest.mark.slow
def test_it_learns_and_compiles_once(compiled_run):
    with compilations() as events:
        at_first = []
        result = time_runs(compiled_run, 3, on_warm=lambda _: at_first.extend(events))
    assert 0 < len(at_first) == len(events)
    rows = result["rows"]
    assert [row["seed"] for row in rows] == [0, 1, 2] and result["runs"] == 3
    assert result["mean"] > 0.85 and result["min"] > 0.8  # after 48 steps of 50 images
    assert all(row["accuracy"] > row["plain_accuracy"] - 0.02 for row in rows)
    assert 0 < result["seconds"] < result["compile_seconds"]


@pytest.mark.slow
def test_a_seed_is_a_run(compiled_run):
    first, again, other = (trained(compiled_run, seed) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert largest_difference(first, other) > 0.3


@pytest.fixture
def two_steps(monkeypatch):
    """Two steps of one group: more would make much of rounding, and so would Muon in bfloat16."""
    monkeypatch.setattr(airbench, "NEWTON_SCHULZ_DTYPE", np.float32)
    config = make_config(num_epochs=1, global_batch_size=300)
    config.model.widths = (8,)
    return config


@pytest.mark.slow
def test_seeds_together_are_those_one_by_one(dataset, two_steps):
    run = make_compiled_run(two_steps, dataset)
    together, sums = once(run.train_several, run.first_states([3, 4]), run.train_data)
    assert sums["loss"].shape == (2, 1) and sums["loss"][0, 0] != sums["loss"][1, 0]
    alone, own_sums = once(run.train, run.first_state(4), run.train_data)
    np.testing.assert_allclose(own_sums["loss"], sums["loss"][1], rtol=1e-4)
    second = jax.tree.map(lambda leaf: leaf[1], together)
    assert largest_difference(alone, second) < 1e-2


@pytest.mark.slow
def test_devices_share_a_batch(dataset, two_steps):
    params, losses = [], []
    for two_steps.num_devices in (1, 4):
        run = make_compiled_run(two_steps, dataset)
        trained, sums = once(run.train, run.first_state(0), run.train_data)
        params.append(trained)
        losses.append(sums["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert largest_difference(*params) < 1e-2


@pytest.mark.parametrize(
    "changes", [{"global_batch_size": 601}, {"num_devices": 4}, {"optimizer.accumulation_steps": 7}]
)
def test_a_batch_that_cannot_be_made_is_named(dataset, changes):
    config = make_config(**changes)
    with pytest.raises(UserError, match=f"global_batch_size = {config.global_batch_size}: allowed"):
        make_compiled_run(config, dataset)


def test_mistakes_of_the_command(tmp_path):
    arguments = f"--config={ROOT}/configs/speedrun.py", "--runs=3", "--together=2"
    done = run("jaxcnn.speedrun", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "error: --together=2: must divide --runs=3\n"


@pytest.mark.slow
def test_a_run_of_some_steps_ends_within_an_epoch(dataset):
    """5 steps of 300 images are two epochs and a half."""
    config = make_config(global_batch_size=300, num_epochs=3, num_steps=5)
    config.model.widths = (8,)
    run = make_compiled_run(config, dataset)
    quick = {"xla_backend_optimization_level": 0}
    arguments = run.first_state(0), run.train_data
    state, sums = run.train.lower(*arguments).compile(compiler_options=quick)(*arguments)
    assert int(state.step) == 5
    np.testing.assert_array_equal(sums["count"], [600, 600, 300])


def test_balanced_class_weights_count_all_training_examples(dataset):
    changes = {"loss.class_weighting": "balanced", "validation": "holdout"}
    weights = make_compiled_run(make_config(**changes), dataset).recipe.class_weights
    sums = np.bincount(dataset.splits["train"].labels, weights[dataset.splits["train"].labels])
    np.testing.assert_allclose(sums, NUM_TRAIN / 10, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps_per_epoch": 3}, "steps_per_epoch = 3: a speedrun trains on all whole batches"),
        ({"num_steps": 49}, "config.num_steps = 49: must be at most 48"),
        ({"schedule.name": "plateau"}, 'schedule.name = "plateau": a speedrun has no validation'),
    ],
)
def test_steps_and_schedules_of_the_loop_are_refused(dataset, changes, said):
    with pytest.raises(UserError, match=said):
        make_compiled_run(make_config(**changes), dataset)


@pytest.mark.parametrize("changes", [{"dataset.fraction": 0.5}, {"max_minutes": 1.0}])
def test_what_a_compiled_run_cannot_do_is_refused(dataset, changes):
    ((name, value),) = changes.items()
    with pytest.raises(UserError, match=f"config.{name} = {value}: a speedrun does not support it"):
        make_compiled_run(make_config(**changes), dataset)
