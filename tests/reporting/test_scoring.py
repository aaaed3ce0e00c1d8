"""A trained run scored: the figures are the run's, and the gradients are gradients."""

import dataclasses
import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.data.loading import load_data
from jaxcnn.errors import UserError
from jaxcnn.evaluation import probes
from jaxcnn.evaluation.trained import load_examples, load_trained
from jaxcnn.models import model_config
from jaxcnn.reporting.evaluate_run import evaluate_run


@pytest.fixture(scope="module")
def trained(trained_workdir):
    return load_trained(trained_workdir)


@pytest.fixture(scope="module")
def images(trained):
    return load_examples(trained, "test").images[:2]


def test_a_finished_run_is_scored(trained_workdir):
    scores = json.loads((trained_workdir / "evaluation" / "test.json").read_text())
    result = json.loads((trained_workdir / "result.json").read_text())
    assert scores["accuracy"] == pytest.approx(result["test_accuracy"])
    assert scores["loss"] == pytest.approx(result["test_loss"], rel=1e-4)  # its recipe has no L2
    assert (scores["checkpoint"], scores["epoch"]) == ("latest", 2)  # the recipe's own choice
    names = {picture.removeprefix("test_") for picture in scores["pictures"]}
    drawn = {"first", "mistakes", "saliency", "filters", "maps"}
    assert names == drawn | {"confusion", "reliability", "coverage"}
    pictures = [trained_workdir / "plots" / f"{name}.png" for name in scores["pictures"]]
    assert all(path.exists() for path in pictures)
    report = (trained_workdir / "report.md").read_text()
    assert "## Evaluation on the test split, latest checkpoint" in report
    assert all(f"](plots/{path.name})" in report for path in pictures)


@pytest.mark.slow
def test_another_split_and_checkpoint_stand_beside(trained_workdir, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained_workdir, workdir)
    scores = evaluate_run(workdir, split="validation", checkpoint="best", layers=["average_pool1"])
    rows = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    best = max(row["accuracy"] for row in rows if row["split"] == "validation")
    assert scores["accuracy"] == pytest.approx(best)
    folder = workdir / "evaluation"
    assert (folder / "validation_best.json").exists() and (folder / "test.json").exists()
    assert "average_pool1" in (workdir / "plots" / "validation_best_maps.svg").read_text()
    with pytest.raises(UserError, match="conv9: not a layer with feature maps .there are: conv1, "):
        evaluate_run(workdir, layers=["conv9"])


def test_by_default_the_weights_are_those_that_the_run_tests(trained_workdir, tmp_path):
    assert load_trained(trained_workdir).checkpoint == "latest"
    workdir = tmp_path / "run"
    shutil.copytree(trained_workdir, workdir)
    result = json.loads((workdir / "result.json").read_text())
    (workdir / "result.json").write_text(json.dumps(result | {"tested_with": "best"}))
    assert load_trained(workdir).checkpoint == "best"


@pytest.mark.slow
def test_a_run_is_asked_in_its_own_precision(trained_workdir, images, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained_workdir, workdir)
    config = json.loads((workdir / "config.json").read_text())
    (workdir / "config.json").write_text(json.dumps(config | {"precision": "bfloat16"}))
    trained = load_trained(workdir)
    scaled = (images.astype(np.float32) - trained.pixel_shift) * trained.pixel_scale
    narrow = trained.model(jnp.asarray(scaled), dtype=jnp.bfloat16)
    np.testing.assert_allclose(trained.logits(images), narrow, rtol=0.02, atol=0.02)
    assert np.abs(trained.logits(images) - trained.model(jnp.asarray(scaled))).max() > 1e-4
    saliency, maps = probes.saliency_and_maps(trained, images, ["conv1"])
    assert saliency.dtype == maps["conv1"].dtype == np.float32
    np.testing.assert_array_equal(maps["conv1"], maps["conv1"].astype(jnp.bfloat16))


def test_a_run_is_not_scored_on_other_classes(trained_workdir, trained, monkeypatch):
    renamed = load_data(trained.config)
    renamed = dataclasses.replace(renamed, class_names=tuple(reversed(renamed.class_names)))
    monkeypatch.setattr("jaxcnn.evaluation.examples.load_run_data", lambda *_: renamed)
    with pytest.raises(UserError, match="was trained on other data: their class_names"):
        evaluate_run(trained_workdir)


@pytest.mark.slow
def test_saliency_is_the_gradient_of_the_predicted_score(trained, images):
    saliency, maps = probes.saliency_and_maps(trained, images, ["conv1"])
    assert saliency.shape == images.shape[:3] and maps["conv1"].shape == (2, 28, 28, 6)
    row, column = np.unravel_index(saliency[0].argmax(), saliency[0].shape)
    scores = []
    for change in (-0.5, 0.5):
        pixels = images[:1].astype(np.float32)
        pixels[0, row, column] += change
        scores.append(np.asarray(trained.forward(pixels))[0])
    slope = (scores[1] - scores[0])[trained.logits(images)[0].argmax()]
    assert saliency[0, row, column] == pytest.approx(abs(slope), rel=0.05)


def test_maps_and_filters_are_the_network_s(trained, images):
    assert probes.choose_layers(trained) == ("conv1", "average_pool2")
    conv = probes.first_conv(trained)
    filters = probes.filters_of(conv)
    assert filters.shape == (6, 5, 5, 1)
    _, maps = probes.saliency_and_maps(trained, images, ["conv1"])
    scaled = (images[0, :5, :5, 0] - trained.pixel_shift) * trained.pixel_scale
    first = np.sum(scaled * filters[2, :, :, 0]) + np.asarray(conv.bias[...])[2]
    assert maps["conv1"][0, 0, 0, 2] == pytest.approx(max(first, 0), abs=1e-5)


@pytest.mark.slow
def test_resumes_are_kept_in_the_result(config, train, tmp_path):
    config.num_epochs = 1
    config.model = model_config("mlp", hidden=(16,))
    assert train(config, tmp_path)[0]["resumed"] == []
    config.num_epochs = 3
    assert train(config, tmp_path)[0]["resumed"] == [1.0]
    assert train(config, tmp_path)[0]["resumed"] == [1.0]  # nothing was left to do
