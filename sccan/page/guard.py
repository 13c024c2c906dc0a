"""Who may talk to the server: the browser that was given the token, from the server's own page, and nobody else.

A page of another site cannot post (Origin), cannot reach the server under a name of its own (Host, against DNS
rebinding), does not get the cookie (SameSite=Strict, HttpOnly), and cannot show the page in a frame.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALL_BODY = 64 << 10
"""Bytes of a request that says something."""
LARGE_BODY = 64 << 20
"""Bytes of a compressed mask."""
SAFE_METHODS = ("GET", "HEAD")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
TOO_LARGE = PlainTextResponse("the request is too large", 413)
CLOSED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>sccan label</title>
<body><h1>This page needs its key</h1><p>Open the address that <code>sccan label</code> printed in the terminal; it
holds a token that lets only you in.</p></body></html>"""


class Guard:
    """ASGI middleware in front of everything."""

    def __init__(self, app: ASGIApp, *, token: str, port: int, large: Sequence[str] = ()) -> None:
        """
        Args:
            token: what the address and then the cookie must hold.
            port: that the server listens on.
            large: endings of paths whose bodies may be large.
        """
        self.app, self.token, self.large = app, token, tuple(large)
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self.cookie = f"sccan_label_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # no websockets
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send, {}))
            return
        extra = {}
        if self._token_in_address(scope):
            extra["set-cookie"] = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"
        body = _Bounded(receive, self._limit(scope))
        with contextlib.suppress(_TooLarge):
            await self.app(scope, body.receive, _with_headers(body.unless_too_large(send), extra))
        if body.is_too_large:
            await TOO_LARGE(scope, receive, _with_headers(send, {}))

    def _limit(self, scope: Scope) -> int:
        return LARGE_BODY if self.large and scope["path"].endswith(self.large) else SMALL_BODY

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self.hosts:
            return PlainTextResponse("this server answers to its own address only", 421)
        own = origin is None or origin.removeprefix("http://") in self.hosts
        if not own or (origin is None and scope["method"] not in SAFE_METHODS):
            return PlainTextResponse("another page may not talk to this server", 403)
        if headers.get("sec-fetch-site") == "cross-site" and scope["path"] != "/":
            return PlainTextResponse("another page may not talk to this server", 403)
        if not (self._token_in_address(scope) or self._knows(self._from_cookie(headers))):
            return HTMLResponse(CLOSED, 403)
        stated = headers.get("content-length", "0")
        return None if stated.isdecimal() and int(stated) <= self._limit(scope) else TOO_LARGE

    def _token_in_address(self, scope: Scope) -> bool:
        if scope["path"] != "/" or scope["method"] not in SAFE_METHODS:
            return False
        return self._knows(parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0])

    def _from_cookie(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return found.value if found else ""

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode())


class _TooLarge(Exception):
    """A body is larger than allowed."""


class _Bounded:
    """A body that is counted while it comes; whatever is answered after too much of it is not sent."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left = receive, limit

    @property
    def is_too_large(self) -> bool:
        return self._left < 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self.is_too_large:
            raise _TooLarge
        return message

    def unless_too_large(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if not self.is_too_large:
                await send(message)

        return sent


def _with_headers(send: Send, extra: dict[str, str]) -> Send:
    async def added(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            more = {**HEADERS, "cache-control": "no-store", **extra}
            message["headers"] = [
                *message["headers"],
                *((n.encode(), v.encode()) for n, v in more.items() if n.encode() not in present),
            ]
        await send(message)

    return added
