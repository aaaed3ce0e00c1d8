"""The order of examples: each once an epoch, a pure function of (seed, epoch)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxcnn.config.defaults import default_config
from jaxcnn.data.dataset import Dataset, Split
from jaxcnn.data.order import in_batches, shuffled
from jaxcnn.data.views import make_views, take_fraction, view_fingerprints, views_of


@settings(max_examples=60, deadline=None)
@given(
    num_examples=st.integers(1, 70),
    batch_size=st.integers(1, 40),
    num_devices=st.sampled_from([1, 2, 3, 8]),
    num_parts=st.integers(1, 4),
)
def test_every_example_counts_once_and_fills_only_its_own_batch(
    num_examples, batch_size, num_devices, num_parts
):
    indices = shuffled(np.arange(num_examples, dtype=np.int32), seed=3, epoch=1)
    order = in_batches(indices, batch_size, num_devices=num_devices, num_parts=num_parts)
    assert order.dtype == np.int32 and order.shape[0] == num_devices
    assert order.shape[2] % num_parts == 0
    batches = order.transpose(1, 0, 2).reshape(order.shape[1], -1)
    counted = batches[batches >= 0]
    np.testing.assert_array_equal(counted, indices)
    for step, batch in enumerate(batches):
        own = set(indices[step * batch_size : (step + 1) * batch_size])
        assert set(np.where(batch >= 0, batch, ~batch)) == own


def test_the_order_is_a_function_of_seed_and_epoch():
    indices = np.arange(100, dtype=np.int32)
    orders = [shuffled(indices, seed=s, epoch=e) for s, e in ((0, 0), (0, 0), (0, 1), (1, 0))]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).any() and (orders[0] != orders[3]).any()


@pytest.fixture
def dataset():
    return make_dataset(50)


def make_dataset(num_examples):
    labels = np.arange(num_examples, dtype=np.int32) % 5
    split = Split(np.zeros((num_examples, 4, 4, 1), np.uint8), labels)
    splits = {"train": split, "validation": split, "test": split}
    return Dataset("some", tuple("abcde"), splits, np.zeros(1), np.ones(1), 0.0, 1.0)


def test_the_holdout_is_cut_from_train_alone(dataset):
    views = make_views(dataset, "holdout", 0.2)
    train, validation = views["train"], views["validation"]
    assert train.split == validation.split == "train" and views["test"].split == "test"
    assert len(validation.indices) == 10
    both = np.concatenate([train.indices, validation.indices])
    np.testing.assert_array_equal(np.sort(both), np.arange(50))


def test_the_tail_is_the_last_part_of_train_rounded_as_published(dataset):
    views = make_views(dataset, "tail", 0.1)
    np.testing.assert_array_equal(views["train"].indices, np.arange(45))
    np.testing.assert_array_equal(views["validation"].indices, np.arange(45, 50))
    assert views["validation"].split == "train"
    ferplus = make_views(make_dataset(28_559), "tail", 0.1)
    sizes = [len(ferplus[name].indices) for name in ("train", "validation")]
    assert sizes == [25_703, 2_856]


def test_other_splits_validate_whole(dataset):
    for split in ("validation", "test"):
        views = make_views(dataset, split, 0.2)
        assert views["validation"].split == split and len(views["validation"].indices) == 50
        assert len(views["train"].indices) == 50


def labelled(labels, num_classes):
    labels = np.asarray(labels, np.int32)
    split = Split(np.zeros((len(labels), 4, 4, 1), np.uint8), labels)
    names = tuple(f"c{label}" for label in range(num_classes))
    return Dataset(
        "some", names, {"train": split, "test": split}, np.zeros(1), np.ones(1), 0.0, 1.0
    )


def test_the_holdout_takes_the_same_share_of_each_class():
    dataset = labelled([0] * 200 + [1] * 50 + [2] * 2 + [3], 4)
    views = make_views(dataset, "holdout", 0.1)
    labels = dataset.splits["train"].labels
    assert np.bincount(labels[views["validation"].indices], minlength=4).tolist() == [20, 5, 0, 0]
    assert np.bincount(labels[views["train"].indices]).tolist() == [180, 45, 2, 1]
    again = make_views(dataset, "holdout", 0.1)
    np.testing.assert_array_equal(views["validation"].indices, again["validation"].indices)


def test_a_holdout_of_tiny_classes_is_not_empty():
    views = make_views(labelled([0, 1, 1, 2, 2, 2], 3), "holdout", 0.1)
    assert len(views["validation"].indices) == 1 and views["validation"].indices[0] >= 3


def test_the_random_holdout_is_the_one_of_older_runs():
    views = make_views(make_dataset(50), "holdout", 0.2, "random")
    expected = [3, 6, 9, 12, 18, 30, 32, 36, 45, 46]
    assert views["validation"].indices.tolist() == expected


def test_fingerprints_tell_examples_apart():
    dataset = labelled([0, 1] * 10, 2)
    views = make_views(dataset, "holdout", 0.2)
    found = view_fingerprints(dataset, views)
    assert found == view_fingerprints(labelled([0, 1] * 10, 2), views)
    assert len(set(found.values())) == 3
    assert dataset.fingerprint != labelled([1, 0] * 10, 2).fingerprint
    swapped = view_fingerprints(labelled([1, 0] * 10, 2), views)
    assert all(swapped[name] != found[name] for name in found)


@pytest.mark.parametrize("soft", [False, True])
def test_a_fraction_is_stratified_and_part_of_a_larger_one(soft):
    classes = np.repeat([0, 1, 2, 3], [400, 100, 40, 2])
    labels = np.eye(4, dtype=np.float32)[classes] if soft else classes
    indices = np.arange(3, len(classes), dtype=np.int32)  # the first three are held out, say
    parts = [take_fraction(indices, labels, each) for each in (0.001, 0.1, 0.5, 1.0)]
    counts = [np.bincount(classes[part], minlength=4).tolist() for part in parts]
    assert counts == [[1, 1, 1, 1], [40, 10, 4, 1], [198, 50, 20, 1], [397, 100, 40, 2]]
    for smaller, larger in itertools.pairwise(parts):
        assert set(smaller) < set(larger)
        assert smaller.dtype == np.int32 and (np.diff(smaller) > 0).all()


def test_a_fraction_is_of_the_training_examples_alone():
    dataset, config = make_dataset(100), default_config()
    whole = views_of(config, dataset)
    config.dataset.fraction, config.seed = 0.5, 7
    half = views_of(config, dataset)
    for name in ("validation", "test"):
        np.testing.assert_array_equal(half[name].indices, whole[name].indices)
    assert set(half["train"].indices) < set(whole["train"].indices)
    config.seed = 8
    again = views_of(config, dataset)
    np.testing.assert_array_equal(again["train"].indices, half["train"].indices)
