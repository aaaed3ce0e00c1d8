"""Population-based training: the best members replace the worst, and go on with other values."""

import json

import pytest

from jaxcnn.api.search.evolution import Birth, Lineage, num_births
from jaxcnn.api.search.explore import draw, explore
from jaxcnn.api.search.scores import Score
from jaxcnn.config.sweep import Range
from jaxcnn.errors import UserError
from jaxcnn.workdir.metrics_log import read_metrics

FIELDS = "optimizer.learning_rate=log(1e-4,1e-2); optimizer.momentum=uniform(.5,.99)"
PBT = {"population": 4, "generation": 1}


@pytest.fixture
def config(config):
    config.num_epochs = 3
    return config


def scores(folder):
    """The validation of each epoch; a better one is less."""
    rows = [row for row in read_metrics(folder) if row["split"] == "validation"]
    return [(-row["accuracy"], row["loss"]) for row in rows]


@pytest.mark.slow
def test_the_best_replace_the_worst_also_after_a_kill(config, searched, killed_after, tmp_path):
    whole, printed = searched(config, FIELDS, tmp_path / "whole", **PBT)
    assert "the worst quarter replaced after each epoch" in printed
    with killed_after(6):  # in the second generation
        searched(config, FIELDS, tmp_path / "parts", **PBT)
    parts, _ = searched(config, FIELDS, tmp_path / "parts", **PBT)
    assert parts == whole
    rows = sorted(whole["trials"], key=lambda row: row["trial"])
    assert [row["from_epoch"] for row in rows] == [0, 0, 0, 0, 1, 2]
    assert [row["state"] for row in rows].count("replaced") == 2 == num_births(4, 3, 1)
    born = rows[4]
    parent, births = rows[born["lineage"][0]], read_births(tmp_path / "whole")
    assert born["lineage"] == [parent["trial"], 4]
    replaced = rows[births[0]["replaces"]]
    assert replaced["epochs"] == 1
    for name in ("optimizer.learning_rate", "optimizer.momentum"):
        factor = born[name] / parent[name]
        assert factor == pytest.approx(0.8) or factor == pytest.approx(1.2) or born[name] == 0.99
    folders = [tmp_path / "whole" / row["folder"] for row in (born, parent)]
    first, second = map(scores, folders)
    assert first[0] == second[0] and len(first) == len(second) == 3
    rates = [
        [row["learning_rate"] for row in read_metrics(folder) if row["split"] == "train"]
        for folder in folders
    ]
    assert rates[0][0] == rates[1][0] != rates[0][1]
    after = [scores(tmp_path / "whole" / row["folder"])[0] for row in rows[:4]]
    assert after.index(min(after)) == parent["trial"]
    assert after.index(max(after)) == replaced["trial"]
    assert not (tmp_path / "whole" / "best.json").exists()
    assert "lineage" in (tmp_path / "whole" / "report.md").read_text()


def test_a_member_that_diverged_and_was_replaced_is_called_diverged(tmp_path):
    lineage = Lineage(tmp_path, {"optimizer.learning_rate": [0.1, 1e30]}, 3, seed=0)
    lineage.births = [
        Birth(3, 0, 2, {"optimizer.learning_rate": 0.1}, replaces=1, accuracy=0.0, loss=None),
        Birth(4, 0, 2, {"optimizer.learning_rate": 0.1}, replaces=2, accuracy=0.5, loss=1.0),
    ]
    rows = lineage.rows({number: Score(0.9, 0.1, 4) for number in (0, 3, 4)})
    states = {row["trial"]: (row["state"], row["epochs"]) for row in rows}
    assert states[1] == ("diverged", 0) and states[2] == ("replaced", 2)


def test_a_member_that_diverged_is_not_trained_again(config, searched, monkeypatch, tmp_path):
    config.num_epochs, config.optimizer.name, config.seed = 2, "sgd", 4
    options = {"population": 2, "generation": 1}
    search = "optimizer.learning_rate=.01,1e38"
    whole, _ = searched(config, search, tmp_path / "whole", **options)

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
        patches.setattr(Lineage, "plan", kill)  # at the end of the first generation
        searched(config, search, tmp_path / "parts", **options)
    records = list((tmp_path / "parts").glob("members/*/diverged.json"))
    parts, printed = searched(config, search, tmp_path / "parts", **options)
    assert parts == whole and "replaced" not in [row["state"] for row in parts["trials"]]
    assert len(records) == 1 and f"it is not trained again: delete {records[0]} to" in printed


def read_births(folder):
    return json.loads((folder / "lineage.json").read_text())["births"]


def test_values_stay_in_their_ranges():
    fields = {
        "rate": Range(1e-3, 1e-1, "log"),
        "momentum": Range(0.5, 0.99),
        "patience": Range(1, 5, is_whole=True),
        "smoothing": [0.0, 0.1, 0.2],
    }
    values = draw(fields, 0, 0)
    assert values == draw(fields, 0, 0) != draw(fields, 0, 1) and values != draw(fields, 1, 0)
    seen = [values]
    for number in range(50):
        seen.append(explore(fields, seen[-1], 0, number))
    for name in ("rate", "momentum", "patience"):
        assert all(fields[name].low <= v[name] <= fields[name].high for v in seen)
        assert len({v[name] for v in seen}) > 2
    assert {v["smoothing"] for v in seen} == {0.0, 0.1, 0.2}
    assert all(type(v["patience"]) is int and type(v["rate"]) is float for v in seen)


@pytest.mark.parametrize(
    ("search", "options", "message"),
    [
        ("seed=0..4", {}, "seed cannot change within a run"),
        ("model.name=mlp,lenet", {}, "model.name cannot change within a run"),
        ("augment.rotation=0,5", {}, "augment.rotation needs a compiled step for each value"),
        (FIELDS, {"halving": True}, "--pbt: trains one population without a study"),
        (FIELDS, {"population": 1}, "--pbt: needs two members"),
    ],
)
def test_mistakes(search, options, message, config, searched, tmp_path):
    with pytest.raises(UserError, match=message):
        searched(config, search, tmp_path / "new", **PBT | options)
    assert not (tmp_path / "new").exists()


def test_a_batch_size_to_find_is_refused(config, searched, tmp_path):
    config.global_batch_size = 0
    with pytest.raises(UserError, match="global_batch_size = 0: only jaxcnn train finds"):
        searched(config, FIELDS, tmp_path / "new", **PBT)
    assert not (tmp_path / "new").exists()


def test_a_damaged_lineage_and_another_population(config, searched, tmp_path):
    config.num_epochs = 2
    searched(config, FIELDS, tmp_path, population=2, generation=1)
    with pytest.raises(UserError, match="holds another search"):
        searched(config, FIELDS, tmp_path, population=4, generation=1)
    with pytest.raises(UserError, match="holds another search"):
        searched(config, FIELDS, tmp_path)
    (tmp_path / "lineage.json").write_text("[]")
    with pytest.raises(UserError, match="lineage.json: is damaged"):
        searched(config, FIELDS, tmp_path, population=2, generation=1)
