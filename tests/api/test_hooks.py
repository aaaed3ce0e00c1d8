"""Hooks: what they get, and what happens when they raise."""

import json
import os

import pytest
from runs import assert_same_bits, last_state, without_times

import jaxcnn
from jaxcnn.workdir.metrics_log import read_metrics

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def config(config, dense):
    config.num_epochs = 4
    return config


def stop_at(epoch, reason="no gain"):
    def hook(row):
        if row["epoch"] == epoch:
            raise jaxcnn.StopTraining(reason)

    return hook


def test_a_hook_ends_a_run(config, train, tmp_path):
    rows = []
    result, printed = train(
        config, tmp_path, hooks=[stop_at(2, "no gain\nin |a| while"), rows.append]
    )
    assert (result["ended"], result["num_epochs"]) == ("hook", 2)
    assert result["hook_reason"] == "no gain\nin |a| while"
    assert [row["epoch"] for row in rows] == [1, 2]  # the other hooks get the row too
    text = r"after 2 of 4 epochs: a hook ended it (no gain\nin |a| while)"
    assert f"ended          {text}\n" in printed
    assert "continues with more epochs: --config.num_epochs=8\n" in printed
    assert text.replace("|", r"\|") in (tmp_path / "report.md").read_text()


def test_a_hook_that_fails_hides_no_stop(config, train, tmp_path):
    rows, hooks = [], [stop_at(1, "enough")]

    def fail(row):
        raise ValueError("no network")

    with pytest.raises(ValueError, match="no network"):
        train(config, tmp_path, hooks=[fail, *hooks, rows.append])
    assert [row["epoch"] for row in rows] == [1]
    result, _ = train(config, tmp_path)
    assert (result["ended"], result["num_epochs"]) == ("hook", 1)
    assert result["hook_reason"] == "enough"


def test_a_part_or_a_hook_may_leave_the_working_directory(
    config, dataset, tmp_path, monkeypatch, own_parts
):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)

    @jaxcnn.dataset("mine")
    def mine():
        os.chdir(elsewhere)
        return dataset

    config.num_epochs, config.dataset.name = 2, "mine"
    result = jaxcnn.train(config, "run", hooks=[lambda row: os.chdir(elsewhere)], quiet=True)
    assert len(result.history) == 2 and (here / "run" / "result.json").exists()
    assert not list(elsewhere.iterdir())


@pytest.mark.slow
def test_a_run_that_a_hook_ended_goes_on_with_more_epochs_only(config, train, tmp_path):
    first, _ = train(config, tmp_path, hooks=[stop_at(2)])
    again, printed = train(config, tmp_path)
    assert again == first and "it continues with more epochs: --config.num_epochs=8" in printed
    (tmp_path / "environment.json").unlink()  # the run is tested again, and trains no step
    again, _ = train(config, tmp_path)
    assert (again["ended"], again["num_epochs"]) == ("hook", 2)
    config.num_epochs = 5
    result, _ = train(config, tmp_path, hooks=[stop_at(4)])
    assert (result["ended"], result["num_epochs"], result["hook_epochs"]) == ("hook", 4, 5)
    config.num_epochs = 6
    result, _ = train(config, tmp_path)
    assert (result["ended"], result["num_epochs"]) == ("epochs", 6)
    assert "hook_reason" not in result


@pytest.mark.slow
def test_another_exception_of_a_hook_leaves_the_run_resumable(config, train, tmp_path, dataset):
    def fail(row):
        if row["epoch"] == 2:
            raise ZeroDivisionError("mine")

    config.checkpoint.every_epochs = 3
    with pytest.raises(ZeroDivisionError, match="mine"):
        train(config, tmp_path / "failed", hooks=[fail])
    assert not (tmp_path / "failed" / "result.json").exists()
    rows = []
    train(config, tmp_path / "failed", hooks=[rows.append])
    assert [row["epoch"] for row in rows] == [3, 4]
    train(config, tmp_path / "whole")
    one, other = (without_times(read_metrics(tmp_path / name)) for name in ("failed", "whole"))
    assert one == other
    assert_same_bits(
        last_state(config, dataset, tmp_path / "failed").params,
        last_state(config, dataset, tmp_path / "whole").params,
    )


def test_a_hook_cannot_change_what_others_get(config, train, tmp_path):
    rows = []
    train(config, tmp_path, hooks=[dict.clear, rows.append])
    assert all("validation_loss" in row for row in rows)


def test_a_hook_that_stops_in_the_last_epoch_changes_nothing(config, train, tmp_path):
    result, _ = train(config, tmp_path, hooks=[stop_at(4)])
    assert result["ended"] == "epochs"
    assert json.loads((tmp_path / "result.json").read_text()) == result
