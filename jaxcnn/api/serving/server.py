"""The server's process: its address, its start and its end."""

import ipaddress
import socket
import sys
import threading

import uvicorn

from jaxcnn.api.serving.app import make_app
from jaxcnn.api.serving.metrics import Metrics
from jaxcnn.api.serving.network import Network
from jaxcnn.data.pictures.decoding import pixel_limit
from jaxcnn.errors import UserError
from jaxcnn.evaluation.trained import Trained
from jaxcnn.process.signals import StopSignal
from jaxcnn.text import printable

_MOST_CONNECTIONS = 512
_SECONDS_TO_END = 1  # for the requests that are being answered
_SECONDS_TO_LOOK = 0.1  # between two checks for a signal


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
      host: a name or an address of this machine.
      port: 0 takes a free one.

    Raises:
      UserError: the address is not this machine's, or the port is in use or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_MOST_CONNECTIONS)
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        raise UserError(
            f"--host={printable(host)} --port={port}: {reason}; --port=0 takes a free port"
        ) from error


def serve(trained: Trained, listener: socket.socket, min_confidence: float = 0.0) -> None:
    """Serve a network until SIGINT or SIGTERM.

    Args:
      trained: the network.
      listener: see `listen`.
      min_confidence: with a lower probability of the first class, a picture is "unknown".
    """
    print("compiling", flush=True)
    metrics = Metrics()
    network = Network(trained, min_confidence, metrics.batch_size.observe)
    config = uvicorn.Config(
        make_app(network, metrics),
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )
    _announce(trained, listener)
    with pixel_limit():  # once for all threads, because the limit is global
        _run(uvicorn.Server(config), listener)
    network.close()
    print("stopped")


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run a server in a thread until a signal arrives, which only the main thread receives."""
    thread = threading.Thread(target=server.run, args=([listener],))
    with StopSignal() as stop:
        thread.start()
        while thread.is_alive() and not stop.requested:
            thread.join(_SECONDS_TO_LOOK)
        server.should_exit = True
        thread.join()


def _announce(trained: Trained, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    config, count = trained.config, len(trained.class_names)
    print(f"{config.model.name} on {printable(config.dataset.name)}, {count} classes")
    print(f"http://{shown}:{port}/  (Ctrl-C ends it)", flush=True)
    if not ipaddress.ip_address(host).is_loopback:
        print(
            "warning: any machine that reaches this one can use it, without a password and "
            "unencrypted",
            file=sys.stderr,
        )
