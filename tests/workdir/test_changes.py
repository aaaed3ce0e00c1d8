"""Runs that go on otherwise than they began, or start from another's weights."""

import dataclasses
import io
import math

import jax
import pytest
from runs import assert_same_bits, last_state, stop_after, without_times

from jaxcnn.config.defaults import to_dict
from jaxcnn.data.dataset import Split
from jaxcnn.errors import Diverged, UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.models import model_config
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.workdir import folder
from jaxcnn.workdir.changes import find_changes
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.endings import is_evaluation_of
from jaxcnn.workdir.folder import open_workdir
from jaxcnn.workdir.metrics_log import read_metrics
from jaxcnn.workdir.position import Position

pytestmark = pytest.mark.usefixtures("dense")


def steps_with_checkpoints(workdir):
    return sorted(int(path.name) for path in (workdir / "checkpoints").glob("[0-9]*"))


def test_checkpoints_in_mid_epoch_change_nothing(config, train, dataset, tmp_path):
    config.num_epochs, config.checkpoint.keep_latest = 1, 10
    train(config, tmp_path / "without")
    config.checkpoint.every_steps = 2
    train(config, tmp_path / "with")
    assert steps_with_checkpoints(tmp_path / "without") == [5]
    assert steps_with_checkpoints(tmp_path / "with") == [2, 4, 5]
    assert_same_bits(*[last_state(config, dataset, tmp_path / n) for n in ("with", "without")])


def test_checkpoints_by_time(config, train, tmp_path):
    config.num_epochs, config.checkpoint.keep_latest = 1, 10
    config.checkpoint.every_minutes = 1e-6
    train(config, tmp_path)
    assert steps_with_checkpoints(tmp_path) == [1, 2, 3, 4, 5]


def test_a_mid_epoch_checkpoint_resumes_to_the_last_bit(config, train, dataset, tmp_path):
    config.checkpoint.every_steps, config.checkpoint.keep_latest = 2, 10
    whole, _ = train(config, tmp_path / "whole")
    train(config, tmp_path / "cut")
    checkpoints = Checkpoints(tmp_path / "cut")
    for step in steps_with_checkpoints(tmp_path / "cut")[1:]:
        checkpoints._manager.delete(step)
    checkpoints.close()
    (tmp_path / "cut" / "result.json").unlink()  # killed after its second step
    again, printed = train(config, tmp_path / "cut")
    assert "resuming in epoch 1, after 2 steps" in printed
    assert again["test_loss"] == whole["test_loss"]
    rows = [without_times(read_metrics(tmp_path / name)) for name in ("whole", "cut")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("num_steps", [2, 5, 7])
def test_several_steps_in_one_dispatch_are_the_same_steps(config, train, tmp_path, num_steps):
    one, _ = train(config, tmp_path / "one")
    config.steps_per_dispatch = num_steps  # of the epoch's five
    many, _ = train(config, tmp_path / "many")
    assert many["test_loss"] == pytest.approx(one["test_loss"], rel=1e-5)
    rows = [read_metrics(tmp_path / name) for name in ("one", "many")]
    assert [(row["step"], row["epoch"], row["split"]) for row in rows[0]] == [
        (row["step"], row["epoch"], row["split"]) for row in rows[1]
    ]


@pytest.mark.parametrize("before, step, after, again", [(64, 7, 32, 0), (32, 11, 64, 32)])
def test_another_batch_size_keeps_the_position(before, step, after, again):
    """Epochs of 300 examples: 5 steps of 64, 10 of 32."""
    old, new = (math.ceil(300 / size) for size in (before, after))
    position, repeated = Position(step, old).with_batch_size(before, after, new)
    assert repeated == again and position.step == step and position.epoch == 1
    assert position.row * after == (step % old) * before - again
    end = position.after(new - position.row)
    assert end.row == 0 and end.epoch == 2 and end.first_step == end.step
    assert end.after(-1).epoch == 1 and end.after(-1).row == new - 1


@pytest.mark.slow
def test_resume_with_another_batch_size(config, train, dataset, tmp_path):
    stop_after(config, dataset, tmp_path, 7)  # 2 of the second epoch's 5 batches of 64
    config.global_batch_size = 32
    result, printed = train(config, tmp_path)
    assert "batches of 32 in place of 64: the epoch goes on at the same example" in printed
    rows = [row for row in read_metrics(tmp_path) if row["split"] == "train"]
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 5), (2, 5 + 2 + 5)]  # 270 - 128
    assert result["num_epochs"] == 2
    config.global_batch_size, config.num_epochs = 64, 3
    train(config, tmp_path)
    assert [row["step"] for row in read_metrics(tmp_path) if row["split"] == "train"][-1] == 17


