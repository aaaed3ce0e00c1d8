"""A search: its trials are repeatable, shared by processes, and told by their validation."""

import json

import pytest

from jaxcnn.api.search.describe import describe_search
from jaxcnn.api.search.halving import Rung, epochs_of, make_rungs
from jaxcnn.api.search.plan import make_search
from jaxcnn.api.search.result import finish
from jaxcnn.api.search.run import _open_study
from jaxcnn.config.files import load_config
from jaxcnn.config.sweep import with_values
from jaxcnn.errors import Diverged, UserError
from jaxcnn.reporting.comparison.runs import read_runs

FIELDS = "optimizer.learning_rate=log(1e-3,1e-1); optimizer.momentum=uniform(.5,.99)"
MORE = f"{FIELDS}; loss.label_smoothing=0,.1"


def rows_of(result):
    return sorted(result["trials"], key=lambda row: row["trial"])


def test_a_search_its_files_and_its_best_config(config, searched, train, tmp_path, capsys):
    config.num_epochs = 1
    result, printed = searched(config, MORE, tmp_path / "a")
    assert json.loads((tmp_path / "a" / "result.json").read_text()) == result
    rows = rows_of(result)
    assert [row["trial"] for row in rows] == [0, 1, 2, 3]
    assert {row["state"] for row in rows} == {"finished"}
    assert all(1e-3 <= row["optimizer.learning_rate"] <= 0.1 for row in rows)
    assert {row["loss.label_smoothing"] for row in rows} <= {0.0, 0.1}
    members = [json.loads((tmp_path / "a" / row["folder"] / "result.json").read_text())
               for row in rows]  # fmt: skip
    accuracies = [member["best_validation_accuracy"] for member in members]
    assert [row["validation_accuracy"] for row in rows] == accuracies
    best = result["best"]
    assert best["validation_accuracy"] == max(accuracies)
    assert "trials 2 to 3" in printed and "test split chose nothing" in printed
    assert "learning rate" in capsys.readouterr().out  # the table
    names = {path.name for path in (tmp_path / "a" / "plots").iterdir()}
    assert {"history.png", "loss.label_smoothing.svg"} <= names
    assert "Best: trial" in (tmp_path / "a" / "report.md").read_text()
    assert len(read_runs([tmp_path / "a"])[0]) == 4
    again = load_config(tmp_path / "a" / "best.json")
    assert again.optimizer.learning_rate == best["optimizer.learning_rate"]
    values, _ = train(again, tmp_path / "again")
    assert values["test_accuracy"] == best["test_accuracy"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_trials_also_after_a_kill(
    config, searched, killed_after, tmp_path
):
    whole, _ = searched(config, FIELDS, tmp_path / "whole")
    with killed_after(5):  # in the second epoch of the second population
        searched(config, FIELDS, tmp_path / "parts")
    parts, printed = searched(config, FIELDS, tmp_path / "parts")
    assert "trials 0 to 1" not in printed and "resuming after 0 to 1 epochs" in printed
    assert parts == whole
    again, printed = searched(config, FIELDS, tmp_path / "parts")
    assert again == whole and "epoch" not in printed
    config.seed = 1
    other, _ = searched(config, FIELDS, tmp_path / "other", num_trials=2)
    assert rows_of(other)[0]["optimizer.momentum"] != rows_of(whole)[0]["optimizer.momentum"]


def test_processes_share_a_study(config, searched, tmp_path):
    """One of them has asked for two trials, and trains when the second one starts."""
    config.num_epochs = 1
    planned = make_search(config, FIELDS, tmp_path, num_trials=4, population=2)
    with _open_study(planned) as study:
        batch = study.next_batch(4, 2, lambda *_: "")
        result, _ = searched(config, FIELDS, tmp_path)
        states = [row["state"] for row in rows_of(result)]
        assert states == ["running", "running", "finished", "finished"]
    done, printed = searched(config, FIELDS, tmp_path)  # the first one has died
    assert "trials 0 to 1" in printed
    rows = rows_of(done)
    assert [row["state"] for row in rows] == ["finished"] * 4
    momenta = [row["optimizer.momentum"] for row in rows]
    assert momenta[:2] == [trial.values["optimizer.momentum"] for trial in batch]
    assert len(set(momenta)) == 4


@pytest.mark.slow
def test_folders_share_a_study_by_its_address(config, searched, tmp_path):
    config.num_epochs = 1
    url = f"sqlite:///{tmp_path}/shared.db"
    searched(config, FIELDS, tmp_path / "one", num_trials=2, url=url)
    result, printed = searched(config, FIELDS, tmp_path / "two", url=url)
    assert "trials 2 to 3" in printed and "trials 0" not in printed
    assert [row["state"] for row in rows_of(result)] == ["finished"] * 4
    assert ["folder" in row for row in rows_of(result)] == [False, False, True, True]
    assert not (tmp_path / "two" / "study.db").exists()


def test_halving_drops_the_worst_and_they_can_go_on_alone(
    config, searched, train, killed_after, tmp_path
):
    config.num_epochs = 6
    options = {"num_trials": 4, "population": 4, "halving": True}
    with killed_after(5):
        searched(config, FIELDS, tmp_path / "a", **options)
    result, printed = searched(config, FIELDS, tmp_path / "a", **options)
    rows = result["trials"]
    assert [row["state"] for row in rows].count("finished") == 1
    assert sorted(row["epochs"] for row in rows) == [1, 1, 2, 6]
    dropped = next(row for row in rows if row["epochs"] == 2)
    assert 0 <= dropped["validation_accuracy"] <= result["best"]["validation_accuracy"]
    folder = tmp_path / "a" / dropped["folder"]
    values, printed = train(load_config(folder / "config.json"), folder)
    assert "resuming in epoch 3" in printed and values["num_epochs"] == 6


def test_the_rungs_of_halving():
    assert make_rungs(8, 30) == [Rung(4, 3), Rung(10, 1)]
    assert make_rungs(4, 2) == [Rung(1, 1)]  # two rungs at one epoch
    assert make_rungs(8, 1) == make_rungs(1, 30) == make_rungs(0, 30) == []
    assert epochs_of(8, 30) == 8 * 4 + 3 * 6 + 20
    assert epochs_of(8, 1) == 8


@pytest.mark.slow
def test_cmaes_learns_from_the_first_population(config, searched, tmp_path):
    config.num_epochs = 1
    result, _ = searched(config, MORE, tmp_path, sampler="cmaes", num_trials=5)
    assert [row["state"] for row in rows_of(result)] == ["finished"] * 5


@pytest.mark.slow
def test_trials_that_diverge(config, searched, tmp_path):
    config.num_epochs = 1
    config.optimizer.name = "sgd"
    result, printed = searched(
        config, "optimizer.learning_rate=.01,1e38", tmp_path / "some", num_trials=4, population=4
    )
    states = {row["optimizer.learning_rate"]: row["state"] for row in result["trials"]}
    assert states == {0.01: "finished", 1e38: "diverged"}
    assert " diverged" in printed
    with pytest.raises(Diverged, match="the loss of each trial was not finite"):
        searched(config, "optimizer.learning_rate=uniform(1e37,1e38)", tmp_path / "all")


@pytest.mark.parametrize(
    ("fields", "search", "options", "message"),
    [
        (
            {"validation": "test", "test_with": "last"},
            FIELDS,
            {},
            "a search would choose by the test split",
        ),
        ({}, "optimizer.momentum=uniform(.5,1.5)", {}, "config.optimizer.momentum = 1.5"),
        ({}, "schedule.power=1,2", {}, "no effect with schedule.name = "),
        ({}, "validation=holdout,fold", {}, "validation cannot vary: the accuracies would not"),
        ({}, "optimizer.name=adam,adum", {}, "config.optimizer.name = 'adum'"),
        ({}, "model.name=mlp,nothing", {}, "unknown network 'nothing'"),
        ({}, "batch_norm=global,per_device", {}, "config.batch_norm = per_device"),
        ({}, "num_epochs=1,2", {"halving": True}, "--halving: counts epochs, so num_epochs"),
        (
            {},
            FIELDS,
            {"generation": 9, "num_trials": 2},
            "--pbt=9: must be less than config",
        ),
        ({}, FIELDS, {"generation": 1, "sampler": "tpe"}, "--sampler: --pbt has its own"),
        ({}, FIELDS, {"sampler": "nsga3"}, "--sampler=nsga3: allowed is tpe or cmaes"),
        ({}, FIELDS, {"url": "nothing"}, "--study=nothing: cannot be opened"),
        ({}, FIELDS, {"url": "sqlite:////gone/study.db"}, "cannot be opened"),
    ],
)
def test_mistakes(fields, search, options, message, config, searched, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(UserError) as error:
        searched(with_values(config, fields), search, tmp_path / "new", **options)
    assert message in str(error.value)
    assert not (tmp_path / "new" / "members").exists()


def test_a_search_has_not_diverged_while_another_process_trains(config, tmp_path):
    search = make_search(config, FIELDS, tmp_path)
    rows = [{"trial": 0, "state": "diverged"}, {"trial": 1, "state": "running"}]
    assert finish(search, rows, None)["best"] is None
    with pytest.raises(Diverged, match="the loss of each trial was not finite"):
        finish(search, rows[:1], None)


def test_another_search_is_refused(config, searched, tmp_path):
    config.num_epochs = 1
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").touch()
    with pytest.raises(UserError, match="holds files but no search"):
        searched(config, FIELDS, tmp_path / "notes")
    searched(config, FIELDS, tmp_path / "a", num_trials=1)
    with pytest.raises(UserError, match="holds another search"):
        searched(config, MORE, tmp_path / "a")
    (tmp_path / "a" / "search.json").write_text("{}")
    with pytest.raises(UserError, match="is damaged: it has no study"):
        searched(config, FIELDS, tmp_path / "a")


def test_folders_of_another_study_are_refused(config, searched, tmp_path):
    """They have the numbers of the study's trials, and other values."""
    config.num_epochs, folder = 1, tmp_path / "a"
    first, _ = searched(config, FIELDS, folder, num_trials=2)
    (folder / "study.db").unlink()
    again, _ = searched(config, FIELDS, folder, num_trials=2)  # the same values
    assert again == first
    path = folder / "members" / "001" / "config.json"
    text = path.read_text()
    config_of_another_study = json.loads(text)
    config_of_another_study["optimizer"]["momentum"] = 0.75
    path.write_text(json.dumps(config_of_another_study))
    message = "members/001: has optimizer.momentum = 0.75, and trial 1 of the study in sqlite:"
    with pytest.raises(UserError, match=message):
        searched(config, FIELDS, folder, num_trials=3)
    (folder / "study.db").unlink()
    with pytest.raises(UserError, match=message):
        searched(config, FIELDS, folder, num_trials=3)
    assert not (folder / "members" / "002").exists()


def test_a_trial_that_was_trained_on_alone_with_another_recipe_is_refused(
    config, searched, train, tmp_path
):
    config.num_epochs = 1
    planned = make_search(config, FIELDS, tmp_path, num_trials=1, population=1)
    with _open_study(planned) as study:
        (trial,) = study.next_batch(1, 1, lambda *_: "")
    alone = with_values(config, trial.values | {"loss.label_smoothing": 0.1})
    train(alone, tmp_path / "members" / "000")
    with pytest.raises(UserError, match=r"the change of loss.label_smoothing: 0.1 before"):
        searched(config, FIELDS, tmp_path, num_trials=1, population=1)


@pytest.mark.parametrize("first", [0, 4096])  # the whole file, or all but its first page
def test_a_damaged_study_is_one_line(first, config, searched, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    with _open_study(make_search(config, FIELDS, tmp_path)):
        pass
    path = tmp_path / "study.db"
    path.write_bytes(path.read_bytes()[:first] + b"x" * (path.stat().st_size - first))
    with pytest.raises(UserError, match=r"--study=sqlite:.*/study.db: cannot be") as error:
        searched(config, FIELDS, tmp_path)
    assert "\n" not in str(error.value) and "SELECT" not in str(error.value)


def test_a_dry_run(config, searched, tmp_path):
    planned = make_search(config, MORE, tmp_path / "new", num_trials=9, population=4, halving=True)
    lines = describe_search(planned)
    assert "  optimizer.momentum = uniform(0.5,0.99)" in lines
    assert any(line.startswith("9 trials in populations of 4, halved") for line in lines)
    assert not (tmp_path / "new").exists()
