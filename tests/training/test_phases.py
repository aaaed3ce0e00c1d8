"""Runs in phases: one command or several, stopped anywhere, with a fresh optimizer."""

import dataclasses
import io
import json
import os
import signal

import numpy as np
import pytest
from runs import assert_same_bits, last_state, without_times

from jaxcnn.config.defaults import from_dict, to_dict
from jaxcnn.config.published import publish, recipe_fields
from jaxcnn.errors import Stopped, UserError
from jaxcnn.models import model_config
from jaxcnn.reporting.comparison.groups import compare
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.kept_runs import groups_of
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.loop import Loop
from jaxcnn.training.run import make_run
from jaxcnn.workdir.folder import open_workdir
from jaxcnn.workdir.metrics_log import read_metrics
from jaxcnn.workdir.weights import load_weights

FRESH = "2 fresh optimizer.learning_rate=0.001"


@pytest.fixture
def config(config):
    """A network that compiles quickly; epochs of 5 steps."""
    config.model = model_config("mlp", hidden=(16,))
    config.schedule.name = "cosine"
    return config


def in_phases(config, *phases):
    config.phases, config.num_epochs = phases, sum(int(str(p).split()[0]) for p in phases)
    return config


def rows_of(workdir):
    return [row for row in without_times(read_metrics(workdir)) if row["split"] != "test"]


def rates_of(workdir):
    return [row["learning_rate"] for row in rows_of(workdir) if row["split"] == "train"]


def read(workdir, name):
    return json.loads((workdir / f"{name}.json").read_text())


def stopping_hook(epoch):
    """A hook that sends a signal after an epoch."""

    def hook(row):
        if row["epoch"] == epoch:
            os.kill(os.getpid(), signal.SIGTERM)

    return hook


def assert_same_run(config, dataset, *folders):
    saved = [from_dict(read(folder, "config")) for folder in folders]
    assert recipe_fields(saved[0]) == recipe_fields(saved[1])
    assert_same_bits(*(last_state(config, dataset, folder) for folder in folders))
    assert rows_of(folders[0]) == rows_of(folders[1])


@pytest.fixture
def three_commands(config, train, tmp_path):
    """The folder of a run that was extended twice."""
    for num_epochs in (2, 3, 5):
        config.num_epochs = num_epochs
        train(config, tmp_path / "three")
    return tmp_path / "three"


def test_one_command_equals_three(config, train, dataset, three_commands, tmp_path):
    one = tmp_path / "one"
    result, printed = train(in_phases(config, 2, 1, 2), one)
    assert "phase 2 of 3: epochs 3 to 3, same optimizer" in printed
    begun = [("2", 0, 0), ("1", 2, 10), ("2", 3, 15)]
    names = ("phase", "after_epoch", "after_step")
    expected = [dict(zip(names, phase, strict=True)) for phase in begun]
    assert result["phases"] == read(three_commands, "result")["phases"] == expected
    assert_same_run(config, dataset, one, three_commands)
    (section,), repeats = compare(read_runs([one, three_commands])[0])
    assert len(section.groups) == 1 and "repeats the recipe and seed" in repeats[0]
    assert groups_of(to_dict(config), section.groups) == section.groups


def test_three_commands_stand_beside_the_published_figure(config, three_commands, tmp_path):
    """The config of one command declares it; that of the last of three does not."""
    publish(in_phases(config, 2, 1, 2), "mine", 0.9)
    recipe, (three,) = to_dict(config), read_runs([three_commands])[0]
    one = dataclasses.replace(three, config=recipe | {"seed": 1}, environment={})
    for runs in ([one, three], [three, one], [one]):
        ((group,),) = (section.groups for section in compare(runs)[0])
        assert len(group.finished) == len(runs) and group.published == 0.9
        assert groups_of(recipe, [group]) == [group]
    assert groups_of(recipe | {"phases": ["3", "2"]}, [group]) == []


@pytest.mark.slow
def test_the_same_command_goes_on_with_the_phases_of_the_run(config, train, three_commands):
    _, printed = train(config, three_commands)
    assert "ended after 5 of 5 epochs" in printed
    assert read(three_commands, "config")["phases"] == ["2", "1", "2"]
    in_phases(config, 2, 1, 2, 1)
    result, printed = train(config, three_commands)
    assert "phase 4 of 4: epochs 6 to 6" in printed and len(result["phases"]) == 4


def test_an_interruption_is_no_phase(config, train, dataset, tmp_path):
    config.num_epochs = 4
    result, _ = train(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, tmp_path / "stopped", hooks=[stopping_hook(2)])
    result, _ = train(config, tmp_path / "stopped")
    assert "phases" not in result
    assert_same_run(config, dataset, tmp_path / "whole", tmp_path / "stopped")


