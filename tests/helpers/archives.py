"""Writes small archives in the publishers' formats, byte for byte as Python 2 and C wrote them."""

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np

CIFAR10_CLASSES = (
    "airplane automobile bird cat deer dog frog horse ship truck".split()  # noqa: SIM905
)
FINE_CLASSES = [f"fine {i:02d}" for i in range(100)]
COARSE_CLASSES = [f"coarse {i:02d}" for i in range(20)]
EMOTIONS = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt"
USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}

# Images of each class, and rows of FER2013, in these small archives.
CIFAR10_COUNTS = {"train": (5,) * 10, "test": (1,) * 10}
CIFAR100_COUNTS = {"train": (1,) * 100, "test": (1,) * 100}
MNIST_COUNTS = {"train": (3,) * 10, "test": (1,) * 10}
FERPLUS_ROWS = {"train": 6, "validation": 3, "test": 3}  # the last of each has no votes
FERPLUS_KEPT = {"train": 5, "validation": 2, "test": 2}


def make_split(
    counts: tuple[int, ...], shape: tuple[int, int, int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Noise (n, h, w, c) uint8 and shuffled labels (n,)."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(len(counts)), counts))
    return random.integers(0, 256, (len(labels), *shape), np.uint8), labels


class _Python2Pickler(pickle._Pickler):
    """Writes str as Python 2 did; Python 3 would write a call to codecs.encode instead."""

    def _save_bytes(self, text: bytes) -> None:
        if len(text) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(text)]) + text)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(text)) + text)
        self.memoize(text)

    dispatch = {**pickle._Pickler.dispatch, bytes: _save_bytes}


def pickle_batch(content: dict) -> bytes:
    stream = io.BytesIO()
    _Python2Pickler(stream, protocol=2).dump(content)
    return stream.getvalue().replace(b"numpy._core.", b"numpy.core.")


def planes(images: np.ndarray) -> np.ndarray:
    """Images (n, 32, 32, 3) as rows of red, green and blue planes."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def cifar10_batches() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    train = make_split(CIFAR10_COUNTS["train"], (32, 32, 3), 0)
    batches = {
        f"data_batch_{i + 1}": tuple(array[10 * i : 10 * i + 10] for array in train)
        for i in range(5)
    }
    return batches | {"test_batch": make_split(CIFAR10_COUNTS["test"], (32, 32, 3), 1)}


def cifar10_python(labels_of: dict | None = None) -> dict[str, bytes]:
    """The members of cifar-10-python.tar.gz; `labels_of` replaces the labels of a batch."""
    members = {}
    for name, (images, labels) in cifar10_batches().items():
        batch = {
            b"batch_label": name.encode(),
            b"labels": (labels_of or {}).get(name, labels.tolist()),
            b"data": planes(images),
            b"filenames": [b"%d.png" % i for i in range(len(images))],
        }
        members[f"cifar-10-batches-py/{name}"] = pickle_batch(batch)
    names = [name.encode() for name in CIFAR10_CLASSES]
    meta = {b"num_cases_per_batch": 10, b"label_names": names, b"num_vis": 3072}
    return members | {"cifar-10-batches-py/batches.meta": pickle_batch(meta)}


def cifar10_binary() -> dict[str, bytes]:
    members = {
        f"cifar-10-batches-bin/{name}.bin": np.concatenate(
            [labels[:, None].astype(np.uint8), planes(images)], axis=1
        ).tobytes()
        for name, (images, labels) in cifar10_batches().items()
    }
    names = "\n".join(CIFAR10_CLASSES) + "\n\n"
    return members | {"cifar-10-batches-bin/batches.meta.txt": names.encode()}


def cifar100_splits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        split: make_split(counts, (32, 32, 3), 2 + i)
        for i, (split, counts) in enumerate(CIFAR100_COUNTS.items())
    }


def cifar100_python() -> dict[str, bytes]:
    members = {}
    for name, (images, labels) in cifar100_splits().items():
        batch = {
            b"filenames": [b"%d.png" % i for i in range(len(images))],
            b"batch_label": b"training batch 1 of 1",
            b"fine_labels": labels.tolist(),
            b"coarse_labels": (labels // 5).tolist(),
            b"data": planes(images),
        }
        members[f"cifar-100-python/{name}"] = pickle_batch(batch)
    names = {"fine_label_names": FINE_CLASSES, "coarse_label_names": COARSE_CLASSES}
    meta = {key.encode(): [name.encode() for name in value] for key, value in names.items()}
    return members | {"cifar-100-python/meta": pickle_batch(meta)}


def cifar100_binary() -> dict[str, bytes]:
    members = {}
    for name, (images, labels) in cifar100_splits().items():
        columns = [(labels // 5)[:, None], labels[:, None], planes(images)]
        records = np.concatenate(columns, axis=1).astype(np.uint8)
        members[f"cifar-100-binary/{name}.bin"] = records.tobytes()
    members["cifar-100-binary/fine_label_names.txt"] = "\n".join(FINE_CLASSES).encode()
    members["cifar-100-binary/coarse_label_names.txt"] = "\n".join(COARSE_CLASSES).encode()
    return members


TARS = {
    "cifar-10-python.tar.gz": cifar10_python,
    "cifar-10-binary.tar.gz": cifar10_binary,
    "cifar-100-python.tar.gz": cifar100_python,
    "cifar-100-binary.tar.gz": cifar100_binary,
}


def mnist_splits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        split: make_split(counts, (28, 28, 1), 4 + i)
        for i, (split, counts) in enumerate(MNIST_COUNTS.items())
    }


def mnist_files() -> dict[str, bytes]:
    """The four IDX files by name, not packed."""
    files = {}
    for split, (images, labels) in mnist_splits().items():
        prefix = {"train": "train", "test": "t10k"}[split]
        header = struct.pack(">4I", 2051, len(images), 28, 28)
        files[f"{prefix}-images-idx3-ubyte"] = header + images.tobytes()
        header = struct.pack(">2I", 2049, len(labels))
        files[f"{prefix}-labels-idx1-ubyte"] = header + labels.astype(np.uint8).tobytes()
    return files


def ferplus_rows() -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(usage, pixels (2304,), ten votes) of each row."""
    random = np.random.default_rng(6)
    rows = []
    for split, count in FERPLUS_ROWS.items():
        for row in range(count):
            votes = random.multinomial(10, np.ones(10) / 10)
            if row == count - 1:
                votes = np.array([0] * 9 + [10])
            rows.append((USAGES[split], random.integers(0, 256, 48 * 48), votes))
    return rows


