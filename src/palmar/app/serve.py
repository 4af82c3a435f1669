"""The server: the page behind its gate, on this machine alone unless told otherwise."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palmar.errors import PalmarError, need

if TYPE_CHECKING:
    from palmar.app.limits import Limits
    from palmar.app.rooms import Rooms

LOOPBACK = "127.0.0.1"
TRIES = 20
"""Ports above the first that are tried where it is taken."""


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    rooms: Rooms
    server: Any


@contextmanager
def running(
    host: str = LOOPBACK,
    port: int | None = None,
    *,
    limits: Limits | None = None,
    jobs: int | None = None,
    weights: Path | None = None,
    grace_s: float = 10.0,
) -> Iterator[Running]:
    """Serves the page from a thread while the context is open; then everything that was uploaded is deleted.

    port: None: 7860, or the next that is free; 0: any. jobs: recordings worked on at a time, one for each core by
    default. Raises PalmarError without the extra, and where the address cannot be listened on.
    """
    quiet()
    need("gradio", extra="view")
    from gradio import http_server, routes, themes

    from palmar.app.gate import Gate
    from palmar.app.jobs import Desk
    from palmar.app.limits import Limits
    from palmar.app.rooms import Rooms
    from palmar.app.ui import HEAD, SYSTEM, page
    from palmar.tracking.weights import usable_cores

    limits = Limits() if limits is None else limits
    with ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(listen(host, port)))
        address, number = listener.getsockname()[:2]
        desk = Desk(usable_cores() if jobs is None else jobs)
        rooms = stack.enter_context(Rooms(grace_s=grace_s, left=desk.cancel))
        stack.enter_context(desk)
        blocks = page(rooms, desk, limits, weights=weights)
        inner = routes.mount_gradio_app(
            routes.FastAPI(openapi_url=None, docs_url=None, redoc_url=None),
            blocks,
            "/",
            server_name=address,
            server_port=number,
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            show_error=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            blocked_paths=[str(rooms.root)],
            theme=themes.Base(font=SYSTEM, font_mono=("ui-monospace", "monospace")),
            head=HEAD,
            app_kwargs={"openapi_url": None, "docs_url": None, "redoc_url": None},
        )
        gate = Gate(inner, rooms, limits, names_of(address, number) if is_loopback(address) else None)
        config = http_server.Config(
            gate, log_level="error", access_log=False, lifespan="on", timeout_graceful_shutdown=2
        )
        server = http_server.Server(config)
        thread = stack.enter_context(_thread(server, listener))
        shown = f"[{address}]" if ":" in address else address
        yield Running(f"http://{shown}:{number}/", rooms, thread)


def serve(
    host: str = LOOPBACK,
    port: int | None = None,
    *,
    limits: Limits | None = None,
    jobs: int | None = None,
    weights: Path | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serves the page until interrupted from the keyboard. ready: called with the address once it answers."""
    with running(host, port, limits=limits, jobs=jobs, weights=weights) as now:
        if ready is not None:
            ready(now.url)
        with contextlib.suppress(KeyboardInterrupt):
            now.server.join()


def quiet() -> None:
    """Nothing tells anybody that the page was opened; before Gradio is imported."""
    for name, value in (
        ("GRADIO_ANALYTICS_ENABLED", "False"),
        ("GRADIO_RUN_HISTORY", "False"),
        ("GRADIO_SHARE", "False"),
        ("HF_HUB_OFFLINE", "1"),
        ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("DO_NOT_TRACK", "1"),
    ):
        os.environ[name] = value


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(address.split("%")[0]).is_loopback
    except ValueError:
        return address == "localhost"


def names_of(address: str, _port: int) -> frozenset[str]:
    """What a browser of this machine may call the server."""
    return frozenset({"127.0.0.1", "localhost", "[::1]", address, f"[{address}]"})


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens. Raises PalmarError where it cannot."""
    if port is not None and not 0 <= port <= 65535:
        raise PalmarError(f"port: expected a number from 0 to 65535, got {port}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    host = LOOPBACK if host == "localhost" else host
    tried = range(7860, 7860 + TRIES) if port is None else [port]
    why = ""
    for number in tried:
        one = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, number))
            one.listen(128)
            return one
        except OSError as err:
            one.close()
            why = err.strerror or str(err)
    where = f"{host}:{tried[0]}" if len(tried) == 1 else f"{host}, ports {tried[0]} to {tried[-1]}"
    raise PalmarError(f"{where}: cannot listen there ({why}); give another --port or --host.")


@contextmanager
def _thread(server: Any, listener: socket.socket) -> Iterator[Any]:
    import threading
    import time

    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True, name="palmar-app-http")
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise PalmarError("the server did not start.")
        time.sleep(0.01)
    try:
        yield thread
    finally:
        server.should_exit = True
        thread.join(10)
