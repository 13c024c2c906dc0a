"""Progress with time left: a bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from tqdm import tqdm


class Progress:
    """How far a long piece of work has come.

    Args:
        total: number of steps of the whole work.
        label: what is being done; without one nothing is shown.
        done: steps done earlier (a resumed run); they do not count for the speed.
        unit: what one step is called.
        shown: False on all processes but one.
        seconds: time between lines where the stream is no terminal.
        stream: standard error unless given.
    """

    def __init__(
        self,
        total: int,
        label: str,
        *,
        done: int = 0,
        unit: str = "step",
        shown: bool = True,
        seconds: float = 30.0,
        stream: TextIO | None = None,
    ) -> None:
        self._total, self._label, self._unit = total, label, unit
        self._start, self._done, self._note = done, done, ""
        self._seconds, self._stream = seconds, stream or sys.stderr
        self._began = self._told = time.monotonic()
        shown = shown and bool(label)
        self._bar = None
        if shown and self._stream.isatty():
            self._bar = tqdm(total=total, initial=done, desc=label, unit=unit, file=self._stream, dynamic_ncols=True)
        self._lines = shown and self._bar is None

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Steps were done; `note` stays behind the numbers until another replaces it."""
        self._done += steps
        self._note = note or self._note
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(steps)
        elif self._lines and time.monotonic() - self._told >= self._seconds:
            self._told = time.monotonic()
            print(self._line(), file=self._stream, flush=True)

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _line(self) -> str:
        took = time.monotonic() - self._began
        speed = (self._done - self._start) / took if took > 0 else 0.0
        left = tqdm.format_interval((self._total - self._done) / speed) if speed else "?"
        share = 100 * self._done // max(self._total, 1)
        note = f"  {self._note}" if self._note else ""
        return f"{self._label}: {self._done}/{self._total} ({share} %), {speed:.2f} {self._unit}/s, {left} left{note}"
