"""Scores against figures worked out by hand, and against definitions written out."""

import math

import numpy as np
import pytest

from jaxcnn.data.superclasses import SELECTED, SUPERCLASSES, superclasses_of
from jaxcnn.evaluation.calibration import calibration_error, reliability
from jaxcnn.evaluation.metrics import (
    LabeledPredictions,
    class_metrics,
    confident_mistakes,
    confusion_matrix,
    merge_classes,
    most_confused,
    overall_metrics,
)
from jaxcnn.reporting.figures.confusion import confusion_order

NAMES = ("cat", "dog", "ship")


def found(labels, predicted, confidence=0.8, names=NAMES):
    """Predictions of which each gives `confidence` to a class and shares out the rest."""
    confidence = np.broadcast_to(confidence, len(predicted))
    rest = (1 - confidence) / (len(names) - 1)
    probabilities = np.repeat(rest[:, None], len(names), axis=1)
    probabilities[np.arange(len(predicted)), predicted] = confidence
    logits = np.log(probabilities).astype(np.float32)
    return LabeledPredictions.from_logits(np.asarray(labels), logits, names)


def test_overall_and_class_metrics_by_hand():
    each = found([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0])
    scores = overall_metrics(each)
    assert scores["num_examples"] == 6 and scores["accuracy"] == pytest.approx(4 / 6)
    assert scores["loss"] == pytest.approx(-(4 * math.log(0.8) + 2 * math.log(0.1)) / 6, rel=1e-6)
    assert scores["mean_recall"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    cat, dog, ship = class_metrics(each)
    assert (cat["name"], cat["support"]) == ("cat", 3)
    assert cat["accuracy"] == cat["recall"] == cat["precision"] == cat["f1"] == pytest.approx(2 / 3)
    assert (dog["recall"], dog["precision"], dog["f1"]) == pytest.approx((1, 2 / 3, 0.8))
    assert (ship["recall"], ship["precision"], ship["f1"]) == (0, 0, 0)
    np.testing.assert_array_equal(confusion_matrix(each), [[2, 1, 0], [0, 2, 0], [1, 0, 0]])


def test_a_class_without_images_has_no_accuracy_and_counts_in_no_mean():
    each = found([0, 0, 1, 1], [0, 2, 1, 1])
    ship = class_metrics(each)[2]
    assert ship["support"] == 0 and math.isnan(ship["accuracy"]) and math.isnan(ship["recall"])
    assert overall_metrics(each)["mean_recall"] == pytest.approx(0.75)


def test_votes_count_by_their_majority_the_first_of_equals():
    labels = np.array([[0.5, 0.5, 0], [0.1, 0.2, 0.7], [0, 0.6, 0.4]], np.float32)
    each = found(labels, [0, 2, 0], 0.8)
    np.testing.assert_array_equal(each.true, [0, 2, 1])
    scores = overall_metrics(each)
    assert scores["accuracy"] == pytest.approx(2 / 3) and scores["tied_labels"] == 1
    logs = np.log([0.8, 0.1, 0.1])
    losses = [0.5 * logs[0] + 0.5 * logs[1], 0.3 * logs[1] + 0.7 * logs[0], logs[1]]
    assert scores["loss"] == pytest.approx(-np.mean(losses), rel=1e-6)


def test_top_5_is_told_of_more_than_ten_classes():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 12)).astype(np.float32), rng.integers(0, 12, 50)
    scores = overall_metrics(
        LabeledPredictions.from_logits(labels, logits, [str(i) for i in range(12)])
    )
    ranks = (logits > np.take_along_axis(logits, labels[:, None], 1)).sum(axis=1)
    assert scores["top5_accuracy"] == pytest.approx(np.mean(ranks < 5))
    assert "top5_accuracy" not in overall_metrics(
        LabeledPredictions.from_logits(labels % 10, logits[:, :10], "0123456789")
    )


def test_the_calibration_error_is_the_mean_gap():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([1, 1, 1, 0, 1, 0], bool)
    bins = reliability(confidence, right, num_bins=10)
    assert [row["count"] for row in bins] == [0, 0, 0, 0, 0, 2, 0, 0, 0, 4]
    assert math.isnan(bins[0]["accuracy"]) and bins[9]["accuracy"] == 0.75
    assert calibration_error(bins) == pytest.approx((4 * 0.20 + 2 * 0.05) / 6)
    edges = reliability(np.array([0.0, 1 / 15, 1.0]), np.ones(3, bool))
    assert len(edges) == 15 and (edges[0]["count"], edges[14]["count"]) == (2, 1)


def test_the_most_confident_mistakes_come_first():
    each = found([0, 0, 1, 2], [1, 0, 0, 1], confidence=[0.6, 0.99, 0.9, 0.7])
    assert confident_mistakes(each, 2).tolist() == [2, 3]
    assert confident_mistakes(each, 9).tolist() == [2, 3, 0]


def test_the_largest_confusions():
    matrix = np.array([[5, 3, 0], [1, 9, 0], [0, 0, 0]])
    first, second = most_confused(matrix, NAMES)
    assert first == {"true": "cat", "predicted": "dog", "count": 3, "share": 3 / 8}
    assert (second["true"], second["count"]) == ("dog", 1)


def test_classes_that_are_confused_stand_together():
    rng = np.random.default_rng(1)
    group = rng.permutation(np.repeat(np.arange(10), 3))
    matrix = 80 * np.eye(30) + 10 * (group[:, None] == group)
    order = confusion_order(matrix)
    assert sorted(order) == list(range(30))
    assert all(len(set(group[order[i : i + 3]])) == 1 for i in range(0, 30, 3))


def test_merged_classes_add_their_probabilities():
    logits = np.log([[0.4, 0.3, 0.3], [0.1, 0.2, 0.7]])
    each = LabeledPredictions.from_logits(np.array([1, 2]), logits, NAMES)
    each = merge_classes(each, ["pet", "thing", "thing"])
    assert each.class_names == ("pet", "thing")
    np.testing.assert_allclose(np.exp(each.log_probabilities), [[0.4, 0.6], [0.1, 0.9]])
    assert each.is_correct.tolist() == [True, True]


def test_the_superclasses_of_cifar100():
    names = sorted(name for names in SUPERCLASSES.values() for name in names)
    groups = superclasses_of(names)
    assert len(names) == 100 and set(SELECTED) <= set(names) and len(SELECTED) == 10
    assert {groups.count(group) for group in groups} == {5} and len(set(groups)) == 20
    assert groups[names.index("whale")] == "aquatic_mammals"
    assert superclasses_of(NAMES) is None
