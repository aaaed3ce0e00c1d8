"""A population as a user has it: each member is a run, with all that works on runs."""

import io
import json
import os

import pytest
from runs import assert_same_bits, without_times

from jaxcnn.api import arguments, members, population, run
from jaxcnn.api.group_data import GroupData
from jaxcnn.config import load_config
from jaxcnn.config.sweep import with_values
from jaxcnn.errors import Diverged, Stopped, UserError
from jaxcnn.evaluation.trained import load_trained
from jaxcnn.models import model_config
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.workdir.metrics_log import read_metrics

pytestmark = pytest.mark.usefixtures("undrawn")

SWEEP = "optimizer.learning_rate=.003,.01; seed=0..1"


@pytest.fixture
def config(config):
    config.model = model_config("mlp", hidden=(16,))
    config.num_devices = 1
    return config


@pytest.fixture
def train_members(monkeypatch, dataset):
    """Trains a population on `dataset`, without pictures; gives the result and the output."""
    monkeypatch.setattr(arguments, "load_run_data", lambda *_: dataset)
    monkeypatch.setattr(run, "plot_curves", lambda _: [])
    monkeypatch.setattr(run, "evaluate_run", lambda *_, **__: None)

    def train_members(config, sweep, workdir):
        printed = io.StringIO()
        result = population.train_population(config, sweep, workdir, console=Console(printed))
        return result, printed.getvalue()

    return train_members


def test_each_member_is_a_run(config, train_members, train, dataset, tmp_path):
    result, printed = train_members(config, SWEEP, tmp_path / "all")
    assert json.loads((tmp_path / "all" / "result.json").read_text()) == result
    members = result["members"]
    assert [row["folder"] for row in members] == [f"members/00{n}" for n in range(4)]
    assert members[1]["seed"] == 1 and members[2]["optimizer.learning_rate"] == 0.01
    assert "4 members" in printed and "epoch 2/2  validation" in printed
    assert "test accuracy" in printed and "learning rate" in printed  # the table
    assert result["best"]["values"]["optimizer.learning_rate"] in (0.003, 0.01)
    assert load_config(tmp_path / "all" / "best.json").num_epochs == 2
    assert (tmp_path / "all" / "report.html").exists()
    folder = tmp_path / "all" / "members" / "002"
    assert load_trained(folder).config.optimizer.learning_rate == 0.01
    runs, left_out = read_runs([tmp_path / "all"])
    assert [saved.folder.name for saved in runs] == ["000", "001", "002", "003"] and not left_out
    config.update_from_flattened_dict({"optimizer.learning_rate": 0.01, "num_epochs": 3})
    values, printed = train(config, folder)  # it goes on alone
    assert values["num_epochs"] == 3 and "resuming in epoch 3" in printed


@pytest.mark.slow
def test_the_same_call_trains_nothing_and_another_recipe_is_refused(
    config, train_members, tmp_path, capsys
):
    first, _ = train_members(config, "seed=0..1", tmp_path)
    again, printed = train_members(config, "seed=0..1", tmp_path)
    assert again == first and "epoch 2/2" not in printed
    population.train_population(config, "seed=0..1", tmp_path, quiet=True)
    assert capsys.readouterr().out == ""
    records = read_metrics(tmp_path / "members" / "001")
    longer = with_values(config, {"num_epochs": 3})
    with pytest.raises(UserError, match="000: .* the change of num_epochs: 2 before, now 3"):
        train_members(longer, "seed=0..1", tmp_path)  # its best.json would be another training
    for step, member in ((5, "000"), (1, "001")):  # they stopped at other steps
        (tmp_path / "members" / member / "result.json").unlink()
        path = tmp_path / "members" / member / "environment.json"
        environment = json.loads(path.read_text())
        environment["changes"] = [{"step": step, "fields": ["test_with: 'best' before"]}]
        path.write_text(json.dumps(environment))
    with pytest.raises(UserError, match="000: has begun and cannot take the change of num_epochs"):
        train_members(longer, "seed=0..1", tmp_path)
    result, _ = train_members(config, "seed=0..1", tmp_path)
    (recipe,) = result["recipes"]
    assert recipe["n"] == 2 and read_metrics(tmp_path / "members" / "001") == records


