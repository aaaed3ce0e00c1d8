"""Probabilities that one can trust: temperature, "unknown", views of an image, and Grad-CAM."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from jaxcnn.errors import UserError
from jaxcnn.evaluation import probes
from jaxcnn.evaluation.calibration import coverage, fit_temperature
from jaxcnn.evaluation.evaluation_files import compute_metrics
from jaxcnn.evaluation.examples import load_examples
from jaxcnn.evaluation.export import describe
from jaxcnn.evaluation.intervals import intervals
from jaxcnn.evaluation.metrics import LabeledPredictions
from jaxcnn.evaluation.predictions import Predictions, TopClasses, probabilities, scores
from jaxcnn.evaluation.temperature import calibrate
from jaxcnn.evaluation.trained import load_trained
from jaxcnn.reporting.evaluate_run import evaluate_run
from jaxcnn.reporting.evaluation_report import overall_rows
from jaxcnn.training.test_time_augmentation import WEIGHTS


@pytest.fixture(scope="module")
def calibrated(trained_workdir, tmp_path_factory):
    """A copy of the trained run, with a temperature."""
    workdir = tmp_path_factory.mktemp("calibrated") / "run"
    shutil.copytree(trained_workdir, workdir)
    calibrate(load_trained(workdir))
    return workdir


def test_the_temperature_undoes_confidence_that_is_too_high():
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 4))
    labels = np.array([random.choice(4, p=row) for row in softmax(logits, axis=1)])
    predictions = LabeledPredictions.from_logits(labels, 3 * logits, "abcd")
    assert fit_temperature(predictions) == pytest.approx(3, rel=0.05)
    assert fit_temperature(predictions.take(np.flatnonzero(predictions.is_correct))) == 1


def test_a_run_keeps_its_temperature(calibrated, trained_workdir):
    plain, trained = load_trained(trained_workdir), load_trained(calibrated)
    about = json.loads((calibrated / "calibration.json").read_text())
    assert plain.temperature == 1 and trained.temperature == about["temperature"] != 1
    assert about["loss"]["after"] < about["loss"]["before"]
    images = load_examples(plain, "test").images[:9]
    logits = plain.logits(images)
    np.testing.assert_allclose(trained.logits(images), logits / trained.temperature, rtol=1e-5)
    assert "temperature" not in describe(plain)
    assert describe(trained)["temperature"] == trained.temperature


@pytest.mark.slow
def test_the_evaluation_shows_both(calibrated, trained_workdir):
    before, after = (
        load_trained(workdir).evaluate("validation") for workdir in (trained_workdir, calibrated)
    )
    assert after["accuracy"] == before["accuracy"] and "temperature" not in before
    for name in ("loss", "calibration_error"):
        assert after["uncalibrated"][name] == pytest.approx(before[name], rel=1e-4)
    assert after["loss"] < before["loss"]


def test_each_checkpoint_keeps_its_temperature(calibrated, tmp_path):
    workdir = shutil.copytree(calibrated, tmp_path / "run")
    tested = load_trained(workdir)
    (other,) = {"best", "latest"} - {tested.checkpoint}
    # the run's two checkpoints hold one step, so the other's weights stand for those of another
    weights = dataclasses.replace(load_trained(workdir, other), step=tested.step + 1)
    temperature = calibrate(weights).temperature
    about = json.loads((workdir / f"calibration_{other}.json").read_text())
    assert about["temperature"] == temperature and about["checkpoint"] == other
    assert load_trained(workdir).temperature == tested.temperature


def test_flip_has_no_uncalibrated_figures(calibrated):
    figures = load_trained(calibrated).evaluate("validation", tta="flip")
    assert "uncalibrated" not in figures and figures["temperature"] != 1
    assert "temperature, fitted on validation" in dict(overall_rows(figures))


def test_a_temperature_of_other_weights_is_not_used(calibrated, tmp_path):
    workdir = shutil.copytree(calibrated, tmp_path / "run")
    path = workdir / "calibration.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"step": 1}))
    assert load_trained(workdir).temperature == 1
    path.write_text(json.dumps({"step": 1, "temperature": -1}))
    with pytest.raises(UserError, match="temperature"):
        load_trained(workdir)


def test_the_test_split_calibrates_nothing(trained_workdir):
    trained = load_trained(trained_workdir)
    trained.config.validation = "test"
    with pytest.raises(UserError, match="its test split served as validation"):
        calibrate(trained)


@pytest.mark.slow
def test_the_config_asks_for_a_temperature(config, dense, dataset, tmp_path, undrawn):
    import jaxcnn

    config.num_epochs, config.calibration = 1, "temperature"
    config.optimizer.learning_rate = 1e-5  # some images are wrong: else the temperature is 1
    config.checkpoint.keep_latest = 1
    result = jaxcnn.train(config, tmp_path, dataset, quiet=True)
    first = (tmp_path / "calibration.json").read_bytes()
    assert result.trained.temperature == json.loads(first)["temperature"]
    assert "temperature, fitted on validation" in (tmp_path / "report.md").read_text()
    (tmp_path / "calibration.json").unlink()
    jaxcnn.train(config, tmp_path, dataset, quiet=True)
    assert (tmp_path / "calibration.json").read_bytes() == first
    config.calibration = "none"
    assert jaxcnn.train(config, tmp_path, dataset, quiet=True).trained.temperature == 1
    assert not (tmp_path / "calibration.json").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("own_parts")
def test_a_test_of_the_same_weights_keeps_their_temperature(
    config, dense, dataset, tmp_path, undrawn
):
    import jaxcnn

    config.num_epochs = 1
    config.optimizer.learning_rate = 1e-5  # some images are wrong: else the temperature is 1
    jaxcnn.train(config, tmp_path, dataset, quiet=True)
    evaluate_run(tmp_path, dataset=dataset, split="validation")
    evaluate_run(tmp_path, dataset=dataset, refit=True)
    temperature = load_trained(tmp_path).temperature
    assert temperature != 1
    jaxcnn.metric("mine")(lambda labels, probabilities: 0.5)
    config.metrics = ("mine",)
    again = jaxcnn.train(config, tmp_path, dataset, quiet=True)
    assert again.trained.temperature == temperature
    test, validation = (tmp_path / "report.md").read_text().split("## Evaluation on")[1:]
    assert "evaluate it again" not in test
    assert "Made with temperature 1; that of the network is" in validation


def test_coverage_by_hand():
    table = coverage(np.array([0.55, 0.65, 0.95, 0.999]), np.array([False, True, True, True]))
    rows = {row["min_confidence"]: (row["coverage"], row["accuracy"]) for row in table}
    assert rows[0.0] == (1, 0.75) and rows[0.6] == (0.75, 1) and rows[0.99] == (0.25, 1)


def test_uncertain_pictures_are_unknown():
    shares = np.array([[0.6, 0.4], [0.1, 0.9]])
    predictions = Predictions(("a", "b"), shares, np.arange(2), min_confidence=0.7)
    assert predictions.classes == ["unknown", "b"]
    top = TopClasses(Path("x.png"), np.zeros((1, 1, 1)), ("a", "b"), (0.6, 0.4))
    assert "class" not in top.to_json()
    assert dataclasses.replace(top, min_confidence=0.7).to_json()["class"] == "unknown"
    assert dataclasses.replace(top, min_confidence=0.6).to_json()["class"] == "a"


def test_six_views_are_the_weighted_logits(trained_workdir):
    trained = load_trained(trained_workdir)
    images = load_examples(trained, "test").images[:5]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    shifted = [images, padded[:, :-2, :-2], padded[:, 2:, 2:]]
    views = [view for image in shifted for view in (image, image[:, :, ::-1])]
    logits = [trained.logits(view) for view in views]
    expected = sum(weight * part for weight, part in zip(WEIGHTS, logits, strict=True))
    np.testing.assert_allclose(scores(trained, images, "six_views"), expected, atol=1e-5)
    flipped = softmax(scores(trained, images, "flip"), axis=1)
    np.testing.assert_allclose(flipped, probabilities(trained, images, "flip"), atol=1e-5)
    about = trained.evaluate("test", tta="flip")
    assert about["tta"] == "flip"
    with pytest.raises(UserError, match="tta = 'ten': must be one of none, flip, six_views"):
        trained.evaluate("test", tta="ten")


def test_grad_cam(trained_workdir):
    trained = load_trained(trained_workdir)
    images = load_examples(trained, "test").images[:6]
    regions = probes.grad_cam(trained, images)
    assert regions.shape == images.shape[:3]
    assert regions.min() >= 0 and regions.max() == 1
    scaled = (images.astype(np.float32) - trained.pixel_shift) * trained.pixel_scale
    for layer in (trained.model.children[0].path, trained.model.children[-2].path):
        maps, rest = trained.model.from_layer(scaled, layer)
        np.testing.assert_allclose(rest(maps)["main"], trained.logits(images), atol=1e-4)


def test_intervals_hold_the_value():
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 400)
    logits = random.normal(size=(400, 3)) + 2 * np.eye(3)[labels]
    metrics = compute_metrics(LabeledPredictions.from_logits(labels, logits, "abc"), {})
    for name, (low, high) in metrics["intervals"].items():
        assert low < metrics[name] < high and high - low < 0.25
    perfect = LabeledPredictions.from_logits(labels, 9 * np.eye(3)[labels], "abc")
    assert intervals(perfect)["balanced_accuracy"] == (1, 1)
    assert intervals(perfect)["accuracy"][0] < 1


def test_intervals_of_few_images():
    two = LabeledPredictions.from_logits(np.array([0, 1]), np.array([[1.0, 0], [2, 0]]), "ab")
    low, high = intervals(two)["loss"]
    first, second = np.log1p(np.exp(-1)), np.log1p(np.exp(2))
    middle, error = (first + second) / 2, (second - first) / 2  # of the mean of two
    assert (low, high) == pytest.approx((middle - 1.96 * error, middle + 1.96 * error), abs=1e-3)
    assert "loss" not in intervals(two.take(np.array([0])))
