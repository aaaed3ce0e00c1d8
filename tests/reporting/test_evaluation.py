"""What an evaluation writes, and what the report says of it."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from jaxcnn.data.superclasses import SELECTED, SUPERCLASSES
from jaxcnn.errors import UserError
from jaxcnn.evaluation.calibration import reliability
from jaxcnn.evaluation.evaluation_files import write_evaluation
from jaxcnn.evaluation.metrics import LabeledPredictions
from jaxcnn.files.writing import write_json
from jaxcnn.reporting import evaluation_report
from jaxcnn.reporting.figures import grids
from jaxcnn.reporting.figures.calibration import plot_reliability
from jaxcnn.reporting.figures.curves import plot_curves
from jaxcnn.reporting.figures.evaluation import draw_metrics
from jaxcnn.reporting.figures.style import COLORS, color_of, new_figure, save, styled
from jaxcnn.reporting.provenance import provenance
from jaxcnn.workdir.metrics_log import MetricsWriter

RESULT = {"best_epoch": 7, "num_epochs": 9}
ABOUT = {
    "split": "test", "checkpoint": "best", "step": 70, "epoch": 7, "validation": "holdout",
    "dataset": "x",
}  # fmt: skip


def make_predictions(names, num_images=200):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(names), num_images)
    logits = rng.normal(size=(num_images, len(names))).astype(np.float32)
    logits[np.arange(num_images), labels] += 2
    return LabeledPredictions.from_logits(labels, logits, names)


def write_and_draw(workdir, name, found, about, *, selected=(), pictures=()):
    drawn = draw_metrics(found, workdir / "plots" / name)
    pictures = [*drawn, *pictures]
    return write_evaluation(
        workdir, name, found, about, selected_classes=selected, pictures=pictures
    )


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def is_drawn(path):
    return np.ptp(np.asarray(Image.open(path).convert("L"))) > 100 and (
        path.with_suffix(".svg").read_text().lstrip().startswith("<?xml")
    )


def test_everything_of_ten_classes(tmp_path):
    found = make_predictions([f"class {i}" for i in range(10)])
    scores = write_and_draw(tmp_path, "test", found, ABOUT, pictures=["test_mistakes"])
    folder = tmp_path / "evaluation"
    assert json.loads((folder / "test.json").read_text()) == scores
    assert scores["accuracy"] == found.is_correct.mean() and scores["epoch"] == 7
    head, first, *_ = read_csv(folder / "test_classes.csv")
    assert head == ["name", "support", "accuracy", "precision", "recall", "f1"]
    assert first[0] == "class 0" and float(first[2]) == scores["classes"][0]["accuracy"]
    matrix = read_csv(folder / "test_confusion.csv")
    assert matrix[0][1:] == list(found.class_names) and len(matrix) == 11
    assert sum(int(cell) for row in matrix[1:] for cell in row[1:]) == 200
    assert len(read_csv(folder / "test_reliability.csv")) == 16
    names = ["test_confusion", "test_reliability", "test_coverage", "test_mistakes"]
    assert scores["pictures"] == names
    assert all(is_drawn(tmp_path / "plots" / f"{name}.png") for name in scores["pictures"][:2])
    assert "superclasses" not in scores


@pytest.mark.slow
def test_both_levels_of_cifar100(tmp_path):
    found = make_predictions(
        sorted(name for names in SUPERCLASSES.values() for name in names), 1000
    )
    about = ABOUT | {"publication": "classic-networks"}
    scores = write_and_draw(tmp_path, "test", found, about, selected=SELECTED)
    assert scores["superclass_accuracy"] > scores["accuracy"]
    assert len(scores["superclasses"]) == 20 and "wardrobe" in scores["selected_classes"]
    assert len(read_csv(tmp_path / "evaluation" / "test_superclass_confusion.csv")) == 21
    (text,) = evaluation_report.sections(tmp_path, RESULT)
    assert "The 10 classes recognized best, and the 10 recognized worst" in text
    assert "| top-5 accuracy |" in text and "| superclass accuracy |" in text
    assert "| medium\\_mammals |" in text
    selection = "The 10 classes selected by the classic publication"
    assert selection in text
    scores = write_and_draw(tmp_path, "test", found, ABOUT | {"publication": ""})
    assert "selected_classes" not in scores
    assert selection not in evaluation_report.sections(tmp_path, RESULT)[0]


def test_the_report_s_sections_show_the_test_first(tmp_path):
    found = make_predictions(["a|b", "c", "d"])
    write_and_draw(tmp_path, "train", found, ABOUT | {"split": "train"})
    write_and_draw(tmp_path, "test", found, ABOUT)
    first, second = evaluation_report.sections(tmp_path, RESULT)
    assert first.startswith("## Evaluation on the test split, best checkpoint")
    assert "| a\\|b |" in first and "](plots/test\\_" not in first
    assert "](plots/test_confusion.png)" in first and "](plots/train_confusion.png)" in second
    assert evaluation_report.sections(tmp_path / "nothing", RESULT) == []
    gone_on = RESULT | {"best_epoch": RESULT["best_epoch"] + 1}
    assert evaluation_report.sections(tmp_path, gone_on) == []  # they are of another epoch


def test_classes_without_images_are_not_the_worst():
    rows = [
        {"name": f"c{i}", "accuracy": i / 30, "precision": 0.5, "f1": 0.5, "support": 9}
        for i in range(14)
    ]
    empty = [{"name": f"empty{i}", "support": 0} for i in range(12)]
    _, table = evaluation_report.class_table(rows + empty)
    assert [row[0] for row in table] == [f"c{i}" for i in reversed(range(14))]
    more = [{**row, "name": f"d{i}"} for i, row in enumerate(rows)]
    _, table = evaluation_report.class_table(rows + more + empty)
    assert len(table) == 20 and table[-1][0] in ("c0", "d0")


def test_names_are_shown_as_they_are(tmp_path):
    names = ["tax $x^$", "cat [red]", "$\\frac$"]  # formulas and markup, elsewhere
    found = make_predictions(names)
    scores = write_and_draw(tmp_path, "test", found, ABOUT)
    assert is_drawn(tmp_path / "plots" / "test_confusion.png")
    svg = (tmp_path / "plots" / "test_confusion.svg").read_text()
    assert "tax $x^$" in svg and "$\\frac$" in svg
    printed = io.StringIO()
    for part in evaluation_report.render(scores):
        Console(file=printed, width=100, markup=False).print(part)
    assert all(name in printed.getvalue() for name in names)


@pytest.mark.parametrize(
    ("validation", "split", "checkpoint", "says"),
    [
        ("holdout", "test", "best", "took no part in training or in the choice"),
        ("validation", "test", "latest", "took no part in training or in the choice"),
        ("test", "test", "best", "the best on the test split. These same images chose the epoch"),
        ("test", "test", "latest", "the latest. These images served as validation"),
        ("tail", "validation", "best", "These same images chose the epoch"),
        ("holdout", "train", "best", "was trained on these images"),
    ],
)
def test_it_says_what_the_figures_are_worth(validation, split, checkpoint, says):
    about = {"validation": validation, "split": split, "checkpoint": checkpoint, "epoch": 19}
    text = provenance(about | {"dataset": "ferplus"})
    assert text.startswith("Weights of epoch 19, ") and says in text


def test_a_folder_s_validation_split_has_no_publisher():
    about = ABOUT | {"validation": "validation"}
    published = provenance(about | {"dataset": "ferplus"})
    assert "best on the publisher's validation split" in published
    assert "best on the dataset's validation split" in provenance(about)  # of a user's arrays
    assert "best on the folder's validation split" in provenance(about | {"dataset": "folder:x"})


def test_it_says_what_else_had_a_part_in_the_weights():
    about = ABOUT | {"tuned_on_test": True, "init_from": "runs/first"}
    assert provenance(about).endswith(
        "choice of the epoch of this run, which started from the weights of runs/first. But the "
        "recipe was chosen by test accuracy: the figures do not estimate accuracy on unseen images."
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_grids_of_pictures(tmp_path, channels):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, 8, 8, channels), dtype=np.uint8)
    found = make_predictions(["cat", "dog", "big_ship"])
    drawn = [
        grids.plot_first(images, found, tmp_path / "first"),
        grids.plot_mistakes(images, found, tmp_path / "mistakes"),
        grids.plot_saliency(images[:3], rng.random((3, 8, 8)), found, tmp_path / "saliency"),
        grids.plot_filters(rng.normal(size=(20, 3, 3, channels)), "conv1", tmp_path / "filters"),
        grids.plot_maps(images[0], {"conv1": rng.random((6, 6, 40))}, "x", tmp_path / "maps"),
    ]
    assert all(is_drawn(path) for path in drawn)
    assert "the first 32 of 40 maps" in (tmp_path / "maps.svg").read_text()
    assert "big ship" in (tmp_path / "mistakes.svg").read_text()


def test_of_a_sorted_split_the_first_images_are_of_all_classes(tmp_path):
    names = ["cat", "dog", "ship"]
    labels = np.repeat([0, 1, 2], 50)
    images = np.zeros((150, 4, 4, 1), np.uint8)
    for order in (np.arange(150), np.random.default_rng(0).permutation(150)):
        logits = 9 * np.eye(3, dtype=np.float32)[labels[order]]
        found = LabeledPredictions.from_logits(labels[order], logits, names)
        grids.plot_first(images, found, tmp_path / "first")
        svg = (tmp_path / "first.svg").read_text()
        assert all(f"✓ {name}" in svg for name in names)


def test_a_bin_without_a_hit_is_seen(tmp_path):
    def blue_below_half(is_correct):
        bins = reliability(np.array([0.3] * 30 + [0.9] * 30), is_correct)
        png = plot_reliability(bins, tmp_path / "reliability")
        pixels = np.asarray(Image.open(png).convert("RGB")).astype(int)
        upper_left = pixels[: int(0.72 * len(pixels)), : pixels.shape[1] // 2]
        return int((upper_left[..., 2] - upper_left[..., 0] > 100).sum())

    assert blue_below_half(np.array([False] * 30 + [True] * 30)) > 300


def test_long_class_names_do_not_cut_numbers(tmp_path):
    found = make_predictions([f"{'long ' * 20}{i}" for i in range(3)])
    scores = write_and_draw(tmp_path, "test", found, ABOUT)
    printed = io.StringIO()
    for part in evaluation_report.render(scores):
        Console(file=printed, width=80, markup=False).print(part)
    assert "…" not in printed.getvalue()
    assert max(map(len, printed.getvalue().splitlines())) <= 80


def test_without_a_mistake_there_is_no_picture_of_mistakes(tmp_path):
    logits = 9 * np.eye(2, dtype=np.float32)
    found = LabeledPredictions.from_logits(np.array([0, 1]), logits, ["a", "b"])
    images = np.zeros((2, 4, 4, 1), np.uint8)
    assert grids.plot_mistakes(images, found, tmp_path / "mistakes") is None
    assert not any(tmp_path.iterdir())


def test_curves_mark_the_best_epoch_and_the_resumes(tmp_path):
    writer = MetricsWriter(tmp_path, resume_step=None)
    for epoch in (1, 2, 3):
        common = {"step": epoch, "epoch": epoch, "loss": 1.0, "accuracy": 1 / epoch}
        writer.write(common | {"split": "train", "learning_rate": 0.1})
        writer.write(common | {"split": "validation"})
    writer.close()
    said = {}
    for resumed in ([], [1.5, 2.0]):
        write_json(tmp_path / "result.json", {"resumed": resumed})
        texts = [path.with_suffix(".svg").read_text() for path in plot_curves(tmp_path)]
        assert len(texts) == 5 and all("best, epoch 1" in text for text in texts)
        said[len(resumed)] = [text.count("resumed") for text in texts]
    assert said == {0: [0] * 5, 2: [1] * 5}


def test_a_network_keeps_its_color():
    five = [color_of(name) for name in ("lenet", "alexnet", "vgg16_bn", "resnet50", "googlenet")]
    assert len(set(five)) == 5 and color_of("lenet") == five[0]
    assert color_of("a network of my own") in COLORS


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "plots").write_text("in the way")
    with styled():
        figure = new_figure(1, 1)
    with pytest.raises(UserError, match="plots cannot be written"):
        save(figure, tmp_path / "plots" / "a")
