"""Pictures of any size, fitted to an image shape by Pillow and by the exported function."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.dataset import load_dataset
from jaxcnn.data.pictures.fitting import fit
from jaxcnn.errors import UserError
from jaxcnn.evaluation.picture_fitting import fit_pixels

METHODS = ("crop", "stretch", "pad", "pad:edge", "pad:#ff8000")


def gradient(height, width):
    """A picture whose red grows to the right and whose green grows downward."""
    red, green = np.meshgrid(np.linspace(50, 250, width), np.linspace(50, 250, height))
    return Image.fromarray(np.stack([red, green, 0 * red], -1).astype(np.uint8))


def test_each_way_to_fit_a_wide_picture():
    picture = gradient(40, 80)
    cropped, stretched, padded, edge, color = (
        fit(picture, (20, 20, 3), name).astype(int) for name in METHODS
    )
    assert abs(cropped[10, [0, -1], 0] - (102, 198)).max() < 4  # the middle half
    assert abs(stretched[10, [0, -1], 0] - (55, 245)).max() < 4
    assert (padded[[0, 4, 15, 19]] == 0).all() and (padded[5:15, :, 1] > 40).all()
    assert (edge[:5] == edge[5]).all() and (edge[15:] == edge[14]).all()
    assert (edge[5:15] == padded[5:15]).all() and (color[:5] == (255, 128, 0)).all()
    assert fit(picture.convert("L"), (30, 20, 1), "pad:#ffffff")[0, 0, 0] == 255


@pytest.mark.parametrize("method", METHODS)
def test_the_exported_function_differs_by_one_at_most(method):
    random = np.random.default_rng(0)
    for height, width in ((61, 40), (5, 200)):
        pixels = random.integers(0, 256, (height, width, 3), np.uint8)
        expected = fit(Image.fromarray(pixels), (16, 24, 3), method)
        fitted = np.asarray(fit_pixels(jnp.asarray(pixels), (16, 24, 3), method))
        assert np.abs(fitted.astype(int) - expected).max() <= 1, (height, width)


def test_a_folder_is_prepared_for_each_way_and_each_size(tmp_path):
    for name in ("train/cat", "train/dog", "test/cat", "test/dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        gradient(20, 60).save(tmp_path / "pets" / name / "0.png")

    def images(**settings):
        name = f"folder:{tmp_path / 'pets'}"
        dataset = load_dataset(name, data_dir=tmp_path / "data", **settings)
        return dataset.splits["train"].images, dataset.conversion

    cropped, conversion = images(image_size=16)
    assert cropped.shape[1:] == (16, 16, 3) and "fit" not in conversion
    padded, conversion = images(image_size=16, fit="pad")
    assert (padded[:, 0] == 0).all() and conversion["fit"] == "pad"
    assert (images(image_size=16)[0] == cropped).all()
    assert images(image_size=(10, 30))[0].shape[1:] == (10, 30, 3)
    with pytest.raises(UserError, match="fit = 'padd': must be crop, stretch, pad"):
        images(image_size=16, fit="padd")


def test_other_datasets_in_a_size_that_is_not_square(tmp_path):
    dataset = load_dataset("digits", data_dir=tmp_path, image_size=(8, 12))
    assert dataset.image_shape == (8, 12, 1)
