"""Other labeled pictures than the run's, and the files of an evaluation on them."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcnn.errors import UserError
from jaxcnn.evaluation.labeled_set import load_labeled_set
from jaxcnn.evaluation.trained import load_examples, load_trained
from jaxcnn.reporting.evaluate_run import evaluate_run
from jaxcnn.reporting.report import write_report


@pytest.fixture(scope="module")
def trained(trained_workdir):
    return load_trained(trained_workdir)


@pytest.fixture(scope="module")
def pictures(trained, tmp_path_factory):
    """60 test pictures of the run in folders of their classes without a 9, and 2 of a "cat"."""
    folder = tmp_path_factory.mktemp("scans") / "from phone"
    examples = load_examples(trained, "test")
    kept = [i for i in range(80) if examples.labels[i] != 9][:60]
    for index in kept:
        write(folder / trained.class_names[examples.labels[index]], index, examples.images[index])
    for index in range(2):
        write(folder / "cat", index, examples.images[0])
    return folder


def write(folder, index, image):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0]).save(folder / f"{index:03}.png")


def test_classes_are_matched_by_name_and_others_are_left_out(trained, pictures, tmp_path):
    examples = load_labeled_set(trained, f"folder:{pictures}")
    own = load_examples(trained, "test")
    assert len(examples.labels) == 60 and examples.other.left_out == {"cat": 2}
    assert examples.other.missing == ["9"]
    for file, label, image in zip(examples.files, examples.labels, examples.images, strict=True):
        name, _, stem = file.partition("/")
        assert trained.class_names[label] == name
        np.testing.assert_array_equal(image, own.images[int(stem.removesuffix(".png"))])
    rows = [f"{pictures / file},{file[0]}" for file in examples.files]
    (tmp_path / "some.csv").write_text("\n".join(["path,label", *rows, ""]))
    table = trained.evaluate(f"table:{tmp_path / 'some.csv'}")
    folder = trained.evaluate(f"folder:{pictures}")
    assert table["accuracy"] == folder["accuracy"] and table["left_out"] == {}


def test_a_set_that_cannot_be_used_is_one_line(trained, tmp_path):
    place = tmp_path / "pets" / "cat"
    write(place, 0, np.zeros((32, 32, 1), np.uint8))
    with pytest.raises(UserError, match="none of its classes is one of .*: it has cat; the net"):
        load_labeled_set(trained, f"folder:{place.parent}")
    place.rename(place.with_name("7"))
    (tmp_path / "pets" / "7" / "1.png").write_text("no picture")
    with pytest.raises(UserError, match="1 of 2 files cannot be read"):
        load_labeled_set(trained, f"folder:{place.parent}")
    with pytest.raises(UserError, match="there is no folder"):
        load_labeled_set(trained, "folder:nowhere")
    shutil.copytree(place.parent, tmp_path / "split" / "train")
    with pytest.raises(UserError, match="has no test split; it has train"):
        load_labeled_set(trained, f"folder:{tmp_path / 'split'}")


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_files_are_named_after_the_set_and_the_run_s_stay(trained_workdir, pictures, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained_workdir, workdir)
    before = {path.name: path.read_bytes() for path in (workdir / "evaluation").iterdir()}
    metrics = evaluate_run(
        workdir,
        data=f"folder:{pictures}",
        logits=tmp_path / "logits.npz",
        page=tmp_path / "mistakes.html",
    )
    after = {path.name: path.read_bytes() for path in (workdir / "evaluation").iterdir()}
    assert {name: after[name] for name in before} == before
    (name,) = (name for name in after if name.endswith(".json") and name not in before)
    assert name.startswith("data_from_phone_") and json.loads(after[name]) == metrics
    with np.load(tmp_path / "logits.npz") as arrays:
        accuracy = np.mean(arrays["logits"].argmax(axis=1) == arrays["true"])
        assert accuracy == pytest.approx(metrics["accuracy"])
        assert arrays["files"][0].startswith("0/")
        assert arrays["class_names"].tolist() == [str(number) for number in range(10)]
    num_wrong = round(60 * (1 - metrics["accuracy"]))
    page = (tmp_path / "mistakes.html").read_text()
    assert page.count("<figure>") == num_wrong and len(metrics["mistakes"]) == min(num_wrong, 20)
    write_report(workdir)
    report = (workdir / "report.md").read_text()
    assert "## Evaluation on folder:" in report and "2 images of cat" in report
    for row in metrics["mistakes"]:
        assert row["file"] in page and row["file"] in report
