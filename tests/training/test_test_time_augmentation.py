"""Test-time augmentation."""

import numpy as np
import pytest

from jaxcnn.training.test_time_augmentation import WEIGHTS, six_views


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
