"""The server: who is let in, what may be asked for, and what is refused in one line."""

import io
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from sccan.errors import InputError
from sccan.page.guard import LARGE_BODY, SMALL_BODY
from sccan.page.opening import Opening
from sccan.page.places import key_of
from sccan.page.server import build_app
from sccan.page.serving import claimed
from sccan.page.session import Session
from sccan.pictures.decoding import read_label
from sccan.predict.segmenter import Segmenter
from tests.page.conftest import NAMES, SIZE, drawn
from tests.predict.made_up import disc, save

PORT, TOKEN = 8731, "a-token"
OWN = f"http://127.0.0.1:{PORT}"
A, B, C, D = (key_of(name) for name in NAMES)


@pytest.fixture
def session(folder: Path, segmenter: Segmenter) -> Iterator[Session]:
    with claimed(folder):
        yield Session(folder, segmenter, ["disc"])


@pytest.fixture
def stranger(session: Session) -> Iterator[TestClient]:
    """A client that knows the address alone."""
    opening = Opening(lambda: build_app(session), token=TOKEN, port=PORT)
    with TestClient(opening.app, base_url=OWN) as client:
        yield client


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    """A browser that opened the address with its token."""
    assert stranger.get(f"/?token={TOKEN}").status_code == 200
    stranger.headers["origin"] = OWN
    return stranger


def _put(client: TestClient, key: str, label: np.ndarray, base: int):  # type: ignore[no-untyped-def]
    return client.put(f"/api/pictures/{key}/labels?base={base}", content=zlib.compress(label.tobytes()))


def _labels(client: TestClient, key: str) -> tuple[np.ndarray, str]:
    answer = client.get(f"/api/pictures/{key}/labels")
    size = int(answer.headers["x-height"]), int(answer.headers["x-width"])
    return np.frombuffer(zlib.decompress(answer.content), np.uint8).reshape(size), answer.headers["x-by"]


def _searched(client: TestClient) -> None:
    assert client.post("/api/find").status_code == 200
    deadline = time.monotonic() + 60
    while (progress := client.get("/api/folder").json()["progress"])["searching"]:
        assert time.monotonic() < deadline, progress
        time.sleep(0.02)


# Who is let in


def test_the_token_becomes_a_cookie_and_opens_the_page(stranger: TestClient) -> None:
    assert stranger.get("/api/folder").status_code == 403
    page = stranger.get(f"/?token={TOKEN}")
    assert "SameSite=Strict" in page.headers["set-cookie"]
    assert "HttpOnly" in page.headers["set-cookie"]
    assert TOKEN not in page.text
    assert stranger.get("/api/folder").json()["folder"] == "photos"


@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/api/folder", "/static/app.js", f"/api/folder?token={TOKEN}"])
def test_without_the_token_there_is_nothing(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "sccan label" in answer.text


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", f"127.0.0.1:{PORT + 1}", "127.0.0.1"])
def test_other_names_of_the_server_are_refused(client: TestClient, host: str) -> None:
    assert client.get("/api/folder", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"https://127.0.0.1:{PORT}", "http://127.0.0.1"])
def test_other_pages_may_not_ask_for_anything(client: TestClient, origin: str) -> None:
    for ask in (client.post, client.get):
        assert ask("/api/find" if ask == client.post else "/api/folder", headers={"origin": origin}).status_code == 403


