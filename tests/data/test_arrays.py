"""A user's arrays as a dataset: what is taken, and each refusal in one line."""

import numpy as np
import pytest

from jaxcnn.data.dataset import Dataset, load_dataset
from jaxcnn.errors import UserError

IMAGES = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
LABELS = np.array([0, 1, 2, 0, 1, 2])
GOOD = (IMAGES, LABELS)


def test_the_digits_as_arrays_are_the_same_dataset(tmp_path):
    digits = load_dataset("digits", data_dir=tmp_path)
    pairs = {name: (split.images, split.labels) for name, split in digits.splits.items()}
    dataset = Dataset.from_arrays(**pairs, class_names=digits.class_names)
    assert dataset.fingerprint == digits.fingerprint
    for name in ("pixel_mean", "pixel_std", "scalar_mean", "scalar_std"):
        np.testing.assert_array_equal(getattr(dataset, name), getattr(digits, name))
    path, offset = dataset.splits["train"].image_file  # stays on the disk, for streaming
    assert path.exists() and offset > 0


def test_a_change_of_the_arrays_afterwards_does_not_reach_the_dataset():
    images, labels = IMAGES.copy(), LABELS.copy()
    dataset = Dataset.from_arrays((images, labels), GOOD)
    images[:], labels[:] = 0, 0
    np.testing.assert_array_equal(dataset.splits["train"].images[..., 0], IMAGES)
    np.testing.assert_array_equal(dataset.splits["train"].labels, LABELS)
    with pytest.raises(ValueError, match="read-only"):
        dataset.splits["train"].images[:] = 0


