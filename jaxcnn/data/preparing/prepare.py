"""Prepares a dataset: tfds' files and the arrays beside them, both or neither.

All is written to a temporary directory beside the dataset's own and renamed at the end; what was
prepared before stays until then.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import logging

from jaxcnn.data.pictures.statistics import doubts
from jaxcnn.data.places import Place, find_place
from jaxcnn.data.preparing.cache import images_path, write_cache
from jaxcnn.data.preparing.finding import find_files, what_is_in
from jaxcnn.data.preparing.lock import replace, writing
from jaxcnn.data.preparing.reporter import Reporter, reporter
from jaxcnn.data.preparing.versions import remove_old_versions
from jaxcnn.errors import UserError
from jaxcnn.files.paths import user_path

if TYPE_CHECKING:
    from jaxcnn.data.preparing.builder import ImageBuilder


def prepare(
    name: str,
    *,
    archives: str | os.PathLike | None = None,
    data_dir: str | os.PathLike | None = None,
    image_size: int = 0,
) -> Path:
    """Prepares dataset `name` and returns its directory.

    Args:
      name: one of `dataset_names()`, or `folder:PATH`.
      archives: a folder with the publisher's files, or an archive, or what one was unpacked to.
        Given, the dataset is prepared from them even if it is prepared already; else they are
        looked for in `data_dir`/downloads/manual, and then downloaded.
      data_dir: where prepared datasets lie; else $TFDS_DATA_DIR, else ~/tensorflow_datasets.
      image_size: of folders, the height and width to resize to; 0 if they are equal already.

    Raises:
      UserError: unknown dataset, no network, files missing, damaged or not what they should be,
        or a directory that cannot be written.
    """
    place = find_place(name, data_dir, image_size)
    prepare_place(place, archives)
    return place.directory


def prepare_place(place: Place, archives: str | os.PathLike | None = None) -> None:
    """Prepares what belongs to a place; the arguments and errors are those of `prepare`."""
    with _quiet(), reporter(place.name) as report, writing(place, report) as empty:
        if archives or not place.is_prepared():
            _build(place, archives, empty, report)
            report.say(f"prepared in {place.directory}")
        else:
            report.say(f"already prepared in {place.directory}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps tfds' log lines from the user."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _build(place: Place, archives: str | os.PathLike | None, empty: Path, report: Reporter) -> None:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    if not archives and place.has_records():
        try:
            builder = place.builder_class().at(place, place.data_dir, report)
            _write_arrays(place, builder, place.arrays, report)
        except (UserError, OSError):
            raise
        except Exception as error:  # its readers raise all sorts
            message = f"{place.directory} is damaged; delete it to prepare it again"
            raise UserError(message) from error
        return
    builder = place.builder_class().at(place, empty, report)
    builder.files = _find_files(place, builder, archives)
    builder.instructions = _instructions(place, builder)
    builder.download_and_prepare(
        download_dir=place.data_dir / "downloads",
        download_config=tfds.download.DownloadConfig(try_download_gcs=False),
        file_format="array_record",
    )
    written = Path(builder.data_dir)
    _write_arrays(place, builder, written / "arrays", report)
    replace(place, written)
    if place.builder == "folder":
        remove_old_versions(place)


def _find_files(
    place: Place, builder: "ImageBuilder", archives: str | os.PathLike | None
) -> Mapping[str, Path] | None:
    """The publisher's files by name; None where they must be downloaded."""
    if builder.files is not None:
        if archives:
            raise UserError(f"{place.name} is not made from archives: leave --archives out")
        return builder.files
    folder = user_path(os.fspath(archives)) if archives else _manual(place)
    if archives and not folder.exists():
        raise UserError(f"--archives={archives}: there is no such folder, and no such file")
    files = find_files(type(builder), folder)
    if archives and not files:
        there = "it is another file" if folder.is_file() else what_is_in(folder)
        raise UserError(f"{folder} has no file of {place.name}: get {builder.to_get} ({there})")
    return files or None


def _manual(place: Place) -> Path:
    return place.data_dir / "downloads" / "manual"


def _instructions(place: Place, builder: "ImageBuilder") -> str:
    return (
        f"get {builder.to_get}, and put what you got into {_manual(place)}, or into another folder "
        f"and run python -m jaxcnn.prepare {place.name} --archives=FOLDER"
    )


def _write_arrays(place: Place, builder: "ImageBuilder", directory: Path, report: Reporter) -> None:
    """Reads the records back through tfds, writes them as arrays, and says what is odd in them."""
    counts = {split: info.num_examples for split, info in builder.info.splits.items()}
    write_cache(
        directory,
        name=place.name,
        fingerprint=place.fingerprint,
        class_names=builder.prepared_class_names(),
        splits={split: (count, builder.records(split)) for split, count in counts.items()},
        reading=builder.reading,
        pictures=builder.pictures,
    )
    images = {split: np.load(images_path(directory, split), mmap_mode="r") for split in counts}
    for line in doubts(images):
        report.say(f"warning: {line}")
