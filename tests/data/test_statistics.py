"""Which pictures are unlike those of the training."""

import numpy as np
import pytest

from jaxcnn.data.dataset import load_dataset
from jaxcnn.data.pictures.statistics import describe, features, find_unusual


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    splits = load_dataset("digits", data_dir=tmp_path_factory.mktemp("data")).splits
    return splits["train"].images, splits["test"].images


def count(found):
    return {words.split(",")[0]: len(where) for words, where in found.items()}


def test_brightness_contrast_and_border():
    image = np.zeros((1, 4, 4, 3), np.uint8)
    image[:, 0, :, 0] = 255
    expected = [255 * 4 / 48, 255 * 4 / 36, 255 * np.sqrt(3) / 4, 0, 0]
    np.testing.assert_allclose(features(image)[0], expected, rtol=1e-6)


def test_noise_in_a_channel_that_had_none_is_unusual():
    """As JPEG adds it: scaled by the deviation of the training, it may be all that counts."""
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (100, 8, 8, 3), dtype=np.uint8)
    train[..., 2] = 0
    train[0, 0, 0, 2] = 9
    noisy = train[50:].copy()
    noisy[..., 2] = rng.integers(0, 5, noisy.shape[:3])
    assert find_unusual(train[50:], describe(train)) == {}
    (words,) = find_unusual(noisy, describe(train))
    assert words.startswith("contrast (standard deviation) of the blues 1")


def test_a_set_s_own_test_pictures_are_usual(digits):
    train, test = digits
    assert sum(count(find_unusual(test, describe(train))).values()) <= len(test) // 100
    few = describe(train, np.arange(0, len(train), 20))
    assert sum(count(find_unusual(test, few)).values()) <= len(test) // 100


def test_pictures_that_lost_their_content_are_not(digits):
    train, test = digits
    ranges = describe(train)
    for lost in (255 - test, test >> 4, test // 2 + 127):
        found = find_unusual(lost, ranges)
        assert sum(count(found).values()) == len(test)
    blank = np.full_like(test[:3], 9)
    assert count(find_unusual(blank, ranges)) == {"of one color": 3}
    mixed = find_unusual(np.concatenate([test[:5], blank, 255 - test[:5]]), ranges)
    assert mixed["of one color"].tolist() == [5, 6, 7]
    assert sorted(np.concatenate(list(mixed.values()))) == list(range(5, 13))


def test_without_statistics_only_constant_pictures_are_found(digits):
    _, test = digits
    assert find_unusual(255 - test, None) == {}
    assert count(find_unusual(np.zeros_like(test[:2]), None)) == {"of one color": 2}
