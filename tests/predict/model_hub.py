"""A model hub on loopback that speaks the few calls of a push and of a fetch, as the real one does."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.files.loopback import served

TOKEN = "hf_" + "x" * 20
"""Of who may push."""


class ModelHub:
    """Repositories by name, each with its commits; `asked` collects methods and paths."""

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, dict[str, bytes]]] = {}
        self.branches: dict[str, dict[str, str]] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.shown: list[tuple[str, str]] = []  # to which address a token was shown

    def commit(self, name: str, files: dict[str, bytes]) -> str:
        """Puts files into a repository; the commit."""
        commit = hashlib.sha1(json.dumps([name, len(self.commits.get(name, {}))]).encode()).hexdigest()
        before = self.commits.setdefault(name, {}).get(self.branches.get(name, {}).get("main", ""), {})
        self.commits[name][commit] = before | files
        self.branches.setdefault(name, {})["main"] = commit
        return commit

    def answer(self, request: BaseHTTPRequestHandler, method: str) -> None:
        path = urlsplit(request.path).path
        self.asked.append((method, path))
        if token := request.headers.get("Authorization"):
            self.shown.append((path, token))
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        parts = path.strip("/").split("/")
        if method == "POST" and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            _said(request, {"error": "Invalid username or password."}, 401)
        elif path == "/api/repos/create":
            self.commits.setdefault(f"{json.loads(body)['organization']}/{json.loads(body)['name']}", {})
            _said(request, {"url": f"http://{request.headers['Host']}/a/b"})
        elif path == "/api/validate-yaml":
            _said(request, {"errors": [], "warnings": []})
        elif "revision" in parts:
            _said(request, {"id": f"{parts[2]}/{parts[3]}", "xetEnabled": False})
        elif "preupload" in parts:
            files = [
                {"path": one["path"], "uploadMode": mode(one["path"]), "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            _said(request, {"files": files})
        elif path.endswith(".git/info/lfs/objects/batch"):
            upload = f"http://{request.headers['Host']}/upload/"
            wanted = json.loads(body)["objects"]
            objects = [{**one, "actions": {"upload": {"href": upload + one["oid"], "header": {}}}} for one in wanted]
            _said(request, {"transfer": "basic", "objects": objects})
        elif method == "PUT":
            assert hashlib.sha256(body).hexdigest() == parts[1]
            self.large[parts[1]] = body
            _said(request, {})
        elif "commit" in parts:
            name = f"{parts[2]}/{parts[3]}"
            commit = self.commit(name, self._files([json.loads(line) for line in body.splitlines()]))
            _said(
                request, {"commitUrl": f"http://{request.headers['Host']}/{name}/commit/{commit}", "commitOid": commit}
            )
        elif "resolve" in parts:
            self._resolve(request, f"{parts[0]}/{parts[1]}", parts[3], parts[4])
        elif parts[0] == "elsewhere":
            _sent(request, self.large[parts[1]])
        else:
            _said(request, {"error": "not found"}, 404)

    def _files(self, lines: list[dict[str, Any]]) -> dict[str, bytes]:
        files = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.large[value["oid"]]
        return files

    def _resolve(self, request: BaseHTTPRequestHandler, name: str, revision: str, file: str) -> None:
        commit = self.branches.get(name, {}).get(revision, revision)
        content = self.commits.get(name, {}).get(commit, {}).get(file)
        if content is None:
            _said(request, {"error": "Entry not found"}, 404)
            return
        digest = hashlib.sha256(content).hexdigest()
        self.large[digest] = content
        request.send_response(302)
        request.send_header("Location", f"/elsewhere/{digest}")
        request.send_header("X-Linked-Etag", f'"{digest}"')
        request.send_header("X-Repo-Commit", commit)
        request.send_header("Content-Length", "0")
        request.end_headers()


def mode(path: str) -> str:
    """How the hub wants a file."""
    return "lfs" if path.endswith(".safetensors") else "regular"


def _said(request: BaseHTTPRequestHandler, content: dict[str, Any], code: int = 200) -> None:
    _sent(request, json.dumps(content).encode(), code)


def _sent(request: BaseHTTPRequestHandler, content: bytes, code: int = 200) -> None:
    request.send_response(code)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


@pytest.fixture
def model_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """The hub that HF_ENDPOINT names."""
    hub = ModelHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.answer(self, "GET")

        def do_HEAD(self) -> None:
            hub.answer(self, "HEAD")

        def do_POST(self) -> None:
            hub.answer(self, "POST")

        def do_PUT(self) -> None:
            hub.answer(self, "PUT")

    with served(Handler, monkeypatch) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        # The client reads it once, when it is imported.
        monkeypatch.setattr(pytest.importorskip("huggingface_hub.constants"), "ENDPOINT", address)
        yield hub