@pytest.mark.parametrize("num_steps", [3, 7])  # an epoch has 5
def test_members_that_are_killed_at_their_ends_within_an_epoch_repeat_that_part(
    num_steps, config, train_members, monkeypatch, tmp_path
):
    config.num_steps, sweep = num_steps, "optimizer.learning_rate=1e-5,.01"

    def kill(*_):
        raise KeyboardInterrupt

    whole, _ = train_members(config, sweep, tmp_path / "whole")
    with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
        patches.setattr(members, "_test", kill)  # all is saved, and nothing is tested
        train_members(config, sweep, tmp_path / "parts")
    assert (tmp_path / "parts" / "members" / "000" / "checkpoints" / str(num_steps)).exists()
    parts, _ = train_members(config, sweep, tmp_path / "parts")
    assert parts["recipes"] == whole["recipes"] and parts["best"] == whole["best"]
    is_short = num_steps < 5  # no epoch of it can be the best
    assert whole["chosen_by"] == f"{'last' if is_short else 'best'}_validation_accuracy"
    for member in ("000", "001"):
        rows = [
            without_times(read_metrics(tmp_path / n / "members" / member))
            for n in ("whole", "parts")
        ]
        assert rows[0] == rows[1] and rows[0][-2]["step"] == num_steps


def test_a_member_that_is_killed_before_it_repeats_a_part_starts_anew(
    config, train_members, monkeypatch, tmp_path
):
    config.num_steps, config.validation = 3, "holdout"  # an epoch has 5

    def kill(*_):
        raise KeyboardInterrupt

    first, _ = train_members(config, "seed=0..1", tmp_path)
    config.calibration = "temperature"
    with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
        patches.setattr(members.Member, "open", kill)
        train_members(config, "seed=0..1", tmp_path)
    second, _ = train_members(config, "seed=0..1", tmp_path)
    assert second["recipes"][0]["test_accuracy"] == first["recipes"][0]["test_accuracy"]


def test_a_member_that_is_tested_again_counts_both_tests(config, train_members, tmp_path):
    config.num_steps, config.validation, config.test_with = 8, "holdout", "best"
    train_members(config, "seed=0..1", tmp_path)
    config.test_with = "last"
    train_members(config, "seed=0..1", tmp_path)
    environment = json.loads((tmp_path / "members" / "000" / "environment.json").read_text())
    assert environment["ended"] == [{"epoch": 1, "tested_with": "best", "step": 8}]


@pytest.mark.slow
def test_members_start_from_another_run(config, train, train_members, tmp_path):
    config.num_epochs = 1
    train(config, tmp_path / "first")
    config.init_from, config.optimizer.learning_rate = str(tmp_path / "first"), 0.0
    _, printed = train_members(config, "seed=0..1", tmp_path / "all")
    assert printed.count("starts from") == 1
    folders = (tmp_path / "first", tmp_path / "all" / "members" / "001")
    assert_same_bits(*(load_trained(folder).params for folder in folders))


def test_a_start_that_is_missing_leaves_no_member(config, train_members, tmp_path):
    config.init_from = str(tmp_path / "nothing")
    with pytest.raises(UserError, match="config.init_from"):
        train_members(config, "seed=0..1", tmp_path / "all")
    assert not (tmp_path / "all" / "members" / "000").exists()


@pytest.mark.slow
def test_a_missing_file_of_a_member_is_told(config, train_members, tmp_path):
    train_members(config, "seed=0..1", tmp_path)
    for name in ("environment.json", "result.json"):
        (tmp_path / "members" / "001" / name).unlink()
    _, printed = train_members(config, "seed=0..1", tmp_path)
    assert "member 001 (seed = 1): " in printed and "environment.json is missing" in printed


def test_a_member_that_diverges_is_a_row(config, train_members, tmp_path):
    config.optimizer.update(name="sgd")
    result, printed = train_members(config, "optimizer.learning_rate=.01,1e38", tmp_path / "one")
    assert [row["ended"] for row in result["members"]] == ["epochs", "diverged"]
    assert "member 001 (optimizer.learning_rate = 1e+38)" in printed
    for _ in range(2):
        with pytest.raises(Diverged, match="all members diverged"):
            train_members(config, "optimizer.learning_rate=1e37,1e38", tmp_path / "all")


def test_a_member_that_diverged_is_not_trained_again(
    config, train_members, train, tmp_path, monkeypatch
):
    config.optimizer.update(name="sgd")
    sweep, folder = "optimizer.learning_rate=.01,1e38", tmp_path / "members" / "001"
    result, _ = train_members(config, sweep, tmp_path)
    assert read_runs([folder])[0][0].state == "diverged, 0 of 2 epochs"
    with monkeypatch.context() as patched:
        patched.delattr(GroupData, "load")  # nothing is left to train, so no data are needed
        again, printed = train_members(config, sweep, tmp_path)
    assert again == result and "2 members" not in printed
    assert f"it is not trained again: delete {folder / 'diverged.json'} to try" in printed
    (folder / "diverged.json").unlink()
    again, printed = train_members(config, sweep, tmp_path)
    assert again == result and "2 members, of which 1 has ended" in printed
    config.optimizer.learning_rate = 1e38
    with pytest.raises(Diverged):
        train(config, folder)
    assert not (folder / "diverged.json").exists()  # it is of a member of the sweep


