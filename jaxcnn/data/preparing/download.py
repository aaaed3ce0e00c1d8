"""Downloads through tfds, which by itself would try for minutes where there is no network."""

import contextlib
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.download.checksums import UrlInfo
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

from jaxcnn.data.preparing.reporter import Reporter
from jaxcnn.errors import UserError

_SECONDS_TO_ANSWER = 6.0
_RETRIES = 2


def download(
    name: str,
    manager: tfds.download.DownloadManager,
    url_infos: Mapping[str, UrlInfo],
    instructions: str,
    reporter: Reporter,
) -> dict[str, Path]:
    """The publisher's files, by name; tfds checks their checksums.

    `name` is the builder's: tfds keeps a folder of downloads for each.

    Raises:
      UserError: they cannot be had from here; the line says how to get them by hand.
    """
    if not url_infos:
        raise UserError(f"there is no download for it: {instructions}")
    folder = Path(manager.download_dir) / name
    if not all(_is_there(folder, info) for info in url_infos.values()):
        _check_network(next(iter(url_infos)), instructions)
    reporter.say(f"downloading {', '.join(info.filename for info in url_infos.values())}")
    urls = {info.filename: url for url, info in url_infos.items()}
    patience = mock.patch.object(downloader, "MAX_RETRIES", _RETRIES)
    total = sum(info.size for info in url_infos.values())
    try:
        with patience, _watched(folder, total, reporter):
            paths = manager.download(urls)
    except NonMatchingChecksumError as error:
        raise UserError(f"what came is not the publisher's (checksum): {instructions}") from error
    except Exception as error:  # requests', tfds' and the disk's
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the download failed ({reason}): {instructions}") from error
    finally:
        for partial in folder.glob("*.tmp.*"):
            shutil.rmtree(partial, ignore_errors=True)
    return {name: Path(path) for name, path in paths.items()}


def _is_there(folder: Path, info: UrlInfo) -> bool:
    return any(path.is_file() and path.stat().st_size == info.size for path in folder.rglob("*"))


def _check_network(url: str, instructions: str) -> None:
    """Looking up a name and connecting each wait as long as they like: hence the thread."""
    answered = []

    def ask() -> None:
        with contextlib.suppress(requests.RequestException):
            answered.append(requests.head(url, timeout=_SECONDS_TO_ANSWER))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_SECONDS_TO_ANSWER)
    if not answered:
        raise UserError(f"{url} cannot be reached: {instructions}")


@contextlib.contextmanager
def _watched(folder: Path, total: int, reporter: Reporter) -> Iterator[None]:
    """Shows how many MiB came in, by looking at the folder they go to."""
    done = threading.Event()

    def size() -> int:
        with contextlib.suppress(OSError):  # tfds moves files while we look
            return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return 0

    def mebibytes() -> Iterator[int]:
        shown, before = 0, size()
        while not done.wait(0.2):
            arrived = min(size() - before, total) // 2**20
            yield from range(shown, arrived)
            shown = max(shown, arrived)

    def watch() -> None:
        for _ in reporter.track(mebibytes(), total // 2**20, "MiB downloaded"):
            pass

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
