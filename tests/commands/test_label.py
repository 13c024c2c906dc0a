"""`sccan label`: what it refuses, each in one line, before anything is written."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sccan.commands import label, segment
from sccan.files.kinds import JOURNAL
from sccan.page.own_annotations import take_annotations
from sccan.page.places import find_gallery
from sccan.page.serving import FIRST_PORT, claimed
from sccan.page.store import Store
from sccan.pictures.decoding import read_label
from tests.predict.made_up import classifier_file, disc, save, segmenter_file, white_on_black

Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return segmenter_file(tmp_path_factory.mktemp("model"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    save(tmp_path / "photos" / "a.png", np.zeros((20, 30, 3), np.uint8))
    return tmp_path / "photos"


def test_folders_that_cannot_be_worked_on(refusal: Refusal, tmp_path: Path, photos: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "there is no folder" in refusal(label.main, [str(tmp_path / "nowhere")])
    assert "no picture" in refusal(label.main, [str(tmp_path / "empty")])
    assert not (tmp_path / "empty" / ".sccan").exists()
    (photos / JOURNAL).write_text("{}\n")
    assert "holds results of sccan segment" in refusal(label.main, [str(photos)])
    assert not (photos / ".sccan").exists()


def test_a_file_where_the_store_is_to_be(refusal: Refusal, photos: Path) -> None:
    (photos / ".sccan").write_text("a file in the way")
    assert ".sccan is no folder" in refusal(label.main, [str(photos)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write(refusal: Refusal, photos: Path) -> None:
    photos.chmod(0o500)
    try:
        assert "make it writable" in refusal(label.main, [str(photos)])
    finally:
        photos.chmod(0o700)


def test_a_store_that_is_a_link(refusal: Refusal, tmp_path: Path, photos: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (photos / ".sccan").symlink_to(tmp_path / "elsewhere")
    assert "is a link, which may lead anywhere" in refusal(label.main, [str(photos)])
    assert not list((tmp_path / "elsewhere").iterdir())


def test_ports(refusal: Refusal, photos: Path) -> None:
    assert "there is no port 70000" in refusal(label.main, [str(photos), "--port", "70000"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} cannot be used" in refusal(label.main, [str(photos), "--port", port])


def test_a_second_server_is_told_the_address_of_the_first(refusal: Refusal, photos: Path) -> None:
    with claimed(photos) as claim, claim.bind(0):
        assert claim.port >= FIRST_PORT
        line = refusal(label.main, [str(photos)])
        assert f"is open already at {claim.address}" in line
    assert (photos / ".sccan" / "server.json").stat().st_mode & 0o077 == 0, "the token is its owner's alone"
    with claimed(photos) as again:
        assert again.address == claim.address, "an open window finds its server again"
        again.bind(0).close()
        assert again.address == claim.address


def test_models_classes_and_pairs(refusal: Refusal, model: Path, photos: Path, tmp_path: Path) -> None:
    assert "makes no masks" in refusal(label.main, [str(photos), "--model", str(classifier_file(tmp_path))])
    assert "too long" in refusal(label.main, [str(photos), "--model", str(model), "--classes", "x" * 99])
    pytest.importorskip("onnxruntime")
    nothing = str(tmp_path / "nothing.onnx")
    assert "there is no file" in refusal(label.main, [str(photos), "--model", str(model), "--sam", nothing, nothing])


def test_many_processes_are_refused_and_what_they_find_otherwise_is_taken(
    refusal: Refusal, photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way that `docs/multi_node.md` names: segment in many processes, then the page takes the masks."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "start it without torchrun" in refusal(label.main, [str(photos)])
    assert not (photos / ".sccan").exists()
    monkeypatch.delenv("WORLD_SIZE")
    image, mask = disc(60, 80)
    save(tmp_path / "examples" / "1.jpg", image)
    save(tmp_path / "examples" / "1.png", white_on_black(mask))
    save(photos / "a.png", image)
    (photos / "deep").mkdir()
    save(photos / "deep" / "b.png", image[:50])
    places = ["--model", str(model), "--support", str(tmp_path / "examples"), "--images", str(photos)]
    assert segment.main([*places, "--out", str(tmp_path / "found"), "--format", "labelme", "--device", "cpu"]) == 0
    shutil.copytree(tmp_path / "found" / "labelme" / "labelme", photos, dirs_exist_ok=True)
    store = Store(find_gallery(photos))
    try:
        take_annotations(store)
        for key, photo in store.gallery.photos.items():
            found = read_label(tmp_path / "found" / f"{photo.name}")
            label_map = store.label(key)
            assert label_map is not None
            assert (label_map == found).all()
    finally:
        store.close()
