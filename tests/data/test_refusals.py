"""Archives that are truncated, corrupt, mislabelled or hostile: each is refused with one line."""

import gzip
import os
import pickle
import struct
import tarfile

import archives
import numpy as np
import pytest
from archives import read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxcnn.data.datasets.cifar import Cifar10, Cifar100
from jaxcnn.data.datasets.ferplus import FerPlus
from jaxcnn.data.datasets.mnist import Mnist
from jaxcnn.data.preparing import archives as reading
from jaxcnn.data.preparing.pickles import read_pickle
from jaxcnn.errors import UserError


@pytest.fixture(autouse=True)
def _small(small_datasets):
    """The archives of these tests count as whole."""


def refusal(builder_class, folder) -> str:
    with pytest.raises(UserError) as caught:
        read(builder_class, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class _Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_pickle_that_runs_code(tmp_path, protocol):
    members = archives.cifar10_python()
    evil = pickle.dumps({b"data": _Evil(tmp_path / "was here")}, protocol)
    members["cifar-10-batches-py/data_batch_3"] = evil
    path = archives.write_tar(tmp_path / "cifar-10-python.tar.gz", members)
    assert str(path) in refusal(Cifar10, tmp_path)
    assert not (tmp_path / "was here").exists()
    pickle.loads(evil)
    assert (tmp_path / "was here").exists()  # so it would have run


def test_pickle_of_other_numpy_functions():
    for evil in (np.load, np.fromfile, np.ndarray.tofile, np.dtype("O"), np.float64(1)):
        with pytest.raises((pickle.UnpicklingError, KeyError)):
            read_pickle(pickle.dumps({"data": evil}, 2))


def test_pickle_with_keys_that_take_forever_to_hash():
    key = ()
    for _ in range(100):
        key = (key, key)
    with pytest.raises(pickle.UnpicklingError, match="keys"):
        read_pickle(pickle.PROTO + b"\x02}" + pickle.dumps(key, 2)[2:-1] + b"Ns.")


def test_pickle_memo_does_not_allocate_by_a_number_it_reads():
    data = pickle.PROTO + b"\x02}" + pickle.LONG_BINPUT + struct.pack("<I", 2**32 - 1) + b"."
    assert read_pickle(data) == {}


@pytest.mark.parametrize("name", ["../data_batch_1", "/etc/data_batch_1", "a/../../data_batch_1"])
def test_tar_path_that_climbs_out(tmp_path, name):
    members = archives.cifar10_python() | {name: b""}
    archives.write_tar(tmp_path / "cifar-10-python.tar.gz", members)
    assert "leads out of the archive" in refusal(Cifar10, tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_tar_with_links_and_devices(tmp_path, kind):
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    assert "neither a plain file nor a folder" in refusal(Cifar10, tmp_path)


def test_files_that_unpack_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_BYTES", 100_000)
    bomb = archives.cifar10_python() | {"zeros": bytes(200_000)}
    archives.write_tar(tmp_path / "cifar-10-python.tar.gz", bomb)
    assert "MiB" in refusal(Cifar10, tmp_path)
    for name in archives.mnist_files():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(bytes(200_000)))
    assert "unpacks to more than" in refusal(Mnist, tmp_path)


def test_cifar_labels_and_counts_that_do_not_fit(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    for labels, message in (
        ([10] * 10, "a label 10; labels are 0 to 9"),
        ([-1] * 10, "a label -1"),
        ([0] * 9, "9 labels for 10 images"),
        ([0] * 10, "images of class"),
        (["0"] * 10, "no list of whole numbers called labels"),
        ([True] * 10, "no list of whole numbers called labels"),
        (None, "no list of whole numbers called labels"),
    ):
        archives.write_tar(path, archives.cifar10_python({"data_batch_2": labels}))
        assert message in refusal(Cifar10, tmp_path)


def test_cifar_without_a_batch_and_with_one_twice(tmp_path):
    members = archives.cifar10_binary()
    del members["cifar-10-batches-bin/data_batch_4.bin"]
    archives.write_tar(tmp_path / "cifar-10-binary.tar.gz", members)
    assert "it holds no data_batch_4.bin" in refusal(Cifar10, tmp_path)
    members = archives.cifar10_binary() | {"again/data_batch_4.bin": b""}
    archives.write_tar(tmp_path / "cifar-10-binary.tar.gz", members)
    assert "it holds data_batch_4.bin twice" in refusal(Cifar10, tmp_path)


def test_cifar_binary_with_a_record_too_few_and_half_a_record(tmp_path):
    for cut, message in ((3073, "49 images, not 50"), (100, "not a multiple of 3073")):
        members = archives.cifar10_binary()
        name = "cifar-10-batches-bin/data_batch_1.bin"
        members[name] = members[name][:-cut]
        archives.write_tar(tmp_path / "cifar-10-binary.tar.gz", members)
        assert message in refusal(Cifar10, tmp_path)


def test_one_dataset_under_the_name_of_another(tmp_path):
    archives.write_tar(tmp_path / "cifar-10-python.tar.gz", archives.cifar100_python())
    assert "it holds no data_batch_1" in refusal(Cifar10, tmp_path)
    members = archives.cifar10_binary() | {"cifar-10-batches-bin/batches.meta.txt": b"cat\ndog\n"}
    (tmp_path / "cifar-10-python.tar.gz").unlink()
    archives.write_tar(tmp_path / "cifar-10-binary.tar.gz", members)
    assert "its classes are not those of CIFAR-10" in refusal(Cifar10, tmp_path)


def test_cifar100_fine_class_in_two_coarse_classes(tmp_path):
    members = archives.cifar100_binary()
    data = bytearray(members["cifar-100-binary/train.bin"])
    data[0] = (data[0] + 1) % 20  # still consistent: there is one image of each class
    data += data[:3074]
    data[-3074] = (data[-3074] + 1) % 20
    members["cifar-100-binary/train.bin"] = bytes(data)
    archives.write_tar(tmp_path / "cifar-100-binary.tar.gz", members)
    Cifar100.class_counts["train"] = tuple(np.bincount([*range(100), data[1]]))
    assert "in two coarse classes" in refusal(Cifar100, tmp_path)


def test_mnist_files_that_are_not_what_they_say(tmp_path):
    name = "train-images-idx3-ubyte"
    good = archives.mnist_files()
    for data, message in (
        (good["train-labels-idx1-ubyte"], "its magic number is 2049, not 2051"),
        (good[name][:10], "it ends within its header"),
        (good[name][:-1], "its header says 23520 bytes, but there are 23519"),
        (struct.pack(">4I", 2051, 2**31, 2**31, 2**31), "but there are 0"),
        (good["t10k-images-idx3-ubyte"], "images"),
    ):
        for other, content in good.items():
            (tmp_path / other).write_bytes(data if other == name else content)
        assert message in refusal(Mnist, tmp_path)


def test_mnist_files_that_are_missing(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"")
    message = refusal(Mnist, tmp_path)
    assert "holds no train-labels-idx1-ubyte.gz and no train-labels-idx1-ubyte" in message


def test_fashion_mnist_is_not_mnist(tmp_path):
    counts = archives.MNIST_COUNTS["train"]
    files = archives.mnist_files()
    labels = np.roll(np.repeat(np.arange(10), counts), 1).astype(np.uint8)
    labels[0] = labels[1]
    files["train-labels-idx1-ubyte"] = struct.pack(">2I", 2049, 30) + labels.tobytes()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert "train holds 4 images of class 0, not 3" in refusal(Mnist, tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("fer2013.csv", b"emotion,pixels", b"pixels,emotion", "its columns are not emotion"),
        ("fer2013.csv", b"0,", b"0,1 ", "row 1 has 2305 pixels, not 2304"),
        ("fer2013.csv", b"0,", b"0,0,", "row 1 has 4 fields, not 3"),
        ("fer2013.csv", b",Training", b",PublicTest", "does not have the same Usage"),
        ("fer2013.csv", b" ", b" x", "invalid literal"),
        ("fer2013.csv", b" ", b" 9", "pixels outside 0 to 255"),
        ("fer2013new.csv", b",fer0000000.png,", b",fer0000000.png,x", "invalid literal"),
        ("fer2013new.csv", b",fer0000000.png,", b",fer0000000.png,9", "0 to 10 votes"),
        ("fer2013new.csv", b"Training", b"Trainings", "a row with Usage 'Trainings'"),
    ],
)
def test_ferplus_rows_that_do_not_fit(tmp_path, file, old, new, message):
    for name, data in archives.ferplus_files().items():
        head, body = data.split(b"\n", 1)
        if name == file and old in head:
            head = head.replace(old, new, 1)
        elif name == file:
            body = body.replace(old, new, 1)
        (tmp_path / name).write_bytes(head + b"\n" + body)
    assert message in refusal(FerPlus, tmp_path)


def test_ferplus_rows_too_few_or_too_many(tmp_path):
    good = archives.ferplus_files()
    for file in good:
        for cut in (-1, 1):
            for name, data in good.items():
                lines = data.splitlines(keepends=True)
                lines = lines if name != file else lines[:-1] if cut < 0 else [*lines, lines[-1]]
                (tmp_path / name).write_bytes(b"".join(lines))
            message = refusal(FerPlus, tmp_path)
            assert "rows, not 12" in message or "more than 12 rows" in message


def _mutated(data: bytes, flips: list[tuple[int, int]], cut: int | None) -> bytes:
    mutated = bytearray(data[: None if cut is None else cut % (len(data) + 1)])
    for position, value in flips:
        if mutated:
            mutated[position % len(mutated)] ^= value
    return bytes(mutated)


_FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", 40)),  # of each format; by hand 200
    deadline=10_000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_FLIPS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=4)
