"""Runs are read, grouped by recipe, ranked, and shown as files."""

import csv
import html.parser
import io
import json
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from jaxcnn.config.defaults import to_dict
from jaxcnn.config.files import config_variants
from jaxcnn.config.published import publication_of, published_accuracy
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.groups import MeanAndStd, compare
from jaxcnn.reporting.comparison.looks import looks
from jaxcnn.reporting.comparison.page import write_comparison
from jaxcnn.reporting.comparison.plots import _band, _whisker
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.figures.limits import limit_axis
from jaxcnn.reporting.figures.style import color_of, new_figure, styled


def sections_of(folders):
    runs, _ = read_runs(folders)
    return compare(runs)


def test_runs_that_differ_in_the_seed_alone_are_one_group(write_run):
    folders = [write_run(f"s{n}", seed=n, accuracy=a) for n, a in enumerate((0.6, 0.62, 0.67))]
    folders.append(write_run("fast", learning_rate=0.1, accuracy=0.61))
    (section,), repeats = sections_of(folders)
    assert repeats == []
    seeds, fast = section.groups
    accuracy = seeds.result("test_accuracy")
    assert (accuracy.mean, accuracy.n) == (pytest.approx(0.63), 3)
    assert accuracy.std == pytest.approx(math.sqrt((0.03**2 + 0.01**2 + 0.04**2) / 2))
    assert fast.result("test_accuracy") == MeanAndStd(0.61, None, 1)
    assert seeds.curve("validation", "accuracy")[2] == MeanAndStd(
        pytest.approx(0.21), pytest.approx(0.01), 3
    )
    assert section.differences == {"optimizer.learning_rate": [0.001, 0.1]}
    assert [group.label for group in section.groups] == [
        "lenet, lr 0.001", "lenet, lr 0.1"
    ]  # fmt: skip


def test_a_run_that_went_on_otherwise_is_of_another_recipe(write_run):
    folders = [write_run(name, accuracy=a) for name, a in (("a", 0.6), ("b", 0.8))]
    path = folders[1] / "environment.json"
    changes = [{"step": 30, "fields": ["num_epochs: 3 before, now 4"]}]
    write_json(path, read_json(path) | {"changes": changes})
    (section,), repeats = sections_of(folders)
    assert repeats == [] and len(section.groups) == 2
    assert section.differences == {"changed after step": [changes, None]}


def test_what_changes_no_number_is_no_other_recipe(write_run):
    folders = [write_run("a", seed=0), write_run("b", seed=1)]
    path = folders[1] / "config.json"
    config = read_json(path)
    config["dataset"]["streaming"], config["num_devices"] = True, 1
    write_json(path, config)
    (section,), _ = sections_of(folders)
    assert [len(group.finished) for group in section.groups] == [2]


def test_a_seed_that_ran_twice_counts_once(write_run):
    folders = [write_run("a", accuracy=0.6), write_run("b", accuracy=0.8)]
    (section,), repeats = sections_of(folders)
    assert section.groups[0].result("test_accuracy") == MeanAndStd(0.6, None, 1)
    assert repeats == [f"{folders[1]}: repeats the recipe and seed of {folders[0]}"]


def test_datasets_are_apart_and_the_best_is_first(write_run):
    folders = [
        write_run("a", network="mlp", accuracy=0.5),
        write_run("b", network="googlenet", accuracy=None),
        write_run("c", network="alexnet", accuracy=0.7),
        write_run("d", dataset="mnist", accuracy=0.99),
    ]
    sections, _ = sections_of(folders)
    assert [[group.title for group in section.groups] for section in sections] == [
        ["alexnet", "mlp", "googlenet, unfinished, 3 of 4 epochs"], ["lenet"]
    ]  # fmt: skip


def labels_of(write_run, *changes):
    """The labels of runs that differ from each other in fields of their config."""
    folders = [write_run(f"net{n}") for n in range(len(changes))]
    for folder, each in zip(folders, changes, strict=True):
        config = ConfigDict(read_json(folder / "config.json"))
        config.schedule = {"name": "constant"}
        config.update_from_flattened_dict(each)
        write_json(folder / "config.json", to_dict(config))
    (section,), _ = sections_of(folders)
    return [group.label for group in section.groups]


