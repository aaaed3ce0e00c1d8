"""A user's pictures are read as those of the training were, and unusual ones are named."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcnn.config.defaults import default_config
from jaxcnn.data.loading import load_data
from jaxcnn.errors import UserError
from jaxcnn.evaluation.trained import load_examples, load_trained
from jaxcnn.evaluation.user_pictures import find_warnings, read_pictures, warning_line
from jaxcnn.training.run import describe_data, make_run


@pytest.fixture(scope="module")
def digits(trained_workdir):
    """Seven test pictures, uint8 (7, 32, 32, 1)."""
    return load_examples(load_trained(trained_workdir), "test").images[:7]


@pytest.fixture
def retrained(trained_workdir, tmp_path):
    """Loads the run with other entries in its `dataset.json`; None takes one away."""
    workdir = tmp_path / "run"
    workdir.mkdir()
    shutil.copy(trained_workdir / "config.json", workdir)
    shutil.copytree(trained_workdir / "checkpoints", workdir / "checkpoints")

    def load(**entries):
        about = json.loads((trained_workdir / "dataset.json").read_text()) | entries
        about = {name: value for name, value in about.items() if value is not None}
        (workdir / "dataset.json").write_text(json.dumps(about))
        return load_trained(workdir)

    return load


def save(folder, images):
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def ask(trained, paths, *, invert=False):
    found, images, skipped = read_pictures(trained, paths, invert=invert)
    assert found == paths and not skipped
    return images, find_warnings(trained, paths, images, invert=invert)


def test_a_picture_that_is_named_twice_has_two_predictions(digits, retrained, tmp_path):
    first, second = save(tmp_path / "digits", digits[:2, ..., 0])
    predictions = retrained().predict([first, second, second, first])
    assert list(predictions.files) == [str(path) for path in (first, second, second, first)]
    np.testing.assert_array_equal(predictions.probabilities[1:3], predictions.probabilities[[1, 1]])


def test_12_bits_in_files_of_16_and_strokes_without_a_page(digits, retrained, tmp_path):
    deep = save(tmp_path / "deep", digits[..., 0].astype(np.uint16) * 16)
    white = np.full_like(digits, 255)
    drawn = save(tmp_path / "drawn", np.concatenate([white, white, white, digits], axis=-1))
    trained = retrained(reading={"page": "black", "integer_white": 4095})
    before = retrained(reading=None)  # a run of before there were rules
    for paths in (deep, drawn):
        images, warnings = ask(trained, paths)
        assert (images == digits).all() and warnings == []
        _, (warning,) = ask(before, paths)
        assert len(warning["files"]) == 7


def test_a_negative_is_told_and_what_to_try(digits, retrained, tmp_path):
    trained = retrained()
    paths = save(tmp_path / "negatives", 255 - digits[..., 0])
    _, (warning,) = ask(trained, paths)
    assert warning["files"] == list(map(str, paths))
    assert warning["warning"].endswith("; try --invert")
    images, warnings = ask(trained, paths, invert=True)
    assert (images == digits).all() and warnings == []
    paths = save(tmp_path / "right", digits[..., 0])
    assert ask(trained, paths, invert=True)[1][0]["warning"].endswith("; try without --invert")


def test_a_picture_of_one_color_is_named(digits, retrained, tmp_path):
    paths = save(tmp_path / "some", [*digits[..., 0], np.full((32, 32), 80, np.uint8)])
    for entries in ({}, {"picture_statistics": None, "reading": None}):  # of an older run, too
        _, (warning,) = ask(retrained(**entries), paths)
        assert warning == {"files": [str(paths[-1])], "warning": "of one color"}
        assert warning_line(warning, len(paths)) == f"warning: {paths[-1]}: of one color"


def test_a_run_without_statistics_warns_of_nothing_else(digits, retrained, tmp_path):
    trained = retrained(picture_statistics=None)
    assert ask(trained, save(tmp_path / "negatives", 255 - digits[..., 0]))[1] == []


@pytest.mark.parametrize(
    "entries",
    [
        {"reading": {"page": "red"}},
        {"reading": {"integer_white": [4095]}},
        {"reading": 5},
        {"picture_statistics": {"brightness": [0, 1, 2]}},
        {"picture_statistics": dict.fromkeys(("brightness", "contrast", "border"), [9, 1, 400])},
    ],
)
def test_rules_that_no_run_writes(retrained, entries):
    with pytest.raises(UserError, match=r"dataset\.json: is not a run's, or damaged"):
        retrained(**entries)


def test_a_run_keeps_what_its_pictures_were_like(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 3000, (12, 12)).astype(np.uint16)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{number}.png")
    config = default_config()
    config.global_batch_size = 4
    config.dataset.update(name=f"folder:{tmp_path / 'pets'}", data_dir=str(tmp_path / "data"))
    config.dataset.image_size = 32
    about = describe_data(make_run(config, load_data(config)))
    assert about["reading"] == {"page": "white", "integer_white": 4095}
    low, middle, high = about["picture_statistics"]["brightness"]
    assert 60 < low < middle < high < 120
