"""Tables of pictures and labels, their splits and groups, and lists of pictures to leave out."""

import csv
import json
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.dataset import load_dataset
from jaxcnn.data.grouping import choose_groups
from jaxcnn.data.listed_pictures import load_pictures
from jaxcnn.data.pictures.table import read_table
from jaxcnn.data.views import make_views
from jaxcnn.errors import UserError


@pytest.fixture
def pictures(tmp_path):
    """Ten pictures, each of another brightness."""
    (tmp_path / "images").mkdir()
    for index in range(10):
        Image.new("L", (8, 8), 20 * index).save(tmp_path / "images" / f"{index}.png")
    return tmp_path


@pytest.fixture
def load(pictures):
    """Writes rows to a table, and returns its dataset."""

    def load(rows, columns=("path", "label"), file="table.csv", **settings):
        with open(pictures / file, "w", newline="") as table:
            csv.writer(table).writerows([columns, *rows])
        return load_dataset(
            f"table:{pictures / file}", data_dir=pictures.parent / "data", **settings
        )

    return load


def rows_of(*values):
    return [(f"images/{i}.png", i % 2, *(column[i] for column in values)) for i in range(10)]


SPLITS = ["train"] * 6 + ["val"] * 2 + ["Test"] * 2


def test_labels_and_splits(load):
    dataset = load(rows_of(SPLITS), ("path", "label", "split"))
    assert dataset.class_names == ("0", "1")
    counts = {name: len(split.labels) for name, split in dataset.splits.items()}
    assert counts == {"train": 6, "validation": 2, "test": 2}
    assert dataset.splits["train"].images[:, 0, 0, 0].tolist() == [0, 40, 80, 20, 60, 100]
    assert dataset.splits["train"].labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [picture.path for picture in dataset.pictures[:2]] == ["images/0.png", "images/2.png"]


def test_a_list_of_pictures_gives_the_same_dataset(load, pictures):
    rows = [(path, "ba"[label], split) for path, label, split in rows_of(SPLITS)]
    dataset = load(rows, ("path", "label", "split"))
    (pictures / "table.csv").unlink()
    (pictures / "images").rename(pictures / "moved")
    again = load_pictures(
        f"table:{pictures / 'table.csv'}",
        dataset.pictures,
        dataset.fingerprint,
        data_dir=pictures.parent / "data",
        reuse=False,
    )
    assert again.fingerprint == dataset.fingerprint and again.class_names == ("a", "b")


def test_labels_that_are_numbers_are_sorted_as_numbers(load):
    rows = [(f"images/{i}.png", 9 + i % 2) for i in range(10)]
    assert load(rows, split="shuffle").class_names == ("9", "10")
    rows = [(f"images/{i}.png", ("1", "01", "2")[i % 3]) for i in range(10)]
    assert load(rows, split="shuffle").class_names == ("01", "1", "2")


def test_one_label_in_two_encodings_is_one_class(load):
    names = ("café", normalize("NFD", "café"), "tea")
    rows = [(f"images/{i}.png", names[i % 3]) for i in range(10)]
    assert load(rows, split="shuffle").class_names == ("café", "tea")


def test_json_lines_and_the_layout_of_hugging_face(pictures):
    folders = {"train": range(6), "validation": range(6, 8), "test": range(8, 10)}
    for split, indices in folders.items():
        (pictures / "set" / split).mkdir(parents=True)
        records = []
        for index in indices:
            (pictures / "images" / f"{index}.png").rename(pictures / "set" / split / f"{index}.png")
            records.append({"file_name": f"{index}.png", "label": "ab"[index % 2], "other": None})
        lines = "\n".join(map(json.dumps, records))
        (pictures / "set" / split / "metadata.jsonl").write_text(lines)
    dataset = load_dataset(f"table:{pictures / 'set'}", data_dir=pictures.parent / "data")
    assert dataset.class_names == ("a", "b") and len(dataset.splits["validation"].labels) == 2
    with pytest.raises(UserError, match="if metadata.jsonl has the labels, name it as table:"):
        load_dataset(f"folder:{pictures / 'set' / 'test'}", data_dir=pictures.parent / "data")


def test_a_picture_in_two_files_of_a_table_is_refused(pictures):
    for split in ("train", "test"):
        (pictures / "set" / split).mkdir(parents=True)
        lines = [f"{pictures}/images/{i}.png,{'ab'[i % 2]}" for i in range(split == "test", 4)]
        (pictures / "set" / split / "metadata.csv").write_text(
            "\n".join(["file_name,label", *lines])
        )
    match = "images/1.png is in test, line 2 of metadata.csv, and in train, line 3 of metadata.csv"
    with pytest.raises(UserError, match=match):
        read_table(pictures / "set")


def test_semicolons_and_a_byte_order_mark(pictures):
    lines = ["Path;Label;split", *(";".join(map(str, row)) for row in rows_of(SPLITS))]
    (pictures / "t.csv").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    dataset = load_dataset(f"table:{pictures / 't.csv'}", data_dir=pictures.parent / "data")
    assert len(dataset.splits["train"].labels) == 6


def test_groups_stay_together(load):
    groups = [f"{5 + index // 2}" for index in range(10)]
    for rule in ("content", "shuffle"):
        dataset = load(rows_of(groups), ("path", "label", "group"), split=rule)
        train, test = (set(dataset.groups(split)) for split in ("train", "test"))
        assert train and test and not train & test
        views = make_views(dataset, "holdout", 0.25)
        kept, held_out = (
            set(dataset.groups("train")[views[v].indices]) for v in ("train", "validation")
        )
        assert kept and held_out and not kept & held_out


