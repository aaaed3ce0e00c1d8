"""The outcome of a sweep: the chosen recipe, its page, and the table of the members' progress."""

import html
import io

import pytest

from jaxcnn.config import load_config
from jaxcnn.config.defaults import to_dict
from jaxcnn.config.sweep import assignments
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.models import model_config
from jaxcnn.reporting.sweep.outcome import read_outcome
from jaxcnn.reporting.sweep.page import (
    choice_text,
    comparison_text,
    recipe_table,
    summary,
    write_report,
)
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.reporting.terminal.population_table import (
    MemberProgress,
    Pace,
    progress_line,
    progress_table,
)

RATE, MOMENTUM = "optimizer.learning_rate", "optimizer.momentum"


@pytest.fixture
def sweep(write_run, tmp_path):
    """Writes a sweep of rates and momenta by two seeds; gives its outcome and its configs. The
    accuracies are those of the validation, by rate and momentum; None for a seed that diverged."""

    def sweep(accuracies, test_with="last", seeds=(0, 1), validation="holdout"):
        folders, members, configs = [], [], {}
        for (rate, momentum), accuracy in accuracies.items():
            for seed in seeds:
                name, config = f"members/{len(folders):03}", load_config("digits")
                folder = write_run(name, accuracy=accuracy and accuracy - 0.1, num_images=1000)
                values = {RATE: rate, MOMENTUM: momentum, "seed": seed}
                config.update_from_flattened_dict(values)
                config.test_with, config.num_devices = test_with, 1
                config.validation, config.tuned_on_test_of = validation, ""
                write_json(folder / "config.json", to_dict(config))
                if accuracy:
                    result = read_json(folder / "result.json") | {
                        "last_validation_accuracy": accuracy + seed / 100,
                        "best_validation_accuracy": 0.95 - accuracy / 10,
                        "tested_with": test_with,
                        "ended": "epochs",
                    }
                    write_json(folder / "result.json", result)
                folders.append(folder)
                members.append(values)
                configs[folder.name] = config
        rates, momenta = (sorted(set(values)) for values in zip(*accuracies, strict=True))
        fields = {RATE: rates, MOMENTUM: momenta, "seed": seeds}
        return read_outcome(folders, fields, members), configs

    return sweep


ACCURACIES = {(0.1, 0.5): 0.7, (0.1, 0.9): 0.6, (0.01, 0.5): 0.8, (0.01, 0.9): 0.3}


def test_networks_that_differ_in_an_option_too_have_no_heat_map(write_run, tmp_path, undrawn):
    """They have a heat map of the option by network, and one of option and rate for each network,
    but none of network and rate."""
    names, pools, rates = ["lenet5_base", "lenet5_model1"], ["max", "average"], [0.1, 0.01]
    fields = {"model.name": names, "model.pool": pools, RATE: rates}
    members, folders, configs = assignments(fields), [], {}
    for number, values in enumerate(members):
        folders.append(write_run(f"members/{number:03}", network=values["model.name"]))
        config = load_config("digits")
        config.model = model_config(values["model.name"])
        config.update_from_flattened_dict(values)
        write_json(folders[-1] / "config.json", to_dict(config))
        result = read_json(folders[-1] / "result.json")
        write_json(folders[-1] / "result.json", result | {"best_validation_accuracy": 0.5})
        configs[folders[-1].name] = config
    write_report(read_outcome(folders, fields, members), configs, tmp_path, num_devices=0)
    page = (tmp_path / "report.md").read_text()
    assert "Validation accuracy by model and pool" in page
    assert "Validation accuracy by pool and learning rate" in page
    assert "Validation accuracy by model and learning rate" not in page


def test_the_best_mean_validation_accuracy_is_chosen(sweep, tmp_path, undrawn):
    outcome, configs = sweep(ACCURACIES)
    assert outcome.best.values == {RATE: 0.01, MOMENTUM: 0.5}
    assert outcome.best.members == ["004", "005"]
    found = summary(outcome)
    assert found["chosen_by"] == "last_validation_accuracy" and len(found["recipes"]) == 4
    assert found["best"]["validation_accuracy"] == pytest.approx(0.805)
    assert found["best"]["validation_accuracy_low"] < 0.8 and found["best"]["n"] == 2
    assert found["best"]["test_accuracy"] == pytest.approx(0.7)
    write_report(outcome, configs, tmp_path, num_devices=0)
    config = load_config(tmp_path / "best.json")
    assert (config.optimizer.learning_rate, config.seed, config.num_devices) == (0.01, 0, 0)
    table = recipe_table(outcome)
    assert table.head[:3] == ["learning rate", "momentum", "validation accuracy"]
    assert table.rows[0][:3] == ["0.01", "0.5", "80.50% ± 0.71%"]
    text = choice_text(outcome, tmp_path)
    assert text.startswith(
        "The recipe with learning rate 0.01, momentum 0.5 is chosen by its validation accuracy of "
        "the last epoch, mean over 2 seeds: 80.50% ± 0.71%, which is too high because it chose"
    )
    assert comparison_text(outcome).startswith("By test accuracy, the chosen recipe is better than")


