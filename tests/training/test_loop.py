"""A run: it learns, it resumes to the last bit, it stops when it should, it loses nothing."""

import dataclasses
import io
import json
import os
import shutil
import signal

import numpy as np
import pytest
from runs import assert_same_bits, last_state, stopping_after, without_times

from jaxcnn.errors import Diverged, Stopped, UserError
from jaxcnn.models import model_config
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.evaluate import evaluate
from jaxcnn.training.loop import Loop
from jaxcnn.training.run import make_run
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.folder import open_workdir
from jaxcnn.workdir.metrics_log import read_metrics


def test_it_learns_and_leaves_the_whole_story(config, train, tmp_path):
    config.num_epochs = 6
    result, printed = train(config, tmp_path, curves=True)
    assert result["test_accuracy"] > 0.95
    assert all((tmp_path / f"{name}.json").exists() for name in ("config", "environment"))
    assert {p.name for p in (tmp_path / "plots").glob("*.png")} >= {
        "accuracy.png", "loss.png", "difference_accuracy.png", "difference_loss.png",
    }  # fmt: skip
    rows = read_metrics(tmp_path)
    assert [row["split"] for row in rows] == ["train", "validation"] * 6 + ["test"]
    assert rows[-1]["accuracy"] == result["test_accuracy"]
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert result.keys() >= {
        "test_accuracy", "test_loss", "best_epoch", "num_epochs", "seconds", "images_per_second",
        "parameters", "seed",
    }  # fmt: skip
    assert "test accuracy" in printed and str(tmp_path) in printed


def test_the_same_command_twice_gives_the_same_bits(config, train, tmp_path):
    config.augment.update(crop=1, flip="random")
    results = [train(config, tmp_path / name)[0] for name in ("a", "b")]
    assert results[0]["test_loss"] == results[1]["test_loss"]
    rows = [without_times(read_metrics(tmp_path / name)) for name in ("a", "b")]
    assert rows[0] == rows[1]


def test_more_epochs_resume_to_the_last_bit(config, train, dataset, tmp_path):
    config.optimizer.ema_decay = 0.9
    config.num_epochs = 4
    train(config, tmp_path / "whole")
    config.num_epochs = 2
    train(config, tmp_path / "parts")
    config.num_epochs = 4
    _, printed = train(config, tmp_path / "parts")
    assert "resuming in epoch 3, after 10 steps" in printed
    assert "num_epochs: 2 before, now 4" in printed
    changes = [{"step": 10, "fields": ["num_epochs: 2 before, now 4"]}]
    for name, known in (("whole", []), ("parts", changes)):
        assert json.loads((tmp_path / name / "environment.json").read_text())["changes"] == known
    states = [last_state(config, dataset, tmp_path / name) for name in ("whole", "parts")]
    assert_same_bits(*states)
    rows = [without_times(read_metrics(tmp_path / name)) for name in ("whole", "parts")]
    assert [row for row in rows[0] if row["split"] != "test"] == [
        row for row in rows[1] if row["split"] != "test"
    ]


def test_steps_that_compile_are_not_timed(config, dataset, tmp_path):
    config.model = model_config("mlp", hidden=(16,))
    config.steps_per_dispatch = 4  # an epoch's fifth step is a program of its own
    loop = Loop.open(make_run(config, dataset), tmp_path, Console(io.StringIO()))
    result = loop.train()
    assert loop.progress.train_images == 270 and result["images_per_second"] > 0
    config.num_epochs = 1
    loop = Loop.open(make_run(config, dataset), tmp_path / "short", Console(io.StringIO()))
    assert loop.train()["images_per_second"] is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_epoch_loses_nothing(config, train, dataset, tmp_path, number):
    config.num_epochs = 3
    train(config, tmp_path / "whole")
    stopped = tmp_path / "stopped"
    run = stopping_after(make_run(config, dataset), 7, number)
    with (
        open_workdir(stopped, config),
        pytest.raises(Stopped, match="stopped and saved at step 7; the same command resumes"),
    ):
        Loop.open(run, stopped, Console(io.StringIO())).train()
    _, printed = train(config, stopped)
    assert "resuming in epoch 2, after 7 steps" in printed
    states = [last_state(config, dataset, folder) for folder in (tmp_path / "whole", stopped)]
    assert_same_bits(*states)
    rows = [without_times(read_metrics(folder)) for folder in (tmp_path / "whole", stopped)]
    assert rows[0] == rows[1]


def test_a_signal_during_validation_stops_after_it(config, dataset, tmp_path):
    run = make_run(config, dataset)
    steps = iter(range(1000))

    def eval_step(*args):
        if next(steps) == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return run.eval_step(*args)

    stopping = dataclasses.replace(run, eval_step=eval_step)
    loop = Loop.open(stopping, tmp_path, Console(io.StringIO()))
    with pytest.raises(Stopped, match="stopped and saved at step 5"):
        loop.train()
    assert [row["split"] for row in read_metrics(tmp_path)] == ["train", "validation"]


def test_a_second_process_is_refused(config, train, tmp_path):
    with (
        open_workdir(tmp_path, config),
        pytest.raises(UserError, match="another process is training in it"),
    ):
        train(config, tmp_path)
    train(config, tmp_path)


