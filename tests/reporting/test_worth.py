"""A comparison's best classes and worth of the networks."""

import pytest

from jaxcnn.config import load_config
from jaxcnn.config.defaults import to_dict
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison.groups import compare
from jaxcnn.reporting.comparison.page import write_comparison
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.comparison.worth import _best_within as best_within
from jaxcnn.reporting.comparison.worth import worth_text

CLASSES = {f"class{i}": 0.5 + i / 100 for i in range(20)} | {"road": 0.9, "plain": 0.2}
SIZE = 10_000  # of the test split


def set_result(folder, **values):
    write_json(folder / "result.json", read_json(folder / "result.json") | values)
    return folder


@pytest.fixture
def sections(write_run):
    small = set_result(write_run("a", accuracy=0.6, num_images=SIZE), parameters=10, flops=100.0)
    large = write_run("b", network="mlp", accuracy=0.5, num_images=SIZE)
    large = set_result(large, parameters=40, flops=300.0)
    best = write_run("c", network="resnet50", accuracy=0.7, num_images=SIZE)
    best = set_result(best, parameters=20, flops=900.0)
    return compare(read_runs([small, large, best])[0])[0]


def test_the_worth_of_networks(sections):
    [text] = [paragraph.text for paragraph in worth_text(sections[0])]
    assert "resnet50 is first with 70.00%, 10.0 points ahead of lenet, by one run each" in text
    assert "lenet has the fewest parameters, 10; the next has 2.0 times as many" in text
    assert "lenet has the fewest operations, 100; the next has 3.0 times as many" in text
    assert "mlp is not worth its cost here: lenet is more accurate with no more" in text
    assert "lenet is not worth" not in text and "resnet50 is not worth" not in text


@pytest.mark.parametrize("accuracy", [0.6, 0.605])
def test_a_difference_that_may_be_chance_is_not_more_accuracy(write_run, accuracy):
    cheap = set_result(write_run("a", accuracy=accuracy, num_images=SIZE), parameters=10)
    costly = write_run("b", network="mlp", accuracy=0.6, num_images=SIZE)
    costly = set_result(costly, parameters=40)
    sections, _ = compare(read_runs([cheap, costly])[0])
    text = worth_text(sections[0])[0].text
    assert "is not worth its cost" not in text and "; the two cannot be told apart." in text
    assert "has the fewest operations" not in text  # equal ones


@pytest.mark.parametrize("are_known", [True, False])
def test_times_of_other_or_unknown_machines_are_not_compared(write_run, are_known):
    """Each network ran on two machines, or no run records its machine."""
    folders = [
        write_run(f"{network}{seed}", network=network, seed=seed, device=f"cpu {seed}")
        for network in ("lenet", "mlp")
        for seed in (0, 1)
    ]
    for number, folder in enumerate(folders):
        set_result(folder, flops=1e6 * (1 + number // 2))
        lines = (folder / "metrics.jsonl").read_text().replace('"train",', '"train", "seconds": 2,')
        (folder / "metrics.jsonl").write_text(lines)
        if not are_known:
            write_json(folder / "environment.json", {"devices": []})
    sections, _ = compare(read_runs(folders)[0])
    text = worth_text(sections[0])[0].text
    assert "fewest operations" in text and "fewest seconds per epoch" not in text


def test_one_network_has_no_worth(write_run):
    sections, _ = compare(read_runs([write_run("a")])[0])
    assert worth_text(sections[0]) == []


def test_the_published_classes_and_times_stand_beside_ours(write_run, tmp_path, undrawn):
    folder = write_run("a", network="resnet50", dataset="cifar100", classes=CLASSES)
    config = to_dict(load_config("resnet50:cifar100"))
    del config["published"]  # as a run of older code
    write_json(folder / "config.json", config)
    write_comparison([folder], tmp_path / "out")
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "| class | resnet50 | resnet50, published |" in text
    assert "| road | 90.00% | 81.00% |" in text and "| plain | 20.00% | 76.00% |" in text
    assert "| resnet50 | road 90.00% | class19 69.00% | class18 68.00% |" in text
    assert "| published seconds per epoch |" in text and "| 62 to 64 |" in text


def test_a_network_needs_to_be_better_than_each_cheaper_one():
    costs = {name: {"parameters": cost} for name, cost in (("a", 1000.0), ("b", 2000), ("c", 3000))}
    tested = {("b", "a"), ("c", "a"), ("c", "b")}
    assert best_within(costs, "parameters", {("c", "a")}, tested) == ""
    text = best_within(costs, "parameters", {("c", "a"), ("c", "b")}, tested)
    assert text == best_within(costs, "parameters", {("c", "a")}, tested - {("c", "b")})
    assert text.endswith("the most accurate is a (from 1,000), then c (from 3,000).")
