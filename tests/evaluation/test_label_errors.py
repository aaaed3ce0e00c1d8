"""Confident learning."""

import numpy as np

from jaxcnn.evaluation.label_errors import find_label_errors


def test_a_label_is_wrong_where_the_network_is_confident_of_another_class():
    labels = np.array([0, 0, 0, 1, 1, 1])
    of_class_1 = np.array([0.1, 0.2, 0.9, 0.8, 0.6, 0.45])
    probabilities = np.stack([1 - of_class_1, of_class_1], axis=1)
    # thresholds 0.6 and 0.617: the last image is predicted as 0, but with 0.55 only
    assert find_label_errors(labels, probabilities).tolist() == [2]


def test_changed_labels_are_found():
    random = np.random.default_rng(0)
    true = random.integers(0, 5, 2000)
    logits = 4 * np.eye(5)[true] + random.normal(size=(2000, 5))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels, is_changed = true.copy(), random.random(2000) < 0.05
    labels[is_changed] = (true[is_changed] + 1) % 5
    found = find_label_errors(labels, probabilities)
    hits = is_changed[found]
    assert hits.mean() > 0.95 and hits.sum() > 0.7 * is_changed.sum()


def test_a_class_without_images_and_perfect_predictions_give_none():
    assert find_label_errors(np.array([0, 1]), np.eye(3)[:2]).tolist() == []