def test_an_interrupted_phase_becomes_longer(config, train, tmp_path):
    config.schedule.name = "constant"
    with pytest.raises(Stopped):
        train(in_phases(config, 1, 3), tmp_path, hooks=[stopping_hook(2)])
    config.phases, config.num_epochs = (), 6
    train(config, tmp_path)
    assert read(tmp_path, "config")["phases"] == ["1", "5"]
    assert "num_epochs: 4 before, now 6" in str(read(tmp_path, "environment")["changes"])


@pytest.mark.slow
def test_a_phase_that_ended_without_a_test_is_extended(config, train, dataset, tmp_path):
    config.num_epochs = 2
    with pytest.raises(Stopped):
        train(config, tmp_path / "run", hooks=[stopping_hook(2)])
    config.num_epochs = 3
    train(config, tmp_path / "run")
    assert read(tmp_path / "run", "config")["phases"] == ["2", "1"]
    train(in_phases(config, 2, 1), tmp_path / "one")
    assert_same_run(config, dataset, tmp_path / "one", tmp_path / "run")


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "epoch",
    [
        pytest.param(1, id="before", marks=SLOW),
        pytest.param(2, id="boundary"),
        pytest.param(3, id="within", marks=SLOW),
    ],
)
def test_a_stopped_run_resumes_to_the_last_bit(config, train, dataset, tmp_path, epoch):
    in_phases(config, 2, FRESH, 1)
    train(config, tmp_path / "whole")
    config.checkpoint.every_epochs = 10  # the stop saves, with the phase that has begun
    folder = tmp_path / "stopped"
    with pytest.raises(Stopped):
        train(config, folder, hooks=[stopping_hook(epoch)])
    train(config, folder)
    assert_same_run(config, dataset, tmp_path / "whole", folder)


@pytest.mark.slow
def test_a_phase_stopped_within_an_epoch_resumes_to_the_last_bit(config, train, dataset, tmp_path):
    in_phases(config, "2", FRESH, "1")
    train(config, tmp_path / "whole")
    folder = tmp_path / "stopped"

    def watch(feed, position, clock):
        for data, order, num_steps in feed:
            yield data, order, num_steps
            position = position.after(num_steps)
            if position.step in (13, 18):
                os.kill(os.getpid(), signal.SIGTERM)

    with open_workdir(folder, config):
        for _ in range(2):
            run = dataclasses.replace(make_run(config, dataset), watch=watch)
            with pytest.raises(Stopped):
                Loop.open(run, folder, Console(io.StringIO())).train()
    train(config, folder)
    assert_same_run(config, dataset, tmp_path / "whole", folder)


@pytest.mark.slow
def test_a_run_killed_at_the_boundary_begins_the_phase_again(config, train, dataset, tmp_path):
    in_phases(config, 2, FRESH)
    train(config, tmp_path / "whole")
    folder = tmp_path / "killed"

    def fail(row):
        if row["epoch"] == 2:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):  # saved before the second phase begins
        train(config, folder, hooks=[fail])
    _, printed = train(config, folder)
    assert "phase 2 of 2: epochs 3 to 4, fresh optimizer, optimizer.learning_rate=0.001" in printed
    assert_same_run(config, dataset, tmp_path / "whole", folder)


def test_a_fresh_optimizer_starts_anew(config, train, dataset, tmp_path):
    """It equals a run from the weights alone, but for the order of the images."""
    config.schedule.name = "linear"
    train(in_phases(config, 2, FRESH), tmp_path / "fresh")
    train(in_phases(config, 2, FRESH.replace(" fresh", "")), tmp_path / "kept")
    fresh, kept = (last_state(config, dataset, tmp_path / name) for name in ("fresh", "kept"))
    assert int(fresh.opt_state.inner_state[1].count) == 10
    assert int(kept.opt_state.inner_state[1].count) == int(kept.step) == int(fresh.step) == 20
    # the last rate of each epoch: the schedule of two epochs, again at its start
    factors = [0.6, 0.1]
    of_fresh = [3e-3 * f for f in factors] + [1e-3 * f for f in factors]
    np.testing.assert_allclose(rates_of(tmp_path / "fresh"), of_fresh, rtol=1e-6)
    of_kept = [1e-3 * 6 / 20, 1e-3 * 1 / 20]
    np.testing.assert_allclose(rates_of(tmp_path / "kept")[2:], of_kept, rtol=1e-6)


def test_a_plateau_does_not_compare_losses_with_and_without_l2(config, train, tmp_path):
    config.schedule.update(name="plateau", patience=2, min_delta=0.0)
    train(in_phases(config, 1, "3 loss.l2=1.0"), tmp_path)
    losses = [row["loss"] for row in rows_of(tmp_path) if row["split"] == "validation"]
    assert losses[0] < losses[3] < losses[2] < losses[1]
    np.testing.assert_allclose(rates_of(tmp_path), 3e-3, rtol=1e-6)


