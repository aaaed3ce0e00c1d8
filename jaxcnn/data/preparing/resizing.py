"""A prepared dataset's arrays in another image size, written beside those in its own size."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from jaxcnn.data.image_size import ImageSize, height_and_width
from jaxcnn.data.pictures.fitting import fit
from jaxcnn.data.places import Place
from jaxcnn.data.preparing.cache import LabeledImage, read_info, write_cache
from jaxcnn.data.preparing.lock import writing
from jaxcnn.data.preparing.reporter import Reporter, reporter

if TYPE_CHECKING:
    from jaxcnn.data.dataset import Split


def write_resized(
    place: Place,
    directory: Path,
    image_size: ImageSize,
    by_label_set: Mapping[str, Mapping[str, "Split"]],
) -> None:
    """Write the arrays of a prepared dataset with images of another size, see `fit`.

    Args:
      place: the dataset's place.
      directory: the folder for the arrays.
      image_size: the side, or (height, width).
      by_label_set: the splits of each label set, in the dataset's own size.

    Raises:
      UserError: the disk is full, or the directory cannot be written.
    """
    info = read_info(place.arrays) or {}
    with reporter(place.name) as report, writing(place, report):
        if read_info(directory) is not None:  # another process was faster
            return
        splits = {
            split: (
                len(any_split.images),
                _resized(by_label_set, split, height_and_width(image_size), report),
            )
            for split, any_split in next(iter(by_label_set.values())).items()
        }
        write_cache(
            directory,
            name=info["name"],
            fingerprint=info["fingerprint"],
            class_names=info["class_names"],
            splits=splits,
            conversion=info.get("reading"),
        )


def _resized(
    by_label_set: Mapping[str, Mapping[str, "Split"]],
    split: str,
    size: tuple[int, int],
    report: Reporter,
) -> Iterator[LabeledImage]:
    images = next(iter(by_label_set.values()))[split].images
    squeezed = images[..., 0] if images.shape[-1] == 1 else images  # Pillow's shape of gray images
    text = f"resizing {split} to {size[0]}x{size[1]}"
    for index, image in enumerate(report.track(squeezed, len(images), text)):
        labels = {key: splits[split].labels[index] for key, splits in by_label_set.items()}
        yield fit(Image.fromarray(image), (*size, images.shape[-1])), labels
