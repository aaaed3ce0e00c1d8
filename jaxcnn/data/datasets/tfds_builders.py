"""tfds' builders of sets by name, without TensorFlow.

A set that lies prepared as array_record in the folder of datasets is read as it is, without the
code that made it. tfds itself prepares any other set, which works if the set's code does not need
TensorFlow.
"""

import contextlib
import io
import logging
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import tensorflow_datasets as tfds
from tensorflow_datasets.core import file_adapters, read_only_builder
from tensorflow_datasets.core.download import extractor
from tensorflow_datasets.core.registered import DatasetNotFoundError

from jaxcnn.data.places import Place
from jaxcnn.data.preparing.download import few_retries
from jaxcnn.data.preparing.reporter import Reporter
from jaxcnn.data.tfds_names import TFDS
from jaxcnn.errors import UserError

# stands for TensorFlow in tfds' code that unpacks archives
_PLAIN_FILES = SimpleNamespace(
    compat=SimpleNamespace(as_text=os.fspath),
    io=SimpleNamespace(gfile=SimpleNamespace(GFile=open)),
)


def open_builder(place: Place, reporter: Reporter) -> Any:
    """Return tfds' builder of a set whose files are array_record, prepared if necessary.

    Raises:
      UserError: the set is unknown, its files have another format, or it cannot be prepared.
    """
    name = place.name.removeprefix(TFDS)
    try:
        builder = read_only_builder.builder_from_files(name, data_dir=place.data_dir)
    except DatasetNotFoundError:
        return _prepare(place, name, reporter)
    except Exception as error:  # of a name that tfds cannot parse, or of damaged files
        raise UserError(f"{place.name}: {_first_line(error)}") from error
    if builder.info.file_format != file_adapters.FileFormat.ARRAY_RECORD:
        raise UserError(
            f"{place.name}: {builder.data_dir} holds {builder.info.file_format.value} files, which "
            f"need TensorFlow; where it is installed: {_build_command(name)}"
        )
    return builder


def _prepare(place: Place, name: str, reporter: Reporter) -> Any:
    """Let tfds prepare a set."""
    reporter.say(f"tfds prepares {name} in {place.data_dir}")
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    downloads = place.data_dir / "downloads"
    try:
        with few_retries(), _unpacking_plainly(), _hiding_messages():
            builder = tfds.builder(name, data_dir=place.data_dir, file_format="array_record")
            builder.download_and_prepare(download_dir=downloads, download_config=config)
    except DatasetNotFoundError as error:
        raise UserError(
            f"{place.name}: tfds knows no such set, and none lies prepared in {place.data_dir}"
        ) from error
    except Exception as error:  # a set's own code may raise any
        if _needs_tensorflow(error):
            raise UserError(
                f"{place.name}: tfds prepares it only with TensorFlow; where that is installed: "
                f"{_build_command(name)}; then copy the folder {name} into {place.data_dir}"
            ) from error
        raise UserError(
            f"{place.name}: tfds cannot prepare it ({_first_line(error)}); files that you have "
            f"belong into {downloads / 'manual'}"
        ) from error
    return builder


@contextlib.contextmanager
def _unpacking_plainly() -> Iterator[None]:
    """Let tfds unpack archives with Python's files during the block, in place of TensorFlow's.

    The two functions that tfds takes from TensorFlow for this are `open` and a conversion to text.
    """
    before = extractor.tf
    extractor.tf = _PLAIN_FILES
    try:
        yield
    finally:
        extractor.tf = before


@contextlib.contextmanager
def _hiding_messages() -> Iterator[None]:
    """Hide tfds' lines about TensorFlow, and those about failed requests, during the block."""
    requests = logging.getLogger("urllib3")
    before = requests.level
    requests.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        requests.setLevel(before)


def _needs_tensorflow(error: BaseException | None) -> bool:
    """Return whether an error comes from TensorFlow, which is not installed."""
    while error is not None:
        if isinstance(error, ImportError) and (error.name or "").startswith("tensorflow"):
            return True
        error = error.__cause__ or error.__context__
    return False


def _build_command(name: str) -> str:
    return f"tfds build {name} --file_format=array_record"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
