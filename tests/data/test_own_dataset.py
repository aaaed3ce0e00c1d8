"""A dataset that a user's function returns: loaded by name, resized, and checked."""

import numpy as np
import pytest
from PIL import Image

import jaxcnn
from jaxcnn.config.defaults import default_config
from jaxcnn.data.dataset import Dataset, dataset_names, load_dataset
from jaxcnn.data.loading import dataset_sizes, load_data
from jaxcnn.data.pictures.conversion import DEFAULT_CONVERSION
from jaxcnn.data.pictures.fitting import fit
from jaxcnn.errors import UserError

pytestmark = pytest.mark.usefixtures("own_parts")


@pytest.fixture
def calls():
    """The calls of the function of the dataset "mine"."""
    calls = []

    @jaxcnn.dataset("mine")
    def mine():
        calls.append(1)
        random = np.random.default_rng(0)
        images = random.integers(0, 256, (20, 6, 8, 2), dtype=np.uint8)
        return Dataset.from_arrays((images, np.arange(20) % 3), (images[:6], np.arange(6) % 3))

    return calls


def test_it_is_loaded_by_its_name_and_made_once(calls):
    dataset = load_dataset("mine")
    assert (dataset.name, dataset.num_classes, dataset.image_shape) == ("mine", 3, (6, 8, 2))
    assert "mine" in dataset_names() and not dataset.is_of_arrays
    assert load_dataset("mine").fingerprint == dataset.fingerprint and len(calls) == 1


@pytest.mark.slow
def test_datasets_in_turn_are_made_once(calls):
    for name in ("second", "third"):
        jaxcnn.dataset(name)(lambda: load_dataset("digits"))
    for name in ("mine", "second", "third", "mine"):
        load_dataset(name)
    assert len(calls) == 1


def test_its_images_are_resized_with_their_statistics(calls):
    config = default_config()
    config.dataset.update(name="mine", image_size=12)
    dataset = load_data(config)
    images = dataset.splits["train"].images
    assert dataset_sizes(config.dataset) == (3, (12, 12, 2)) == (3, images.shape[1:])
    np.testing.assert_allclose(dataset.pixel_mean, images.mean((0, 1, 2)), rtol=1e-5)
    assert dataset.splits["test"].images.shape == (6, 12, 12, 2)


@pytest.mark.parametrize("size", [(3, 4), (12, 16), (12, 12), (4, 10)])
def test_its_images_are_fitted_as_pictures_are_for_prediction(size, calls):
    own, resized = (load_dataset("mine", image_size=n).splits["test"].images for n in (0, size))
    for channel in (0, 1):
        picture = Image.fromarray(own[2, ..., channel])
        fitted = fit(picture, (*size, 1), DEFAULT_CONVERSION.fit)
        np.testing.assert_array_equal(resized[2, ..., channel : channel + 1], fitted)
        if size[0] * 8 == size[1] * 6:  # runs on such images go on with the same bits
            plain = picture.resize(size[::-1], Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(resized[2, ..., channel], np.asarray(plain))


def test_arrays_in_memory_cannot_be_streamed(calls):
    config = default_config()
    config.dataset.update(name="mine", streaming=True)
    with pytest.raises(UserError, match="the images are in memory"):
        load_data(config)


def bug():
    return {}["key"]


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda: 5, "must return a jaxcnn.Dataset, not int"),
        (bug, "KeyError: 'key'"),
        (lambda: Dataset.from_arrays((np.zeros(3), [0]), ([], [])), "the images of train"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(function, text):
    jaxcnn.dataset("mine")(function)
    with pytest.raises(UserError, match=text) as raised:
        load_dataset("mine")
    assert f"dataset 'mine' ({__file__}:" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_it_has_no_label_sets(calls):
    with pytest.raises(UserError, match="no label set 'fine'"):
        load_dataset("mine", label_set="fine")
