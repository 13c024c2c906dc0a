"""A server on loopback that breaks off, lies, refuses or cannot continue."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

CONTENT = bytes((7 * n) % 251 for n in range(300_000))


class Server:
    """What the server holds and how it misbehaves; `asked` collects the Range header of every request."""

    def __init__(self) -> None:
        self.files = {"/x.zip": CONTENT}
        self.asked: list[str | None] = []
        self.break_after: list[int] = []  # bytes sent before each of the first connections is cut
        self.ranges = True
        self.codes: list[int] = []  # answers to the first requests
        self.announce = True
        self.sha256 = ""  # what a HEAD is told, as model hubs do
        self.heads: list[str] = []

    def head(self, request: BaseHTTPRequestHandler) -> None:
        self.heads.append(request.path)
        if self.codes or request.path not in self.files:
            request.send_error(self.codes.pop(0) if self.codes else 404)
            return
        request.send_response(302)
        request.send_header("Location", f"/elsewhere{request.path}")
        if self.sha256:
            request.send_header("X-Linked-Etag", f'"{self.sha256}"')
        request.end_headers()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        content = self.files.get(request.path)
        if self.codes or content is None:
            request.send_error(self.codes.pop(0) if self.codes else 404)
            return
        start = int(wanted.split("=")[1].rstrip("-")) if wanted and self.ranges else 0
        if start >= len(content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.end_headers()
            return
        request.send_response(206 if wanted and self.ranges else 200)
        if wanted and self.ranges:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.announce:
            request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        end = start + self.break_after.pop(0) if self.break_after else len(content)
        request.wfile.write(content[start:end])


@contextlib.contextmanager
def served(handler: type[BaseHTTPRequestHandler], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server on loopback, which no proxy stands before; it says nothing of what it is asked."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    quiet = type("Quiet", (handler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), quiet) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, str]]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def do_HEAD(self) -> None:
            state.head(self)

    with served(Handler, monkeypatch) as address:
        yield state, address
