"""Facts about picture files that their headers tell: size, mode and format."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.pictures.decoding import opened
from jaxcnn.text import integer

_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 0x0100, 0x0101  # EXIF's tags
_EXIF = {"exif", "Raw profile type exif"}  # Pillow's names for the EXIF data of a PNG
_MOST_SIZES = 5  # in the table


@dataclasses.dataclass(frozen=True)
class PictureFacts:
    """The header of a picture file.

    Attributes:
      width: in pixels, of the upright picture.
      height: in pixels, of the upright picture.
      mode: Pillow's name, such as "RGB".
      file_format: Pillow's name, such as "JPEG".
      is_rotated: True if EXIF says that the picture is to be rotated or mirrored.
    """

    width: int
    height: int
    mode: str
    file_format: str
    is_rotated: bool


def read_facts(path: Path) -> PictureFacts:
    """Return the facts of a file; its pixels are not read.

    Raises:
      UserError: it cannot be read.
    """
    with opened(path) as picture:
        width, height = picture.size
        is_png = picture.format == "PNG"
        # Pillow would decode a PNG to look for EXIF data behind its pixels
        exif = {} if is_png and _EXIF.isdisjoint(picture.info) else picture.getexif()
        orientation = exif.get(_ORIENTATION, 1)
        if picture.format == "TIFF":  # Pillow has turned its size already
            width, height = exif.get(_WIDTH, width), exif.get(_HEIGHT, height)
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        turned = picture.info.get("original_orientation")  # by the plug-in for HEIC, already
        is_rotated = orientation in range(2, 9) or turned in range(2, 9)
        return PictureFacts(width, height, picture.mode, picture.format or "", is_rotated)


def summarize(facts: Iterable[PictureFacts]) -> dict[str, Any]:
    """Return counts of the files by size, mode and format, the most frequent first, for JSON."""
    facts = list(facts)
    columns = {
        "sizes": [f"{fact.width}x{fact.height}" for fact in facts],
        "modes": [fact.mode for fact in facts],
        "formats": [fact.file_format for fact in facts],
    }
    counts = {name: dict(Counter(values).most_common()) for name, values in columns.items()}
    return counts | {"rotated": sum(fact.is_rotated for fact in facts)}


def fact_lines(summary: Mapping[str, Any]) -> list[str]:
    """Return a line each for sizes, modes, formats and rotated pictures."""
    sizes = [tuple(map(int, size.split("x"))) for size in summary["sizes"]]
    lines = [f"sizes    {_counts(summary['sizes'])}"]
    if len(sizes) > _MOST_SIZES:
        (least_x, most_x), (least_y, most_y) = map(_ends, zip(*sizes, strict=True))
        lines[0] += f"; widths {least_x:,} to {most_x:,}, heights {least_y:,} to {most_y:,}"
    lines += [f"modes    {_counts(summary['modes'])}", f"formats  {_counts(summary['formats'])}"]
    if summary["rotated"]:
        lines.append(f"rotated  {integer(summary['rotated'])} by their EXIF data")
    return lines


def _ends(values: Sequence[int]) -> tuple[int, int]:
    return min(values), max(values)


def _counts(counts: Mapping[str, int]) -> str:
    """Return "640x480 12, 800x600 3": the most frequent values with their numbers of files."""
    shown = [f"{value} {integer(count)}" for value, count in [*counts.items()][:_MOST_SIZES]]
    more = len(counts) - _MOST_SIZES
    return ", ".join(shown) + (f" and {integer(more)} more" if more > 0 else "")
