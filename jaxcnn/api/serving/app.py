"""The web application: the page, `/predict`, `/health` and `/metrics`."""

import sys
import time
import traceback
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import jaxcnn
from jaxcnn.api.serving.metrics import Metrics
from jaxcnn.api.serving.network import Network, Options
from jaxcnn.api.serving.uploads import MOST_BYTES, MOST_FILES, MOST_PIXELS, Refused, receive_uploads
from jaxcnn.text import printable, shorten

_PAGE = Path(__file__).with_name("page.html")
_PATHS = ("/", "/health", "/metrics", "/predict")
_BOOLS = {"true": True, "1": True, "false": False, "0": False}
_MOST_CLASSES = 10_000
_LIMITS = {"bytes": MOST_BYTES, "files": MOST_FILES, "pixels": MOST_PIXELS}
# the page loads nothing from elsewhere, and no other page shows it in a frame
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; connect-src 'self'; img-src data: blob:; media-src blob:; "
        "script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
}


def make_app(network: Network, metrics: Metrics) -> ASGIApp:
    """Return the application.

    Any error is answered by JSON with one line, `{"error": …}`.

    Args:
      network: computes the predictions.
      metrics: counts the requests.
    """
    page = _PAGE.read_text(encoding="utf-8")
    about = network.describe()

    async def show_page(request: Request) -> Response:
        return HTMLResponse(page, headers=_HEADERS)

    async def health(request: Request) -> Response:
        facts = {"status": "ok", "version": jaxcnn.__version__, "limits": _LIMITS}
        return JSONResponse(facts | about)

    async def show_metrics(request: Request) -> Response:
        return PlainTextResponse(metrics.to_text(), media_type="text/plain; version=0.0.4")

    async def predict(request: Request) -> Response:
        started = time.perf_counter()
        options = _read_options(request)
        uploads = await receive_uploads(request)
        answer = {"predictions": await network.predict(uploads, options)}
        metrics.seconds.observe(time.perf_counter() - started)
        return JSONResponse(answer)

    app = Starlette(
        routes=[
            Route("/", show_page),
            Route("/health", health),
            Route("/metrics", show_metrics),
            Route("/predict", predict, methods=["POST"]),
        ],
        exception_handlers={
            HTTPException: _answer_http_error,
            Refused: _answer_refused,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_bug,
        },
    )
    app.router.redirect_slashes = False  # a redirection is no JSON
    return _Counted(app, metrics)


def _read_options(request: Request) -> Options:
    """Return the options of a request's query."""
    values: dict[str, Any] = {}
    for name, text in request.query_params.items():
        if name == "top_k":
            # int() refuses thousands of digits
            is_number = text.isascii() and text.isdecimal() and len(text) < 10
            if not (is_number and 0 < int(text) <= _MOST_CLASSES):
                raise _wrong(name, text, f"a whole number from 1 to {_MOST_CLASSES:,}")
            values[name] = int(text)
        elif name in ("invert", "grad_cam"):
            if text not in _BOOLS:
                raise _wrong(name, text, "true or false")
            values[name] = _BOOLS[text]
        else:
            raise Refused(
                400,
                f"there is no parameter {_short(name)!r}; there are top_k, invert and grad_cam",
            )
    return Options(**values)


def _wrong(name: str, text: str, allowed: str) -> Refused:
    return Refused(400, f"{name} = {_short(text)!r}: must be {allowed}")


def _short(text: str) -> str:
    return shorten(printable(text), 51)


def _answer_error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = error.detail
    if error.status_code == 404:
        text = f"there is no page {_short(request.url.path)!r}; there are {', '.join(_PATHS)}"
    if error.status_code == 405:
        method = "POST" if request.url.path == "/predict" else "GET"
        text = f"{_short(request.url.path)} takes {method}, not {_short(request.method)}"
    return JSONResponse({"error": text}, error.status_code, headers=error.headers)


async def _answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _answer_error(error.status, str(error))


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return _answer_error(400, "the connection ended before the request was complete")


async def _answer_bug(request: Request, error: Exception) -> Response:
    traceback.print_exception(error, file=sys.stderr)
    return _answer_error(500, "an error of the server, which its terminal shows")


class _Counted:
    """An application whose requests are counted by path and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-content-type-options", b"nosniff"))
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            if scope["type"] == "http":
                path = scope["path"] if scope["path"] in _PATHS else "other"
                self._metrics.count(path, status)
