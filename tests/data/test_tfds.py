"""Sets of tensorflow-datasets by name, without TensorFlow."""

import hashlib
import io
import sys
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.download.checksums import UrlInfo

from jaxcnn.data.dataset import load_dataset
from jaxcnn.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore")  # of tfds


def encoded(value, size=(8, 8), file_format="PNG"):
    content = io.BytesIO()
    Image.new("RGB", size, (value, 100, 255 - value)).save(content, file_format)
    return content.getvalue()


class LampSet(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Lamps that are off or on; the color tells the number of the example."""

    name = "lamp_set"
    VERSION = tfds.core.Version("1.0.0")
    splits = ("train", "test")
    sizes = ((8, 8),)

    def _info(self):
        features = {
            "picture": tfds.features.Image(shape=(None, None, 3)),
            "state": tfds.features.ClassLabel(names=["off", "on"]),
            "boxes": tfds.features.Sequence(tfds.features.BBoxFeature()),
        }
        features = tfds.features.FeaturesDict(features)
        return tfds.core.DatasetInfo(
            builder=self, features=features, supervised_keys=("picture", "state")
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples() for split in self.splits}

    def _generate_examples(self):
        for number in range(20):
            picture = encoded(10 * number, self.sizes[number % len(self.sizes)])
            yield number, {"picture": io.BytesIO(picture), "state": number % 2, "boxes": []}


@pytest.fixture
def lamps(tmp_path):
    """Prepares the set as array_record; arguments change the class."""

    def prepare(file_format="array_record", **changes):
        builder = type("LampSet", (LampSet,), changes, skip_registration=True)(
            data_dir=tmp_path, file_format=file_format
        )
        builder.download_and_prepare()
        return tmp_path

    return prepare


def values(split):
    """The numbers of the examples."""
    return split.images[:, 0, 0, 0] // 10


def test_a_set_that_lies_there_is_read_without_its_code(lamps, capsys):
    folder = lamps()
    dataset = load_dataset("tfds:lamp_set", data_dir=folder)
    assert dataset.class_names == ("off", "on") and dataset.image_shape == (8, 8, 3)
    for split in dataset.splits.values():
        assert sorted(values(split)) == list(range(20))
        np.testing.assert_array_equal(values(split) % 2, split.labels)
    assert "tensorflow" not in sys.modules
    version = load_dataset("tfds:lamp_set:1.0.0", data_dir=folder)
    capsys.readouterr()
    again = load_dataset("tfds:lamp_set", data_dir=folder)
    assert again.fingerprint == version.fingerprint == dataset.fingerprint
    assert capsys.readouterr().out == ""


def test_a_set_that_is_prepared_again_is_read_again(lamps, tmp_path):
    before = load_dataset("tfds:lamp_set", data_dir=lamps(), image_size=4).fingerprint
    (tmp_path / "lamp_set").rename(tmp_path / "moved")
    assert load_dataset("tfds:lamp_set", data_dir=tmp_path, image_size=4).fingerprint == before
    lamps(splits=("train", "validation"))
    assert load_dataset("tfds:lamp_set", data_dir=tmp_path, image_size=4).fingerprint != before


def test_a_set_without_a_test_split_is_split(lamps, capsys):
    folder = lamps(splits=("train",))
    splits = load_dataset("tfds:lamp_set", data_dir=folder).splits
    assert np.bincount(splits["test"].labels).tolist() == [2, 2]
    assert sorted([*values(splits["train"]), *values(splits["test"])]) == list(range(20))
    assert "a fifth of each class becomes it" in capsys.readouterr().out
    named = load_dataset("tfds:lamp_set", data_dir=folder, split="train[:75%],train[75%:]").splits
    assert [len(named[name].labels) for name in ("train", "test")] == [15, 5]
    for split in ("train,tset", "train,train[:0]", "a,b,c,d"):
        with pytest.raises(UserError, match="dataset.split = .*: must be TRAIN,TEST or"):
            load_dataset("tfds:lamp_set", data_dir=folder, split=split)


@pytest.mark.parametrize(
    ("split", "shared"),
    [
        ("train,train", "train and train"),
        ("train[:80%],train[20%:]", r"train\[:80%\] and train\[20%:\]"),
        ("train+test,test", r"train\+test and test"),
        ("train[:50%],test,train[45%:60%]", r"train\[:50%\] and train\[45%:60%\]"),
    ],
)
def test_splits_with_common_examples_are_refused(split, shared, lamps):
    with pytest.raises(UserError, match=f"{shared} have examples in common"):
        load_dataset("tfds:lamp_set", data_dir=lamps(), split=split)


def test_parts_of_one_split_in_turn_have_no_common_examples(lamps):
    split = "train[:50%]+train[75%:],test,train[50%:75%]"
    splits = load_dataset("tfds:lamp_set", data_dir=lamps(), split=split).splits
    assert [len(splits[name].labels) for name in ("train", "test", "validation")] == [15, 20, 5]


def test_images_of_several_sizes_need_an_image_size(lamps):
    folder = lamps(sizes=((8, 8), (12, 6)))
    with pytest.raises(UserError, match="several sizes, such as .*: set --image_size, or"):
        load_dataset("tfds:lamp_set", data_dir=folder)
    dataset = load_dataset("tfds:lamp_set", data_dir=folder, image_size=(6, 4), fit="pad")
    assert dataset.image_shape == (6, 4, 3) and dataset.conversion["fit"] == "pad"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nothing_here", "tfds knows no such set, and none lies prepared in"),
        ("coco", "tfds prepares it only with TensorFlow; where that is installed: tfds build"),
        ("no name", "no dataset 'tfds:no name'"),
    ],
)
def test_any_other_set_is_one_line(tmp_path, name, line):
    with pytest.raises(UserError, match=line):
        load_dataset(f"tfds:{name}", data_dir=tmp_path)


def test_files_of_another_format_are_one_line(lamps, tmp_path):
    lamps()
    file = tmp_path / "lamp_set" / "1.0.0" / "dataset_info.json"
    file.write_text(file.read_text().replace("array_record", "tfrecord"))
    with pytest.raises(UserError, match="holds tfrecord files, which need TensorFlow"):
        load_dataset("tfds:lamp_set", data_dir=tmp_path)


def test_a_published_set_is_prepared_from_its_archives(tmp_path, monkeypatch):
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    classes, infos = ("angular_leaf_spot", "bean_rust", "healthy"), {}
    for split in ("train", "validation", "test"):
        with zipfile.ZipFile(manual / f"{split}.zip", "w") as archive:
            for name in classes:
                picture = encoded(50 * classes.index(name), file_format="JPEG")
                archive.writestr(f"{split}/{name}/{name}_0.jpg", picture)
        content = (manual / f"{split}.zip").read_bytes()
        infos[f"https://storage.googleapis.com/ibeans/{split}.zip"] = UrlInfo(
            len(content), hashlib.sha256(content).hexdigest(), f"{split}.zip"
        )
    monkeypatch.setattr(tfds.builder_cls("beans"), "url_infos", infos)
    dataset = load_dataset("tfds:beans", data_dir=tmp_path, image_size=16)
    assert dataset.class_names == classes
    for split in ("train", "validation", "test"):
        rows = dataset.splits[split]
        assert rows.images.shape == (3, 16, 16, 3)
        assert np.abs(rows.images[:, 0, 0, 0] - 50.0 * rows.labels).max() < 12
