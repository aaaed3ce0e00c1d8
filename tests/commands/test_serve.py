"""`jaxcnn serve`: the answers to programs, and to what is no picture."""

import asyncio
import io
import json
import re
import runpy
import signal
import struct
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from compilations import compilations
from outcomes import assert_one_line
from PIL import Image

from jaxcnn.api import serving
from jaxcnn.api.serving import network as serving_network
from jaxcnn.api.serving import uploads as serving_uploads
from jaxcnn.api.serving.app import make_app
from jaxcnn.api.serving.batcher import Batcher
from jaxcnn.api.serving.metrics import Metrics
from jaxcnn.api.serving.network import Network
from jaxcnn.api.serving.server import listen
from jaxcnn.errors import UserError
from jaxcnn.evaluation.predictions import probabilities
from jaxcnn.evaluation.trained import load_examples, load_trained


@pytest.fixture(scope="module")
def trained(trained_workdir):
    return load_trained(trained_workdir)


@pytest.fixture(scope="module")
def app(trained):
    """One size of batch, so that little is compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving_network, "_BATCH_SIZES", (8,))
        patch.setattr(serving_network, "_GRAD_CAM_SIZES", (1,))
        metrics = Metrics()
        network = Network(trained, 0.4, metrics.batch_size.observe)
    yield make_app(network, metrics)
    network.close()


@pytest.fixture(scope="module")
def images(trained):
    return load_examples(trained, "test").images[:8]


def ask(app, *requests):
    """The answers to requests that come at once; each is (method, address, arguments)."""

    async def ask_all():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            calls = [client.request(method, url, **rest) for method, url, rest in requests]
            return await asyncio.gather(*calls)

    return asyncio.run(ask_all())


def send(app, *files, query=""):
    return ask(app, ("POST", f"/predict{query}", {"files": [("file", file) for file in files]}))[0]


def encoded(image, kind="png"):
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, kind)
    return file.getvalue()


def png_of_size(width, height):
    """A PNG that claims a size, without pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (header, b"IDAT" + zlib.compress(b"x"), b"IEND")
    chunks = (
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_probabilities_are_those_of_predict(app, trained, images):
    expected = probabilities(trained, images)
    files = [(f"{number}.png", encoded(image)) for number, image in enumerate(images)]
    answer = send(app, *files, query="?top_k=10")
    assert answer.status_code == 200
    for number, (prediction, row) in enumerate(
        zip(answer.json()["predictions"], expected, strict=True)
    ):
        assert prediction["file"] == f"{number}.png"
        shares = {top["class"]: top["probability"] for top in prediction["top"]}
        served = [shares[name] for name in trained.class_names]
        np.testing.assert_allclose(served, row, atol=1e-5)
        best = trained.class_names[row.argmax()]
        assert prediction["class"] == (best if row.max() >= 0.4 else "unknown")


def test_pictures_at_once_are_few_calls_of_the_network(app, images):
    """And nothing is compiled for them."""

    def figures():
        text = ask(app, ("GET", "/metrics", {}))[0].text
        return {name: float(value) for name, value in re.findall(r"^(\w\S*) (\S+)$", text, re.M)}

    before = figures()
    with compilations() as compiled:
        answer = send(app, *[("a.png", encoded(images[0]))] * 20)
    assert not compiled
    predictions = answer.json()["predictions"]
    assert len(predictions) == 20 and all(each == predictions[0] for each in predictions)
    after = figures()
    added = {name: after[name] - before.get(name, 0) for name in after}
    assert added['jaxcnn_requests_total{path="/predict",status="200"}'] == 1
    assert added["jaxcnn_predict_seconds_count"] == 1
    assert added["jaxcnn_batch_size_sum"] == 20 and added["jaxcnn_batch_size_count"] == 3


def test_images_that_wait_become_one_batch():
    """The first is computed alone; five come meanwhile, and four of them fit."""
    computed, started, sizes = threading.Event(), threading.Event(), []

    def function(batch):
        started.set()
        assert computed.wait(10)
        if batch.min() < 0:
            raise ValueError("negative")
        return 2 * batch

    async def call_all():
        with ThreadPoolExecutor(1) as worker:
            batcher = Batcher(function, (1, 4), worker, sizes.append)
            first = asyncio.create_task(batcher(np.array([7])))
            while not started.is_set():
                await asyncio.sleep(0.001)
            others = [asyncio.create_task(batcher(np.array([n]))) for n in (0, 1, 2, 3, -4)]
            await asyncio.sleep(0)
            computed.set()
            return await asyncio.gather(first, *others, return_exceptions=True)

    *rows, error = asyncio.run(call_all())
    assert [row.item() for row in rows] == [14, 0, 2, 4, 6] and sizes == [1, 4, 1]
    assert isinstance(error, ValueError)


def test_the_regions_of_grad_cam_are_images(app, images):
    answer = send(app, ("a.png", encoded(images[0])), query="?grad_cam=true")
    (prediction,) = answer.json()["predictions"]
    for name in ("input", "grad_cam"):
        assert prediction[name].startswith("data:image/png;base64,")


def test_the_page_and_the_health(app, trained):
    page, health = ask(app, ("GET", "/", {}), ("GET", "/health", {}))
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"(src|href)=.?(http|//)", page.text)
    facts = health.json()
    assert facts["status"] == "ok" and facts["classes"] == list(trained.class_names)


