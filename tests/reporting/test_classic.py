"""The page of the five classic networks, made from kept runs."""

import pytest
from PIL import Image

from jaxcnn.config import load_config
from jaxcnn.config.defaults import to_dict
from jaxcnn.data.superclasses import SUPERCLASSES
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.classic import DATASETS, NETWORKS, comparisons
from jaxcnn.reporting.classic_figures import draw_pictures
from jaxcnn.reporting.classic_page import classic_page
from jaxcnn.reporting.kept_runs import kept_groups

CLASSES = {name: 0.5 for names in SUPERCLASSES.values() for name in names} | {"road": 0.9}


@pytest.fixture
def compared(write_run):
    """Finds the comparisons from runs, by the folder that holds them."""
    names = [f"{network}:{dataset}" for network in NETWORKS for dataset in DATASETS]
    return lambda folder: comparisons({n: load_config(n) for n in names}, kept_groups(folder))


@pytest.fixture
def write_classic(write_run):
    """Writes a run of one of the recipes; unfinished ones have recorded three epochs."""

    def write_classic(name, **options):
        network, dataset = name.split(":")
        folder = write_run(f"runs/{network}-{dataset}", network=network, dataset=dataset, **options)
        write_json(folder / "config.json", to_dict(load_config(name)))
        path = folder / "evaluation" / "test.json"
        if path.exists():
            rows = [{"name": name, "accuracy": 0.4} for name in SUPERCLASSES]
            epoch = 4 if (folder / "result.json").exists() else 3
            write_json(path, read_json(path) | {"epoch": epoch, "superclasses": rows})
        return folder

    return write_classic


def test_without_runs_the_page_has_the_published_figures(compared, tmp_path):
    found = compared(tmp_path / "none")
    page = classic_page("# Head", found)
    assert "| GoogLeNet | 76.13% | not run | - |" in page
    assert "| VGG16 | - | not run | - |" in page  # no figure on CIFAR-100
    assert "GoogLeNet is first with 76.13%, 0.4 points ahead of ResNet50" in page
    assert "finished here: none" in page and "| sunflower |" not in page
    assert [path.name for path in draw_pictures(found, tmp_path)] == ["classic_accuracy.png"]


def test_an_unfinished_run_is_shown_and_not_ranked(write_classic, compared, tmp_path):
    write_classic("lenet:cifar100", accuracy=0.3, classes=CLASSES)
    write_classic("googlenet:cifar100", accuracy=None, classes=CLASSES)
    write_classic("vgg16_bn:cifar100", accuracy=None)
    found = compared(tmp_path / "runs")
    page = classic_page("# Head", found)
    assert "| LeNet | 28.43% | 30.00% | 1 | +1.6 |" in page
    state = "unfinished, 3 of 50 epochs: validation 30.00% so far"
    assert f"| GoogLeNet | 48.42% | {state} | - | - |" in page
    assert "ours after 3 epochs" in page
    assert "finished here: LeNet" in page
    assert "| class | LeNet | GoogLeNet, 3 of 50 epochs |" in page
    assert "| road | 81.00% | not run | 81.00% | 90.00% |" in page
    assert "| trees | 40.00% | 40.00% |" in page
    assert "<details><summary>Test accuracy by class" in page
    paths = draw_pictures(found, tmp_path / "images")
    assert [path.stem for path in paths] == [
        "classic_accuracy", "classic_cifar100_epochs", "classic_cifar100_classes"
    ]  # fmt: skip
    for path in paths:
        assert f"(images/{path.name})" in page and path.stat().st_size < 60_000
        with Image.open(path) as image:
            assert image.width >= 800


def test_an_evaluation_of_earlier_weights_is_left_out(write_classic, compared, tmp_path):
    folder = write_classic("alexnet:cifar10", accuracy=None, classes={"cat": 0.5, "dog": 0.6})
    path = folder / "evaluation" / "test.json"
    write_json(path, read_json(path) | {"epoch": 2})
    assert "No run here has accuracies by class." in classic_page("", compared(tmp_path / "runs"))