_CUT = st.none() | st.integers(0, 10**6)


@_FUZZ
@given(flips=_FLIPS, cut=_CUT, early=st.booleans(), packed=st.booleans(), which=st.integers(0, 9))
@pytest.mark.parametrize("name", archives.TARS)
def test_mutated_tars(tmp_path, name, flips, cut, early, packed, which):
    """Whatever is in the archive, it is read or refused with a line."""
    members = archives.TARS[name]()
    if not packed:  # what is in a member, so that gzip's checksum does not catch it
        member = sorted(members)[which % len(members)]
        flips = [(position % 300, value) for position, value in flips] if early else flips
        members[member] = _mutated(members[member], flips, cut)
    path = archives.write_tar(tmp_path / name, members)
    if packed:
        raw = gzip.decompress(path.read_bytes()) if early else path.read_bytes()
        mutated = _mutated(raw, flips, cut)
        path.write_bytes(gzip.compress(mutated, 1) if early else mutated)
    _read_or_refuse(Cifar100 if "100" in name else Cifar10, tmp_path)


@_FUZZ
@given(flips=_FLIPS, cut=_CUT, early=st.booleans(), packed=st.booleans(), which=st.integers(0, 9))
@pytest.mark.parametrize("dataset", ["mnist", "ferplus"])
def test_mutated_files(tmp_path, dataset, flips, cut, early, packed, which):
    files = archives.mnist_files() if dataset == "mnist" else archives.ferplus_files()
    flips = [(position % 40, value) for position, value in flips] if early else flips
    target = sorted(files)[which % len(files)]
    for name, data in files.items():
        if dataset == "mnist" and packed:
            name, data, chosen = f"{name}.gz", gzip.compress(data, 1), f"{target}.gz"
        else:
            chosen = target
        (tmp_path / name).write_bytes(_mutated(data, flips, cut) if name == chosen else data)
    _read_or_refuse(Mnist if dataset == "mnist" else FerPlus, tmp_path)
    for path in tmp_path.glob("*ubyte*"):
        path.unlink()


def _read_or_refuse(builder_class, folder):
    try:
        _, splits = read(builder_class, folder)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert splits["train"].images.dtype == np.uint8


def test_truncated_anywhere(tmp_path):
    """No cut is taken for the whole: gzip's checksum at the very end counts too."""
    whole = archives.write_tar(tmp_path / "whole", archives.cifar10_binary()).read_bytes()
    path = tmp_path / "cifar-10-binary.tar.gz"
    for keep in (0, 10, len(whole) // 2, len(whole) - 8, len(whole) - 1):
        path.write_bytes(whole[:keep])
        assert "damaged" in refusal(Cifar10, tmp_path)


def test_not_a_tar(tmp_path):
    page = b"<html>404</html>"
    for data in (page, gzip.compress(page * 100)):
        (tmp_path / "cifar-10-python.tar.gz").write_bytes(data)
        assert "not in the publisher's format" in refusal(Cifar10, tmp_path)