def test_other_hyperparameters_resume_and_are_announced(config, train, tmp_path):
    config.model = model_config("mlp", hidden=(16,))
    train(config, tmp_path)
    config.num_epochs = 3
    config.optimizer.update(learning_rate=1e-4, gradient_clip=1.0)
    _, printed = train(config, tmp_path)
    assert "optimizer.learning_rate: 0.003 before, now 0.0001" in printed
    assert "optimizer.gradient_clip: 0.0 before, now 1.0" in printed
    rows = [row for row in read_metrics(tmp_path) if row["split"] == "train"]
    np.testing.assert_allclose([row["learning_rate"] for row in rows], [3e-3, 3e-3, 1e-4])


def test_a_finished_run_is_not_trained_again(config, train, dataset, tmp_path):
    first, _ = train(config, tmp_path)
    before = last_state(config, dataset, tmp_path)
    again, _ = train(config, tmp_path)
    assert_same_bits(before, last_state(config, dataset, tmp_path))
    assert again["test_loss"] == first["test_loss"]
    assert [row["split"] for row in read_metrics(tmp_path)].count("test") == 1


def test_patience_ends_the_run(config, train, tmp_path):
    config.num_epochs = 20
    config.optimizer.learning_rate = 0.0
    config.early_stopping.patience = 3
    result, _ = train(config, tmp_path)
    assert result["num_epochs"] == 4  # the first epoch is the lowest loss, three bring no lower


def test_the_best_epoch_is_the_most_accurate(config, dense, train, tmp_path):
    config.num_epochs = 4
    config.optimizer.learning_rate = 0.02
    result, _ = train(config, tmp_path)
    accuracies = [r["accuracy"] for r in read_metrics(tmp_path) if r["split"] == "validation"]
    assert result["best_validation_accuracy"] == max(accuracies)
    assert accuracies[result["best_epoch"] - 1] == max(accuracies)


@pytest.mark.parametrize("tested_with", ["best", "last"])
def test_the_chosen_weights_are_tested(tested_with, config, dense, train, dataset, tmp_path):
    """Validation has wrong labels: the more the network learns, the worse its loss is there."""
    test = dataset.splits["test"]
    wrong = dataclasses.replace(test, labels=(test.labels + 1) % 4)
    data = dataclasses.replace(dataset, splits=dataset.splits | {"validation": wrong})
    config.update(validation="validation", best_metric="loss", num_epochs=3, test_with=tested_with)
    config.optimizer.learning_rate = 0.02
    result, _ = train(config, tmp_path, data)
    assert result["best_epoch"] < 3 and result["tested_with"] == tested_with
    run, checkpoints = make_run(config, data), Checkpoints(tmp_path, read_only=True)
    losses = {
        name: evaluate(run, checkpoints.restore(step, run.state)[0], "test")["loss"]
        for name, step in (("best", 5 * result["best_epoch"]), ("last", 15))
    }
    checkpoints.close()
    assert losses["best"] != losses["last"]
    assert result["test_loss"] == losses[tested_with]


def test_the_test_split_as_validation_is_scored_once(config, train, tmp_path):
    config.validation, config.test_with = "test", "last"
    result, printed = train(config, tmp_path)
    validation = [row for row in read_metrics(tmp_path) if row["split"] == "validation"]
    assert result["test_loss"] == validation[-1]["loss"]
    assert "The test set served as validation" in printed


def test_a_loss_that_is_not_finite_stops_the_run(config, train, dataset, tmp_path):
    config.num_epochs = 1
    train(config, tmp_path)
    config.num_epochs = 3
    config.optimizer.learning_rate = 1e30
    with pytest.raises(Diverged, match=r"not finite at step \d+ .*1e\+30.*good checkpoint is 5"):
        train(config, tmp_path)
    assert int(last_state(config, dataset, tmp_path).step) == 5


def test_a_damaged_checkpoint_is_named_and_passed_over(config, train, tmp_path):
    config.num_epochs = 3
    config.checkpoint.keep_latest = 3
    whole, _ = train(config, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "damaged")
    (tmp_path / "damaged" / "result.json").unlink()  # killed in its last test
    newest = tmp_path / "damaged" / "checkpoints" / "15"
    for path in newest.rglob("*"):
        if path.is_file() and path.stat().st_size > 500:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again, printed = train(config, tmp_path / "damaged")
    assert "warning: checkpoint 15 cannot be read and was moved to" in printed
    assert any((tmp_path / "damaged" / "damaged_checkpoints").iterdir())
    assert "resuming in epoch 3, after 10 steps" in printed
    assert again["test_loss"] == whole["test_loss"]


@pytest.mark.slow
def test_unreadable_checkpoints_are_left_alone(config, train, tmp_path):
    train(config, tmp_path)
    before = (tmp_path / "config.json").read_text()
    (tmp_path / "checkpoints").rename(tmp_path / "away")
    (tmp_path / "checkpoints" / "10" / "state").mkdir(parents=True)
    config.num_epochs = 3
    with pytest.raises(UserError, match="no checkpoint fits or can be read"):
        train(config, tmp_path)
    assert (tmp_path / "config.json").read_text() == before
    shutil.rmtree(tmp_path / "checkpoints")
    (tmp_path / "away").rename(tmp_path / "checkpoints")
    _, printed = train(config, tmp_path)
    assert "resuming in epoch 3, after 10 steps" in printed


def test_another_run_s_folder_is_refused(config, train, tmp_path):
    train(config, tmp_path)
    before = (tmp_path / "config.json").read_text()
    config.seed = 1
    with pytest.raises(UserError, match="holds another run: its seed is 0, this one's is 1"):
        train(config, tmp_path)
    assert (tmp_path / "config.json").read_text() == before


def test_a_folder_of_something_else_is_refused(config, train, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="holds files but no run"):
        train(config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
