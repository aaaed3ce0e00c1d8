"""Downloads through tfds, with a quick answer where there is no network."""

import contextlib
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.download.checksums import UrlInfo
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

from jaxcnn.data.preparing.reporter import Reporter
from jaxcnn.errors import UserError
from jaxcnn.process.background import in_background
from jaxcnn.text import one_line

_SECONDS_TO_ANSWER = 6.0
_RETRIES = 2  # tfds makes more, over minutes


def download(
    name: str,
    manager: tfds.download.DownloadManager,
    url_infos: Mapping[str, UrlInfo],
    instructions: str,
    reporter: Reporter,
) -> dict[str, Path]:
    """Download the publisher's files, and return them by name; tfds verifies their checksums.

    Args:
      name: the builder's name; tfds keeps the downloads of each builder in a folder.
      manager: tfds' download manager.
      url_infos: the files by URL.
      instructions: the way to get the files by hand, for the errors.
      reporter: shows the progress.

    Raises:
      UserError: the dataset has no download, the download failed, or a file is not the
        published one.
    """
    if not url_infos:
        raise UserError(f"this dataset has no download: {instructions}")
    folder = Path(manager.download_dir) / name
    if not all(_is_downloaded(folder, info) for info in url_infos.values()):
        _check_network(next(iter(url_infos)), instructions)
    reporter.say(f"downloading {', '.join(info.filename for info in url_infos.values())}")
    urls = {info.filename: url for url, info in url_infos.items()}
    total = sum(info.size for info in url_infos.values())
    try:
        with few_retries(), _watched(folder, total, reporter):
            paths = manager.download(urls)
    except NonMatchingChecksumError as error:
        raise UserError(
            f"checksum mismatch: the downloaded file is not the published one; {instructions}"
        ) from error
    except Exception as error:  # of requests, tfds or the disk
        raise UserError(f"the download failed ({one_line(error)[:300]}): {instructions}") from error
    finally:
        for partial in folder.glob("*.tmp.*"):
            shutil.rmtree(partial, ignore_errors=True)
    return {name: Path(path) for name, path in paths.items()}


def _is_downloaded(folder: Path, info: UrlInfo) -> bool:
    return any(path.is_file() and path.stat().st_size == info.size for path in folder.rglob("*"))


def _check_network(url: str, instructions: str) -> None:
    """Check that a server answers in time.

    A thread sends the request, because its time limit does not include the lookup of the name.

    Raises:
      UserError: there is no answer.
    """
    answers = []

    def ask() -> None:
        with contextlib.suppress(requests.RequestException):
            answers.append(requests.head(url, timeout=_SECONDS_TO_ANSWER))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_SECONDS_TO_ANSWER)
    if not answers:
        raise UserError(f"{url} cannot be reached: {instructions}")


@contextlib.contextmanager
def few_retries() -> Iterator[None]:
    """Limit tfds' retries during the block; the limit is a global variable of tfds."""
    before = downloader.MAX_RETRIES
    downloader.MAX_RETRIES = _RETRIES
    try:
        yield
    finally:
        downloader.MAX_RETRIES = before


@contextlib.contextmanager
def _watched(folder: Path, total: int, reporter: Reporter) -> Iterator[None]:
    """Show the downloaded MiB during the block, from the size of the folder."""

    def size() -> int:
        with contextlib.suppress(OSError):  # tfds moves files while they are counted
            return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return 0

    def mebibytes(is_over: threading.Event) -> Iterator[int]:
        shown, before = 0, size()
        while not is_over.wait(0.2):
            downloaded = min(size() - before, total) // 2**20
            yield from range(shown, downloaded)
            shown = max(shown, downloaded)

    def watch(is_over: threading.Event) -> None:
        for _ in reporter.track(mebibytes(is_over), total // 2**20, "MiB downloaded"):
            pass

    with in_background(watch):
        yield
