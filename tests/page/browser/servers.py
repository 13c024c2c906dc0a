"""Servers for the browser: as `sccan label` starts them, or in a thread of the tests, which is there at once."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from sccan.page.opening import PageServer
from sccan.page.places import OURS
from sccan.page.server import build_app
from sccan.page.serving import claimed
from sccan.page.session import Session
from sccan.page.store import MASKS
from sccan.pictures.decoding import read_label
from sccan.predict.segmenter import Segmenter


class Server:
    """A folder that is served.

    Attributes:
        folder: of the pictures.
        address: with its token.
    """

    folder: Path
    address: str

    def stop(self) -> None:
        raise NotImplementedError

    def label(self, name: str) -> np.ndarray:
        """The mask of a picture as it lies in the folder."""
        return read_label(self._mask(name))

    def has_label(self, name: str) -> bool:
        """Whether there is one."""
        return self._mask(name).is_file()

    def _mask(self, name: str) -> Path:
        return self.folder / OURS / MASKS / f"{name}.png"


class InThread(Server):
    """A server in this process."""

    def __init__(self, folder: Path, segmenter: Segmenter, class_names: list[str]) -> None:
        self.folder = folder
        self._open = contextlib.ExitStack()
        claim = self._open.enter_context(claimed(folder))
        bound = self._open.enter_context(claim.bind(0))
        session = Session(folder, segmenter, class_names)
        self._server = PageServer(lambda: build_app(session), claim)
        self._thread = threading.Thread(target=self._server.run, args=([bound],))
        self._thread.start()
        self.address = claim.address

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._open.close()


class Process(Server):
    """`sccan label` as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "sccan", "label", str(self.folder), "--no-browser", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                self.address = found[0]
                return
        raise AssertionError("".join(said))

    def kill(self) -> None:
        """As `kill -9`."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
        if self.process.poll() is None:
            self.kill()