def test_runs_are_labeled_by_what_differs(write_run):
    assert labels_of(write_run, {"optimizer.learning_rate": 0.25}, {"schedule.name": "cosine"}) == [
        "lenet, lr 0.25, schedule constant", "lenet, lr 0.001, schedule cosine"
    ]  # fmt: skip


def test_of_many_differences_those_from_most_runs_are_named(write_run):
    name = "a_schedule_with_a_long_name"
    fields = {"optimizer.learning_rate": 0.1, "validation": "tail", "schedule.name": name}
    assert labels_of(write_run, *({name: value} for name, value in fields.items()), {}) == [
        "lenet, lr 0.1", "lenet, validation tail", f"lenet, schedule {name}", "lenet"
    ]  # fmt: skip


def test_what_is_too_long_for_a_label_is_numbered(write_run):
    changes = ({"schedule.name": letter * 60} for letter in "abc")
    assert labels_of(write_run, *changes) == ["lenet #1", "lenet #2", "lenet #3"]


def test_a_point_alone_is_no_scatter_plot(write_run, tmp_path):
    write_comparison([write_run("a")], tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert "cifar10-accuracy.png" in names
    assert not any(name.startswith("cifar10-accuracy-") for name in names)


def test_whiskers_and_bands_end_at_0_and_100_percent():
    near_the_top = MeanAndStd(0.99, 0.03, 3)
    assert _whisker(near_the_top) == [[pytest.approx(3)], [pytest.approx(1)]]
    assert _band(MeanAndStd(0.01, 0.03, 3), 100, is_share=True) == (0, pytest.approx(4))
    assert _band(MeanAndStd(1.0, 0.5, 3), 1, is_share=False) == (0.5, 1.5)


def test_an_exploded_curve_leaves_the_axis_to_the_others():
    with styled():
        figure = new_figure(4, 3)
        axes = figure.add_subplot()
        usual = ([1, 2, 3], [2.3, 1.0, 0.5], "blue")
        axes.plot(*usual[:2])
        limit_axis(axes, [usual])
        assert axes.get_ylim()[1] < 2.5 and len(axes.lines) == 1
        blown = ([1, 2, 3], [2.3, 1e6, 1e9], "red")
        axes.plot(*blown[:2])
        limit_axis(axes, [usual, blown])
        assert axes.get_ylim()[1] < 2.5
        marks = axes.lines[-1]
        assert list(marks.get_xdata()) == [2, 3] and marks.get_label() == "cut off, up to 1e+09"


def test_every_group_has_a_look_of_its_own(write_run):
    names = ("lenet", "resnet50", *(f"network_{n}" for n in range(10)))
    (section,), _ = sections_of([write_run(name, network=name) for name in names])
    found = looks(section.groups)
    assert len(found) == 12
    assert all(found[name].color == color_of(name) for name in ("lenet", "resnet50"))
    assert len({(look.color, look.marker) for look in found.values()}) == 12
    assert len({(look.color, look.line) for look in found.values()}) == 12


def test_what_cannot_be_compared_is_named(write_run, tmp_path):
    good = write_run("good")
    (tmp_path / "empty").mkdir()
    for name, file, text in (
        ("cut", "config.json", '{"seed": 0, "mod'),
        ("list", "config.json", "[1, 2]"),
        ("other", "config.json", '{"name": "x"}'),
        ("result", "result.json", '{"test_accuracy": null}'),
        ("metrics", "metrics.jsonl", None),
        ("scores", "evaluation/test.json", '{"classes": 3}'),
    ):
        path = write_run(name, network=name, classes={"cat": 0.5}) / file
        path.unlink() if text is None else path.write_text(text)
    names = ("empty", "cut", "list", "other", "result", "metrics", "scores")
    runs, lines = read_runs([good, *(tmp_path / name for name in names), good])
    assert [run.folder.name for run in runs] == ["good", "metrics", "scores"]
    assert runs[1].rows == [] and runs[2].evaluation == {}
    said = [
        "empty: holds no run", "cut/config.json: is not JSON", "list/config.json: is not a JSON",
        "other/config.json: is not the config of a run", "result/result.json: has no test accuracy",
        "metrics/metrics.jsonl is not there", "test.json: its classes are not figures",
        "good: named twice",
    ]  # fmt: skip
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True)), lines


