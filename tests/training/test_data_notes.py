"""What a run says of its data before it starts."""

import dataclasses
import unicodedata

import numpy as np
import pytest

from jaxcnn.data.dataset import Dataset, Split
from jaxcnn.data.views import make_views
from jaxcnn.errors import UserError
from jaxcnn.models import model_config
from jaxcnn.training.data_notes import data_notes, refuse_unseen_classes
from jaxcnn.workdir.run_data import refuse_other_data


def with_labels(dataset, counts):
    labels = np.repeat(np.arange(4, dtype=np.int32), counts)
    train = Split(dataset.splits["train"].images[: len(labels)], labels)
    return dataclasses.replace(dataset, splits=dataset.splits | {"train": train})


def notes(dataset, validation="holdout"):
    return data_notes(dataset, make_views(dataset, validation, 0.1))


def test_classes_of_unequal_size_are_named(dataset):
    assert notes(with_labels(dataset, (60, 60, 40, 50))) == []
    (line,) = notes(with_labels(dataset, (60, 61, 40, 50)))
    assert line == (
        "classes differ in size: middle left 61, middle right 40 pictures; balanced accuracy "
        "counts each class alike"
    )


def test_a_validation_split_that_is_not_used_is_named(dataset):
    splits = dataset.splits | {"validation": dataset.splits["test"]}
    dataset = with_labels(dataclasses.replace(dataset, splits=splits), (50,) * 4)
    for validation, source in (("holdout", "a part of train"), ("test", "the test split")):
        assert notes(dataset, validation) == [
            f"the validation split of bars is unused: validation reads {source}; set "
            'config.validation = "validation" to use it'
        ]
    assert notes(dataset, "validation") == []


def test_a_run_begins_with_them(config, train, dataset, tmp_path):
    config.num_epochs = 1
    config.model = model_config("mlp", hidden=(16,))
    unequal = with_labels(dataset, (100, 40, 40, 40))
    _, printed = train(config, tmp_path, unequal)
    assert printed.index("everything goes to") < printed.index("classes differ in size: left 100")
    assert printed.index("classes differ") < printed.index("---- train ----")


def test_a_run_made_with_names_in_another_encoding_goes_on(tmp_path):
    before, now = (unicodedata.normalize(form, "café") for form in ("NFD", "NFC"))
    (tmp_path / "dataset.json").write_text(f'{{"class_names": ["{before}", "tea"]}}')
    refuse_other_data(tmp_path, {"class_names": [now, "tea"]})
    with pytest.raises(UserError, match="was trained on other data"):
        refuse_other_data(tmp_path, {"class_names": ["tea", now]})


def test_a_class_that_would_never_be_trained_on_is_refused():
    labels = np.repeat(np.arange(4, dtype=np.int32), 10)  # sorted by class, as folders are
    split = Split(np.zeros((40, 16, 16, 1), np.uint8), labels)
    names = ("a", "b", "c", "d")
    dataset = Dataset("x", names, {"train": split, "test": split}, np.ones(1), np.ones(1), 0.5, 1.0)
    tail = make_views(dataset, "tail", 0.5)
    with pytest.raises(UserError, match="no training example is left for classes c and d"):
        refuse_unseen_classes(dataset, tail)
    refuse_unseen_classes(dataset, make_views(dataset, "holdout", 0.5))
