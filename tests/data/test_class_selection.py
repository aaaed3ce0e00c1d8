"""A dataset limited to some classes."""

import dataclasses
from unicodedata import normalize

import numpy as np
import pytest

from jaxcnn.data.class_selection import select_classes, selected_names
from jaxcnn.data.counts import class_counts
from jaxcnn.data.pictures.content import Picture
from jaxcnn.data.superclasses import SELECTED
from jaxcnn.errors import UserError


def test_labels_are_numbered_in_the_given_order(dataset):
    chosen = select_classes(dataset, ("right", "left"))
    assert chosen.class_names == ("right", "left") and chosen.num_classes == 2
    for name, split in chosen.splits.items():
        whole = dataset.splits[name]
        kept = np.isin(whole.labels, (0, 3))
        np.testing.assert_array_equal(split.images, whole.images[kept])
        np.testing.assert_array_equal(split.labels, np.where(whole.labels[kept] == 3, 0, 1))
        assert split.labels.dtype == np.int32


def test_statistics_and_fingerprint_are_those_of_the_selection(dataset):
    chosen = select_classes(dataset, ("left", "right"))
    pixels = chosen.splits["train"].images
    np.testing.assert_allclose(chosen.pixel_mean, pixels.mean((0, 1, 2)), rtol=1e-6)
    assert chosen.scalar_std == pytest.approx(pixels.std())
    other = select_classes(dataset, ("right", "left"))
    assert len({each.fingerprint for each in (dataset, chosen, other)}) == 3
    assert select_classes(dataset, ()) is dataset


def test_distributions_go_to_the_likeliest_class_and_sum_to_one(dataset):
    votes = np.array([[6, 4, 0, 0], [4, 0, 0, 6], [1, 8, 1, 0], [5, 0, 0, 5]], np.float32)
    splits = {
        name: dataclasses.replace(split, images=split.images[:4], labels=votes / 10)
        for name, split in dataset.splits.items()
    }
    chosen = select_classes(dataclasses.replace(dataset, splits=splits), ("left", "right"))
    labels = chosen.splits["train"].labels
    np.testing.assert_allclose(labels, [[1, 0], [0.4, 0.6], [0.5, 0.5]], rtol=1e-6)
    assert labels.dtype == np.float32 and class_counts(labels, 2).tolist() == [2, 1]
    assert select_classes(chosen, ("left,right",)) is chosen  # another division changes bits


def test_pictures_of_other_classes_are_left_out(dataset):
    names = (dataset.class_names[label] for label in dataset.splits["train"].labels)
    pictures = tuple(Picture("", f"{i}.png", name, "train") for i, name in enumerate(names))
    chosen = select_classes(dataclasses.replace(dataset, pictures=pictures), ("left", "right"))
    labels = chosen.splits["train"].labels
    assert [p.class_name for p in chosen.pictures] == [chosen.class_names[i] for i in labels]


def test_names_may_be_a_list_a_selection_or_one_text():
    assert selected_names(("classic",)) == SELECTED
    assert selected_names(("classic-networks",)) == SELECTED  # the key of older runs
    assert selected_names(("cat, dog",)) == selected_names(("cat", "dog")) == ("cat", "dog")
    assert selected_names((1, 7)) == ("1", "7")
    assert selected_names(("black, white",), ("black, white",)) == ("black, white",)
    assert selected_names((normalize("NFD", "café"),), ("café", "tea")) == ("café",)


def test_mistakes_are_one_line(dataset):
    for classes, text in (
        (("lefft", "right"), "bars has no class 'lefft'; did you mean left?"),
        (("x", "y"), "bars has no class 'x' (it has left, middle left, middle right, right)"),
        (("left", "left"), "names 'left' twice"),
        (("left",), "names left alone; name two or more classes"),
        ((" , ",), "names no class; name two or more classes"),
    ):
        with pytest.raises(UserError) as error:
            select_classes(dataset, classes)
        assert str(error.value) == f"config.dataset.classes: {text}"
    splits = dataset.splits | {"test": dataclasses.replace(dataset.splits["test"])}
    splits["test"] = dataclasses.replace(
        splits["test"], labels=np.zeros_like(splits["test"].labels)
    )
    with pytest.raises(UserError, match="the test split has no image of them"):
        select_classes(dataclasses.replace(dataset, splits=splits), ("middle left", "right"))
