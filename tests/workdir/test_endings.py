"""Runs that end early and runs that have ended: they say why, and what makes them go on."""

import io
import itertools
import json
import shutil

import pytest
from runs import assert_same_bits, last_state, without_times

from jaxcnn.api import arguments, run
from jaxcnn.errors import UserError
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.run import make_run
from jaxcnn.training.timing import RunTime
from jaxcnn.workdir.endings import summarize_end
from jaxcnn.workdir.metrics_log import read_metrics

pytestmark = pytest.mark.usefixtures("dense")


def files_in(folder):
    """Every file with its bytes and the time of its last change, but for the lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def time_is_over_after(monkeypatch):
    """Makes max_minutes pass after so many steps: the clock is asked before each but the first,
    and after each epoch."""

    def set_clock(num_steps, steps_per_epoch=5):
        asked = itertools.count()
        last = num_steps + (num_steps - 1) // steps_per_epoch

        def exceeds(_, minutes, since=0.0):
            return minutes > 0 and next(asked) >= last

        monkeypatch.setattr(RunTime, "exceeds", exceeds)

    return set_clock


def test_the_whole_of_a_run_is_said(config, train, tmp_path):
    result, printed = train(config, tmp_path)
    assert result["ended"] == "epochs"
    assert "ended          after 2 of 2 epochs\n" in printed
    assert "continues with more epochs: --config.num_epochs=4\n" in printed
    assert "| ended | after 2 of 2 epochs |" in (tmp_path / "report.md").read_text()


def test_early_stopping_is_said_and_more_patience_goes_on(config, train, tmp_path):
    config.num_epochs, config.early_stopping.patience = 20, 2
    config.optimizer.learning_rate = 0.0
    result, printed = train(config, tmp_path)
    assert (result["ended"], result["num_epochs"]) == ("early_stopping", 3)
    said = "after 3 of 20 epochs, 2 without a lower validation loss"
    assert (
        f"ended          {said}" in printed
        and f"| {said} |" in (tmp_path / "report.md").read_text()
    )
    assert "more patience: --config.early_stopping.patience=4" in printed
    before = files_in(tmp_path)
    config.num_epochs = 40  # of no use
    with pytest.raises(UserError, match="cannot take the change of num_epochs: 20 before"):
        train(config, tmp_path)
    assert files_in(tmp_path) == before
    config.num_epochs = 20
    for name, value in (("metric", "accuracy"), ("min_delta", 0.1)):
        config.early_stopping[name], was = value, config.early_stopping[name]
        with pytest.raises(UserError, match=f"cannot take the change of early_stopping.{name}"):
            train(config, tmp_path)
        config.early_stopping[name] = was
    assert files_in(tmp_path) == before
    config.early_stopping.patience = 4
    result, printed = train(config, tmp_path)
    assert "resuming in epoch 4" in printed and result["num_epochs"] == 5


@pytest.mark.parametrize("validation", ["holdout", "test"])
def test_weights_that_are_worse_by_design_are_warned_of(validation, config, train, tmp_path):
    config.num_epochs, config.validation, config.test_with = 1, validation, "last"
    _, printed = train(config, tmp_path / "without")
    assert "early stopping" not in printed
    config.early_stopping.patience = 3
    _, printed = train(config, tmp_path / "with")
    assert printed.count("warning: early stopping ends the run after") == 1
    assert ("config.validation=holdout with" in printed) == (validation == "test")


def test_an_ended_run_is_left_as_it_is(config, train, trained_workdir, tmp_path, monkeypatch):
    workdir = shutil.copytree(trained_workdir, tmp_path / "run")
    config = job_config(workdir)
    monkeypatch.setattr(arguments, "load_run_data", lambda *_: pytest.fail("no data are needed"))
    monkeypatch.setattr(run, "make_run", lambda *_: pytest.fail("the network is not needed"))
    (workdir / ".lock").unlink()
    before, printed = files_in(workdir), io.StringIO()
    result = run.train(config, workdir, console=Console(printed))
    assert files_in(workdir) == before and not (workdir / ".lock").exists()
    assert result.values == json.loads((workdir / "result.json").read_text())
    accuracy = f"{100 * result.accuracy:.2f}%"
    assert printed.getvalue() == (
        f"ended after 2 of 2 epochs; test accuracy {accuracy}; it continues with more epochs: "
        f"--config.num_epochs=4\neverything is in {workdir}\n"
    )


def job_config(workdir):
    from jaxcnn.workdir.run_config import read_config

    return read_config(workdir)


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["report.md", "plots/loss.png", "evaluation/test.json"])
def test_what_is_missing_of_the_report_is_made_again(missing, trained_workdir, tmp_path):
    workdir = shutil.copytree(trained_workdir, tmp_path / "run")
    content = (workdir / missing).read_bytes()
    (workdir / missing).unlink()
    before, printed = files_in(workdir), io.StringIO()
    run.train(job_config(workdir), workdir, console=Console(printed))
    assert f"missing files, written again: {missing}" in printed.getvalue()
    trained_at = bytes(trained_workdir.with_name("training"))  # the call in the report names it
    assert (workdir / missing).read_bytes() == content.replace(trained_at, bytes(workdir))
    after = files_in(workdir)
    kept = [path for path in before if path.parts[-2] in ("checkpoints", "tensorboard", "run")]
    assert all(after[path] == before[path] for path in kept if path.name != "report.md")


def test_no_report_of_an_earlier_end_is_left(config, train, tmp_path, monkeypatch):
    config.num_epochs = 1
    train(config, tmp_path)
    config.num_epochs = 2
    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(run, "write_report", lambda _: raise_interrupted())  # killed there
        train(config, tmp_path)
    _, printed = train(config, tmp_path)
    assert "ended after 2 of 2 epochs" in printed and "report.md\n" in printed
    assert "| ended | after 2 of 2 epochs |" in (tmp_path / "report.md").read_text()


def raise_interrupted():
    raise InterruptedError


def test_the_test_is_repeated_with_other_weights(config, train, tmp_path):
    config.num_epochs, config.optimizer.learning_rate = 4, 0.02
    first, _ = train(config, tmp_path)
    before = without_times(read_metrics(tmp_path))
    config.test_with = "last"
    again, printed = train(config, tmp_path)
    assert "only the test is left\n  changed: test_with: 'best' before" in printed
    assert again["tested_with"] == "last"
    same = first.keys() - {"tested_with", "test_accuracy", "test_loss"}
    assert {name: again[name] for name in same} == {name: first[name] for name in same}
    assert without_times(read_metrics(tmp_path))[:-1] == before[:-1]


def test_an_ended_run_without_checkpoints_is_kept(config, train, tmp_path):
    train(config, tmp_path)
    shutil.rmtree(tmp_path / "checkpoints")
    before = files_in(tmp_path)
    config.num_epochs = 3
    with pytest.raises(UserError, match="its checkpoints are gone, so it cannot go on"):
        train(config, tmp_path)
    assert files_in(tmp_path) == before


@pytest.mark.parametrize(("every_epochs", "is_kept"), [(1, True), (2, False)])
def test_an_interrupted_run_without_checkpoints_is_kept(
    every_epochs, is_kept, config, train, tmp_path
):
    def stop(row):
        if row["epoch"] == 3:
            raise InterruptedError

    config.num_epochs, config.checkpoint.every_epochs = 4, every_epochs
    with pytest.raises(InterruptedError):
        train(config, tmp_path, hooks=[stop])
    shutil.rmtree(tmp_path / "checkpoints")  # or a kill while the first one was written
    before = files_in(tmp_path)
    if is_kept:
        with pytest.raises(UserError, match="are gone, and it has trained 3 epochs; bring them"):
            train(config, tmp_path)
        assert files_in(tmp_path) == before
    else:
        assert train(config, tmp_path)[0]["num_epochs"] == 4


def test_a_result_of_an_older_run_is_read(config, train, tmp_path):
    config.num_epochs, config.early_stopping.patience = 20, 2
    config.optimizer.learning_rate = 0.0
    result, _ = train(config, tmp_path)
    new = ("ended", "steps", "epochs_without_gain")
    older = {name: value for name, value in result.items() if name not in new}
    (tmp_path / "result.json").write_text(json.dumps(older))
    _, printed = train(config, tmp_path)
    assert "ended after 3 of 20 epochs, 2 without a lower validation loss; test acc" in printed


@pytest.mark.slow
def test_time_that_is_over_ends_a_run_which_can_go_on(
    config, train, dataset, tmp_path, time_is_over_after
):
    """Epochs of 5 steps: the time is over in the first, at its end, and in the second."""
    config.num_epochs = 3
    whole, _ = train(config, tmp_path / "whole")
    for num_steps, ends in ((2, [(1, 2)]), (5, [(1, 5)]), (7, [(1, 5), (2, 7)])):
        workdir, config.max_minutes = tmp_path / str(num_steps), 1.0
        time_is_over_after(num_steps)
        result, printed = train(config, workdir)
        assert (result["ended"], result["steps"]) == ("max_minutes", num_steps)
        assert result["num_epochs"] == num_steps // 5
        assert result["tested_with"] == ("best" if num_steps >= 5 else "last")
        assert f"of 3 epochs, {num_steps} steps: max_minutes is over" in printed
        rows = [(row["split"], row["epoch"], row["step"]) for row in read_metrics(workdir)]
        assert rows[:-1] == [(split, *end) for end in ends for split in ("train", "validation")]
        again, printed = goes_on(config, train, workdir, result)
        assert f"resuming in epoch {num_steps // 5 + 1}, after {num_steps} steps" in printed
        assert again["ended"] == "epochs" and again["resumed"] == [num_steps / 5]
        assert again["test_loss"] == whole["test_loss"]
        states = [last_state(config, dataset, each) for each in (tmp_path / "whole", workdir)]
        assert_same_bits(*states)
        rows = [without_times(read_metrics(each)) for each in (tmp_path / "whole", workdir)]
        assert rows[0] == rows[1]


@pytest.mark.parametrize("validation", ["fold", "holdout"])
def test_a_fold_is_not_advised_to_take_more_time(validation, config, tmp_path):
    config.update(validation=validation, max_minutes=1.0)
    end = {"ended": "max_minutes", "num_epochs": 1, "steps": 5, "seconds": 61.0}
    result = end | {"test_accuracy": 0.5, "epochs_without_gain": 0}
    is_advised = "continues" in summarize_end(tmp_path, result, config)
    assert is_advised == (validation == "holdout")
    config.max_minutes, config.num_epochs = 0.0, 1
    assert "more epochs" in summarize_end(tmp_path, result | {"ended": "epochs"}, config)


def goes_on(config, train, workdir, result):
    """Runs the same command again, which is told how to go on, and then without a limit."""
    path = workdir / "result.json"
    path.write_text(json.dumps(result | {"seconds": 61.0}))  # a minute, by the clock of its own
    before = path.stat().st_mtime_ns
    _, printed = train(config, workdir)
    assert "it continues with more time: --config.max_minutes=3" in printed
    assert path.stat().st_mtime_ns == before
    config.max_minutes = 0.0
    return train(config, workdir)


def test_a_run_without_time_does_a_step(config, train, tmp_path):
    config.max_minutes = 1e-9
    result, printed = train(config, tmp_path)
    assert result["steps"] == 1 and result["best_epoch"] == 0 and result["tested_with"] == "last"
    assert "best           no epoch was finished\n" in printed
    assert "| 1 (part) |" in (tmp_path / "report.md").read_text()


def test_a_changed_config_that_ends_a_run_in_mid_epoch_tests_what_it_has(
    config, train, tmp_path, time_is_over_after
):
    """The test split as validation: the score is that of the weights, not of the epoch before."""
    config.num_epochs, config.max_minutes = 3, 1.0
    config.validation, config.test_with = "test", "last"
    time_is_over_after(7)
    cut, _ = train(config, tmp_path)
    (tmp_path / "result.json").unlink()
    config.num_epochs, config.max_minutes = 1, 0.0
    again, _ = train(config, tmp_path)
    assert (again["ended"], again["test_loss"]) == ("epochs", cut["test_loss"])


def test_an_epoch_of_some_steps(config, train, dataset, tmp_path):
    config.steps_per_epoch, config.num_epochs = 3, 2
    config.schedule.name = "linear"
    result, _ = train(config, tmp_path)
    rows = [row for row in read_metrics(tmp_path) if row["split"] == "train"]
    assert [row["step"] for row in rows] == [3, 6]
    first = config.optimizer.learning_rate
    assert [row["learning_rate"] / first for row in rows] == pytest.approx([4 / 6, 1 / 6])
    config.steps_per_epoch = 2
    with pytest.raises(UserError, match="another run: its steps_per_epoch is 3, this one's is 2"):
        train(config, tmp_path)
    config.steps_per_epoch, config.num_epochs = 3, 3
    config.global_batch_size = 32
    with pytest.raises(UserError, match="another run: its global_batch_size is 64"):
        train(config, tmp_path)
    config.global_batch_size, config.steps_per_epoch = 64, 6
    with pytest.raises(UserError, match="steps_per_epoch = 6: must be at most 5, the number of"):
        make_run(config, dataset)


def test_a_short_epoch_resumes_to_the_last_bit(
    config, train, dataset, tmp_path, time_is_over_after
):
    config.steps_per_epoch, config.num_epochs = 3, 3
    train(config, tmp_path / "whole")
    config.max_minutes = 1.0
    time_is_over_after(4, steps_per_epoch=3)
    train(config, tmp_path / "cut")
    config.max_minutes = 0.0
    train(config, tmp_path / "cut")
    assert_same_bits(*[last_state(config, dataset, tmp_path / name) for name in ("whole", "cut")])


def test_a_fraction_of_the_data_is_another_run(config, train, tmp_path):
    config.dataset.fraction, config.num_epochs = 0.5, 1
    train(config, tmp_path)
    about = json.loads((tmp_path / "dataset.json").read_text())
    assert about["num_examples"] == {"train": 134, "validation": 30, "test": 90}
    config.dataset.fraction, config.num_epochs = 1.0, 2
    with pytest.raises(UserError, match="another run: its dataset.fraction is 0.5"):
        train(config, tmp_path)