def test_chosen_groups_have_the_share_of_each_class():
    random = np.random.default_rng(0)
    labels = random.choice(3, 3000, p=(0.7, 0.2, 0.1))
    groups = np.array([f"g{number}" for number in random.integers(0, 200, 3000)])
    is_chosen = choose_groups(groups, labels, 0.2, 0)
    shares = np.bincount(labels[is_chosen]) / np.bincount(labels)
    assert np.abs(shares - 0.2).max() < 0.02
    assert not set(groups[is_chosen]) & set(groups[~is_chosen])
    assert not choose_groups(np.array(["a", "a", "b"]), np.array([0, 0, 1]), 0.5, 0).any()


def test_a_file_of_splits_and_a_list_of_pictures_to_leave_out(load, pictures):
    rows = [(f"images/{i}.png", "test" if i > 6 else "train") for i in range(9)]
    with open(pictures / "splits.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "split"), *rows])
    (pictures / "bad.txt").write_text("# dark\nimages/0.png\n\nimages/none.png\n")
    dataset = load(rows_of(), split=str(pictures / "splits.csv"))
    assert dataset.splits["test"].images[:, 0, 0, 0].tolist() == [160, 140]
    dataset = load(rows_of(SPLITS), ("path", "label", "split"), exclude=str(pictures / "bad.txt"))
    assert dataset.splits["train"].images[:, 0, 0, 0].tolist() == [40, 80, 20, 60, 100]
    (pictures / "bad.txt").write_text("images/1.png\n")
    dataset = load(rows_of(SPLITS), ("path", "label", "split"), exclude=str(pictures / "bad.txt"))
    assert dataset.splits["train"].images[:, 0, 0, 0].tolist() == [0, 40, 80, 60, 100]


def test_a_changed_table_is_prepared_again(load):
    columns = ("path", "label", "split")
    load(rows_of(SPLITS), columns)
    changed = [(path, 1 - label, split) for path, label, split in rows_of(SPLITS)]
    images = load(changed, columns).splits["train"].images
    assert images[:, 0, 0, 0].tolist() == [20, 60, 100, 0, 40, 80]


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (
            [("images/0.png", "a"), ("no.png", "b")],
            None,
            "1 of its 2 pictures do not exist: .*line",
        ),
        ([("images/0.png", "a"), ("images/1.png", " ")], None, "line 3 has no label"),
        ([("images/0.png", "a"), ("images/0.png", "b")], None, "is in line 2 of .* and in line 3"),
        ([("images/0.png", "a"), ("images/1.png",)], None, "line 3 has 1 cells, but the header"),
        ([("images/0.png", "a"), ("images/1.png", "a")], None, "all pictures have the label 'a'"),
        ([("images/0.png", "a")], ("path", "kind"), "no label or class .it has path and kind."),
        ([], None, "the table has no rows"),
        ([("images/0.png", "a", "b")], ("path", "label", "Label"), "has two columns 'label'"),
        ([("images/0.png", 1, "dev")], ("path", "label", "split"), "the split 'dev' must be"),
        (
            [(f"images/{i}.png", i, s) for i, s in enumerate(("train", "val"))],
            ("path", "label", "split"),
            "has the splits train and validation, but needs both train and test",
        ),
        (
            [(f"images/{i}.png", i, s) for i, s in enumerate(("train", "test"))],
            ("path", "label", "split"),
            "all pictures of 1 are in the test split",
        ),
    ],
)
def test_mistakes_are_named_with_their_line(load, rows, columns, message):
    with pytest.raises(UserError, match=message) as caught:
        load(rows, columns or ("path", "label"))
    assert "\n" not in str(caught.value)


def test_a_table_that_gives_only_some_pictures_a_split_is_refused(pictures):
    records = [
        {"path": f"images/{i}.png", "label": "ab"[i % 2], "split": split}
        for i, split in enumerate(("train", "train", "test", "test"))
    ]
    records += [{"path": f"images/{i}.png", "label": "ab"[i % 2]} for i in (4, 5)]
    (pictures / "t.jsonl").write_text("\n".join(map(json.dumps, records)))
    with pytest.raises(UserError, match=r"line 5 of t.jsonl has no split, but other lines have"):
        read_table(pictures / "t.jsonl")


def test_lists_that_are_missing_or_name_other_pictures(load, pictures):
    with pytest.raises(UserError, match="none.csv: there is no such file"):
        load(rows_of(), split="none.csv")
    with pytest.raises(UserError, match="none.txt: there is no such file"):
        load(rows_of(), exclude="none.txt")
    (pictures / "splits.csv").write_text("path,split\nimages/0.png,train\nother.png,test\n")
    with pytest.raises(UserError, match="1 of its 2 pictures are not among those of .*other.png"):
        load(rows_of(), split=str(pictures / "splits.csv"))
    (pictures / "lines.jsonl").write_text('{"path": "images/0.png", "label": ["a"]}\n')
    with pytest.raises(UserError, match="line 1: the label must be a text or a whole number"):
        load_dataset(f"table:{pictures / 'lines.jsonl'}", data_dir=pictures.parent / "data")
