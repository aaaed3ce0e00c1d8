"""A search over networks and other constants of a compiled step."""

import pytest

from jaxcnn.api.search import run as search_run
from jaxcnn.api.search.describe import describe_search
from jaxcnn.api.search.plan import make_search
from jaxcnn.api.search.programs import Programs
from jaxcnn.config.files import load_config
from jaxcnn.errors import UserError
from jaxcnn.training import member_programs

MIXED = (
    "model.name=mlp,lenet5_base; optimizer.name=adam,momentum; "
    "optimizer.learning_rate=log(1e-3,1e-1)"
)
DECAYS = "optimizer.name=adam,adamw; optimizer.weight_decay=0,.01,.02"  # adam takes none


@pytest.fixture
def config(config):
    config.num_epochs = 1
    return config


def rows_of(result):
    return sorted(result["trials"], key=lambda row: row["trial"])


@pytest.fixture
def compiled(monkeypatch):
    """The programs that are made, as (network, optimizer)."""
    made, make = [], member_programs.MemberPrograms.__init__

    def noted(self, variation, form, network, num_steps):
        made.append((network.name, variation.config.optimizer.name))
        make(self, variation, form, network, num_steps)

    monkeypatch.setattr(member_programs.MemberPrograms, "__init__", noted)
    return made


@pytest.mark.slow
def test_networks_and_optimizers_compile_once(config, searched, train, compiled, tmp_path):
    options = {"num_trials": 8, "population": 4}
    result, printed = searched(config, MIXED, tmp_path / "a", **options)
    rows = rows_of(result)
    assert [row["state"] for row in rows] == ["finished"] * 8
    pairs = {(row["model.name"], row["optimizer.name"]) for row in rows}
    assert len(compiled) == len(set(compiled)) == len(pairs) >= 3
    assert "group 1 of" in printed and "the network varies with model.name" in printed
    for row in rows:
        trial = load_config(tmp_path / "a" / row["folder"] / "config.json")
        assert (trial.model.name, trial.optimizer.name) == (
            row["model.name"],
            row["optimizer.name"],
        )
    best, again = result["best"], load_config(tmp_path / "a" / "best.json")
    assert again.model.name == best["model.name"]
    values, _ = train(again, tmp_path / "again")
    assert values["test_accuracy"] == best["test_accuracy"]


@pytest.mark.slow
def test_killed_they_go_on_to_the_same_rows(config, searched, killed_after, tmp_path):
    config.num_epochs = 2
    options = {"num_trials": 6, "population": 4}
    whole, _ = searched(config, MIXED, tmp_path / "whole", **options)
    for num_epochs in (3, 2):  # in the first population, in its second or third program
        with killed_after(num_epochs):
            searched(config, MIXED, tmp_path / "parts", **options)
    parts, _ = searched(config, MIXED, tmp_path / "parts", **options)
    assert parts == whole


@pytest.mark.slow
def test_a_kill_while_it_asks_changes_nothing(config, searched, tmp_path, monkeypatch):
    options = {"num_trials": 4, "population": 4}
    whole, _ = searched(config, MIXED, tmp_path / "whole", **options)
    for num_notes in (0, 1, 3, 5, 8):  # the trial is new, has no batch, has no worker, …
        planned = make_search(config, MIXED, tmp_path / str(num_notes), **options)
        with monkeypatch.context() as patches:
            calls, note = iter(range(100)), search_run.Study._note

            def noted(self, *arguments, calls=calls, note=note, end=num_notes):
                if next(calls) == end:
                    raise KeyboardInterrupt
                note(self, *arguments)

            patches.setattr(search_run.Study, "_note", noted)
            with pytest.raises(KeyboardInterrupt), search_run._open_study(planned) as study:
                study.next_batch(4, 4, lambda *_: "")
        with search_run._open_study(planned) as study:
            batch = study.next_batch(4, 4, lambda *_: "")
        assert [trial.values for trial in batch] == [
            {name: row[name] for name in planned.fields} for row in rows_of(whole)
        ]


@pytest.mark.slow
def test_halving_ranks_all_networks(config, searched, killed_after, tmp_path):
    config.num_epochs = 6
    options = {"num_trials": 4, "population": 4, "halving": True}
    with killed_after(5):
        searched(config, MIXED, tmp_path, **options)
    result, _ = searched(config, MIXED, tmp_path, **options)
    rows = result["trials"]
    assert sorted(row["epochs"] for row in rows) == [1, 1, 2, 6]
    assert len({row["model.name"] for row in rows}) == 2
    assert rows[0]["state"] == "finished" and rows[0]["epochs"] == 6


def test_a_combination_that_is_not_possible_fails_alone(config, searched, tmp_path):
    config.seed = 2  # whose third trial is not possible
    result, printed = searched(config, DECAYS, tmp_path, num_trials=4, population=2)
    states = [row["state"] for row in rows_of(result)]
    assert states.count("finished") == 4 and "failed" in states
    assert "is not possible: config.optimizer.weight_decay = 0.02" in printed
    for row in result["trials"]:
        impossible = row["optimizer.name"] == "adam" and row["optimizer.weight_decay"] > 0
        assert (row["state"] == "failed") == impossible
        assert ("reason" in row) == impossible


def test_a_value_that_the_data_exclude_ends_the_search(config, searched, tmp_path):
    with pytest.raises(UserError, match="global_batch_size = 400: must be at most"):
        searched(config, "global_batch_size=32,400", tmp_path)
    assert not list(tmp_path.iterdir())  # which a corrected search may use


def test_the_dry_run_lists_the_compiled_steps(config, searched, tmp_path):
    lines = describe_search(make_search(config, MIXED, tmp_path / "new", num_trials=9))
    assert (
        "each value of model.name, optimizer.name has a compiled step of its own, such as" in lines
    )
    assert any("  model.name = mlp, optimizer.name = momentum: 1 epochs" in line for line in lines)
    decays = DECAYS.replace("0,", "")
    with pytest.raises(
        UserError, match="adam takes no weight decay"
    ):  # with adam in no combination
        make_search(config, decays, tmp_path / "new")


def test_few_programs_are_kept(config, searched, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxcnn.api.search.programs.MOST_PROGRAMS", 2)
    planned = make_search(config, "global_batch_size=16..40", tmp_path, population=2)
    programs = Programs(planned, None)
    templates = [
        programs.template(programs.config(0, {"global_batch_size": n})) for n in (16, 17, 16, 18)
    ]
    assert templates[0] is templates[2] and templates[1].run.data is templates[0].run.data
    again = [programs.template(programs.config(0, {"global_batch_size": n})) for n in (16, 17)]
    assert again[0] is templates[0] and again[1] is not templates[1]