def ferplus_files() -> dict[str, bytes]:
    pixels = ["emotion,pixels,Usage"]
    votes = [f"Usage,Image name,{EMOTIONS},unknown,NF"]
    for index, (usage, row, counts) in enumerate(ferplus_rows()):
        pixels.append(f"0,{' '.join(map(str, row))},{usage}")
        votes.append(f"{usage},fer{index:07d}.png,{','.join(map(str, counts))}")
    return {
        "fer2013.csv": ("\n".join(pixels) + "\n").encode(),
        "fer2013new.csv": ("\r\n".join(votes) + "\r\n").encode(),
    }


def write_all(folder: Path) -> Path:
    """Every archive, in one folder."""
    folder.mkdir(exist_ok=True)
    for name, members in TARS.items():
        write_tar(folder / name, members())
    for name, data in mnist_files().items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(data, 1))
    for name, data in ferplus_files().items():
        (folder / name).write_bytes(data)
    return folder


def write_pictures(folder: Path, counts: dict[str, int], *, size: int = 12, grey=False) -> Path:
    """PATH/CLASS/*.png: as many of each class as `counts` says."""
    from PIL import Image

    random = np.random.default_rng(7)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            shape = (size, size) if grey else (size, size, 3)
            picture = Image.fromarray(random.integers(0, 256, shape, np.uint8))
            picture.save(folder / name / f"{index}.png")
    return folder


def read(builder_class, folder: Path):
    """A builder and the splits that it reads from the files in a folder."""
    from jaxcnn.data.preparing.finding import find_files
    from jaxcnn.data.preparing.reporter import Reporter

    builder = builder_class(data_dir=folder / "nowhere")
    builder.reporter = Reporter("test", None)
    return builder, builder.read(find_files(builder_class, folder))


def contents(directory):
    """All files below a directory, with their bytes; but for locks."""
    locks = (".lock", ".in_use")
    files = (path for path in directory.rglob("*") if path.is_file() and path.name not in locks)
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}
