"""`python -m jaxcnn.predict`: the network's own test pictures, and what is no picture."""

import json

import numpy as np
import pytest
from commands import run
from outcomes import assert_one_line
from PIL import Image

from jaxcnn.evaluation.predictions import probabilities
from jaxcnn.evaluation.trained import load_examples, load_trained


@pytest.fixture(scope="module")
def pictures(trained_workdir, tmp_path_factory):
    """Seven test pictures as files, their probabilities, and the names of the classes."""
    trained = load_trained(trained_workdir)
    images = load_examples(trained, "test").images[:7]
    folder = tmp_path_factory.mktemp("pictures")
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(folder / f"{number}.png")
    return folder, probabilities(trained, images), trained.class_names


def test_pictures_get_the_probabilities_of_evaluation(pictures, trained_workdir, tmp_path):
    folder, expected, class_names = pictures
    done = run(
        "jaxcnn.predict", f"--workdir={trained_workdir}", str(folder), "--json", "--top_k=2",
        "--grid=grid.png", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == ""
    found = json.loads(done.stdout)
    assert found["skipped"] == []
    for number, (each, row) in enumerate(zip(found["predictions"], expected, strict=True)):
        assert each["file"] == str(folder / f"{number}.png") and len(each["top"]) == 2
        assert each["top"][0]["class"] == class_names[row.argmax()]
        np.testing.assert_allclose(each["top"][0]["probability"], row.max(), rtol=1e-4)
    with Image.open(tmp_path / "grid.png") as grid:
        assert min(grid.size) > 500


@pytest.mark.slow
def test_what_is_no_picture_is_named_and_skipped(pictures, trained_workdir, tmp_path):
    folder, _, _ = pictures
    (tmp_path / "notes \x1b[31m.txt").write_text("no picture")
    (tmp_path / "0.png").write_bytes((folder / "0.png").read_bytes())
    files = ["0.png", "notes \x1b[31m.txt", "missing.png"]
    arguments = ("jaxcnn.predict", f"--workdir={trained_workdir}")
    done = run(*arguments, *files, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        r"skipped: notes \x1b[31m.txt is not an image that can be read",
        "skipped: missing.png is not an image that can be read: No such file or directory",
    ]
    assert "0.png" in done.stdout and "\x1b" not in done.stdout
    done = run(*arguments, *files[1:], cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines()[-1] == "error: none of the 2 files is an image"


def saved(folder, images):
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def asked(workdir, *arguments, cwd):
    done = run("jaxcnn.predict", f"--workdir={workdir}", *map(str, arguments), "--json", cwd=cwd)
    assert done.returncode == 0
    return json.loads(done.stdout), done.stderr.splitlines()


def likeliest(found):
    return [each["top"][0]["probability"] for each in found["predictions"]]


@pytest.mark.slow
def test_a_negative_is_warned_of_and_can_be_inverted(pictures, trained_workdir, tmp_path):
    folder, expected, _ = pictures
    images = [np.asarray(Image.open(folder / f"{number}.png")) for number in range(7)]
    negatives = saved(tmp_path / "negatives", [255 - image for image in images])
    found, said = asked(trained_workdir, negatives, cwd=tmp_path)
    (warning,) = found["warnings"]
    assert warning["files"] == [str(negatives / f"{number}.png") for number in range(7)]
    (line,) = said  # of all pictures
    assert line.startswith(f"warning: 7 of 7 pictures ({negatives}/0.png, ")
    assert "and 4 more): " in line and line.endswith("; try --invert")
    found, said = asked(trained_workdir, "--invert", negatives, cwd=tmp_path)
    assert found["warnings"] == said == []
    np.testing.assert_allclose(likeliest(found), expected.max(axis=1), rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.png"], "give --workdir=DIR"),
        (["--workdir=nowhere", "a.png"], "nowhere: holds no run"),
        (["--workdir=x", "a.png", "--grid=grid.txt"], "name a file ending in .png"),
        (["--workdir=x", "a.png", "--top_k=0"], "top_k"),
        (["--workdir=x", "a.png", "--tta=ten"], "tta"),
    ],
)
def test_mistakes(command, tmp_path, arguments, said):
    done = command("predict", *arguments, folder=tmp_path)
    assert done["code"] == 2 and done["output"] == ""
    assert_one_line(done["errors"], said)
