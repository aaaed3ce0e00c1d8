"""The datasets, read from small archives in the publishers' formats."""

import gzip
import pickle

import archives
import numpy as np
import pytest
from archives import read

from jaxcnn.data.datasets.cifar import Cifar10, Cifar100
from jaxcnn.data.datasets.digits import Digits
from jaxcnn.data.datasets.ferplus import FerPlus
from jaxcnn.data.datasets.mnist import Mnist
from jaxcnn.data.preparing.pickles import read_pickle


@pytest.fixture(autouse=True)
def _small(small_datasets):
    """The archives of these tests count as whole."""


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"])
def test_cifar10_archives(tmp_path, name):
    archives.write_tar(tmp_path / name, archives.TARS[name]())
    _, splits = read(Cifar10, tmp_path)
    images, labels = archives.make_split(archives.CIFAR10_COUNTS["train"], (32, 32, 3), 0)
    np.testing.assert_array_equal(splits["train"].images, images)
    np.testing.assert_array_equal(splits["train"].labels[""], labels)
    assert splits["test"].count == 10


@pytest.mark.parametrize("name", ["cifar-100-python.tar.gz", "cifar-100-binary.tar.gz"])
def test_cifar100_archives(tmp_path, name):
    archives.write_tar(tmp_path / name, archives.TARS[name]())
    builder, splits = read(Cifar100, tmp_path)
    images, labels = archives.cifar100_splits()["test"]
    np.testing.assert_array_equal(splits["test"].images, images)
    np.testing.assert_array_equal(splits["test"].labels["fine"], labels)
    np.testing.assert_array_equal(splits["test"].labels["coarse"], labels // 5)
    assert builder.prepared_class_names() == {
        "fine": tuple(archives.FINE_CLASSES),
        "coarse": tuple(archives.COARSE_CLASSES),
    }


@pytest.mark.parametrize("name", archives.TARS)
def test_archive_that_was_unpacked(tmp_path, name):
    for path, data in archives.TARS[name]().items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    _, splits = read(Cifar100 if "100" in name else Cifar10, tmp_path)
    assert list(splits) == ["train", "test"]


def test_pickle_of_python3_is_read_too(tmp_path):
    members = archives.cifar10_python()
    for protocol in (2, 4):
        for name, data in members.items():
            members[name] = pickle.dumps(read_pickle(data), protocol=protocol)
        archives.write_tar(tmp_path / "cifar-10-python.tar.gz", members)
        _, splits = read(Cifar10, tmp_path)
        assert splits["train"].count == 50


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_files(tmp_path, suffix):
    for name, data in archives.mnist_files().items():
        packed = gzip.compress(data) if suffix else data
        (tmp_path / (name + suffix)).write_bytes(packed)
    _, splits = read(Mnist, tmp_path)
    for split, (images, labels) in archives.mnist_splits().items():
        np.testing.assert_array_equal(splits[split].images, images)
        np.testing.assert_array_equal(splits[split].labels[""], labels)


def test_ferplus_files(tmp_path):
    for name, data in archives.ferplus_files().items():
        (tmp_path / name).write_bytes(data)
    _, splits = read(FerPlus, tmp_path)
    assert {name: split.count for name, split in splits.items()} == archives.FERPLUS_KEPT
    _, pixels, votes = archives.ferplus_rows()[0]
    np.testing.assert_array_equal(splits["train"].images[0], pixels.reshape(48, 48, 1))
    labels = splits["train"].labels[""]
    np.testing.assert_allclose(labels[0], votes[:8] / votes[:8].sum(), rtol=1e-6)
    assert labels.dtype == np.float32 and labels.shape == (5, 8)


def test_digits_are_split_by_class(tmp_path):
    _, splits = read(Digits, tmp_path)
    train, test = splits["train"], splits["test"]
    assert (train.count, test.count) == (1438, 359)
    assert (train.images.min(), train.images.max()) == (0, 255)
    np.testing.assert_allclose(np.bincount(test.labels[""]) / 179.7, 0.2, atol=0.015)
    assert not {x.tobytes() for x in train.images} & {x.tobytes() for x in test.images}
