"""Probabilities, and the likeliest classes."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from jaxcnn.evaluation.evaluation_files import write_predictions
from jaxcnn.evaluation.predictions import Predictions, predict, probabilities
from jaxcnn.evaluation.trained import load_examples, load_trained


@pytest.fixture(scope="module")
def trained(trained_workdir):
    return load_trained(trained_workdir)


@pytest.fixture(scope="module")
def images(trained):
    return load_examples(trained, "test").images[:20]


def test_the_likeliest_classes_come_first(trained, images):
    expected = softmax(trained.logits(images), axis=-1)
    paths = [Path(f"{number}.png") for number in range(20)]
    found = predict(trained, paths, images, top_k=3)
    assert [each.path for each in found] == paths
    for prediction, row in zip(found, expected, strict=True):
        assert prediction.classes[0] == trained.class_names[row.argmax()]
        np.testing.assert_array_equal(prediction.probabilities, np.sort(row)[:-4:-1])


def test_all_classes_where_there_are_fewer_than_asked_for(trained, images):
    (prediction,) = predict(trained, [Path("a")], images[:1], top_k=99)
    assert sorted(prediction.classes) == sorted(trained.class_names)
    assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-5)
    assert prediction.to_json()["top"][0] == {
        "class": prediction.classes[0], "probability": prediction.probabilities[0],
    }  # fmt: skip


def test_flipping_averages_with_the_mirror_image(trained, images):
    plain, mirrored = (probabilities(trained, view) for view in (images, images[:, :, ::-1]))
    flipped = probabilities(trained, images, tta="flip")
    np.testing.assert_allclose(flipped, (plain + mirrored) / 2, rtol=1e-6)
    assert abs(flipped - plain).max() > 0.01
    again = probabilities(trained, images[:, :, ::-1], tta="flip")
    np.testing.assert_allclose(again, flipped, rtol=1e-6)


def test_the_table_keeps_the_name_of_a_picture_that_is_not_in_utf_8(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    table = Predictions(("a", "b"), np.array([[0.25, 0.75]]), np.array([3]), files=(name,))
    write_predictions(tmp_path, "test", table)
    lines = (tmp_path / "evaluation" / "predictions.csv").read_bytes().split(b"\r\n")
    assert lines == [b"index,file,predicted,p_a,p_b", b"3,caf\xe9.png,b,0.25,0.75", b""]
