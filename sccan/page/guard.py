"""Who may talk to the server: the browser that was given the token, from the server's own page, and nobody else.

A page of another site cannot post (Origin), cannot reach the server under a name of its own (Host, against DNS
rebinding), does not get the cookie (SameSite=Strict, HttpOnly), and cannot show the page in a frame.
"""

from __future__ import annotations

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
CLOSED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>sccan label</title>
<body><h1>This page needs its key</h1><p>Open the address that <code>sccan label</code> printed in the terminal; it
holds a token that lets only you in.</p></body></html>"""


class TooLarge(Exception):
    """A body is larger than allowed."""


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
        limit = LARGE_BODY if scope["path"].endswith(self.large) and self.large else SMALL_BODY
        try:
            await self.app(scope, _limited(receive, limit), _with_headers(send, extra))
        except TooLarge:
            answer = PlainTextResponse("the request is too large", 413)
            await answer(scope, receive, _with_headers(send, {}))

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
        if int(headers.get("content-length") or 0) > LARGE_BODY:
            return PlainTextResponse("the request is too large", 413)
        return None

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


def _limited(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise TooLarge
        return message

    return counted


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
