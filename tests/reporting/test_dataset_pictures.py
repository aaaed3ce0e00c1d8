"""Pictures of a dataset before training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.reporting.figures.dataset_pictures import draw_augmented, draw_dataset, mosaic
from jaxcnn.training.augmented_batch import AugmentedBatch, augmented_batch
from jaxcnn.training.parallel import AXIS
from jaxcnn.training.recipe import build_model, make_hyperparams, make_recipe
from jaxcnn.training.run import make_run
from jaxcnn.training.state import create_state
from jaxcnn.training.step import _prepare


def test_a_mosaic_has_each_image_at_its_center():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 1), np.uint8)
    tiles = mosaic(images, 3, 0.5, 0.25)
    assert tiles.pixels.shape == (10, 27, 1)
    for number, (x, y) in enumerate(tiles.centers):
        assert tiles.pixels[int(y), int(x), 0] == number
    assert tiles.pixels[0, 6, 0] == 255 and tiles.bottoms[3] == 5 + 4 - 0.5


def test_a_dataset_of_few_or_many_classes_is_drawn(dataset, tmp_path):
    draw_dataset(dataset, tmp_path / "few.png")
    many = dataclasses.replace(dataset, class_names=tuple(f"class_{n}" for n in range(25)))
    splits = {
        name: dataclasses.replace(split, labels=(np.arange(len(split.labels)) ** 2 % 25))
        for name, split in dataset.splits.items()  # squares: some classes have no image
    }
    draw_dataset(dataclasses.replace(many, splits=splits), tmp_path / "many.svg")
    assert (tmp_path / "few.png").stat().st_size > 10_000
    text = (tmp_path / "many.svg").read_text()
    assert "one image of each class, 11 of 25" in text and "class 24" in text


@pytest.fixture
def augmenting(config):
    config.augment.update(flip="random", cutout=4, crop=2)
    return config


@pytest.mark.slow
def test_it_is_the_batch_of_the_first_step(augmenting, dataset, tiny):
    augmenting.model, augmenting.dataset.scaling = tiny, "none"
    batch = augmented_batch(augmenting, dataset)
    run = make_run(augmenting, dataset)
    indices = np.asarray(run.train_order(0))[:, 0].ravel()
    train = dataset.splits["train"]
    np.testing.assert_array_equal(batch.before, train.images[indices])
    model = build_model(augmenting, dataset, seed=0)
    recipe, params, batch_stats = make_recipe(augmenting, dataset, model, 5)
    hyperparams = make_hyperparams(augmenting)
    state = create_state(params, batch_stats, recipe.optimizer, hyperparams=hyperparams, ema=False)
    examples = {
        "images": train.images[indices], "labels": train.labels[indices], "indices": indices,
        "mask": indices >= 0,
    }  # fmt: skip

    def prepare(examples):
        return _prepare(recipe, examples, jnp.int32(64), state, jnp.int32(0))

    shares = jax.tree.map(lambda array: jnp.asarray(array)[None], examples)
    prepared = jax.vmap(prepare, axis_name=AXIS)(shares)
    np.testing.assert_array_equal(batch.after, np.round(prepared["images"][0]).astype(np.uint8))
    assert (batch.after != batch.before).any()


def test_an_augmented_batch_is_drawn_with_its_labels(augmenting, dataset, tmp_path):
    augmenting.augment.update(flip="none", cutout=0, crop=0, mixup=1.0)
    batch = augmented_batch(augmenting, dataset)
    assert isinstance(batch, AugmentedBatch) and batch.targets.shape == (64, 4)
    draw_augmented(batch, dataset.class_names, tmp_path / "batch.svg")
    text = (tmp_path / "batch.svg").read_text()
    assert "the first 32 of the 64 images" in text and "% left" in text


def test_brightness_changes_by_the_deviation_of_the_pixels(config, dataset):
    config.augment.brightness = 0.5
    batch = augmented_batch(config, dataset)
    changes = batch.after.astype(float) - batch.before
    assert 0.25 * np.max(dataset.pixel_std) < np.abs(changes).max()


def test_a_config_without_augmentation_is_one_line(config, dataset):
    with pytest.raises(UserError, match="the config augments nothing"):
        augmented_batch(config, dataset)
