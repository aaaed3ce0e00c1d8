"""Test-time augmentation."""

import numpy as np
import pytest

from jaxcnn.training.test_time_augmentation import (
    WEIGHTS,
    _scores_of_all,
    _scores_of_least_certain,
    six_views,
)


def test_six_views():
    images = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)
    views = np.asarray(six_views(images))
    assert views.shape == (6, 2, 4, 5, 3) and sum(WEIGHTS) == pytest.approx(1)
    np.testing.assert_array_equal(views[0], images)
    np.testing.assert_array_equal(views[1::2], views[::2, :, :, ::-1])
    np.testing.assert_array_equal(views[2, :, 1:, 1:], images[:, :-1, :-1])
    np.testing.assert_array_equal(views[2, :, 0, 0], images[:, 1, 1])  # reflected
    np.testing.assert_array_equal(views[4, :, :-1, :-1], images[:, 1:, 1:])
    np.testing.assert_array_equal(views[4, :, -1, -1], images[:, -2, -2])


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(10, 4, 5, 3)).astype(np.float32)


def predict(batch):
    """Six scores of each image."""
    weights = np.random.default_rng(1).normal(size=(4 * 5 * 3, 6)).astype(np.float32)
    return batch.reshape(len(batch), -1) @ weights


def test_all_are_tested_with_weighted_views(images):
    plain, augmented = np.asarray(_scores_of_all(predict, lambda x: x, images, 4))
    np.testing.assert_allclose(plain, predict(images), rtol=1e-4)
    views = np.asarray(six_views(images))
    expected = sum(w * predict(view) for w, view in zip(WEIGHTS, views, strict=True))
    np.testing.assert_allclose(augmented, expected, rtol=1e-4, atol=1e-4)


def test_the_least_certain_quarter_is_tested_with_views(images):
    plain, augmented = np.asarray(_scores_of_least_certain(predict, lambda x: x, images, 4))
    np.testing.assert_allclose(plain, predict(images), rtol=1e-4)
    probabilities = np.exp(plain) / np.exp(plain).sum(-1, keepdims=True)
    least = np.argsort(probabilities.max(-1))[:2]  # a quarter of 10, rounded down
    for index in range(10):
        views = np.asarray(six_views(images[index : index + 1]))[:, 0]
        expected = predict(views).mean(0) if index in least else plain[index]
        np.testing.assert_allclose(augmented[index], expected, rtol=1e-4, atol=1e-4)
    assert _scores_of_least_certain(predict, lambda x: x, images[:3], 4).shape == (2, 3, 6)
