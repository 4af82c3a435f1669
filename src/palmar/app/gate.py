"""What of HTTP is let through: a small ASGI application in front of Gradio's.

It gives each browser a random key (a cookie that scripts cannot read and other sites cannot send), takes uploads into
that visitor's own folder, gives files out of it to nobody else, and passes only those of Gradio's routes that the page
needs. None of those that serve files of this machine is among them. Every answer carries a content security policy
that lets the page talk to this server alone.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from palmar.app.limits import MEGA, Limits
from palmar.app.rooms import Rooms, safe_name
from palmar.app.scene import greeting
from palmar.app.work import RESULT, SCENE, fetch, shown
from palmar.errors import PalmarError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

VISITOR = b"x-palmar-visitor"
"""Header by which what lies behind learns who asks; whatever a browser says in it is taken away."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' blob: data:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
PASSED = re.compile(
    r"/(\Z|(assets|static|svelte)/|(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json)/?\Z|"
    r"gradio_api/(queue/(join|data)|heartbeat/[\w-]+|startup-events|app_id|reset|cancel|info)/?\Z)"
)
"""Of Gradio's routes."""
MOST_ASKED = 1_000_000
"""Bytes of a request that is no upload."""
CHUNK = 1 << 18
KINDS = {
    ".mp4": "video/mp4", ".jpg": "image/jpeg", ".json": "application/json", ".csv": "text/csv",
    ".js": "text/javascript", ".css": "text/css", ".glb": "model/gltf-binary", ".svg": "image/svg+xml",
}  # fmt: skip
PAGE = {"palmar.js", "palmar.css", "icon.svg"}


class Gate:
    """The application. behind: Gradio's. hosts: names this server is called by; None: any, where it listens to others
    than this machine and cannot know them."""

    def __init__(self, behind: App, rooms: Rooms, limits: Limits, hosts: frozenset[str] | None) -> None:
        self.behind, self.rooms, self.limits, self.hosts = behind, rooms, limits, hosts
        self.cookie = f"palmar_{secrets.token_hex(4)}"
        """Of this run: servers on other ports of one machine share a browser's cookies."""
        self._greeting: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.behind(scope, receive, send)
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is spoken here")
        headers = {name.lower(): value for name, value in scope["headers"]}
        refused = self._refused(headers)
        if refused:
            return await answer(send, 403, {"error": refused})
        key = self._visitor(headers)
        path, method = scope["path"], scope["method"]
        try:
            if path == "/":
                key = key or self.rooms.admit()
                cookie = f"{self.cookie}={key}; Path=/; HttpOnly; SameSite=Strict"
                return await self._pass(scope, receive, send, key, [(b"set-cookie", cookie.encode())])
            if path.startswith("/palmar/page/") and method in ("GET", "HEAD"):
                return await self._page(path.removeprefix("/palmar/page/"), send)
            if key is None:
                return await answer(send, 403, {"error": "load the page first."})
            if path == "/palmar/upload" and method == "POST":
                return await self._upload(scope, headers, receive, send, key)
            if path.startswith("/palmar/file/") and method in ("GET", "HEAD"):
                return await self._file(scope, headers, send, key)
            if PASSED.match(path):
                return await self._pass(scope, receive, send, key, [])
        except PalmarError as err:
            return await answer(send, 404, {"error": str(err)})
        await answer(send, 404, {"error": "there is nothing here."})

    def _refused(self, headers: Mapping[bytes, bytes]) -> str:
        """Why a request is not even looked at: pages of other sites may not use this server through a browser."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if self.hosts is not None and name not in self.hosts:
            return "called by a name that is not this server's."
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").lower().partition("://")[2] != host:
            return "asked by a page of another site."
        if (
            headers.get(b"sec-fetch-site", b"same-origin") == b"cross-site"
            and headers.get(b"sec-fetch-mode") != b"navigate"
        ):
            return "asked by a page of another site."
        return ""

    def _visitor(self, headers: Mapping[bytes, bytes]) -> str | None:
        try:
            jar = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
        except CookieError:
            return None
        said = jar[self.cookie].value if self.cookie in jar else ""
        return said if self.rooms.knows(said) else None

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, key: str, more: list[tuple[bytes, bytes]]
    ) -> None:
        """On to Gradio, as this visitor."""
        scope = dict(scope)
        scope["headers"] = [(n, v) for n, v in scope["headers"] if n.lower() != VISITOR] + [(VISITOR, key.encode())]
        taken = 0

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_ASKED:
                return {"type": "http.disconnect"}
            return message

        async def dressed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *HEADERS, *more]}
            await send(message)

        tab = scope["path"].startswith("/gradio_api/heartbeat/")
        if tab:
            self.rooms.opened(key)
        try:
            await self.behind(scope, bounded, dressed)
        finally:
            if tab:
                self.rooms.closed(key)

    async def _page(self, name: str, send: Send) -> None:
        """The page's own script and style, and the hand that greets."""
        if name == "greeting.bin":
            if self._greeting is None:
                self._greeting = await asyncio.to_thread(greeting)
            return await answer(send, 200, self._greeting, "application/octet-stream")
        if name not in PAGE:
            raise PalmarError("there is nothing here.")
        data = (files("palmar.app") / "page" / name).read_bytes()
        await answer(send, 200, data, KINDS[Path(name).suffix])

    async def _upload(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send, key: str
    ) -> None:
        """The body is the file, `name` what it is called. Answers with its token. Nothing stays of one too large."""
        if b"x-palmar" not in headers:  # which no form of another site can send
            return await answer(send, 403, {"error": "uploads come from the page alone."})
        name = safe_name((parse_qs(scope["query_string"].decode("latin-1")).get("name") or [""])[0])
        most = self.limits.bytes
        too_large = {
            "error": f"{name}: more than {self.limits.megabytes:g} MB are not taken. Cut it, or use palmar track."
        }
        stated = headers.get(b"content-length", b"")
        if stated.isdigit() and int(stated) > most:
            return await answer(send, 413, too_large)
        if shutil.disk_usage(self.rooms.root).free < min(most, int(stated or most)) + 200 * MEGA:
            return await answer(send, 507, {"error": "this machine's disk is nearly full; nothing can be taken."})
        token, folder = self.rooms.box(key)
        path, size = folder / name, 0
        whole = False
        try:
            with path.open("xb") as file:
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return
                    size += len(message.get("body", b""))
                    if size > most:
                        return await answer(send, 413, too_large)
                    await asyncio.to_thread(file.write, message.get("body", b""))
                    if not message.get("more_body"):
                        break
            whole = size > 0
        finally:
            if not whole:
                path.unlink(missing_ok=True)
        if not whole:
            return await answer(send, 400, {"error": f"{name}: empty file."})
        await answer(send, 200, {"token": token, "name": name, "bytes": size})

    async def _file(self, scope: Scope, headers: Mapping[bytes, bytes], send: Send, key: str) -> None:
        """/palmar/file/TOKEN/scene, /show, or /get/KIND: of this visitor's results, these and no other file."""
        token, _, what = scope["path"].removeprefix("/palmar/file/").partition("/")
        folder = self.rooms.find(key, token)
        if not (folder / RESULT).is_dir():
            raise PalmarError("this result is not here yet, or no longer.")
        if what == "scene":
            return await send_file(send, folder / SCENE, headers)
        if what == "show":
            return await send_file(send, folder / RESULT / shown(folder / RESULT), headers)
        if what.startswith("get/"):
            path, name = await asyncio.to_thread(fetch, folder, what.removeprefix("get/"))
            if b"ready" in scope["query_string"]:
                return await answer(send, 200, {"ready": name, "bytes": path.stat().st_size})
            return await send_file(send, path, headers, name=name)
        raise PalmarError("there is nothing here.")


