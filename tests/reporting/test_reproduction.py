"""The verdicts on a recipe that was run again."""

import dataclasses
import shutil

import pytest

from jaxcnn.config import load_config
from jaxcnn.config.defaults import to_dict
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.kept_runs import kept_groups
from jaxcnn.reporting.reproduction import (
    UNKNOWN,
    judge,
    judge_runs,
    prediction_interval,
    wilson_interval,
)


def test_intervals_by_hand():
    """0.60 ± 4.3027 · 0.01 · sqrt(1/3 + 1); Wilson's interval is that of statistics' textbooks."""
    low, high = prediction_interval([0.59, 0.60, 0.61], 1, 10_000)
    assert (low, high) == pytest.approx((0.60 - 0.049684, 0.60 + 0.049684), abs=1e-5)
    assert wilson_interval(0.5, 100) == pytest.approx((0.40383, 0.59617), abs=1e-5)
    assert wilson_interval(1.0, 10)[0] == pytest.approx(0.72247, abs=1e-5)


def test_equal_runs_are_no_certainty():
    low, high = prediction_interval([0.9, 0.9], 1, 100)
    assert (low, high) == pytest.approx((0.89, 0.91))


@pytest.mark.parametrize(
    ("new", "earlier", "word", "how"),
    [
        ([0.60], [0.59, 0.60, 0.61], "within", "t, for one run from the earlier 3"),
        ([0.50, 0.51], [0.59, 0.60, 0.61], "below", "the mean of 2 runs from the earlier 3"),
        ([0.70], [0.59, 0.60, 0.61], "above", "t"),
        ([0.59, 0.60, 0.61], [0.63], "within", "t, for one run from these 3"),
        ([0.59, 0.60, 0.61], [0.66], "below", "t"),
        ([0.59, 0.60, 0.61], [0.54], "above", "t"),
        ([0.60], [0.605], "within", "Wilson"),
        ([0.60], [0.62], UNKNOWN, "Wilson"),
    ],
)
def test_verdicts(new, earlier, word, how):
    verdict = judge(new, earlier, 10_000, "60%")
    assert verdict.word == word and how in verdict.how
    words = {"within": "agrees with 60%", "above": "is above 60%", "below": "is below 60%"}
    assert str(verdict).startswith(f"{words.get(word, f'{word}: 60%')}; 95 % interval ")


def test_runs_beside_kept_ones_and_the_published_figure(trained_workdir, tmp_path):
    shutil.copytree(trained_workdir, tmp_path / "kept" / "a")
    [run], _ = read_runs([trained_workdir])
    verdicts = judge_runs(run.config, [run], kept_groups(tmp_path / "kept"))
    assert verdicts["kept records"].word == "equal"
    assert "the same figure for seed 0" in verdicts["kept records"].reference
    assert verdicts["published"].word == "no figure of the last epoch"
    second = dataclasses.replace(run, config=run.config | {"seed": 1})
    verdicts = judge_runs(run.config, [run, second], kept_groups(tmp_path / "kept"))
    assert verdicts["kept records"].word == "within"  # of seed 1; seed 0 is no second sample
    assert verdicts["kept records"].how.startswith("Wilson")
    failed = [
        dataclasses.replace(
            run, config=run.config | {"seed": seed}, result=run.result | {"test_accuracy": 0.1}
        )
        for seed in (1, 2)
    ]
    verdict = judge_runs(run.config, [run, *failed], kept_groups(tmp_path / "kept"))
    assert verdict["kept records"].word == "below"  # though seed 0 gives the same figure
    data = read_json(tmp_path / "kept" / "a" / "dataset.json")
    data["split_fingerprints"]["test"] = "other"
    write_json(tmp_path / "kept" / "a" / "dataset.json", data)
    verdicts = judge_runs(run.config, [run], kept_groups(tmp_path / "kept"))
    assert verdicts["kept records"].reference == "the kept records are of other images"
    assert judge_runs(run.config, [run], kept_groups(tmp_path / "none"))["kept records"].word == (
        "none of this recipe"
    )
    without = dataclasses.replace(run, evaluation={})
    with pytest.raises(UserError, match="test.json: gives no num_examples"):
        judge_runs(run.config, [without], [])
    config = to_dict(load_config("simpler_cnn:continued"))
    config["published"]["differs"] = "the published run is longer"
    verdict = judge_runs(config, [run], [])["published"]
    assert verdict.word == "not compared" and verdict.reference.startswith("85.24%, but the")
    config = to_dict(load_config("lenet:cifar10"))
    assert "not compared" not in judge_runs(config, [run], [])["published"].word
    config["num_epochs"] = 6
    verdict = judge_runs(config, [run], [])["published"]
    assert verdict.word == "not compared" and "59.74%, but fields" in verdict.reference
    config = to_dict(load_config("mnist:small_bn"))
    assert "the best epoch's is 99.42%" in judge_runs(config, [run], [])["published"].word
