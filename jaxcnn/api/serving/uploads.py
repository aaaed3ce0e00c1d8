"""The pictures of a request: limited in size, and read as `predict` reads them."""

import asyncio
import dataclasses
import math
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Message, Receive

from jaxcnn.data.pictures.decoding import opened
from jaxcnn.errors import UserError
from jaxcnn.evaluation.trained import Trained
from jaxcnn.evaluation.user_pictures import find_warnings, read_pictures
from jaxcnn.text import printable, shorten

MOST_BYTES = 32 * 2**20  # of a request
MOST_FILES = 64  # of a request
MOST_PIXELS = 64_000_000  # of a picture
_SECONDS = 60  # for a request to arrive
_MOST_END = 1024  # bytes that hold the last boundary of a request
_LETTERS = 101  # of a file's name in answers
# formats of photographs; Pillow reads others, some through other programs
_FORMATS = (
    "AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "JXL", "MPO", "PNG", "PPM", "TIFF", "WEBP",
)  # fmt: skip


class Refused(UserError):
    """A request that is not answered; `status` is the code of HTTP."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


@dataclasses.dataclass(frozen=True)
class Upload:
    """A file of a request; `name` has no folders and is safe to print."""

    name: str
    content: bytes


@dataclasses.dataclass(frozen=True)
class ReadUpload:
    """A picture as the network's input, uint8 (height, width, channels), and its oddities."""

    name: str
    pixels: np.ndarray
    warnings: tuple[str, ...]


async def receive_uploads(request: Request) -> list[Upload]:
    """Return the files of a request.

    Raises:
      Refused: the request holds no files, is too large, or takes too long.
      HTTPException: the request is damaged, or has too many parts.
    """
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        raise Refused(
            415,
            f"pictures are sent as multipart/form-data, not as {shorten(printable(kind), 51)!r}, "
            "such as by: curl -F file=@photo.jpg ADDRESS/predict",
        )
    length = request.headers.get("content-length", "0")
    _check_size(int(length) if length.isdecimal() else 0)
    limited = Request(request.scope, _limit(request.receive))
    try:
        async with asyncio.timeout(_SECONDS):
            _check_end(await limited.body(), kind)
            async with limited.form(max_files=MOST_FILES, max_fields=MOST_FILES) as form:
                uploads = [
                    Upload(_safe_name(file.filename), await file.read())
                    for _, file in form.multi_items()
                    if isinstance(file, UploadFile)
                ]
    except TimeoutError as error:
        raise Refused(408, f"the request took longer than {_SECONDS} s") from error
    if not uploads:
        raise Refused(400, "the request holds no file: curl -F file=@photo.jpg ADDRESS/predict")
    return uploads


def _limit(receive: Receive) -> Receive:
    """Return a function that receives a request's body up to the limit."""
    total = 0

    async def limited() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        _check_size(total)
        return message

    return limited


def _check_end(body: bytes, kind: str) -> None:
    """Check that a body ends with the boundary that its content type names."""
    boundary = parse_options_header(kind)[1].get(b"boundary")  # the parser names a missing one
    if boundary and b"--" + boundary + b"--" not in body[-_MOST_END:]:
        raise Refused(400, "the request is cut short; send it again")


def _check_size(count: int) -> None:
    if count > MOST_BYTES:
        raise Refused(413, f"the request has more than {MOST_BYTES // 2**20} MiB")


def _safe_name(name: str | None) -> str:
    """Return the last part of a file's name, printable and not too long."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return shorten(printable(last), _LETTERS) or "picture"


def read_upload(trained: Trained, upload: Upload, invert: bool) -> ReadUpload:
    """Return an upload as `predict` reads it from a file.

    Raises:
      Refused: it is no picture, or has too many pixels.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture")
        path.write_bytes(upload.content)
        try:
            _check_picture(path, upload)
            _, pixels, errors = read_pictures(trained, [path], invert=invert)
            for error in errors.values():
                raise error
            oddities = find_warnings(trained, [path], pixels, invert=invert)
        except Refused:
            raise
        except UserError as error:
            is_large = isinstance(error.__cause__, Image.DecompressionBombError)
            text = str(error).replace(str(path), upload.name)
            raise Refused(413 if is_large else 422, text) from error
    texts = [warning["warning"].replace("--invert", "invert") for warning in oddities]
    return ReadUpload(upload.name, pixels[0], tuple(texts))


def _check_picture(path: Path, upload: Upload) -> None:
    """Check the format and the number of pixels, before a picture is decoded."""
    if not upload.content:
        raise Refused(422, f"{upload.name} is empty")
    with opened(path) as picture:
        if picture.format not in _FORMATS:
            raise Refused(
                422,
                f"{upload.name} is {picture.format}, which is not taken: convert it, for example "
                "to PNG",
            )
        count = math.prod(picture.size)
    if count > MOST_PIXELS:
        raise Refused(
            413,
            f"{upload.name} has {count:,} pixels, more than {MOST_PIXELS:,}; make it smaller",
        )