async def answer(send: Send, status: int, body: bytes | Mapping[str, Any], kind: str = "application/json") -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-cache"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*named, *HEADERS]})
    await send({"type": "http.response.body", "body": data})


async def send_file(send: Send, path: Path, headers: Mapping[bytes, bytes], *, name: str = "") -> None:
    """A file, or the part of it that a Range header asks for. name: it is to be saved under this name."""
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError as err:
        raise PalmarError("this file is no longer here.") from err
    with file:
        size = path.stat().st_size
        begin, end, status = 0, size, 200
        asked = re.fullmatch(rb"bytes=(\d*)-(\d*)", headers.get(b"range", b""))
        if asked and (asked[1] or asked[2]):
            begin = int(asked[1]) if asked[1] else max(size - int(asked[2]), 0)
            end = min(int(asked[2]) + 1, size) if asked[1] and asked[2] else size
            status = 206
            if begin >= end:
                more = [(b"content-range", f"bytes */{size}".encode()), (b"content-length", b"0"), *HEADERS]
                await send({"type": "http.response.start", "status": 416, "headers": more})
                return await send({"type": "http.response.body", "body": b""})
        said = [
            (b"content-type", KINDS.get(path.suffix, "application/octet-stream").encode()),
            (b"content-length", str(end - begin).encode()),
            (b"accept-ranges", b"bytes"),
            (b"cache-control", b"private, no-store"),
        ]
        if status == 206:
            said.append((b"content-range", f"bytes {begin}-{end - 1}/{size}".encode()))
        if name:
            said.append((b"content-disposition", f"attachment; filename*=UTF-8''{quote(name)}".encode()))
        await send({"type": "http.response.start", "status": status, "headers": [*said, *HEADERS]})
        file.seek(begin)
        left = end - begin
        while left > 0:
            data = await asyncio.to_thread(file.read, min(CHUNK, left))
            if not data:
                break
            left -= len(data)
            await send({"type": "http.response.body", "body": data, "more_body": left > 0})
        if end == begin or left > 0:
            await send({"type": "http.response.body", "body": b""})
