"""`python -m jaxcnn.predict`: the network's own test pictures, and what is no picture."""

import json

import numpy as np
import pytest
from PIL import Image
from test_commands import run

from jaxcnn.training.predictions import probabilities
from jaxcnn.training.trained import load_examples, load_trained


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
def test_mistakes(tmp_path, arguments, said):
    done = run("jaxcnn.predict", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1