@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("a.png", b"", 422, "a.png is empty"),
        ("a.png", b"<html>", 422, "a.png is not an image that can be read"),
        ("a.svg", b'<svg xmlns=""/>', 422, "a.svg is SVG, which Pillow cannot read"),
        ("../../b\\..\\c.png", b"x", 422, "c.png is not an image that can be read"),
        ("a.png", png_of_size(50_000, 50_000), 413, "exceeds limit of 256000000 pixels"),
        ("a.png", png_of_size(9_000, 9_000), 413, "a.png has 81,000,000 pixels, more than 64"),
        ("a.png", png_of_size(9, 9), 422, "a.png is not an image that can be read"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused(app, name, content, status, said):
    answer = send(app, (name, content, "image/png"))
    assert answer.status_code == status and answer.json().keys() == {"error"}
    assert_one_line(answer.json()["error"], said)


def test_formats_that_start_other_programs_are_refused(app, images):
    answer = send(app, ("a.png", encoded(images[0], "eps")))
    assert (answer.status_code, answer.json()["error"][:12]) == (422, "a.png is EPS")


@pytest.mark.parametrize(
    ("address", "arguments", "status", "said"),
    [
        ("/predict", {"content": b"x"}, 415, "pictures are sent as multipart/form-data, not as ''"),
        ("/predict", {"files": {"a": (None, b"x")}}, 400, "the request holds no file"),
        (
            "/predict",
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            400,
            "Missing boundary",
        ),
        ("/predict", {"files": [("a", ("b", b"c"))] * 65}, 400, "Too many files"),
        ("/predict?topk=3", {}, 400, "there is no parameter 'topk'"),
        ("/predict?top_k=0", {}, 400, "top_k = '0': must be a whole number from 1 to"),
        ("/predict?top_k=0000000019999999", {}, 400, "must be a whole number from 1 to"),
        ("/predict?top_k=1" + "9" * 5000, {}, 400, "must be a whole number from 1 to"),
        ("/predict?invert=x", {}, 400, "invert = 'x': must be true or false"),
        ("/nowhere", {}, 404, "there is no page '/nowhere'"),
        ("/predict/", {}, 404, "there is no page '/predict/'"),
        ("/health", {}, 405, "/health takes GET, not POST"),
    ],
)
def test_mistakes_in_a_request(app, address, arguments, status, said):
    (answer,) = ask(app, ("POST", address, arguments))
    assert answer.status_code == status
    assert_one_line(answer.json()["error"], said)


def test_a_request_that_is_cut_short_is_refused(app, images):
    files = [("file", (f"{n}.png", encoded(images[n]), "image/png")) for n in range(2)]
    request = httpx.Request("POST", "http://a/predict", files=files)
    body, headers = request.read(), {"content-type": request.headers["content-type"]}
    whole, cut = ask(
        app,
        ("POST", "/predict", {"content": body, "headers": headers}),
        ("POST", "/predict", {"content": body[:-60], "headers": headers}),  # in the second file
    )
    assert whole.status_code == 200 and len(whole.json()["predictions"]) == 2
    assert cut.status_code == 400 and "is cut short" in cut.json()["error"]


@pytest.mark.parametrize("is_declared", [True, False])
def test_large_requests_are_refused(app, monkeypatch, is_declared):
    monkeypatch.setattr(serving_uploads, "MOST_BYTES", 2**20)
    file = ("file", ("a.png", bytes(2**21)))
    if is_declared:
        (answer,) = ask(app, ("POST", "/predict", {"files": [file]}))
    else:

        async def parts():
            yield b'--a\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
            for _ in range(20):
                yield bytes(2**17)

        kind = {"content-type": "multipart/form-data; boundary=a"}
        (answer,) = ask(app, ("POST", "/predict", {"content": parts(), "headers": kind}))
    assert answer.status_code == 413
    assert answer.json() == {"error": "the request has more than 1 MiB"}


def test_a_port_in_use_is_one_line():
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UserError, match=f"--port={port}: Address already in use; --port=0"):
            listen("127.0.0.1", port)
    with pytest.raises(UserError, match="--host=203.0.113.1 --port=0: Cannot assign"):
        listen("203.0.113.1", 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --workdir=DIR"),
        (["--workdir=nowhere", "--port=0"], "nowhere: holds no run"),
        (["--workdir=x", "a.png"], "unexpected argument 'a.png'"),
        (["--workdir=x", "--min_confidence=2"], "min_confidence"),
    ],
)
def test_mistakes_of_the_command(command, tmp_path, arguments, said):
    done = command("serve", *arguments, folder=tmp_path)
    assert done["code"] == 2 and done["output"] == ""
    assert_one_line(done["errors"], said)


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(UserError, match=r"the package starlette: pip install 'jaxcnn\[serve\]'"):
        runpy.run_path(serving.__file__)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server(trained_workdir, images, tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxcnn.serve", f"--workdir={trained_workdir}", "--port=0"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        address = next(filter(None, (re.match(r"http://\S+/", line) for line in process.stdout)))[0]
        answer = httpx.post(f"{address}predict", files={"file": encoded(images[0])})
        assert answer.status_code == 200, json.dumps(answer.json())
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "stopped\n", "")
