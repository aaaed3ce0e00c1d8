"""Runs whose rate falls on a plateau, and runs of some steps: they resume to the last bit."""

import io

import numpy as np
import pytest
from runs import assert_same_bits, last_state, stopping_after, without_times

from jaxcnn.errors import Stopped, UserError
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.loop import Loop
from jaxcnn.training.run import make_run
from jaxcnn.workdir.folder import open_workdir
from jaxcnn.workdir.metrics_log import read_checked_metrics, read_metrics

pytestmark = pytest.mark.usefixtures("dense")


@pytest.fixture
def plateau(config):
    """A rate that falls by half after each epoch, for none is better by 10, and rests for one."""
    config.num_epochs = 7
    config.schedule.update(name="plateau", factor=0.5, patience=1, cooldown=2, min_delta=10.0)
    config.schedule.min_rate = 0.001
    return config


def rates_of(workdir):
    return [row["learning_rate"] for row in read_metrics(workdir) if row["split"] == "train"]


@pytest.mark.slow
def test_the_rate_falls_and_the_run_resumes_to_the_last_bit(plateau, train, dataset, tmp_path):
    train(plateau, tmp_path / "whole")
    # the first epoch is the lowest loss, the others are no better: a pause follows each reduction
    halves = [1, 1, 0.5, 0.5, 0.5 * 2 / 3, 0.5 * 2 / 3, 0.5 * 2 / 3]
    np.testing.assert_allclose(rates_of(tmp_path / "whole"), 3e-3 * np.array(halves), rtol=1e-6)
    folder = tmp_path / "stopped"
    with open_workdir(folder, plateau):
        for num_steps in (7, 6, 7):  # within epochs, and after the fourth
            run = stopping_after(make_run(plateau, dataset), num_steps)
            with pytest.raises(Stopped):
                Loop.open(run, folder, Console(io.StringIO())).train()
    train(plateau, folder)
    states = [last_state(plateau, dataset, each) for each in (tmp_path / "whole", folder)]
    assert_same_bits(*states)
    rows = [without_times(read_metrics(each)) for each in (tmp_path / "whole", folder)]
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_another_schedule_forgets_the_plateau(plateau, train, tmp_path):
    plateau.num_epochs = 4
    train(plateau, tmp_path)
    assert rates_of(tmp_path)[-1] == pytest.approx(1.5e-3)
    plateau.num_epochs = 5
    plateau.schedule.update(name="constant", patience=10, cooldown=0, min_delta=1e-4, min_rate=0.0)
    train(plateau, tmp_path)
    assert rates_of(tmp_path)[-1] == pytest.approx(3e-3)


@pytest.mark.parametrize("steps_per_dispatch", [1, 3])
def test_a_run_of_some_steps_ends_within_an_epoch(config, train, tmp_path, steps_per_dispatch):
    config.num_steps, config.steps_per_dispatch = 7, steps_per_dispatch
    config.schedule.name = "linear"
    result, printed = train(config, tmp_path)
    assert (result["ended"], result["steps"], result["num_epochs"]) == ("steps", 7, 1)
    assert "after 1 of 2 epochs, 7 steps: num_steps is reached" in printed
    assert "continues with more steps: --config.num_steps=0 (0: all epochs)" in printed
    rows = read_metrics(tmp_path)
    assert [(row["split"], row["step"]) for row in rows[:4]] == [
        ("train", 5), ("validation", 5), ("train", 7), ("validation", 7)
    ]  # fmt: skip
    assert rates_of(tmp_path)[-1] == pytest.approx(3e-3 / 7)
    (tmp_path / "result.json").unlink()  # as of a run that was killed in its test
    assert read_checked_metrics(tmp_path, None) == rows


@pytest.mark.slow
def test_a_run_of_some_steps_goes_on_to_the_last_bit(config, train, dataset, tmp_path):
    train(config, tmp_path / "whole")
    config.num_steps = 7
    train(config, tmp_path / "parts")
    again, _ = train(config, tmp_path / "parts")
    assert again["steps"] == 7
    config.num_steps = 0
    train(config, tmp_path / "parts")
    states = [last_state(config, dataset, tmp_path / each) for each in ("whole", "parts")]
    assert_same_bits(*states)
    rows = [without_times(read_metrics(tmp_path / each)) for each in ("whole", "parts")]
    assert rows[0] == rows[1]


def test_less_than_an_epoch(config, train, tmp_path):
    config.num_steps, config.num_epochs = 3, 20
    result, printed = train(config, tmp_path)
    assert (result["tested_with"], result["num_epochs"]) == ("last", 0)
    assert " 1/1 " in printed and "/20 " not in printed.split("ended")[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_steps": 11}, "num_steps = 11: must be at most 10, the steps of config.num_epochs"),
        (
            {"num_steps": 5, "schedule.warmup_epochs": 1.0},
            "warmup_epochs = 1.0: takes 5 steps; must take fewer than config.num_steps = 5",
        ),
    ],
)
def test_steps_that_do_not_fit(config, train, tmp_path, changes, said):
    config.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match=said):
        train(config, tmp_path)


def test_the_batch_size_of_a_run_of_some_steps_stays(config, train, tmp_path):
    config.num_steps = 7
    train(config, tmp_path)
    config.global_batch_size, config.num_steps = 32, 9
    with pytest.raises(UserError, match="holds another run: its global_batch_size is 64"):
        train(config, tmp_path)