def test_larger_batches_after_a_part_of_an_epoch_leave_no_row_of_it(
    config, train, dataset, tmp_path
):
    config.max_minutes = 1e-9  # over after a step
    train(config, tmp_path)
    config.max_minutes, config.global_batch_size = 0.0, 128
    stop_after(config, dataset, tmp_path, 1)
    assert read_metrics(tmp_path) == []
    result, _ = train(config, tmp_path)
    assert result["num_epochs"] == 2
    rows = [row for row in read_metrics(tmp_path) if row["split"] == "train"]
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 4), (2, 7)]


def test_a_decay_by_steps_keeps_its_batch_size(config, train, dataset, tmp_path):
    config.schedule.update(name="exponential", decay_rate=0.5, decay_steps=10)
    stop_after(config, dataset, tmp_path, 7)
    config.global_batch_size = 32
    with pytest.raises(UserError, match="decay_steps = 10: another batch size would shift"):
        train(config, tmp_path)


@pytest.mark.slow
def test_resume_on_another_number_of_devices(config, train, dataset, tmp_path):
    config.num_epochs = 3
    whole, _ = train(config, tmp_path / "whole")
    stop_after(config, dataset, tmp_path / "moved", 7)
    config.num_devices = 4
    moved, printed = train(config, tmp_path / "moved")
    assert "changed: num_devices: 2 before, now 4" in printed
    assert moved["test_loss"] == pytest.approx(whole["test_loss"], rel=1e-3)


def test_start_from_another_run_s_weights(config, train, dataset, tmp_path):
    config.num_epochs = 3
    first, _ = train(config, tmp_path / "first")
    config.num_epochs, config.optimizer.learning_rate = 1, 0.0
    config.init_from = str(tmp_path / "first")
    second, printed = train(config, tmp_path / "second")
    assert "100.0% of the parameters are taken over" in printed
    # a rate of 0 leaves them as they were: those of the best epoch
    assert second["best_validation_accuracy"] == first["best_validation_accuracy"]
    config.init_from = ""
    with pytest.raises(UserError, match="holds another run: its init_from is"):
        train(config, tmp_path / "second")
    (tmp_path / "first").rename(tmp_path / "moved")
    config.init_from, config.num_epochs = str(tmp_path / "moved"), 2
    path = tmp_path / "second" / "config.json"
    with pytest.raises(UserError, match=f"if it was only moved, write its new path into {path}"):
        train(config, tmp_path / "second")
    write_json(path, read_json(path) | {"init_from": config.init_from})
    assert train(config, tmp_path / "second")[0]["num_epochs"] == 2


def test_a_head_of_another_size_starts_afresh(config, train, dataset, monkeypatch, tmp_path):
    from jaxcnn.api import arguments, run

    train(config, tmp_path / "first")
    config.init_from = str(tmp_path / "first")
    others = dataclasses.replace(dataset, class_names=tuple("abcdefg"))
    monkeypatch.setattr(arguments, "load_run_data", lambda *_: others)
    printed = io.StringIO()
    run.train(config, tmp_path / "second", console=Console(printed))
    assert "because name or shape differ: logits/bias, logits/kernel" in printed.getvalue()