def test_a_post_without_an_origin_and_a_cross_site_get_are_refused(client: TestClient) -> None:
    del client.headers["origin"]
    assert client.post("/api/find").status_code == 403
    assert client.get("/api/folder", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.get("/api/folder", headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_every_answer_says_what_the_browser_may_do_with_it(client: TestClient) -> None:
    for path in ("/", "/api/folder", "/static/app.js", f"/api/pictures/{A}/thumbnail"):
        headers = client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_bodies_are_bounded(client: TestClient) -> None:
    many = b"[" + b" " * SMALL_BODY + b"]"
    assert client.post("/api/classes", content=many).status_code == 413
    in_pieces = (b" " * 1024 for _ in range(SMALL_BODY // 1024 + 2))
    assert client.post("/api/classes", content=in_pieces).status_code == 413
    assert client.put(
        f"/api/pictures/{A}/labels?base=0", headers={"content-length": str(LARGE_BODY + 1)}
    ).status_code in (
        400,
        413,
    )


def test_nothing_outside_the_folder_can_be_read(client: TestClient, folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "secret.jpg", disc(20, 20)[0])
    for name in ("../secret.jpg", "..%2Fsecret.jpg", "%2e%2e/secret.jpg", str(tmp_path / "secret.jpg"), "..", "a.jpg"):
        for kind in ("image", "thumbnail", "labels", "layer"):
            assert client.get(f"/api/pictures/{name}/{kind}").status_code in (404, 422)
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2f..%2fpage/server.py"):
        assert client.get(path).status_code == 404
    for name in ("../../a", "..", ".", "png/../../masks"):
        assert client.get(f"/api/exports/{name}").status_code in (404, 405, 422)
    (folder / "a.jpg").unlink()
    (folder / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    for kind in ("image", "thumbnail", "labels"):
        assert "leads out of the folder" in client.get(f"/api/pictures/{A}/{kind}").json()["error"]


def test_pictures_are_encoded_anew(client: TestClient, folder: Path) -> None:
    hidden = b"<script>alert(1)</script>"
    plain = (folder / "a.jpg").read_bytes()
    comment = b"\xff\xfe" + (len(hidden) + 2).to_bytes(2, "big") + hidden
    (folder / "a.jpg").write_bytes(plain[:2] + comment + plain[2:])
    for kind in ("image", "thumbnail"):
        answer = client.get(f"/api/pictures/{A}/{kind}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert hidden not in answer.content
        assert Image.open(io.BytesIO(answer.content)).size == SIZE[::-1]


# What may be asked for


def test_a_mask_goes_in_and_comes_out_and_knows_its_version(client: TestClient, folder: Path) -> None:
    label, by = _labels(client, A)
    assert (by, label.any()) == ("nobody", False)
    assert _put(client, A, drawn(), 0).json() == {"version": 1, "status": "drawn"}
    label, by = _labels(client, A)
    assert by == "person"
    np.testing.assert_array_equal(label, drawn())
    late = _put(client, A, drawn() * 0, 0)
    assert (late.status_code, late.json()["version"]) == (409, 1)
    np.testing.assert_array_equal(read_label(folder / ".sccan" / "masks" / "a.jpg.png"), drawn())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nonsense", "damaged"),
        (zlib.compress(b"\0" * 10), "has not the 3072 pixels"),
        (zlib.compress(b"\0" * 50_000_000), "has not the 3072 pixels"),
        (zlib.compress(b"\7" * 3072), "a class of this mask was taken away"),
    ],
)
def test_unfit_masks_are_refused(client: TestClient, content: bytes, message: str) -> None:
    answer = client.put(f"/api/pictures/{A}/labels?base=0", content=content)
    assert answer.status_code == 422
    assert message in answer.json()["error"]
    assert _labels(client, A)[1] == "nobody"


def test_find_accept_correct_and_not_here(client: TestClient) -> None:
    assert "nothing is marked yet" in client.post("/api/find").json()["error"]
    _put(client, A, drawn(), 0)
    _searched(client)
    found, by = _labels(client, B)
    assert by == "prediction"
    if found.any():
        assert client.post(f"/api/pictures/{B}/accept", json={"base": 0}).json()["status"] == "accepted"
        np.testing.assert_array_equal(_labels(client, B)[0], found)
    corrected = _put(client, C, drawn(), 0).json()
    assert client.post(f"/api/pictures/{C}/accept", json={"base": corrected["version"]}).json()["version"] == 2
    assert client.post(f"/api/pictures/{D}/absent", json={"base": 0}).json()["status"] == "absent"
    assert not _labels(client, D)[0].any()
    quality = client.get("/api/quality").json()
    assert quality["absent"] == 1
    assert len(quality["agreements"]) >= 2
    assert all(0 <= value <= 1 for value in quality["agreements"])
    assert client.post(f"/api/pictures/{D}/take_back", json={"base": 1}).json()["status"] == ""
    assert _labels(client, D)[1] == "prediction"


def test_there_must_be_something_to_accept(client: TestClient) -> None:
    answer = client.post(f"/api/pictures/{A}/accept", json={"base": 0})
    assert "there is no mask to accept" in answer.json()["error"]


def test_the_threshold_moves_what_is_shown(client: TestClient) -> None:
    _put(client, A, drawn(), 0)
    _searched(client)
    shares = []
    for value in (0.05, 0.5, 0.95):
        assert client.put("/api/threshold", json={"value": value}).json()["threshold"] == value
        shares.append(int((_labels(client, B)[0] > 0).sum()))
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[2]
    for value in (0, 1, -3, "x"):
        assert client.put("/api/threshold", json={"value": value}).status_code == 422
    np.testing.assert_array_equal(_labels(client, A)[0], drawn())


def test_classes_are_named_renamed_and_taken_away(client: TestClient) -> None:
    markup = "<img src=x onerror=alert(1)>"
    added = client.post("/api/classes", json={"name": markup}).json()
    assert [one["name"] for one in added["classes"]] == ["disc", markup]
    _put(client, A, drawn(value=2), 0)
    assert client.patch("/api/classes/2", json={"name": "disc"}).status_code == 422
    assert client.patch("/api/classes/2", json={"name": "moon"}).json()["classes"][1]["name"] == "moon"
    np.testing.assert_array_equal(_labels(client, A)[0], drawn(value=2))
    client.delete("/api/classes/2")
    assert not _labels(client, A)[0].any()
    assert "taken away in another window" in _put(client, A, drawn(value=2), 1).json()["error"]
    assert client.post("/api/classes", json={"name": "moon"}).json()["number"] == 2
    np.testing.assert_array_equal(_labels(client, A)[0], drawn(value=2))


def test_a_box_finds_the_disc(client: TestClient) -> None:
    mask = disc(*SIZE, seed=0)[1]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = {"left": columns[0] - 3, "top": rows[0] - 3, "right": columns[-1] + 4, "bottom": rows[-1] + 4}
    answer = client.post(f"/api/pictures/{A}/box", json={name: int(value) for name, value in box.items()})
    found = np.frombuffer(zlib.decompress(answer.content), np.uint8).reshape(SIZE) > 0
    assert (found & mask).sum() / (found | mask).sum() > 0.85
    outside = client.post(f"/api/pictures/{A}/box", json={"left": 900, "top": 0, "right": 990, "bottom": 9})
    assert "the box lies outside the picture" in outside.json()["error"]


def test_broken_and_vanished_pictures_are_told_and_the_rest_works(client: TestClient, folder: Path) -> None:
    (folder / "a.jpg").write_bytes(b"no picture")
    (folder / "b.png").unlink()
    assert "cannot be decoded" in client.get(f"/api/pictures/{A}").json()["error"]
    assert "b.png is gone" in client.get(f"/api/pictures/{B}").json()["error"]
    assert client.get(f"/api/pictures/{C}").json()["width"] == SIZE[1]
    rows = {row["key"]: row for row in client.get("/api/folder").json()["pictures"]}
    assert [bool(rows[key]["problem"]) for key in (A, B, C, D)] == [True, True, False, False]


def test_a_picture_of_another_size_than_its_mask_is_told(client: TestClient, folder: Path) -> None:
    _put(client, A, drawn(), 0)
    client.get(f"/api/pictures/{A}")
    save(folder / "a.jpg", disc(30, 40)[0])
    for key in (B, C, D):
        client.get(f"/api/pictures/{key}")
    client.get(f"/api/pictures/{key_of('more/d.jpg')}")
    assert "is 40x30 now, but was 64x48 when it was marked" in client.get(f"/api/pictures/{A}/labels").json()["error"]


def test_layers_are_drawn_in_the_colour_of_their_class(client: TestClient) -> None:
    _put(client, A, drawn(), 0)
    layer = np.array(Image.open(io.BytesIO(client.get(f"/api/pictures/{A}/layer").content)))
    assert layer.shape == (*SIZE, 4)
    np.testing.assert_array_equal(layer[..., 3] > 0, drawn() > 0)
    colour = client.get("/api/folder").json()["classes"][0]["colour"]
    assert "#{:02x}{:02x}{:02x}".format(*layer[15, 25, :3]) == colour


@pytest.mark.parametrize("name", ["png", "coco", "coco-polygons", "labelme", "yolo", "cvat", "examples"])
def test_exports_are_written_and_handed_over(client: TestClient, folder: Path, name: str) -> None:
    assert client.get(f"/api/exports/{name}").status_code == 422
    _put(client, A, drawn(), 0)
    told = client.post("/api/exports", json={"format": name, "instances": True, "pictures": True}).json()
    assert told["pictures"] == 1
    assert told["left_out"] == []
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/exports/{name}").content))
    assert archive.testzip() is None
    on_disk = folder / ".sccan" / "exports" / name
    assert told["where"] == f"photos/.sccan/exports/{name}"
    assert {n for n in archive.namelist() if n.startswith("images/")} == {"images/a.jpg"}
    assert all((on_disk / inside).is_file() for inside in archive.namelist())


def test_what_cannot_be_exported_is_told(client: TestClient) -> None:
    assert "there is no mask yet" in client.post("/api/exports", json={"format": "png"}).json()["error"]
    assert "there is no format 'gif'" in client.post("/api/exports", json={"format": "gif"}).json()["error"]


# While the model loads


def test_the_page_is_there_before_the_model_and_the_rest_follows(session: Session) -> None:
    loaded = threading.Event()

    def build() -> FastAPI:
        assert loaded.wait(60)
        return build_app(session)

    with TestClient(Opening(build, token=TOKEN, port=PORT).app, base_url=OWN) as client:
        assert client.get("/static/app.js").status_code == 403
        assert "is loading" in client.get(f"/?token={TOKEN}").text
        assert client.get("/static/app.js").status_code == 200
        threading.Timer(0.2, loaded.set).start()
        assert client.get("/api/folder").json()["folder"] == "photos"
        assert loaded.is_set(), "it has waited"


def test_a_model_that_does_not_load_ends_the_server_with_its_reason() -> None:
    def build() -> FastAPI:
        raise InputError("no such model")

    ended = threading.Event()
    opening = Opening(build, token=TOKEN, port=PORT, give_up=ended.set)
    with TestClient(opening.app, base_url=OWN) as client:
        assert client.get(f"/?token={TOKEN}").status_code == 200
        answer = client.get("/api/folder")
    assert (answer.status_code, answer.json()) == (503, {"error": "no such model"})
    assert ended.is_set()
    assert str(opening.failure) == "no such model"