def test_the_accuracy_of_the_tested_weights_counts(sweep):
    outcome, _ = sweep(ACCURACIES, test_with="best")
    assert outcome.metric == "best_validation_accuracy"
    assert outcome.best.values == {RATE: 0.01, MOMENTUM: 0.9}


def test_a_recipe_with_a_seed_that_diverged_comes_last(sweep, tmp_path, undrawn):
    outcome, configs = sweep(ACCURACIES | {(0.1, 0.9): None})
    folder = outcome.best.group.finished[1].folder
    (folder / "result.json").unlink()
    values = [run.config["optimizer"] | {"seed": run.config["seed"]} for run in outcome.runs]
    members = [
        {RATE: v["learning_rate"], MOMENTUM: v["momentum"], "seed": v["seed"]} for v in values
    ]
    outcome = read_outcome([run.folder for run in outcome.runs], outcome.fields, members)
    assert outcome.best.values == {RATE: 0.1, MOMENTUM: 0.5}
    rows = recipe_table(outcome).rows
    assert rows[-2][2] == "80.00%" and rows[-2][-1] == "1, 1 diverged"
    assert rows[-1][2] == "-" and rows[-1][-1] == "0, 2 diverged"
    write_report(outcome, configs, tmp_path, num_devices=0)
    assert "| 30.00% | - | 3 | diverged | - |" in (tmp_path / "report.md").read_text()


def test_the_page_has_pictures_of_curves_fields_and_the_grid(sweep, tmp_path):
    outcome, configs = sweep(ACCURACIES, validation="test")
    write_report(outcome, configs, tmp_path, num_devices=0)
    names = {path.stem for path in (tmp_path / "plots").glob("*.svg")}
    assert names == {
        "curves_accuracy", "curves_loss", "against_optimizer_learning_rate",
        "against_optimizer_momentum", "grid1",
    }  # fmt: skip
    page = html.unescape((tmp_path / "report.html").read_text())
    assert page.count("data:image/svg+xml") == 5 and "Welch's t" in page
    assert "† The test set served as validation" in page and "too high" not in page
    drawn = (tmp_path / "plots" / "curves_accuracy.svg").read_text()
    assert "learning rate 0.01" in drawn and "\\n" not in drawn


def test_one_recipe_alone_is_no_comparison(sweep, tmp_path, undrawn):
    outcome, configs = sweep({(0.1, 0.5): 0.7})
    write_report(outcome, configs, tmp_path, num_devices=2)
    assert comparison_text(outcome) == ""
    assert choice_text(outcome, tmp_path).startswith("The validation accuracy of the last epoch")
    text = (tmp_path / "report.md").read_text()
    assert "Differences" not in text and "against_" not in text
    assert load_config(tmp_path / "best.json").num_devices == 2


def member(name, best, *, epoch=2, state="trains", images=600):
    values = {RATE: 0.01 * (1 + int(name)), "seed": 0}
    is_new = not best
    return MemberProgress(
        name, values, epoch, 4, None if is_new else best - 0.01, best, 2 * (not is_new), state,
        images, images / 100,
    )  # fmt: skip


def printed(table):
    stream = io.StringIO()
    Console(stream).show(lambda width: table)
    return stream.getvalue()


def test_the_progress_of_members_as_a_table_and_as_a_line():
    members = [member("000", 0.5), member("001", 0.9), member("002", 0.7, state="diverged")]
    seconds = iter([0.0, 10.0, 14.0, 20.0])
    pace = Pace(now=lambda: next(seconds))
    assert pace.left([member("000", None, epoch=1), member("001", None, epoch=1)]) is None
    assert pace.left(members[:2]) == pytest.approx(4 / 2 * 4)  # 2 epochs in 4 s, 4 epochs left
    lines = printed(progress_table(members, pace, "1:05 left", height=40)).splitlines()
    assert lines[1].split() == ["member", "lr", "seed", "epoch", "validation", "best"]
    assert lines[3].split()[:4] == ["001", "0.02", "0", "2/4"] and "in epoch 2" in lines[3]
    assert lines[4].split()[-1] == "diverged"  # the second best so far
    assert "2 of 3 members train  ·  100 images/s  ·  0:20  ·  1:05 left" in "".join(lines)
    line = progress_line(members, "1:05 left")
    assert line == (
        "epoch 2/4  validation 49.00% to 89.00%  best so far 90.00% (member 001)  100 images/s  "
        "2 of 3 train  1:05 left"
    )


def test_a_low_terminal_shows_the_best_members_alone():
    members = [member(f"{n:03}", n / 100) for n in range(40)]
    text = printed(progress_table(members, Pace(), "", height=20))
    assert "039" in text and "027" not in text and "and 28 more members" in text
    compiling = [member("000", None, images=0)]
    assert "compiling" in printed(progress_table(compiling, Pace(), "", height=20))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_live_table_is_for_a_terminal_alone(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Console(stream).live(lambda height: f"{height} lines") as is_shown:
        assert is_shown
    assert " lines" in stream.getvalue()
    for console in (Console(io.StringIO()), Console(Terminal(), quiet=True)):
        with console.live(pytest.fail) as is_shown:
            assert not is_shown
