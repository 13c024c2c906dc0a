"""A server that is killed at any moment, strokes, a find and an export under way: what was answered is there again."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from sccan.page.places import OURS, key_of
from sccan.pictures.decoding import read_label
from tests.page.conftest import NAMES, SIZE
from tests.predict.made_up import disc, save, segmenter_file

ROOT = Path(__file__).parents[2]
DRAWN, FOUND = [key_of(name) for name in NAMES[:3]], key_of(NAMES[3])
"""Pictures that strokes go to, and one that is only ever found."""
KILLS = int(os.environ.get("KILLS", "4"))
EXPORTS = ("coco", "png")


class Server:
    """`sccan label` in a process of its own, and what is asked of it."""

    def __init__(self, folder: Path, model: Path) -> None:
        words = [
            sys.executable,
            "-m",
            "sccan",
            "label",
            str(folder),
            "--model",
            str(model),
            "--no-browser",
            "--classes",
            "thing",
        ]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        options = {"env": {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}, "start_new_session": True}
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=pipe, stderr=nothing, text=True, **options)  # type: ignore[call-overload]
        address = next(line.strip() for line in self.process.stdout if "http://" in line)
        origin = address.partition("/?")[0]
        self.client = httpx.Client(base_url=origin, headers={"origin": origin}, timeout=60)
        self.client.get(address[len(origin) :])
        deadline = time.monotonic() + 120
        while self.client.get("/api/folder").status_code != 200:
            assert time.monotonic() < deadline, "the model does not load"
            time.sleep(0.05)

    def labels(self, key: str) -> tuple[np.ndarray, int, str]:
        """Pixels, version, and by whom."""
        answer = self.client.get(f"/api/pictures/{key}/labels")
        pixels = np.frombuffer(zlib.decompress(answer.content), np.uint8).reshape(SIZE)
        return pixels, int(answer.headers["x-version"]), answer.headers["x-by"]

    def put(self, key: str, label: np.ndarray, base: int) -> int:
        """The new version."""
        path = f"/api/pictures/{key}/labels?base={base}"
        answer = self.client.put(path, content=zlib.compress(label.tobytes())).raise_for_status()
        return int(answer.json()["version"])

    def find(self) -> None:
        self.client.post("/api/find").raise_for_status()
        while self.client.get("/api/folder").json()["progress"]["searching"]:
            time.sleep(0.02)

    def export(self, name: str) -> None:
        self.client.post("/api/exports", json={"format": name}).raise_for_status()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.client.close()


@contextlib.contextmanager
def serving(folder: Path, model: Path) -> Iterator[Server]:
    server = Server(folder, model)
    try:
        yield server
    finally:
        server.kill()


def stroke(draw: random.Random) -> np.ndarray:
    label = np.zeros(SIZE, np.uint8)
    top, left = draw.randrange(30), draw.randrange(40)
    label[top : top + draw.randrange(5, 18), left : left + draw.randrange(5, 24)] = 1
    return label


class Strokes:
    """What was drawn on every picture: the last one that the server has answered, and the one on its way."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.kept: dict[str, np.ndarray] = {}
        self.sent: dict[str, np.ndarray] = {}

    def draw_on(self, server: Server) -> None:
        """Until the server is gone."""
        with contextlib.suppress(httpx.TransportError):
            versions = {key: server.labels(key)[1] for key in DRAWN}
            while True:
                key = self.draw.choice(DRAWN)
                self.sent[key] = stroke(self.draw)
                versions[key] = server.put(key, self.sent[key], versions[key])
                self.kept[key] = self.sent.pop(key)

    def settle(self, server: Server) -> None:
        """Checks what a new server shows; a stroke without an answer may or may not have got there."""
        for key in DRAWN:
            shown, _, by = server.labels(key)
            wanted = [one for one in (self.kept.get(key), self.sent.get(key)) if one is not None]
            assert by == "person" or key not in self.kept, "a person's mask is gone, or a prediction is in its place"
            if by == "person":
                assert any(np.array_equal(shown, one) for one in wanted)
                self.kept[key] = shown
        self.sent.clear()


def repeatedly(ask: Callable[..., None], *words: str) -> None:
    """Until the server is gone; what it refuses, as nothing is marked yet, is asked again."""
    with contextlib.suppress(httpx.TransportError, json.JSONDecodeError):
        while True:
            with contextlib.suppress(httpx.HTTPStatusError):
                ask(*words)


def assert_nothing_is_half_written(store: Path) -> None:
    for path in store.rglob("*"):
        if path.suffix == ".png" and not path.name.startswith("."):
            label = read_label(path)
            assert label.shape == SIZE or path.is_relative_to(store / "found"), path  # margins have the network's size
        elif path.suffix == ".json" and not path.name.startswith("."):
            json.loads(path.read_text())


def exported(folder: Path) -> dict[Path, bytes]:
    root = folder / OURS / "exports"
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_what_was_answered_survives_any_kill(tmp_path: Path) -> None:
    model, draw = segmenter_file(tmp_path), random.Random(0)
    folder, untouched = tmp_path / "killed" / "photos", tmp_path / "whole" / "photos"
    for place in (folder, untouched):
        for seed, name in enumerate(NAMES):
            save(place / name, disc(*SIZE, seed=seed)[0])
    strokes = Strokes(draw)
    for _ in range(KILLS):
        server = Server(folder, model)
        strokes.settle(server)
        works = [threading.Thread(target=strokes.draw_on, args=[server])]
        works += [threading.Thread(target=repeatedly, args=[server.find])]
        works += [threading.Thread(target=repeatedly, args=[server.export, name]) for name in EXPORTS]
        for work in works:
            work.start()
        time.sleep(draw.uniform(0.05, 1.5))
        server.kill()
        for work in works:
            work.join()
        assert_nothing_is_half_written(folder / OURS)
    with serving(folder, model) as server, serving(untouched, model) as other:
        strokes.settle(server)
        assert strokes.kept, "no stroke was answered"
        for key, label in strokes.kept.items():
            assert other.put(key, label, 0) == 1
        for one in (server, other):
            one.find()
            for name in EXPORTS:
                one.export(name)
        assert server.labels(FOUND)[2] == other.labels(FOUND)[2] == "prediction"
    assert exported(folder) == exported(untouched)
