"""The names of tensorflow-datasets' sets, `tfds:NAME/CONFIG:VERSION`, and the state of their files.

tfds itself is not imported here.
"""

import hashlib
import re
from pathlib import Path

TFDS = "tfds:"
_NAME = re.compile(rf"{TFDS}(\w+)(/[\w.+-]+)?(:[\w.*]+)?")


def is_tfds_name(name: str) -> bool:
    """Return whether a dataset's name stands for a set of tfds, such as `tfds:beans`."""
    return bool(_NAME.fullmatch(name))


def folder_name(name: str, split: str) -> str:
    """Return the part of a folder's name that tells a set and the splits that the config names.

    Args:
      name: of the dataset.
      split: the names of the splits; "" for the set's own.
    """
    text = name.removeprefix(TFDS).replace("/", "+").replace(":", "@")
    digest = hashlib.sha256(split.encode()).hexdigest()[:8]
    return f"{text}-{digest}" if split else text


def state_of(name: str, data_dir: Path) -> str:
    """Return the digest of a set's files below a folder of datasets; "" without any."""
    folder = data_dir / name.removeprefix(TFDS).partition(":")[0]
    digest = hashlib.sha256()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in files:
        status = path.stat()
        state = (str(path.relative_to(folder)), status.st_size, status.st_mtime_ns)
        digest.update(repr(state).encode(errors="surrogateescape"))
    return digest.hexdigest() if files else ""