def test_nothing_to_start_from(config, train, tmp_path):
    config.init_from = str(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"config.init_from: .*nowhere: holds no run"):
        train(config, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_that_fits(config, train, dataset, monkeypatch, tmp_path):
    from jaxcnn.api import arguments, run

    train(config, tmp_path / "first")
    config.init_from, config.model = str(tmp_path / "first"), model_config("lenet")
    others = dataclasses.replace(dataset, class_names=tuple("abcdefg"))
    monkeypatch.setattr(arguments, "load_run_data", lambda *_: others)
    with pytest.raises(UserError, match="config.init_from = .* no array of mlp has a name"):
        run.train(config, tmp_path / "second", console=Console(io.StringIO()))
    assert not (tmp_path / "second").exists()


def test_a_run_without_a_checkpoint_starts_from_the_weights_again(config, train, tmp_path):
    first, _ = train(config, tmp_path / "first")
    config.num_epochs, config.init_from = 1, str(tmp_path / "first")
    config.optimizer.learning_rate = 1e30
    with pytest.raises(Diverged, match="there is no checkpoint"):
        train(config, tmp_path / "second")
    config.optimizer.learning_rate = 0.0
    second, printed = train(config, tmp_path / "second")
    assert "100.0% of the parameters are taken over" in printed
    assert second["best_validation_accuracy"] == first["best_validation_accuracy"]


def test_an_ended_run_keeps_its_recipe(config, train, tmp_path):
    result, _ = train(config, tmp_path)
    recipe = (tmp_path / "config.json").read_text()
    config.optimizer.learning_rate *= 2
    with pytest.raises(UserError, match="after 2 epochs and cannot take the change of optim"):
        train(config, tmp_path)
    assert (tmp_path / "config.json").read_text() == recipe
    assert read_metrics(tmp_path)[-1]["split"] == "test"
    config.num_epochs += 1  # so it goes on
    assert train(config, tmp_path)[0]["num_epochs"] == 3
    train(config, tmp_path)  # the same test again
    said = "the run was tested 2 times, because it had ended after epoch 2 and went on."
    assert said in (tmp_path / "report.md").read_text()


def test_a_kill_while_a_change_is_written_loses_no_change(config, train, monkeypatch, tmp_path):
    config.num_epochs = 1
    train(config, tmp_path)
    config.num_epochs, config.optimizer.learning_rate = 2, 0.01

    def write_until_the_config(path, content):
        if path.name == "config.json":
            raise KeyboardInterrupt
        write_json(path, content)

    about_data, devices = read_json(tmp_path / "dataset.json"), jax.devices()[:2]
    with monkeypatch.context() as patches, open_workdir(tmp_path, config) as (changes, _):
        patches.setattr(folder, "write_json", write_until_the_config)
        with pytest.raises(KeyboardInterrupt):
            folder.write_config(tmp_path, config, about_data, devices, changes, step=5)
    train(config, tmp_path)
    [change] = read_json(tmp_path / "environment.json")["changes"]
    assert "optimizer.learning_rate: 0.003 before, now 0.01" in change["fields"]
    assert "learning_rate: 0.003 before" in (tmp_path / "report.md").read_text()


def test_two_ends_within_an_epoch_are_two_tests(config, train, tmp_path):
    config.num_steps = 2
    result, _ = train(config, tmp_path)
    scores = {"checkpoint": "latest", "epoch": 0, "step": 2}
    assert is_evaluation_of(scores, result)
    config.num_steps = 3
    result, _ = train(config, tmp_path)
    said = "the run was tested 2 times, because it had ended after epoch 0 (step 2) and went on."
    assert said in (tmp_path / "report.md").read_text()
    assert not is_evaluation_of(scores, result)
    assert is_evaluation_of(scores | {"step": 3}, result)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model.name", "lenet5_base"),
        ("dataset.name", "mnist"),
        ("dataset.sampling", "balanced"),
        ("dataset.image_size", 28),
        ("validation", "tail"),
        ("validation_fraction", 0.2),
        ("holdout", "random"),
        ("best_metric", "loss"),
        ("optimizer.name", "adamw"),
        ("optimizer.ema_decay", 0.9),
        ("init_from", "/elsewhere"),
        ("seed", 1),
    ],
)
def test_the_fields_that_make_another_run(field, value, config, tmp_path):
    write_json(tmp_path / "config.json", to_dict(config))
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=f"holds another run: its {field} is"):
        find_changes(tmp_path, config)


@pytest.mark.parametrize("batch_norm", ["global", "per_device"])
def test_the_number_of_devices_changes_the_numbers_of_batch_norm_per_device(
    batch_norm, config, tmp_path
):
    config.batch_norm = batch_norm
    write_json(tmp_path / "config.json", to_dict(config))
    config.num_devices = 4
    (change,) = find_changes(tmp_path, config)
    assert change.changes_numbers == (batch_norm == "per_device") and change.may_follow_the_end


@pytest.mark.parametrize("field", ["class_names", "num_examples", "pixel_mean"])
def test_other_data_are_another_run(config, train, dataset, field, monkeypatch, tmp_path):
    from jaxcnn.api import arguments, run

    config.num_epochs = 1
    train(config, tmp_path)
    before = (tmp_path / "dataset.json").read_text()
    fewer = Split(dataset.splits["train"].images[:250], dataset.splits["train"].labels[:250])
    change = {
        "class_names": {"class_names": tuple("abcd")},
        "pixel_mean": {"pixel_mean": dataset.pixel_mean + 1},
        "num_examples": {"splits": dataset.splits | {"train": fewer}},
    }[field]
    monkeypatch.setattr(
        arguments, "load_run_data", lambda *_: dataclasses.replace(dataset, **change)
    )
    config.num_epochs = 2
    with pytest.raises(UserError, match=f"was trained on other data: their {field}: "):
        run.train(config, tmp_path, console=Console(io.StringIO()))
    assert (tmp_path / "dataset.json").read_text() == before
