"""Preparing a dataset: tfds' files and the arrays beside them, both or neither.

All files are written to a temporary directory beside the dataset's own, which is renamed at the
end. A dataset that was prepared before stays until then.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import logging

from jaxcnn.data.image_size import ImageSize
from jaxcnn.data.pictures.statistics import picture_warnings
from jaxcnn.data.places import Place, find_place
from jaxcnn.data.preparing.cache import images_path, write_cache
from jaxcnn.data.preparing.finding import describe_content, find_files
from jaxcnn.data.preparing.lock import replace, writing
from jaxcnn.data.preparing.reporter import Reporter, reporter
from jaxcnn.data.preparing.versions import remove_old_versions
from jaxcnn.errors import UserError
from jaxcnn.files.owners import allow_unknown_owners
from jaxcnn.files.paths import user_path

if TYPE_CHECKING:
    from jaxcnn.data.datasets.tfds_sets import TfdsSet
    from jaxcnn.data.preparing.builder import ImageBuilder


def prepare_dataset(
    name: str,
    *,
    archives: str | os.PathLike | None = None,
    data_dir: str | os.PathLike | None = None,
    image_size: ImageSize = 0,
    exclude: str = "",
) -> Path:
    """Prepare a dataset, and return its directory.

    Args:
      name: one of `dataset_names()`, such as `folder:PATH`.
      archives: a folder with the publisher's files, an archive, or an unpacked archive. The dataset
        is prepared from it again, even if it is prepared already. By default the files are looked
        for in `data_dir`/downloads/manual, and downloaded if they are missing.
      data_dir: the folder of prepared datasets; else $TFDS_DATA_DIR, else ~/tensorflow_datasets.
      image_size: see `load_dataset`; 0 if all pictures have one size.
      exclude: see `load_dataset`.

    Raises:
      UserError: the dataset is unknown; there is no network; files are missing, damaged or not the
        published ones; or a directory cannot be written.
    """
    place = find_place(name, data_dir, image_size, exclude=exclude)
    prepare_at(place, archives)
    return place.directory


def prepare_at(place: Place, archives: str | os.PathLike | None = None) -> None:
    """Prepare the dataset of a place; see `prepare_dataset`."""
    with _quiet(), reporter(place.name) as report, writing(place, report) as empty:
        if archives or not place.is_prepared():
            _build(place, archives, empty, report)
            report.say(f"prepared in {place.directory}")
        else:
            report.say(f"already prepared in {place.directory}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide tfds' log lines during the block."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _build(place: Place, archives: str | os.PathLike | None, empty: Path, report: Reporter) -> None:
    """Write the files of a place; `empty` is a directory for tfds to write to."""
    import tensorflow_datasets as tfds

    allow_unknown_owners()
    tfds.disable_progress_bar()
    if place.is_of_tfds:
        _build_from_tfds(place, archives, empty / "set", report)
        return
    if not archives and place.has_records():
        _build_from_records(place, report)
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
    if place.is_of_pictures:
        remove_old_versions(place)


def _build_from_tfds(
    place: Place, archives: str | os.PathLike | None, directory: Path, report: Reporter
) -> None:
    """Write the arrays of a set of tfds, whose own files stay where they are."""
    from jaxcnn.data.datasets.tfds_sets import TfdsSet

    if archives:
        manual = _manual(place)
        raise UserError(f"--archives: tfds looks for the files of {place.name} in {manual}")
    source = TfdsSet(place, report)
    directory.mkdir()
    try:
        _write_arrays(place, source, directory / "arrays", report)
    except (UserError, OSError):
        raise
    except Exception as error:  # tfds' readers raise exceptions of many types
        raise UserError(f"{place.name}: its files in {source.folder} are damaged") from error
    replace(place, directory)


def _build_from_records(place: Place, report: Reporter) -> None:
    """Write the arrays of a place whose tfds' files exist.

    Raises:
      UserError: the files are damaged.
    """
    try:
        builder = place.builder_class().at(place, place.data_dir, report)
        _write_arrays(place, builder, place.arrays, report)
    except (UserError, OSError):
        raise
    except Exception as error:  # tfds' readers raise exceptions of many types
        message = f"{place.directory} is damaged; delete it to prepare it again"
        raise UserError(message) from error


def _find_files(
    place: Place, builder: "ImageBuilder", archives: str | os.PathLike | None
) -> Mapping[str, Path] | None:
    """Return the publisher's files by name; None if they must be downloaded."""
    if builder.files is not None:
        if archives:
            raise UserError(f"{place.name} is not made from archives; leave out --archives")
        return builder.files
    folder = user_path(os.fspath(archives)) if archives else _manual(place)
    if archives and not folder.exists():
        raise UserError(f"--archives={archives}: there is no such folder or file")
    files = find_files(type(builder), folder)
    if archives and not files:
        content = "it is another file" if folder.is_file() else describe_content(folder)
        raise UserError(f"{folder} has no file of {place.name}: get {builder.to_get} ({content})")
    return files or None


def _manual(place: Place) -> Path:
    return place.data_dir / "downloads" / "manual"


def _instructions(place: Place, builder: "ImageBuilder") -> str:
    return (
        f"get {builder.to_get}, and put the files into {_manual(place)}; or put them into any "
        f"folder and run python -m jaxcnn.prepare {place.name} --archives=FOLDER"
    )


def _write_arrays(
    place: Place, builder: "ImageBuilder | TfdsSet", directory: Path, report: Reporter
) -> None:
    """Read the records through tfds, write them as arrays, and report oddities of the pictures."""
    counts = builder.counts()
    write_cache(
        directory,
        name=place.name,
        fingerprint=place.fingerprint,
        class_names=builder.prepared_class_names(),
        splits={split: (count, builder.records(split)) for split, count in counts.items()},
        conversion=builder.conversion,
        pictures=builder.pictures,
        facts=builder.facts,
    )
    images = {split: np.load(images_path(directory, split), mmap_mode="r") for split in counts}
    for line in picture_warnings(images):
        report.warn(line)
