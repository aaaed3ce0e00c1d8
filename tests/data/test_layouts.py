"""The layouts of a folder of pictures: which are read, how, and which are refused."""

import os
import shutil
import unicodedata

import archives
import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.dataset import load_dataset
from jaxcnn.data.datasets.folder_layout import find_layout
from jaxcnn.data.pictures.decoding import find_pictures
from jaxcnn.errors import UserError

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def fill(root, *folders, count=2):
    """Files that are pictures by their names, in each of the folders."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (root / folder / f"{index}.png").touch()
    return root


def found(root):
    """The classes, and the folder of the first picture of each class in each split."""
    layout = find_layout(root)
    firsts = {
        split: [
            next((str(p.parent.relative_to(root)) for p, label in pictures if label == i), None)
            for i in range(len(layout.class_names))
        ]
        for split, pictures in layout.splits.items()
    }
    return layout.class_names, firsts


def refusal(root):
    with pytest.raises(UserError) as caught:
        find_layout(root)
    return str(caught.value).replace(f"{root}", "PATH")


@pytest.mark.parametrize(
    "names",
    [
        {"train": "train", "validation": "valid", "test": "test"},
        {"train": "Train", "test": "Test"},
        {"train": "training", "validation": "Validation", "test": "testing"},
        {"train": "TRAINING", "validation": "VAL", "test": "test"},
    ],
)
def test_names_of_splits(tmp_path, names):
    for name in names.values():
        fill(tmp_path, f"{name}/cat", f"{name}/dog")
    expected = {split: [f"{name}/cat", f"{name}/dog"] for split, name in names.items()}
    assert found(tmp_path) == (("cat", "dog"), expected)
    assert list(find_layout(tmp_path).splits) == list(names)  # in this order in any case


@pytest.mark.parametrize("names", [("bus", "car", "train"), ("test", "zeta"), ("Val", "a", "test")])
def test_classes_that_are_called_as_splits(tmp_path, names):
    assert found(fill(tmp_path, *names)) == (names, {"": list(names)})


def test_pictures_and_their_order_are_those_of_the_folders(tmp_path):
    names = ["B", "a", "10", "9", "v1.0"]
    for split in ("train", "test"):
        for name in names:
            fill(tmp_path, f"{split}/{name}", count=11)
    layout = find_layout(tmp_path)
    assert layout.class_names == ("10", "9", "B", "a", "v1.0")
    for split in ("train", "test"):
        paths = [p for name in sorted(names) for p in sorted((tmp_path / split / name).iterdir())]
        assert [path for path, _ in layout.splits[split]] == paths
    assert layout.notes == ()


def test_folders_that_can_be_read_in_two_ways(tmp_path):
    text = refusal(fill(tmp_path / "a", "train/x", "train/y", "bus"))
    assert text.startswith("PATH is ambiguous: train may be splits, because they hold folders, ")
    assert "or classes, because they lie beside bus" in text
    text = refusal(fill(tmp_path / "b", "dev/cat", "dev/dog", "eval/cat", "eval/dog"))
    assert "may be its folders (dev and eval) or the folders in them (dev has cat" in text
    text = refusal(fill(tmp_path / "c", "train", "test"))
    assert text.startswith("PATH/test and PATH/train: no class folders inside. If these are")
    assert "test/CLASS/*; if these are classes, rename them, for example to class_test" in text


def test_splits_that_are_incomplete(tmp_path):
    text = refusal(fill(tmp_path / "a", "train/cat", "train/dog", "valid/cat", "valid/dog"))
    assert text.startswith("PATH has train and valid, but needs both train and test: move some ")
    assert "or rename valid to test" in text
    text = refusal(fill(tmp_path / "b", "train/cat", "train/dog"))
    assert "or move the class folders up into PATH" in text
    assert "add train/CLASS/*" in refusal(fill(tmp_path / "c", "test/cat", "test/dog"))
    text = refusal(fill(tmp_path / "d", "train/cat", "train/dog", "test"))
    assert text.startswith("PATH/test: no class folders inside")
    fill(tmp_path / "e", "train/cat", "train/dog", "Train/cat", "test/cat")
    assert refusal(tmp_path / "e").startswith(
        "PATH has both Train and train, which are the same split"
    )
    fill(tmp_path / "f", "train/cat", "train/dog", "test/Cat", "test/emu", "test/dog")
    text = refusal(tmp_path / "f")
    unknown = "PATH/test/Cat and PATH/test/emu"
    assert text == f"{unknown}: not among the classes of train, which are cat and dog"
    fill(tmp_path / "g", "train/cat", "train/dog", "test/cat", count=0)
    text = refusal(tmp_path / "g")
    assert text.startswith("PATH/train/cat and PATH/train/dog hold no images to train on")
    fill(tmp_path / "g", "train/cat", "train/dog")
    assert refusal(tmp_path / "g") == "PATH/test has class folders, but no images in them"


def test_one_folder_that_holds_all(tmp_path):
    fill(tmp_path / "a", "pets/cat", "pets/dog")
    assert found(tmp_path / "a") == (("cat", "dog"), {"": ["pets/cat", "pets/dog"]})
    assert find_layout(tmp_path / "a").notes == (f"the classes lie in: {tmp_path}/a/pets",)
    fill(tmp_path / "b", "pets/train/cat", "pets/train/dog", "pets/test/cat")
    names, splits = found(tmp_path / "b")
    assert (names, splits["test"]) == (("cat", "dog"), ["pets/test/cat", None])
    text = refusal(fill(tmp_path / "c", "a/b/train/cat", "a/b/test/cat"))
    assert text.startswith("PATH/a has fewer than two classes (it holds folders: b; files: 0)")
    assert "it holds folders: 3;" in refusal(fill(tmp_path / "d", "3"))


def test_folders_in_class_folders(tmp_path):
    root = fill(tmp_path / "a", "cat/images", "dog/images")
    assert found(root) == (("cat", "dog"), {"": ["cat/images", "dog/images"]})
    root = fill(tmp_path / "b", "cat", "cat/session1", "dog/x", "dog/y")
    layout = find_layout(root)
    assert [label for _, label in layout.splits[""]] == [0] * 4 + [1] * 4
    assert layout.notes == (
        "folders in class folders, read as part of the class: cat/session1, dog/x and dog/y",
    )
    text = refusal(fill(tmp_path / "c", "cat/train", "cat/test", "dog/train"))
    assert text.startswith(
        "PATH/cat holds test and train: lay the images out with the splits above"
    )
    text = refusal(fill(tmp_path / "d", "cat/a/b", "dog"))
    assert text.startswith("PATH/cat/a holds folders (b)")
    (tmp_path / "b" / "cat" / "loop").symlink_to(tmp_path / "b")
    assert "cat/loop holds folders (cat and dog)" in refusal(root)


def test_what_systems_leave_behind_is_passed_over(tmp_path):
    root = fill(tmp_path, "cat", "dog")
    expected = found(root)
    for path in (
        *("cat/thumbs.db", "cat/THUMBS.DB", "dog/Desktop.ini", "cat/._0.png", ".DS_Store"),
        *("__MACOSX/cat/._0.png", "@eaDir/x.jpg", "cat/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg"),
        *(".ipynb_checkpoints/a.png", "cat/.ipynb_checkpoints/0-checkpoint.png"),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    assert found(root) == expected
    assert find_layout(root).notes == ()
    assert len(list(find_pictures([root]))) == 4  # which `predict` reads


def test_what_is_left_out_is_named(tmp_path):
    root = fill(tmp_path, "train/cat", "train/dog", "test/cat", "docs")
    for name in ("train/cat/labels.txt", "train/dog/0.XML", "train/stray.png", "readme.txt"):
        (root / name).touch()
    assert find_layout(root).notes == (
        "left out, beside the splits: docs",
        "left out, because they lie in no class folder: train/stray.png",
        "left out, because not named like images: train/cat/labels.txt and train/dog/0.XML",
        "classes without images in test: dog",
    )


def test_names_of_classes_whose_letters_are_encoded_in_two_ways(tmp_path):
    names, splits = found(fill(tmp_path / "a", f"train/{NFC}", "train/b", f"test/{NFD}", "test/b"))
    assert names == ("b", NFC) and splits["test"] == ["test/b", f"test/{NFD}"]
    assert found(fill(tmp_path / "b", NFD, "b", "cafz"))[0] == (
        "b",
        NFC,
        "cafz",
    )  # as it was sorted
    text = refusal(fill(tmp_path / "c", NFC, NFD))
    assert "has two folders called café" in text and "merge them" in text


def test_all_bad_files_are_named_in_one_run(tmp_path, capsys):
    pictures = archives.write_pictures(tmp_path / "pets", {"cat": 6, "dog": 6})
    whole = (pictures / "cat" / "0.png").read_bytes()
    bad = {"cat/1.png": whole[:-60], "cat/2.png": b"", "dog/3.png": b"<html>", "dog/5.mp4": b"x"}
    for name, content in bad.items():
        (pictures / name).write_bytes(content)
    for image_size in (0, 8):
        with pytest.raises(UserError) as caught:
            load_dataset(f"folder:{pictures}", data_dir=tmp_path / "data", image_size=image_size)
        text = str(caught.value)
        assert text.startswith("4 of 13 files cannot be used: ")
        assert all(str(pictures / name) in text for name in bad)
        assert "is not an image that can be read" in text
    for index in range(60):
        (pictures / "dog" / f"x{index}.png").touch()
    each = r"1\.png.*, .* and \d+ more: each is not an image"
    with pytest.raises(UserError, match=rf"^64 of 73 files .*{each}.*--report=\S+ lists them"):
        load_dataset(f"folder:{pictures}", data_dir=tmp_path / "data")


def test_changed_pictures_below_class_folders_are_prepared_again(tmp_path):
    pictures = tmp_path / "a"
    for name in ("cat", "dog"):
        for split in ("train", "test"):
            archives.write_pictures(pictures / "pets" / split / name, {"images": 2})
    name, data_dir = f"folder:{pictures}", tmp_path / "data"
    load_dataset(name, data_dir=data_dir)
    changed = pictures / "pets" / "train" / "cat" / "images" / "0.png"
    Image.new("RGB", (12, 12), "white").save(changed)
    assert load_dataset(name, data_dir=data_dir).splits["train"].images[0].min() == 255


def test_odd_names_survive_to_the_arrays(tmp_path):
    names = ["a big dog", "it's", "ünïcode 日本", "😀", NFD]
    pictures = archives.write_pictures(tmp_path / "pets", dict.fromkeys(names, 5))
    os.rename(pictures / "it's" / "0.png", os.fsencode(pictures / "it's") + b"/caf\xe9.png")
    dataset = load_dataset(f"folder:{pictures}", data_dir=tmp_path / "data", split="shuffle")
    expected = [unicodedata.normalize("NFC", name) for name in sorted(names)]
    assert list(dataset.class_names) == expected
    assert np.bincount(dataset.splits["train"].labels).tolist() == [4] * 5
    shutil.rmtree(pictures)