def test_early_stopping_in_the_last_phase_only(config, train, dataset, tmp_path):
    config.optimizer.learning_rate = 0.0
    in_phases(
        config,
        3,
        "9 fresh early_stopping.patience=2",
    )
    result, printed = train(config, tmp_path)
    # three epochs without any lower loss, then the first of the phase is its lowest
    assert (result["num_epochs"], result["ended"]) == (6, "early_stopping")
    assert "more patience: in config.phases, now '9 fresh early_stopping.patience=2'" in printed
    _, printed = train(config, tmp_path)
    assert "ended after 6 of 12 epochs, 2 without a lower validation loss" in printed


def test_early_stopping_ends_a_phase_and_the_next_begins(config, train, dataset, tmp_path):
    config.optimizer.learning_rate, config.early_stopping.patience = 0.0, 2
    in_phases(config, 9, "2 optimizer.learning_rate=0.01 early_stopping.patience=0")
    result, printed = train(config, tmp_path)
    assert [phase["after_epoch"] for phase in result["phases"]] == [0, 3]
    assert (result["num_epochs"], result["ended"]) == (5, "epochs")
    assert train(config, tmp_path)[1].count("ended after 5 of 11 epochs") == 1


@pytest.mark.slow
def test_a_phase_with_larger_batches(config, train, dataset, tmp_path):
    in_phases(config, 1, "2 global_batch_size=128")
    train(config, tmp_path / "whole")
    assert [row["step"] for row in rows_of(tmp_path / "whole")[::2]] == [5, 8, 11]
    with pytest.raises(Stopped):
        train(config, tmp_path / "stopped", hooks=[stopping_hook(2)])
    train(config, tmp_path / "stopped")
    assert_same_bits(*(last_state(config, dataset, tmp_path / n) for n in ("whole", "stopped")))
    # dataset.json has the steps per epoch of the whole config, which are not those of the phase
    assert load_weights(tmp_path / "whole", "latest").epoch == 3


def test_a_phase_that_extends_a_run_keeps_the_batch_size_of_a_decay_by_steps(
    config, train, tmp_path
):
    config.schedule.update(name="exponential", decay_rate=0.5, decay_steps=5)
    train(config, tmp_path)
    config.num_epochs, config.global_batch_size = 3, 32
    with pytest.raises(UserError, match="another batch size would shift the decay"):
        train(config, tmp_path)
    in_phases(config, 1, "1 global_batch_size=32")
    with pytest.raises(UserError, match="other batches would shift a decay by steps"):
        train(config, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_phases_count_no_epochs_that_are_over(config, train, tmp_path):
    config.num_epochs = 6
    with pytest.raises(Stopped):
        train(config, tmp_path, hooks=[stopping_hook(4)])
    with pytest.raises(UserError, match="the phase '2' would have ended after epoch 2, and the ru"):
        train(in_phases(config, 2, 4), tmp_path)
    result, _ = train(in_phases(config, 4, 2), tmp_path)
    assert result["num_epochs"] == 6


def test_fewer_epochs_cut_the_phases(config, train, tmp_path):
    in_phases(config, 1, 2, 1)
    config.num_epochs = 2
    train(config, tmp_path)
    assert read(tmp_path, "config")["phases"] == ["1", "1"]


@pytest.mark.parametrize(
    ("phases", "num_epochs", "said"),
    [
        ((2, 1), 4, r"num_epochs = 4: config.phases = \('2', '1'\) have 3 epochs; set config.num_"),
        (
            (1, "1 global_batch_size=500"),
            2,
            "global_batch_size = 500: must be at most 270.*=16",
        ),
        ((1, "1 augment.crop=16"), 2, "config.augment.crop = 16: must be less than 16"),
    ],
)
def test_phases_that_do_not_fit_are_refused_at_once(
    config, train, tmp_path, phases, num_epochs, said
):
    config.phases, config.num_epochs = phases, num_epochs
    with pytest.raises(UserError, match=said):
        train(config, tmp_path)
    assert not list(tmp_path.iterdir())


def test_frozen_epochs_count_over_the_whole_run(config, train, tmp_path):
    config.optimizer.freeze = "dense1"
    with pytest.raises(UserError, match=r"optimizer.freeze_epochs: counts over the whole run"):
        train(in_phases(config, 1, "1 optimizer.freeze_epochs=1"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_best_epoch_is_not_chosen_by_losses_of_two_kinds(config, train, tmp_path):
    config.best_metric = "loss"
    with pytest.raises(UserError, match=r"'1 loss.l2=0.1': config.loss.l2: changes the loss of va"):
        train(in_phases(config, 1, "1 loss.l2=0.1"), tmp_path)
    assert not list(tmp_path.iterdir())
    train(in_phases(config, "1 loss.l2=0.1", "1 fresh loss.l2=0.1"), tmp_path)


def test_finished_phases_cannot_change(config, train, tmp_path):
    with pytest.raises(Stopped):
        train(in_phases(config, 2, 2), tmp_path, hooks=[stopping_hook(3)])
    with pytest.raises(UserError, match=r"begun the phases '2', '2', and those that have ended"):
        train(in_phases(config, 1, 3), tmp_path)
    assert read(tmp_path, "config")["phases"] == ["2", "2"]