def test_a_row_has_the_swept_number_of_epochs(config, train_members, tmp_path):
    config.early_stopping.patience, config.early_stopping.min_delta = 1, 9.0  # ends after 2 epochs
    result, _ = train_members(config, "num_epochs=1,3", tmp_path)
    rows = result["members"]
    assert [row["num_epochs"] for row in rows] == [1, 3]
    assert [row["epochs"] for row in rows] == [1, 2]


def test_fields_of_other_programs_are_groups(config, train_members, tmp_path):
    sweep = "optimizer.name=adam,momentum; model.name=mlp,lenet5_base; seed=0..1"
    config.dataset.data_dir = "data"
    result, printed = train_members(config, sweep, tmp_path / "all")
    assert "group 4 of 4: optimizer.name = momentum, model.name = lenet5_base" in printed
    lines = [
        "everything goes to",
        "8 members in 4 groups, differ in optimizer.name, model.name, seed",
    ]
    places = [printed.index(text) for text in (*lines, "group 1 of 4", "\n2 members; one")]
    assert places == sorted(places) and " left of this group" in printed
    members = result["members"]
    assert [row["optimizer.name"] for row in members] == 4 * ["adam"] + 4 * ["momentum"]
    assert len(result["recipes"]) == 4 and all(row["n"] == 2 for row in result["recipes"])
    best = load_config(tmp_path / "all" / "best.json")
    assert best.model.name == result["best"]["values"]["model.name"]
    assert best.dataset.data_dir == os.path.abspath("data")  # for another working directory
    page = (tmp_path / "all" / "report.md").read_text()
    assert "Validation accuracy by optimizer and model" in page
    assert train_members(config, sweep, tmp_path / "all")[0] == result


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("dataset.name=digits,mnist", "dataset.name cannot vary"),
        ("optimizer.momentum=0,0.9", "no effect with optimizer.name = adam; it is taken by mom"),
        ("validation_fraction=.1,.3", "validation_fraction cannot vary"),
        ("holdout=stratified,random", "holdout cannot vary"),
        ("steps_per_dispatch=1,2", "it changes no number of the training"),
        ("deterministic=true,false", "it changes no number of the training"),
        ("model.name=mlp,nothing", "unknown network 'nothing'"),
        ("model.name=mlp,lenet5_base; model.dropout=0,.5", "model.dropout is not a field"),
        ("optimizer.name=adam,adum", "optimizer.name = 'adum'"),
        ("global_batch_size=0,64", "global_batch_size = 0: .* for a single run alone; name one"),
    ],
)
def test_wrong_groups_are_one_line(sweep, message, config, train_members, tmp_path):
    with pytest.raises(UserError, match=message):
        train_members(config, sweep, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_refusals_change_nothing(config, train_members, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds files but no sweep"):
        train_members(config, SWEEP, tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["notes.txt"]
    with pytest.raises(UserError, match="optimizer.momentum"):
        train_members(config, "optimizer.momentum=2,3", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    train_members(with_values(config, {"num_epochs": 1}), "seed=0..1", tmp_path / "used")
    with pytest.raises(UserError, match="holds another sweep, of 2 members"):
        train_members(config, SWEEP, tmp_path / "used")


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("augment.crop=2,40", "config.augment.crop = 40: must be less than 16"),
        ("global_batch_size=64,300", "config.global_batch_size = 300: must be at most 270"),
    ],
)
def test_a_value_that_does_not_fit_the_data_is_refused_before_a_member_trains(
    sweep, message, config, train_members, tmp_path
):
    with pytest.raises(UserError, match=message):
        train_members(config, sweep, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_changed_config_is_refused_before_a_member_trains(
    config, train_members, monkeypatch, tmp_path
):
    config.num_epochs, sweep = 1, "optimizer.name=adam,momentum"
    train_group = population._train_group

    def stop_before_the_second(sweep, numbers, *others):
        if 1 in numbers:
            raise Stopped("stopped")
        return train_group(sweep, numbers, *others)

    monkeypatch.setattr(population, "_train_group", stop_before_the_second)
    with pytest.raises(Stopped):
        train_members(config, sweep, tmp_path)
    monkeypatch.setattr(population, "_train_group", train_group)
    for changed in ({"loss.label_smoothing": 0.1}, {"early_stopping.patience": 1}):
        (name,) = changed
        with pytest.raises(UserError, match=f"000: .* cannot take the change of {name}"):
            train_members(with_values(config, changed), sweep, tmp_path)
        assert not list((tmp_path / "members" / "001").glob("result.json"))
    assert len(train_members(config, sweep, tmp_path)[0]["members"]) == 2


def test_a_dry_run(config, train_members, tmp_path):
    lines = population.describe_sweep(population.make_sweep(config, SWEEP, tmp_path / "new"))
    assert lines[1] == "001  optimizer.learning_rate = 0.003, seed = 1"
    assert lines[4].startswith("4 members, ") and "MiB" in lines[-1]
    assert not (tmp_path / "new").exists()
