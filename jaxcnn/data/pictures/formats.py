"""Opening picture files, and naming the format of files that Pillow alone cannot read."""

import contextlib
import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from jaxcnn.errors import UserError

_HEAD = 1024  # bytes in which a file's format shows


@dataclasses.dataclass(frozen=True)
class _Format:
    """A format, the command that installs a reader of it, and the module of a plug-in."""

    name: str
    command: str = ""
    module: str = ""


_HEIC = _Format("HEIC", 'pip install "jaxcnn[heic]"', "pillow_heif")
_AVIF = _Format("AVIF", 'pip install "pillow>=11.3"')  # from 11.3 on Pillow reads it itself
_JXL = _Format("JPEG XL", "pip install pillow-jxl-plugin", "pillow_jxl")
_RAW = _Format("a camera's raw format")
_VIDEO = _Format("a video")
_BRANDS = {  # codes in the first box of an ISO media file
    b"avif": _AVIF, b"avis": _AVIF, b"crx ": _RAW, b"heic": _HEIC, b"heix": _HEIC, b"heim": _HEIC,
    b"heis": _HEIC, b"hevc": _HEIC, b"hevx": _HEIC, b"mif1": _HEIC, b"msf1": _HEIC,
}  # fmt: skip
_BEGINNINGS = {
    b"\xff\x0a": _JXL,
    b"\0\0\0\x0cJXL ": _JXL,
    b"FUJIFILMCCD-RAW": _RAW,
    b"IIU\0": _RAW,
    b"IIRO": _RAW,
    b"\x1aE\xdf\xa3": _VIDEO,
    b"%PDF": _Format("PDF"),
    b"\x89HDF": _Format("HDF5"),
    b"SIMPLE  =": _Format("FITS"),
}


@contextlib.contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture file as `Image.open` does, through a plug-in if its format needs one.

    Raises:
      UserError: the file's format is known, and neither Pillow nor an installed plug-in reads it.
      Exception: any that Pillow raises.
    """
    # from a path Pillow maps an uncompressed TIFF, and takes the height of a turned one for its
    # width
    with open(path, "rb") as file, _identified(path, file) as picture:
        yield picture


def _identified(path: Path, file: BinaryIO) -> Image.Image:
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        file_format = _format_of(path)
        if file_format is None:
            raise
        if file_format.module and _register(file_format.module):
            return Image.open(file)
    name, command = file_format.name, file_format.command
    if not command:
        raise UserError(
            f"{path} is {name}, which Pillow cannot read: convert it, for example to PNG"
        )
    raise UserError(f"{path} is {name}, which cannot be read yet: {command}, or convert it")


def _format_of(path: Path) -> _Format | None:
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if head[4:8] == b"ftyp":
        box = head[8 : int.from_bytes(head[:4])]
        brands = (box[start : start + 4] for start in range(0, len(box), 4))
        return next((_BRANDS[brand] for brand in sorted(brands) if brand in _BRANDS), _VIDEO)
    if head[128:132] == b"DICM":
        return _Format("DICOM")
    if b"<svg" in head:
        return _Format("SVG")
    return next((known for begin, known in _BEGINNINGS.items() if head.startswith(begin)), None)


def _register(module: str) -> bool:
    """Register a plug-in with Pillow, and return whether it is installed."""
    with contextlib.suppress(ImportError):
        plugin = importlib.import_module(module)  # most register themselves
        if hasattr(plugin, "register_heif_opener"):
            plugin.register_heif_opener()
        return True
    return False