def test_a_part_of_a_memory_map_is_copied(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    part = np.load(tmp_path / "images.npy", mmap_mode="r")[2:]
    dataset = Dataset.from_arrays((part, LABELS[2:]), GOOD)
    np.testing.assert_array_equal(dataset.splits["train"].images[..., 0], IMAGES[2:])
    with pytest.raises(TypeError, match="not memory-mapped"):
        _ = dataset.splits["train"].image_file


def test_class_names_are_numbers_by_default():
    assert Dataset.from_arrays(GOOD, (IMAGES[:1], [4])).class_names == ("0", "1", "2", "3", "4")
    assert Dataset.from_arrays(GOOD, GOOD, class_names=["a", "b", "c"]).num_classes == 3


def test_its_text_tells_the_splits_and_the_shape():
    text = repr(Dataset.from_arrays(GOOD, GOOD, name="mine"))
    assert text == "Dataset('mine': 6 train, 6 test images of 4x5x1, 3 classes)"


def test_distributions_and_lists():
    soft = [[0.5, 0.5], [1, 0], [0, 1]]
    dataset = Dataset.from_arrays((IMAGES[:3], soft), [IMAGES[:3], soft])
    assert dataset.splits["train"].labels.dtype == np.float32
    assert dataset.num_classes == 2


@pytest.mark.parametrize(
    ("train", "line"),
    [
        ((IMAGES / 255, LABELS), "float64; pixels must be uint8, 0…255: use .255 . images"),
        ((IMAGES.astype(float), LABELS), "float64; pixels must be uint8, 0…255; jaxcnn scales"),
        ((IMAGES.astype(np.int32), LABELS), "are int32; pixels must be uint8"),
        ((IMAGES[0], LABELS), r"shape \(4, 5\); it must be \(n, height, width\)"),
        ((IMAGES[:0], LABELS[:0]), "images of train: are empty"),
        (([], []), "images of train: are empty"),
        ((np.zeros((6, 3, 5, 5), np.uint8), LABELS), r"use images.transpose\(0, 2, 3, 1\)"),
        ((np.zeros((6, 3, 16, 24), np.uint8), LABELS), r"channels first; it must be"),
        (([IMAGES[0], IMAGES[0, :2]], [0, 1]), "cannot be read as one array"),
        ((IMAGES[:, :3], LABELS), r"shape \(4, 5, 1\); those of train have \(3, 5, 1\)"),
        ((IMAGES, LABELS[:5]), "train: has 6 images and 5 labels"),
        ((IMAGES, LABELS - 1), "label -1 at index 0 must be in 0…99999; labels count from 0"),
        ((IMAGES, LABELS + 2**40), "must be in 0…99999"),
        ((IMAGES, LABELS / 1), r"float64 of the shape \(6,\); they must be integers"),
        ((IMAGES, LABELS[:, None]), r"int64 of the shape \(6, 1\); they must be integers"),
        ((IMAGES, list("abcabc")), "they must be integers"),
        ((IMAGES, np.eye(3)[LABELS] * 2), "row 0 is no distribution"),
        ((IMAGES, np.eye(3)[LABELS] * np.nan), "row 0 is no distribution"),
        ((IMAGES, np.eye(3)[LABELS]), r"those of train have \(6, 3\)"),
        (IMAGES, r"train: is ndarray; it must be a pair \(images, labels\)"),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(train, line):
    with pytest.raises(UserError, match=line) as error:
        Dataset.from_arrays(train, GOOD)
    assert "\n" not in str(error.value)


def test_arrays_for_the_test_are_needed():
    line = r"test: is missing; it must be a pair \(images, labels\)"
    with pytest.raises(UserError, match=line):
        Dataset.from_arrays(train=GOOD)


def test_labels_that_count_from_1_are_refused():
    from_1 = (IMAGES, LABELS + 1)
    with pytest.raises(UserError, match="the least is 1, but labels count from 0; subtract 1, or"):
        Dataset.from_arrays(from_1, from_1)
    dataset = Dataset.from_arrays(from_1, from_1, class_names=["none", "a", "b", "c"])
    assert dataset.num_classes == 4  # a class of no example is allowed where it has a name


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["a", "b"], "label 2 at index 2 must be in 0…1, for 2 class names"),
        (["a", "b", "a"], "'a' occurs 2 times"),
        (["a", "b", 3], "3 must be a text"),
        (["a", "b", "\ud800"], "cannot be written as UTF-8"),
        (["a", "b", "c\nd"], "has several lines"),
        (["a", "b", "c\n"], "has several lines"),
        (["a"], "two classes are needed"),
        ("abc", "must be a list"),
        (10, "class_names: is 10; it must be a list of names"),
        ({"a", "b", "c"}, "class_names: is a set, which has no order"),
        ([["a"], ["b"]], r"\['a'\] must be a text"),
    ],
)
def test_wrong_class_names_are_refused(names, line):
    with pytest.raises(UserError, match=line):
        Dataset.from_arrays(GOOD, GOOD, class_names=names)


def test_signals_are_images_of_one_row():
    signals = (np.zeros((6, 1, 100, 6), np.uint8), LABELS)
    dataset = Dataset.from_arrays(signals, signals, class_names=dict.fromkeys("abc").keys())
    assert dataset.image_shape == (1, 100, 6) and dataset.class_names == ("a", "b", "c")


def test_names_from_numpy_give_the_same_dataset():
    names = ["a", "b", "c"]
    plain = Dataset.from_arrays(GOOD, GOOD, class_names=names)
    from_numpy = Dataset.from_arrays(GOOD, GOOD, class_names=list(np.array(names)))
    assert plain.fingerprint == from_numpy.fingerprint


def test_columns_must_fit_the_class_names():
    soft = (IMAGES, np.eye(3)[LABELS])
    with pytest.raises(UserError, match="have 3 columns; there must be 2, one for each name"):
        Dataset.from_arrays(soft, soft, class_names=["a", "b"])


@pytest.mark.parametrize("name", ["digits", "folder:x", "tfds:beans", "", "a\nb"])
def test_names_of_other_datasets_are_refused(name):
    with pytest.raises(UserError, match="name = "):
        Dataset.from_arrays(GOOD, GOOD, name=name)
