"""A search for high accuracy and low cost: NSGA-II, and the trials that no other one beats."""

import json

import pytest

from jaxcnn.api.search.result import front_of
from jaxcnn.config.files import load_config
from jaxcnn.errors import UserError

FIELDS = "model.name=mlp,lenet5_base; optimizer.learning_rate=log(1e-4,1e-1)"
OPTIONS = {"num_trials": 6, "population": 3, "minimize": "parameters"}


@pytest.fixture
def config(config):
    config.num_epochs = 1
    return config


def is_beaten(row, rows, cost):
    """Whether another row is at least as good in both, and better in one."""
    mine = -row["validation_accuracy"], row[cost]
    others = [(-other["validation_accuracy"], other[cost]) for other in rows]
    return any(a <= mine[0] and b <= mine[1] and (a, b) != mine for a, b in others)


def test_the_front_is_what_no_trial_beats(config, searched, tmp_path):
    result, printed = searched(config, FIELDS, tmp_path, **OPTIONS)
    rows, front = result["trials"], result["front"]
    assert json.loads((tmp_path / "result.json").read_text())["front"] == front
    assert [row["state"] for row in rows] == ["finished"] * 6
    pairs = {(row["validation_accuracy"], row["parameters"]) for row in front}
    unbeaten = [row for row in rows if not is_beaten(row, rows, "parameters")]
    assert pairs == {(row["validation_accuracy"], row["parameters"]) for row in unbeaten}
    assert len(pairs) == len(front) and result["best"]["trial"] == front[-1]["trial"]
    assert "chosen by nsga2 for high accuracy and few parameters" in printed
    for row in rows:
        trial = json.loads((tmp_path / row["folder"] / "result.json").read_text())
        assert trial["parameters"] == row["parameters"]
    chosen = load_config(tmp_path / front[0]["folder"] / "config.json")
    assert chosen.model.name == front[0]["model.name"]
    page = (tmp_path / "report.md").read_text()
    assert "The front of accuracy and parameters." in page and "plots/front.png" in page
    assert "that no other one beats in both accuracy and parameters" in page


@pytest.mark.slow
@pytest.mark.parametrize("num_epochs", [2, 4])  # in the first generation, and in the second one
def test_a_kill_changes_no_trial(num_epochs, config, searched, killed_after, tmp_path):
    whole, _ = searched(config, FIELDS, tmp_path / "whole", **OPTIONS)
    with killed_after(num_epochs):
        searched(config, FIELDS, tmp_path / "parts", **OPTIONS)
    parts, _ = searched(config, FIELDS, tmp_path / "parts", **OPTIONS)
    assert parts == whole


@pytest.mark.slow
def test_seconds_are_measured(config, searched, tmp_path):
    config.optimizer.name = "sgd"
    rates = "optimizer.learning_rate=.001,.01,1e38"
    options = OPTIONS | {"minimize": "seconds", "num_trials": 9}
    result, _ = searched(config, rates, tmp_path, **options)
    finished = [row for row in result["trials"] if row["state"] == "finished"]
    assert all(0 < row["seconds"] < 60 for row in finished)
    assert {row["state"] for row in result["front"]} == {"finished"}
    assert len(finished) < 9  # the others diverged


def test_of_equal_trials_one_is_on_the_front():
    figures = [(0.9, 30), (0.8, 10), (0.8, 10), (0.8, 20), (0.7, 10), (0.0, 1)]
    rows = [
        {"trial": number, "state": "finished", "validation_accuracy": accuracy, "operations": cost}
        for number, (accuracy, cost) in enumerate(figures)
    ]
    rows[-1]["state"] = "diverged"
    assert [row["trial"] for row in front_of(rows, "operations")] == [1, 0]


@pytest.mark.parametrize(
    ("search", "options", "message"),
    [
        (FIELDS, {"halving": True}, "--minimize: compares whole trainings; drop --halving"),
        ("loss.l2=log(1e-6,1e-2)", {"generation": 1}, "--minimize: compares whole trainings"),
        (FIELDS, {"sampler": "cmaes"}, "--sampler=cmaes: allowed is nsga2 with --minimize"),
        (FIELDS, {"sampler": "nsga2", "minimize": ""}, "--sampler=nsga2: weighs accuracy against"),
        (FIELDS, {"minimize": "size"}, "--minimize=size: allowed is parameters, operations, sec"),
        (FIELDS, {"population": 1}, "--minimize: NSGA-II needs two trials"),
        ("loss.l2=0,.1", {}, "--minimize=parameters: all trials have the same network"),
    ],
)
def test_mistakes(search, options, message, config, searched, tmp_path):
    with pytest.raises(UserError, match=message):
        searched(config, search, tmp_path / "new", **OPTIONS | options)
    assert not (tmp_path / "new").exists()
