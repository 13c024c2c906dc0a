"""The server while it opens: the page itself at once; what asks for pictures waits for the model, which loads behind.

Nothing here imports torch, which takes longer than all the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from socket import socket

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from sccan.page.guard import Guard
from sccan.page.serving import Claim

STATIC = Path(__file__).parent / "static"


class Opening:
    """What answers until there is a session, and hands on to its routes from then on.

    Attributes:
        app: the ASGI application, behind its guard.
        failure: why there will be no session.
        end: ends what is answered without an end, before the server waits for it.
    """

    def __init__(
        self, build: Callable[[], Starlette], *, token: str, port: int, give_up: Callable[[], None] = lambda: None
    ) -> None:
        """
        Args:
            build: makes the routes of a session, which may take its time: it runs in a thread; `state.end` of what it
                gives ends answers that would go on for ever.
            token: that lets a browser in.
            port: that the server listens on.
            give_up: is called after a failure.
        """
        self.build, self.give_up = build, give_up
        self.failure: Exception | None = None
        self.end: Callable[[], None] = lambda: None
        guard = Middleware(Guard, token=token, port=port, large=["/labels"])
        static = Mount("/static", StaticFiles(directory=STATIC))
        self.app = Starlette(
            routes=[Route("/", _page), static, Mount("/", self._later)], middleware=[guard], lifespan=self._life
        )

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        self._routes: asyncio.Future[ASGIApp] = asyncio.get_running_loop().create_future()
        closing = asyncio.Event()
        session = asyncio.create_task(self._session(closing))
        yield
        closing.set()
        await session

    async def _session(self, closing: asyncio.Event) -> None:
        """From the model's loading to the last mark that is kept."""
        try:
            routes = await asyncio.to_thread(self.build)
        except Exception as error:
            self.failure = error
            self._routes.set_result(JSONResponse({"error": str(error)}, 503))
            self.give_up()
            return
        self.end = routes.state.end
        async with routes.router.lifespan_context(routes):
            self._routes.set_result(routes)
            await closing.wait()

    async def _later(self, scope: Scope, receive: Receive, send: Send) -> None:
        routes = await asyncio.shield(self._routes)  # a window that goes must not take it from the others
        await routes(scope, receive, send)


class PageServer(uvicorn.Server):
    """The page on a socket that was bound."""

    def __init__(self, build: Callable[[], Starlette], claim: Claim) -> None:
        """See `Opening`."""
        self.opening = Opening(build, token=claim.token, port=claim.port, give_up=self._give_up)
        app = self.opening.app
        super().__init__(
            uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1)
        )

    def run(self, sockets: list[socket] | None = None) -> None:
        """Until Ctrl-C, or until a session turns out to be impossible, for the reason that is then raised."""
        super().run(sockets)
        if self.opening.failure is not None:
            raise self.opening.failure

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self.opening.end()
        await super().shutdown(sockets)

    def _give_up(self) -> None:
        self.should_exit = True


async def _page(_: Request) -> FileResponse:
    return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")
