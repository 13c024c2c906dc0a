"""Tar files of pictures are read where they lie: what a folder of the same pictures gives, or one clear line."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from sccan.commands import segment
from sccan.errors import InputError
from sccan.files.tally import Tally
from sccan.pictures.photos import find_photos, readable
from sccan.pictures.shards import named_shards
from tests.commands.test_segment_shared import _files
from tests.engine.processes import run_module
from tests.predict.made_up import disc, save, segmenter_file, white_on_black

NAMES = ("a.png", "b.jpg", "deep/c.png", "deep/d.png", "e.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, and the same in two shards."""
    for number, name in enumerate(NAMES):
        save(tmp_path / "photos" / name, disc(40 + number, 60, seed=number)[0])
    for number, names in enumerate((NAMES[:3], NAMES[3:])):
        pack(tmp_path / "shards" / f"photos-{number:03d}.tar", [(name, tmp_path / "photos" / name) for name in names])
    return tmp_path


def pack(shard: Path, members: list[tuple[str, Path | bytes]], mode: str = "w") -> None:
    shard.parent.mkdir(exist_ok=True)
    with tarfile.open(shard, mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            data = content if isinstance(content, bytes) else content.read_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_pictures_of_shards_are_those_of_the_folder(folder: Path) -> None:
    shards = folder / "shards"
    pack(shards / "photos-002.tar", [("./f.png", folder / "photos" / "a.png"), ("f.json", b"{}"), ("._f.png", b"")])
    (folder / "list.txt").write_text("shards/photos-000.tar\nshards/photos-001.tar\n")
    ways: list[Path | list[Path]] = [
        shards / "photos-{000..001}.tar",
        folder / "list.txt",
        sorted(shards.glob("*[01].tar")),
    ]
    plain = find_photos(folder / "photos")
    for way in ways:
        photos = find_photos(way)
        assert [photo.name for photo in photos] == [*NAMES]
        for (one, pixels), other in zip(readable(photos), plain, strict=True):
            assert one.path is None
            assert one.size() == other.size()
            np.testing.assert_array_equal(pixels, other.read())
    passed = Tally()
    assert [photo.name for photo in find_photos(shards, passed=passed)] == [*NAMES, "f.png"]
    assert passed.lines() == [
        "passed over, as their ending is .json: 1 (f.json)",
        "passed over, as they are hidden or a system's own: 1 (._f.png)",
    ]


def test_a_range_in_a_name() -> None:
    assert [str(path) for path in named_shards("a{1..2}/s-{08..10}.tar")] == [
        f"a{one}/s-{other}.tar" for one in (1, 2) for other in ("08", "09", "10")
    ]
    with pytest.raises(InputError, match="counts from 3 down to 1"):
        list(named_shards("s-{3..1}.tar"))


@pytest.mark.parametrize("name", ["/etc/a.png", "../a.png", "deep/../../a.png", "C:a.png", "..\\a.png"])
def test_members_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    pack(tmp_path / "s.tar", [("a.png", b"x"), (name, b"y")])
    with pytest.raises(InputError, match="an absolute path|a path that leads upwards"):
        find_photos(tmp_path / "s.tar")


def test_links_and_what_is_no_plain_tar_are_refused(folder: Path) -> None:
    link = tarfile.TarInfo("a.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(folder / "link.tar", "w") as archive:
        archive.addfile(link)
    pack(folder / "packed.tar", [("a.png", folder / "photos" / "a.png")], mode="w:gz")
    whole = (folder / "shards" / "photos-000.tar").read_bytes()
    (folder / "cut.tar").write_bytes(whole[:700])
    (folder / "none.tar").write_bytes(b"no tar at all")
    pack(folder / "empty.tar", [("a.txt", b"text")])
    for name, line in {
        "link.tar": "which is a link",
        "packed.tar": "cannot be read as a tar that is not compressed",
        "cut.tar": "cut.tar cannot be read as a tar .* damaged or no archive",
        "none.tar": "damaged or no archive",
        "empty.tar": r"holds no picture; .*their ending is \.txt",
        "gone-{0..1}.tar": "gone-0.tar does not exist",
    }.items():
        with pytest.raises(InputError, match=line):
            find_photos(folder / name)
    pack(folder / "twice-0.tar", [("a.png", folder / "photos" / "a.png")])
    with pytest.raises(InputError, match=r"two pictures are called a\.png"):
        find_photos([folder / "twice-0.tar", folder / "shards" / "photos-000.tar"])


def test_a_shard_that_vanishes_or_shrinks_costs_its_pictures_alone(folder: Path) -> None:
    photos = find_photos(folder / "shards")
    (folder / "shards" / "photos-000.tar").unlink()
    second = folder / "shards" / "photos-001.tar"
    second.write_bytes(second.read_bytes()[: photos[4].source.start + 10])  # type: ignore[union-attr]
    problems: dict[str, str] = {}
    read = [photo.name for photo, _ in readable(photos, lambda photo, error: problems.update({photo.name: str(error)}))]
    assert read == ["deep/d.png"]
    assert list(problems) == ["a.png", "b.jpg", "deep/c.png", "e.png"]
    assert "photos-000.tar cannot be read: No such file" in problems["a.png"]
    assert "photos-001.tar has changed meanwhile" in problems["e.png"]


def _words(folder: Path, images: str, out: str) -> list[str]:
    model, examples = folder / "sccan.safetensors", folder / "examples"
    places = ["--model", str(model), "--support", str(examples), "--images", str(folder / images)]
    return [*places, "--out", str(folder / out), "--device", "cpu", "--batch", "2", "--report"]


@pytest.fixture
def place(folder: Path) -> Path:
    """With a model, an example, and what `segment` makes of the folder."""
    segmenter_file(folder)
    image, mask = disc(60, 80)
    save(folder / "examples" / "1.jpg", image)
    save(folder / "examples" / "1.png", white_on_black(mask))
    assert segment.main(_words(folder, "photos", "plain")) == 0
    return folder


def test_masks_of_shards_are_those_of_the_folder_and_are_not_made_twice(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for count in (0, 5):
        assert segment.main(_words(place, "shards", "packed")) == 0
        assert f"5 pictures, {count} of them finished earlier" in capsys.readouterr().out
        assert _files(place / "packed") == _files(place / "plain")


@pytest.mark.slow
def test_two_processes_read_shards_as_one_does(place: Path) -> None:
    launcher = ("torch.distributed.run", "--standalone", "--nproc_per_node=2")
    code, output = run_module(*launcher, "-m", "sccan", "segment", *_words(place, "shards", "two"), timeout=600)
    assert code == 0, output
    assert _files(place / "two") == _files(place / "plain")
