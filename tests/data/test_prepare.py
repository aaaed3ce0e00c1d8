"""Preparing datasets, keeping what was prepared before, and reading them as arrays."""

import shutil
import subprocess
import sys

import archives
import numpy as np
import pytest
from archives import contents
from PIL import Image

from jaxcnn.data.dataset import dataset_names, load_dataset
from jaxcnn.data.preparing import prepare as preparing
from jaxcnn.data.preparing.prepare import prepare_dataset as prepare
from jaxcnn.errors import UserError


@pytest.fixture(autouse=True)
def _small(small_datasets):
    """The archives of these tests count as whole."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with every archive."""
    return archives.write_all(tmp_path_factory.mktemp("originals"))


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "ferplus"])
def test_prepared_dataset_is_what_the_archive_holds(tmp_path, folder, name):
    prepare(name, archives=folder, data_dir=tmp_path)
    dataset = load_dataset(name, data_dir=tmp_path)
    if name == "ferplus":
        assert {key: len(split.labels) for key, split in dataset.splits.items()} == {
            **archives.FERPLUS_KEPT
        }
        labels = dataset.splits["train"].labels
        assert labels.dtype == np.float32
        np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-6)
        return
    counts = getattr(archives, f"{name.upper()}_COUNTS")["train"]
    shape, seed = {
        "cifar10": ((32, 32, 3), 0),
        "cifar100": ((32, 32, 3), 2),
        "mnist": ((28, 28, 1), 4),
    }[name]
    images, labels = archives.make_split(counts, shape, seed)
    train = dataset.splits["train"]
    np.testing.assert_array_equal(train.images, images)
    np.testing.assert_array_equal(train.labels, labels)
    assert isinstance(train.images, np.memmap) and train.labels.dtype == np.int32
    assert (dataset.image_shape, dataset.num_classes) == (shape, len(counts))


