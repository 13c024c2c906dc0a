"""What happens, told to every open window: server-sent events, from any thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

WAITING = 2000
"""Events that a slow window may be behind; then it is told to load everything again."""
HEARTBEAT = 10.0
"""Seconds after which a quiet connection says that it is alive."""


class Hub:
    """Windows that listen; `tell` may be called from any thread once `attach` was."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._windows: set[asyncio.Queue[str]] = set()

    def attach(self) -> None:
        """Binds the hub to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def tell(self, kind: str, content: dict[str, Any]) -> None:
        """Sends an event to all windows."""
        text = f"event: {kind}\ndata: {json.dumps(content)}\n\n"
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._spread, text)

    async def listen(self) -> AsyncIterator[str]:
        """The events for one window, from now on."""
        queue: asyncio.Queue[str] = asyncio.Queue(WAITING)
        self._windows.add(queue)
        try:
            yield "retry: 1000\nevent: hello\ndata: {}\n\n"
            while True:
                try:
                    if not (event := await asyncio.wait_for(queue.get(), HEARTBEAT)):
                        return
                    yield event
                except TimeoutError:
                    yield ": alive\n\n"
        finally:
            self._windows.discard(queue)

    def end(self) -> None:
        """Ends what windows listen to; to be called in the event loop."""
        for queue in self._windows:
            _emptied(queue).put_nowait("")

    def _spread(self, text: str) -> None:
        for queue in self._windows:
            if queue.full():
                _emptied(queue).put_nowait("event: reload\ndata: {}\n\n")
            else:
                queue.put_nowait(text)


def _emptied(queue: asyncio.Queue[str]) -> asyncio.Queue[str]:
    while not queue.empty():
        queue.get_nowait()
    return queue
