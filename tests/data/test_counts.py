"""How many images a dataset has of each class: shown when it is first used, and by `prepare`."""

import subprocess
import sys

import archives
import numpy as np

from jaxcnn.data.counts import class_counts, count_table, is_unequal
from jaxcnn.data.dataset import Dataset, Split, load_dataset

TABLE = """\
images          train  validation        test
a big dog           3           2           0
cat                 4           1           2
total               7           3           2
"""


def dataset_of(labels, class_names):
    splits = {
        split: Split(np.zeros((len(of), 1, 1, 1), np.uint8), of) for split, of in labels.items()
    }
    return Dataset("x", class_names, splits, np.zeros(1), np.ones(1), 0.0, 1.0)


def write(folder):
    counts = {"train": (3, 4), "val": (2, 1), "test": (0, 2)}
    for split, (dogs, cats) in counts.items():
        archives.write_pictures(folder / split, {"a big dog": dogs, "cat": cats})
    return folder


def test_counts_are_shown_when_a_dataset_is_first_used(tmp_path, capsys):
    pictures = write(tmp_path / "pets")
    load_dataset(f"folder:{pictures}", data_dir=tmp_path / "data")
    first = capsys.readouterr().out
    assert first.endswith(TABLE)
    load_dataset(f"folder:{pictures}", data_dir=tmp_path / "data")
    assert capsys.readouterr().out == ""


def test_prepare_ends_with_the_counts(tmp_path):
    pictures = write(tmp_path / "pets")
    (pictures / "train" / "cat" / "about.txt").touch()
    command = ["jaxcnn.prepare", f"folder:{pictures}", f"--data_dir={tmp_path / 'data'}"]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert TABLE in done.stdout and done.stdout.count("total") == 1
    assert done.stdout.endswith("sizes    12x12 12\nmodes    RGB 12\nformats  PNG 12\n")
    assert "left out, because not named like images: train/cat/about.txt\n" in done.stdout


def test_many_classes_get_a_compact_table():
    labels = {"train": np.repeat(np.arange(100), 500), "test": np.arange(99).repeat(100)}
    names = tuple(f"class {i}" for i in range(100))
    lines = count_table(dataset_of(labels, names)).splitlines()
    assert [line.split()[-2:] for line in lines] == [
        ["train", "test"], ["50,000", "9,900"], ["500", "0"], ["500", "100"],
    ]  # fmt: skip
    assert lines[1].startswith("all 100 classes")


def test_distributions_count_by_their_largest_part():
    labels = np.float32([[0.2, 0.8], [0.9, 0.1], [0.4, 0.6]])
    assert class_counts(labels, 2).tolist() == [1, 2]


def test_names_are_shown_on_one_line_each():
    labels = {"train": np.arange(3)}
    lines = count_table(dataset_of(labels, ("a\nb", "\x1b[31m", "日本" * 40))).splitlines()
    assert len(lines) == 5 and "\x1b" not in "".join(lines)


def test_classes_are_unequal_above_half_more():
    assert not is_unequal([60, 40, 0]) and not is_unequal([]) and is_unequal([61, 40])
