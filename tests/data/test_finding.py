"""The publishers' files, as they come from other places: renamed, repacked, unpacked."""

import gzip
import io
import os
import pickle
import tarfile

import archives
import numpy as np
import pytest
from archives import read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxcnn.data.dataset import load_dataset
from jaxcnn.data.datasets.cifar import Cifar10, Cifar100
from jaxcnn.data.datasets.ferplus import FerPlus
from jaxcnn.data.datasets.mnist import Mnist
from jaxcnn.data.preparing.finding import find_files
from jaxcnn.data.preparing.pickles import read_pickle
from jaxcnn.data.preparing.prepare import prepare_dataset as prepare
from jaxcnn.errors import UserError

MNIST_NAMES = ("train-images", "train-labels", "t10k-images", "t10k-labels")


@pytest.fixture(autouse=True)
def _small(small_datasets):
    """The archives of these tests count as whole."""


def write(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def assert_mnist(folder):
    _, splits = read(Mnist, folder)
    for split, (images, labels) in archives.mnist_splits().items():
        np.testing.assert_array_equal(splits[split].images, images)
        np.testing.assert_array_equal(splits[split].labels[""], labels)


def test_mnist_as_others_have_it(tmp_path):
    files = archives.mnist_files()
    dotted = {name.replace("-idx", ".idx"): data for name, data in files.items()}
    own_folders = {f"{name}/{name}": data for name, data in files.items()}
    assert_mnist(write(tmp_path / "kaggle", dotted))
    assert_mnist(write(tmp_path / "folders", own_folders))
    assert_mnist(write(tmp_path / "both", own_folders | dotted))
    assert_mnist(write(tmp_path / "torch", {f"MNIST/raw/{name}": files[name] for name in files}))
    unpacked_by_a_browser = {f"{name}.gz": data for name, data in files.items()}
    assert_mnist(write(tmp_path / "unpacked", unpacked_by_a_browser))
    packed = {f"{name}.gz": gzip.compress(data) for name, data in files.items()}
    assert_mnist(write(tmp_path / "packed", packed) / "t10k-images-idx3-ubyte.gz")


def test_a_file_that_is_there_twice(tmp_path):
    files = archives.mnist_files()
    for folder in ("MNIST/raw", "FashionMNIST/raw"):
        write(tmp_path / folder, files)
    with pytest.raises(
        UserError, match=r"FashionMNIST/raw/\S+ and \S+ are the same file: name the"
    ):
        read(Mnist, tmp_path)
    assert_mnist(tmp_path / "MNIST")


CIFAR = {
    "cifar-10-batches-py.tar.gz": "cifar-10-python.tar.gz",  # Keras 2
    "cifar-10-batches-py-target_archive": "cifar-10-python.tar.gz",  # Keras 3
    "cifar-10-python.tgz": "cifar-10-python.tar.gz",
    "cifar-10-batches-bin.tar.gz": "cifar-10-binary.tar.gz",
    "cifar-100-python-target_archive": "cifar-100-python.tar.gz",
}


@pytest.mark.parametrize("name", CIFAR)
def test_cifar_archives_under_other_names(tmp_path, name):
    archives.write_tar(tmp_path / name, archives.TARS[CIFAR[name]]())
    builder = Cifar100 if "100" in name else Cifar10
    for place in (tmp_path, tmp_path / name):
        _, splits = read(builder, place)
        assert splits["train"].count == sum(builder.class_counts["train"])


@pytest.mark.parametrize("name", archives.TARS)
def test_cifar_unpacked_wherever_it_lies(tmp_path, name):
    builder = Cifar100 if "100" in name else Cifar10
    write(tmp_path / "a" / "b", archives.TARS[name]())
    (unpacked,) = (tmp_path / "a" / "b").iterdir()
    for place in (tmp_path, unpacked):
        assert read(builder, place)[1]["train"].count == sum(builder.class_counts["train"])
    renamed = unpacked.rename(tmp_path / "a" / "mine")
    assert read(builder, renamed)[1]["train"].count == sum(builder.class_counts["train"])
    assert find_files(Mnist, tmp_path) == {}


def test_cifar_unpacked_in_part(tmp_path):
    members = archives.cifar10_python()
    del members["cifar-10-batches-py/data_batch_4"]
    write(tmp_path, members)
    with pytest.raises(UserError, match="cifar-10-batches-py: it holds no data_batch_4"):
        read(Cifar10, tmp_path)


def test_the_archive_that_is_named_is_taken(tmp_path):
    archives.write_tar(tmp_path / "cifar-10-python.tar.gz", {"empty": b""})
    named = archives.write_tar(tmp_path / "cifar-10-binary.tar.gz", archives.cifar10_binary())
    prepare("cifar10", archives=named, data_dir=tmp_path / "data")
    images, _ = archives.make_split(archives.CIFAR10_COUNTS["train"], (32, 32, 3), 0)
    found = load_dataset("cifar10", data_dir=tmp_path / "data").splits["train"].images
    np.testing.assert_array_equal(found, images)


def test_a_tar_that_a_browser_has_unpacked(tmp_path):
    with tarfile.open(tmp_path / "cifar-10-python.tar", "w") as archive:
        for name, data in archives.cifar10_python().items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert read(Cifar10, tmp_path)[1]["test"].count == 10


def test_what_is_there_and_what_is_expected_are_named(tmp_path):
    write(tmp_path / "some", {"archive.zip": b"PK", "mnist.npz": b"PK"})
    with pytest.raises(UserError, match=r"has no file of mnist: get train.* archive.zip and mni"):
        prepare("mnist", archives=tmp_path / "some", data_dir=tmp_path / "data")
    with pytest.raises(UserError, match=r"archive.zip has no file of mnist: .*another file"):
        prepare("mnist", archives=tmp_path / "some" / "archive.zip", data_dir=tmp_path / "data")
    write(tmp_path / "votes", {"fer2013new.csv": b""})
    with pytest.raises(UserError, match=r"no fer2013.csv and no icml.* but fer2013new.csv"):
        read(FerPlus, tmp_path / "votes")


def ferplus_as_icml(mark=b""):
    files = archives.ferplus_files()
    header, *rows = files.pop("fer2013.csv").decode().splitlines()
    fields = [row.split(",") for row in rows]
    lines = ["emotion, Usage, pixels", *(f"{e}, {usage},{pixels}" for e, pixels, usage in fields)]
    return files | {"icml_face_data.csv": mark + "\r\n".join(lines).encode()}


def test_ferplus_as_kaggle_has_it(tmp_path):
    files = archives.ferplus_files()
    _, expected = read(FerPlus, write(tmp_path / "plain", files))
    mark = b"\xef\xbb\xbf"
    write(tmp_path / "marked", {name: mark + data for name, data in files.items()})
    write(tmp_path / "icml", ferplus_as_icml(mark))
    below = {"fer2013new.csv": files["fer2013new.csv"], "fer2013/fer2013.csv": files["fer2013.csv"]}
    write(tmp_path / "unpacked", below)
    packed = write(tmp_path / "packed", {"fer2013new.csv": files["fer2013new.csv"]})
    members = {"fer2013/README": b"x", "fer2013/fer2013.csv": files["fer2013.csv"]}
    archives.write_tar(packed / "fer2013.tar.gz", members)
    for place in ("marked", "icml", "unpacked", "packed", "packed/fer2013.tar.gz"):
        _, splits = read(FerPlus, tmp_path / place)
        for split in expected:
            np.testing.assert_array_equal(splits[split].images, expected[split].images)
            np.testing.assert_array_equal(splits[split].labels[""], expected[split].labels[""])


def with_protocol(protocol):
    members = archives.cifar10_python()
    by_name = archives.cifar10_batches()
    for name, data in members.items():
        content = {key.encode(): value for key, value in read_pickle(data).items()}
        if name.rpartition("/")[2] in by_name:
            images, _ = by_name[name.rpartition("/")[2]]
            content[b"data"] = archives.planes(images)
        members[name] = pickle.dumps(content, protocol)
    return members


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_cifar_pickles_of_every_protocol(tmp_path, protocol):
    archives.write_tar(tmp_path / "cifar-10-python.tar.gz", with_protocol(protocol))
    _, splits = read(Cifar10, tmp_path)
    images, labels = archives.make_split(archives.CIFAR10_COUNTS["train"], (32, 32, 3), 0)
    np.testing.assert_array_equal(splits["train"].images, images)
    np.testing.assert_array_equal(splits["train"].labels[""], labels)


def test_pickles_that_python_2_wrote_with_its_first_protocol():
    array = "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\nI2\nt"
    array += "cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x07\\xff'\ntb"
    found = read_pickle(f"(dp0\nS'labels'\np1\n(lp2\nI3\naL9L\nasS'data'\n{array}s.".encode())
    assert found["labels"] == [3, 9]
    assert found["data"].tolist() == [[7, 255]]


def test_a_size_that_a_pickle_claims_is_not_allocated():
    claim = pickle.PROTO + b"\x05" + pickle.BYTEARRAY8 + (1 << 62).to_bytes(8, "little") + b"."
    with pytest.raises(EOFError):
        read_pickle(claim)


@settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", 40)),
    deadline=10_000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    flips=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), min_size=1, max_size=4),
    protocol=st.sampled_from([0, 1, 5]),
)
def test_mutated_pickles(flips, protocol):
    """Whatever is in a pickle, it is read to plain values or refused with an exception."""
    data = {b"labels": [1, 2, 300], b"data": np.arange(6, dtype=np.uint8).reshape(2, 3)}
    mutated = bytearray(pickle.dumps(data, protocol))
    for position, value in flips:
        mutated[position % len(mutated)] ^= value
    try:
        found = read_pickle(bytes(mutated))
    except Exception:
        return
    assert all(isinstance(key, str) for key in found)
