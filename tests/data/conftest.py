"""Fixtures of the tests of the data."""

import archives
import pytest


@pytest.fixture
def small_datasets(monkeypatch):
    """Makes the small archives that tests write count as whole ones."""
    from jaxcnn.data.datasets.cifar import Cifar10, Cifar100
    from jaxcnn.data.datasets.ferplus import FerPlus
    from jaxcnn.data.datasets.mnist import Mnist

    monkeypatch.setattr(Cifar10, "class_counts", dict(archives.CIFAR10_COUNTS))
    monkeypatch.setattr(Cifar100, "class_counts", dict(archives.CIFAR100_COUNTS))
    monkeypatch.setattr(Mnist, "class_counts", dict(archives.MNIST_COUNTS))
    monkeypatch.setattr(FerPlus, "row_count", sum(archives.FERPLUS_ROWS.values()))
    monkeypatch.setattr(FerPlus, "kept_counts", dict(archives.FERPLUS_KEPT))