def test_a_folder_that_is_not_there_and_nothing_at_all_are_refused(write_run, tmp_path):
    with pytest.raises(UserError, match=r"runs\*: there is no such folder"):
        read_runs([write_run("a"), tmp_path / "runs*"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="nothing to compare: .*empty: holds no run"):
        read_runs([tmp_path / "empty"])


def test_the_split_that_chose_is_said_of_each_run(write_run):
    folders = [
        write_run("a", network="a"),
        write_run("b", network="b", validation="test"),
        write_run("c", network="c", validation="validation", accuracy=None),
    ]
    sections, _ = sections_of(folders)
    found = {
        row["label"]: (row["validation_split"], row["tested_weights"], row["finished"])
        for row in records.runs(sections)
    }
    assert found == {
        "a": ("held out of training", "best epoch", True),
        "b": ("test set", "last epoch", True),
        "c": ("publisher's validation", "best epoch", False),
    }


VARIANTS = config_variants(Path(__file__).parents[2] / "configs")


@pytest.mark.parametrize(
    ("patience", "num_epochs", "said"),
    [(0, 4, "last epoch"), (3, 9, "last epoch, stopped early"), (3, 4, "last epoch")],
)
def test_a_run_stopped_early_only_if_it_did(write_run, patience, num_epochs, said):
    folder = write_run("a", validation="test")  # ends after 4 epochs
    config = read_json(folder / "config.json")
    config |= {"early_stopping": {"patience": patience}, "num_epochs": num_epochs}
    write_json(folder / "config.json", config)
    (section,), _ = sections_of([folder])
    assert records.networks([section])[0]["tested_weights"] == said
    assert records.runs([section])[0]["tested_weights"] == said


def test_balanced_accuracy_stands_where_the_classes_are_unequal(write_run, tmp_path):
    folder = write_run("a", classes={"cat": 0.9, "dog": 0.1})
    for support, is_shown in ((140, False), (1000, True)):
        evaluation = read_json(folder / "evaluation" / "test.json")
        evaluation["classes"][0]["support"] = support  # the other class has 100
        write_json(folder / "evaluation" / "test.json", evaluation)
        sections, _ = write_comparison([folder], tmp_path / "out")
        text = (tmp_path / "out" / "comparison.md").read_text()
        assert ("balanced accuracy | " in text) == is_shown
        assert records.networks(sections)[0]["balanced_accuracy"] == pytest.approx(0.5)
    assert "| lenet | 60.00% | 50.00% |" in text


def test_a_recipe_tuned_on_the_test_split_is_marked(write_run, tmp_path):
    folder = write_run("a")
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", config | {"tuned_on_test_of": "cifar10"})
    write_comparison([folder, write_run("b", network="mlp")], tmp_path / "out")
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "| lenet | 60.00% ‡ |" in text and "| mlp | 60.00% |" in text
    assert "‡ The recipe was chosen by its test accuracy" in text


@pytest.mark.parametrize(
    ("name", "changes", "accuracy", "publication"),
    [
        ("lenet:cifar10", {}, 0.5974, "classic"),
        ("lenet:cifar100", {"seed": 3, "dataset.streaming": True}, 0.2843, "classic"),
        ("mlp:model2", {}, 0.545, "sgd"),
        ("alexnet_bn", {}, 0.692, "homework"),
        ("mnist:vanilla", {}, None, "mnist"),  # without a figure
        ("lenet:cifar10", {"num_epochs": 3}, None, ""),
        ("lenet:cifar10", {"init_from": "runs/x"}, None, ""),
        ("lenet:cifar10", {"validation": "holdout"}, None, ""),
        ("lenet:cifar100", {"dataset.label_set": "coarse"}, None, ""),
        ("mlp:model2", {"model.hidden": (9, 9, 9)}, None, ""),
        ("lenet:cifar10", {"num_epochs": 25, "optimizer.learning_rate": 1e-4}, None, ""),
        ("simpler_cnn:cifar10", {}, None, ""),  # the figure is of a model trained before
        ("wide_resnet:28_10", {}, None, ""),  # the paper's recipe is another one
        ("mnist:compact", {}, None, ""),
        ("digits", {}, None, ""),
    ],
)
def test_a_publication_is_named_beside_its_own_recipe_alone(name, changes, accuracy, publication):
    config = VARIANTS[name]()
    config.update_from_flattened_dict(changes)
    for each in (config, json.loads(json.dumps(to_dict(config)))):
        assert published_accuracy(each, {"changes": []}) == accuracy
        assert publication_of(each, {"changes": []}) == publication
    changed = {"changes": [{"step": 30, "fields": ["num_epochs: 3 before, now 4"]}]}
    assert published_accuracy(config, changed) is None and publication_of(config, changed) == ""


def test_a_run_from_before_a_field_existed_keeps_its_publication():
    config = to_dict(VARIANTS["lenet:cifar10"]())
    del config["tuned_on_test_of"], config["schedule"]["staircase"]
    assert published_accuracy(config, {}) == 0.5974


@pytest.mark.parametrize("name", VARIANTS)
def test_a_config_file_follows_the_recipe_that_it_declares(name):
    config = VARIANTS[name]()
    declared = config.published.by if not config.published.differs else ""
    assert publication_of(to_dict(config), {}) == declared


class Page(html.parser.HTMLParser):
    """Checks that tags are closed in order; keeps tags, attributes and text."""

    VOID = {"meta", "img", "br", "link"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def out(write_run, tmp_path):
    """A comparison of runs with names that would break a page that does not escape them."""
    evil = '<img src=x onerror=alert(1)>"&|$title'
    folders = [
        write_run("s0", accuracy=0.6, classes={"cat": 0.5, evil: 0.7}),
        write_run("s1", seed=1, accuracy=0.64, classes={"cat": 0.6, evil: 0.8}),
        write_run("<b>&", network=evil, validation="test", accuracy=0.55, device="GPU"),
        write_run("running", network="mlp", accuracy=None),
        write_run("digits", dataset="folder:/my <pictures>", accuracy=0.9),
    ]
    write_comparison(folders, tmp_path / "out")
    return tmp_path / "out"


def test_the_files_of_a_comparison(out):
    check_page((out / "index.html").read_text())
    check_markdown((out / "comparison.md").read_text(), out)
    rows = read_csv(out / "networks.csv")
    lenet = next(row for row in rows if row["label"] == "lenet" and row["dataset"] == "cifar10")
    assert float(lenet["test_accuracy"]) == pytest.approx(0.62)
    assert float(lenet["test_accuracy_std"]) == pytest.approx(0.02 * math.sqrt(2))
    assert lenet["finished_runs"] == "2"
    classes = read_csv(out / "classes.csv")
    assert [row["class"][:4] for row in classes] == ["<img", "cat"]  # the best first
    assert float(classes[1]["f1"]) == pytest.approx(0.55) and classes[1]["n"] == "2"
    for name in ("accuracy", "accuracy-flops", "curves-train-loss", "classes"):
        assert (out / f"cifar10-{name}.png").stat().st_size > 5000
        ET.parse(out / f"cifar10-{name}.svg")


def read_csv(path):
    return list(csv.DictReader(io.StringIO(path.read_text(), newline="")))


def check_page(text):
    page = Page(text)
    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags and "link" not in tags and "b" not in tags
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) > 10
    assert all(each["src"].startswith("data:image/svg+xml;base64,") for each in pictures)
    assert all(each["alt"] for each in pictures)
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text
    assert '<img src=x onerror=alert(1)>"&|$title' in page.text  # as it is named, not as a tag
    for part in (
        "62.00% ± 2.83%", "55.00% †", "† The test set served as validation", "held out of training",
        "unfinished, 3 of 4 epochs", "folder:/my <pictures>", "taken on different machines",
        "Without metrics by class (evaluation/test.json)", "python -m jaxcnn.evaluate --workdir=",
        "s1 are of other weights than its result: their test accuracy is 60.00%",
    ):  # fmt: skip
        assert part in page.text, part


def check_markdown(text, out):
    assert all((out / name).is_file() for name in re.findall(r"\]\(([^)]*)\)", text))
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) >= 6
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1  # a name's own bars are escaped
    assert not re.search(r"(?<!\\)<", re.sub(r"`[^`]*`", "", text))


def test_an_unfinished_run_alone_is_shown(write_run, tmp_path):
    sections, left_out = write_comparison([write_run("a", accuracy=None)], tmp_path / "out")
    assert left_out == []
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "unfinished, 3 of 4 epochs | 30.00% in epoch 3 | 30.00% |" in text
    assert not (tmp_path / "out" / "cifar10-accuracy.png").exists()
    assert json.dumps(records.everything(sections), allow_nan=False)


def test_a_place_that_cannot_be_written_is_one_line(write_run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file cannot be written"):
        write_comparison([write_run("a")], tmp_path / "file")
