"""Downloads, from a web server on this machine, and what is said where there is none."""

import functools
import hashlib
import http.server
import threading

import archives
import numpy as np
import pytest
from tensorflow_datasets.core.download.checksums import UrlInfo

from jaxcnn.data.dataset import load_dataset
from jaxcnn.data.datasets.mnist import Mnist
from jaxcnn.errors import UserError


@pytest.fixture(autouse=True)
def _small(small_datasets):
    """The archives of these tests count as whole."""


@pytest.fixture
def server(tmp_path):
    """A web server with the small archives, and the folder it serves."""
    site = archives.write_all(tmp_path / "site")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", site
        running.shutdown()
        thread.join()


def offer(monkeypatch, address, site):
    infos = {}
    for path in sorted(site.glob("*ubyte.gz")):
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        infos[f"{address}/{path.name}"] = UrlInfo(
            size=path.stat().st_size, checksum=checksum, filename=path.name
        )
    monkeypatch.setattr(Mnist, "url_infos", infos)


def test_download(tmp_path, monkeypatch, server):
    offer(monkeypatch, *server)
    dataset = load_dataset("mnist", data_dir=tmp_path / "data")
    images, _ = archives.mnist_splits()["train"]
    np.testing.assert_array_equal(dataset.splits["train"].images, images)


def test_download_with_another_checksum(tmp_path, monkeypatch, server):
    offer(monkeypatch, *server)
    path = server[1] / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(UserError, match="is not the published one; .*--archives=FOLDER"):
        load_dataset("mnist", data_dir=tmp_path / "data")
    assert not list((tmp_path / "data").rglob("*.tmp.*"))


def test_no_network(tmp_path, monkeypatch):
    info = UrlInfo(size=1, checksum="0", filename="train-images-idx3-ubyte.gz")
    monkeypatch.setattr(Mnist, "url_infos", {"http://127.0.0.1:9/mnist.gz": info})
    with pytest.raises(UserError) as caught:
        load_dataset("mnist", data_dir=tmp_path)
    for part in ("cannot be reached", "t10k-labels-idx1-ubyte.gz", "--archives=FOLDER"):
        assert part in str(caught.value)
    with pytest.raises(UserError, match="fer2013.csv from Kaggle .* and fer2013new.csv from"):
        load_dataset("ferplus", data_dir=tmp_path)