def test_statistics_are_over_the_train_split(tmp_path, folder):
    prepare("cifar10", archives=folder, data_dir=tmp_path)
    dataset = load_dataset("cifar10", data_dir=tmp_path)
    images = dataset.splits["train"].images.astype(np.float64)
    np.testing.assert_allclose(dataset.pixel_mean, images.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(dataset.pixel_std, images.std(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(dataset.scalar_mean, images.mean(), rtol=1e-9)
    np.testing.assert_allclose(dataset.scalar_std, images.std(), rtol=1e-9)
    assert dataset.pixel_mean.dtype == np.float32


def test_label_sets_of_cifar100(tmp_path, folder):
    prepare("cifar100", archives=folder, data_dir=tmp_path)
    fine = load_dataset("cifar100", data_dir=tmp_path, label_set="fine")
    coarse = load_dataset("cifar100", data_dir=tmp_path, label_set="coarse")
    assert fine.class_names == tuple(archives.FINE_CLASSES)
    assert coarse.class_names == tuple(archives.COARSE_CLASSES)
    np.testing.assert_array_equal(coarse.splits["test"].labels, fine.splits["test"].labels // 5)
    with pytest.raises(UserError, match="no label set 'big': it has fine and coarse"):
        load_dataset("cifar100", data_dir=tmp_path, label_set="big")


def test_records_are_a_tfds_dataset(tmp_path, folder):
    import tensorflow_datasets as tfds

    directory = prepare("mnist", archives=folder, data_dir=tmp_path)
    source = tfds.builder_from_directory(directory).as_data_source("train")
    images, labels = archives.mnist_splits()["train"]
    assert len(source) == len(images)
    np.testing.assert_array_equal(source[3]["image"], images[3])
    assert source[3]["label"] == labels[3]


def test_a_large_split_lies_in_several_files_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxcnn.data.preparing.builder._FILE_BYTES", 500 * 8 * 8)
    digits = load_dataset("digits", data_dir=tmp_path)
    names = [path.name for path in tmp_path.rglob("*array_record*") if "train" in path.name]
    assert sorted(name[-5:] for name in names) == ["00003"] * 3  # of 1,438 images
    monkeypatch.undo()
    whole = load_dataset("digits", data_dir=tmp_path / "whole")
    for split, expected in whole.splits.items():
        np.testing.assert_array_equal(digits.splits[split].images, expected.images)
        np.testing.assert_array_equal(digits.splits[split].labels, expected.labels)


def test_resized_images_are_cached_too(tmp_path):
    dataset = load_dataset("digits", data_dir=tmp_path, image_size=20)
    own = load_dataset("digits", data_dir=tmp_path)
    assert dataset.image_shape == (20, 20, 1)
    first = Image.fromarray(own.splits["test"].images[0, ..., 0]).resize((20, 20), Image.BILINEAR)
    np.testing.assert_array_equal(dataset.splits["test"].images[0, ..., 0], np.asarray(first))
    np.testing.assert_array_equal(dataset.splits["test"].labels, own.splits["test"].labels)
    assert dataset.scalar_mean != own.scalar_mean
    before = contents(tmp_path)
    load_dataset("digits", data_dir=tmp_path, image_size=20)
    assert contents(tmp_path) == before


def test_images_of_other_proportions_are_cropped_also_beside_older_ones(tmp_path):
    own = load_dataset("digits", data_dir=tmp_path)
    square = load_dataset("digits", data_dir=tmp_path, image_size=16)
    (directory,) = tmp_path.rglob("arrays-16")
    stretched = directory.with_name("arrays-16x24")  # of older code
    directory.rename(stretched)
    dataset = load_dataset("digits", data_dir=tmp_path, image_size=(16, 24))
    assert dataset.image_shape == (16, 24, 1) != square.image_shape
    picture = Image.fromarray(own.splits["test"].images[0, ..., 0])
    expected = picture.resize((24, 16), Image.BILINEAR, box=(0, 8 / 6, 8, 8 - 8 / 6))
    np.testing.assert_array_equal(dataset.splits["test"].images[0, ..., 0], np.asarray(expected))


def test_prepared_dataset_is_read_without_tfds(tmp_path):
    prepare("digits", data_dir=tmp_path)
    code = (
        "import sys; from jaxcnn.data.dataset import load_dataset\n"
        f"print(load_dataset('digits', data_dir={str(tmp_path)!r}).image_shape)\n"
        "print([m for m in ('tensorflow_datasets', 'PIL', 'jax', 'sklearn') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "(8, 8, 1)\n[]\n"


def test_arrays_that_were_lost_are_written_again_from_the_records(tmp_path, folder, capsys):
    prepare("cifar100", archives=folder, data_dir=tmp_path)
    before = contents(tmp_path)
    (directory,) = tmp_path.rglob("arrays")
    shutil.rmtree(directory)
    load_dataset("cifar100", data_dir=tmp_path)
    assert contents(tmp_path) == before


def test_damaged_arrays_are_named(tmp_path):
    path = prepare("digits", data_dir=tmp_path) / "arrays" / "train_images.npy"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="the cache .* is damaged .*; delete it"):
        load_dataset("digits", data_dir=tmp_path)


def test_refused_archive_leaves_what_was_prepared(tmp_path, folder):
    data_dir, bad = tmp_path / "data", tmp_path / "bad"
    bad.mkdir()
    prepare("cifar10", archives=folder, data_dir=data_dir)
    before = contents(data_dir)
    members = archives.cifar10_binary() | {"../climbs": b""}
    archives.write_tar(bad / "cifar-10-binary.tar.gz", members)
    with pytest.raises(UserError, match="leads out"):
        prepare("cifar10", archives=bad, data_dir=data_dir)
    assert contents(data_dir) == before


@pytest.mark.parametrize("function", ["_write_arrays", "replace"])
def test_interrupted_preparation_leaves_what_was_there(tmp_path, folder, monkeypatch, function):
    def interrupted(*_):
        raise KeyboardInterrupt

    for before in (None, "prepared"):
        if before:
            prepare("mnist", archives=folder, data_dir=tmp_path)
        state = contents(tmp_path / "jaxcnn_mnist")
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(preparing, function, interrupted)
            prepare("mnist", archives=folder, data_dir=tmp_path)
        assert contents(tmp_path / "jaxcnn_mnist") == state


def test_killed_preparation_is_mended_by_the_next(tmp_path, folder):
    directory = prepare("mnist", archives=folder, data_dir=tmp_path)
    before = contents(directory)
    directory.rename(directory.parent / ".old")  # killed between the two renames
    (directory.parent / ".new").mkdir()
    (directory.parent / ".new" / "half").write_text("written")
    load_dataset("mnist", data_dir=tmp_path)
    assert contents(directory) == before
    assert sorted(path.name for path in directory.parent.iterdir()) == [".lock", "1.0.0"]


def test_new_archives_replace_the_dataset_and_all_that_came_from_it(tmp_path, folder):
    prepare("mnist", archives=folder, data_dir=tmp_path)
    load_dataset("mnist", data_dir=tmp_path, image_size=14)
    other = tmp_path / "other"
    other.mkdir()
    for name, data in archives.mnist_files().items():
        data = data[:16] + bytes(len(data) - 16) if "images" in name else data
        (other / name).write_bytes(data)
    prepare("mnist", archives=other, data_dir=tmp_path)
    for image_size in (0, 14):
        dataset = load_dataset("mnist", data_dir=tmp_path, image_size=image_size)
        assert dataset.splits["train"].images.max() == 0


@pytest.mark.slow
def test_two_processes_at_once(tmp_path):
    command = [sys.executable, "-m", "jaxcnn.prepare", "digits", f"--data_dir={tmp_path}"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("already prepared" in output for output in outputs) == [False, True]
    assert load_dataset("digits", data_dir=tmp_path).splits["train"].images.max() == 255


def test_files_in_the_manual_folder_are_found(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "downloads" / "manual")
    assert len(load_dataset("mnist", data_dir=tmp_path).splits["train"].images) == 30


def test_names(tmp_path, monkeypatch):
    assert dataset_names() == [
        "cifar10",
        "cifar100",
        "digits",
        "ferplus",
        "mnist",
        "folder:PATH",
        "table:PATH",
        "tfds:NAME",
    ]
    with pytest.raises(UserError, match="no dataset 'cifar11', did you mean cifar10?"):
        load_dataset("cifar11")
    (tmp_path / "pets").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no dataset 'pets', did you mean folder:pets?"):
        load_dataset("pets")


def test_archives_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        prepare("mnist", archives=tmp_path / "nothing", data_dir=tmp_path)
    with pytest.raises(UserError, match="has no file of mnist: get train-images"):
        prepare("mnist", archives=tmp_path, data_dir=tmp_path)
    with pytest.raises(UserError, match="not made from archives"):
        prepare("digits", archives=tmp_path, data_dir=tmp_path)


def test_data_dir_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        prepare("digits", data_dir=tmp_path / "file")


def test_command(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "jaxcnn.prepare", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    done = run("digits", f"--data_dir={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "writing train 1,438 of 1,438" in done.stdout
    assert "resizing" in run("digits", f"--data_dir={tmp_path}", "--image_size=9").stdout
    for arguments in ((), ("nonsense",), ("digits", "--speed=1"), ("mnist", "--archives=/no")):
        wrong = run(*arguments)
        assert wrong.returncode == 2
        assert wrong.stderr.startswith("error: ") and wrong.stderr.count("\n") == 1
