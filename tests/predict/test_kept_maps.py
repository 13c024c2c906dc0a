"""Whole maps in a folder: the same masks, bit by bit, and what does not fit is one line before anything is written."""

import json
from pathlib import Path

import numpy as np
import pytest

import sccan
from sccan.commands import embed, segment
from sccan.engine.feature_files import write_features
from sccan.errors import InputError
from sccan.files.made import RECORD
from sccan.predict import Segmenter
from tests.predict.made_up import disc, save

SMALL = ("TEST.SIZE", "96")


def files(folder: Path) -> dict[str, bytes]:
    """What a command has written, but for the journal, which knows when."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.mark.parametrize("batch", ["1", "3"])
@pytest.mark.parametrize("more", [[], ["--learn", "1"]])
def test_masks_have_the_same_bytes(
    examples: Path, photos: Path, tmp_path: Path, batch: str, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    compute = ["--device", "cpu", "--batch", batch, "--model", "segment", "--opts", *SMALL]
    maps = tmp_path / "maps"
    assert embed.main([str(photos), "--out", str(tmp_path / "f.safetensors"), "--maps", str(maps), *compute]) == 0
    assert "KeptMaps(4 different pictures" in capsys.readouterr().out
    argv = ["--support", str(examples), "--images", str(photos), *more]
    assert segment.main([*argv, "--out", str(tmp_path / "plain"), *compute]) == 0
    assert segment.main([*argv, "--out", str(tmp_path / "kept"), "--maps", str(maps), *compute]) == 0
    assert files(tmp_path / "kept") == files(tmp_path / "plain")


def test_one_command_serves_both_tasks_and_goes_on(examples: Path, photos: Path, tmp_path: Path) -> None:
    features, maps = tmp_path / "f.safetensors", tmp_path / "maps"
    argv = [str(photos / "a.jpg"), "--out", str(features), "--maps", str(maps), "--device", "cpu"]
    assert embed.main(argv) == 0
    (kept,) = maps.glob("*.safetensors")
    before = kept.stat().st_mtime_ns
    argv[:1] = [str(photos / "a.jpg"), str(photos / "b.png")]
    assert embed.main(argv) == 0
    assert len(list(maps.glob("*.safetensors"))) == 2
    assert kept.stat().st_mtime_ns == before
    assert sccan.Embedding.load(features).names == ("a.jpg", "b.png")
    assert sccan.Embedding.load(features).origin.stage == "bn2"  # of classify's default
    segmenter = sccan.load("segment", device="cpu", maps=maps)
    assert isinstance(segmenter, Segmenter)
    plain, supports = sccan.load("segment", device="cpu"), sccan.Supports.from_folder(examples)
    assert isinstance(plain, Segmenter)
    (found,), (wanted,) = segmenter.each(supports, photos / "b.png"), plain.each(supports, photos / "b.png")
    np.testing.assert_array_equal(found.probabilities, wanted.probabilities)


def test_a_method_of_ours_finds_the_same_from_arrays(segmenter_path: Path, examples: Path, tmp_path: Path) -> None:
    arrays = [disc(50, 75, seed=1)[0], disc(64, 40, seed=2)[0]]
    plain = sccan.load(segmenter_path, device="cpu")
    assert isinstance(plain, Segmenter)
    plain.keep_maps(arrays, tmp_path / "maps")
    kept = sccan.load(segmenter_path, device="cpu", maps=tmp_path / "maps")
    assert isinstance(kept, Segmenter)
    supports = sccan.Supports.from_folder(examples)
    for one, other in zip(plain.each(supports, arrays), kept.each(supports, arrays), strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_what_does_not_fit_is_refused_in_one_line(
    segmenter_path: Path, classifier_path: Path, examples: Path, photos: Path, tmp_path: Path
) -> None:
    maps, supports = tmp_path / "maps", sccan.Supports.from_folder(examples)
    segmenter = sccan.load(segmenter_path, device="cpu")
    assert isinstance(segmenter, Segmenter)
    segmenter.keep_maps([photos / "a.jpg"], maps)
    argv = ["--support", str(examples), "--images", str(photos), "--device", "cpu", "--maps", str(maps)]
    with pytest.raises(InputError, match="made with backbone 'small', but the model has 'timm"):
        segment.main([*argv, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="made with size 65, but the model has 97; make them again"):
        sccan.load(segmenter_path, device="cpu", size=97, maps=maps)
    with pytest.raises(InputError, match="made with precision 'float32', but the model has 'bf16'"):
        sccan.load(segmenter_path, device="cpu", precision="bf16", maps=maps)
    with pytest.raises(InputError, match="of whole pictures, not of tiles"):
        sccan.load(segmenter_path, device="cpu", tile=64, maps=maps)
    with pytest.raises(InputError, match="leave out size, tile and maps"):
        sccan.load(classifier_path, device="cpu", maps=maps)
    with pytest.raises(InputError, match="no folder of maps"):
        sccan.load(segmenter_path, device="cpu", maps=photos)
    with pytest.raises(InputError, match=r"made with size 65, but the model has 97; name another folder"):
        sccan.load(segmenter_path, device="cpu", size=97).keep_maps(photos, maps)  # type: ignore[union-attr]

    kept = sccan.load(segmenter_path, device="cpu", maps=maps)
    with pytest.raises(InputError, match=r"no maps of b\.png, as it is now, in .*; add them with sccan embed --maps"):
        kept(supports, photos / "b.png")
    save(photos / "a.jpg", disc(50, 75, seed=77)[0])
    with pytest.raises(InputError, match=r"no maps of a\.jpg, as it is now"):
        kept(supports, photos / "a.jpg")


def test_damage_is_one_line(segmenter_path: Path, examples: Path, photos: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    segmenter = sccan.load(segmenter_path, device="cpu")
    assert isinstance(segmenter, Segmenter)
    segmenter.keep_maps([photos / "a.jpg"], maps)
    (one,) = maps.glob("*.safetensors")
    one.write_bytes(one.read_bytes()[:-7])
    with pytest.raises(InputError, match=r"holds no features .* delete it"):
        sccan.load(segmenter_path, device="cpu", maps=maps)(sccan.Supports.from_folder(examples), photos / "a.jpg")
    one.unlink()
    other = sccan.load(segmenter_path, device="cpu", size=97)
    assert isinstance(other, Segmenter)
    write_features(one, other.task.encode([disc(50, 75)[0]]))
    with pytest.raises(InputError, match=r"holds .*, but the model makes .*; delete it, and make it again"):
        sccan.load(segmenter_path, device="cpu", maps=maps)(sccan.Supports.from_folder(examples), photos / "a.jpg")
    (maps / "maps.json").write_text('{"format": 1}')
    with pytest.raises(InputError, match=r"maps\.json.*format"):
        sccan.load(segmenter_path, device="cpu", maps=maps)


def test_the_folder_knows_which_files_are_its_own(segmenter_path: Path, photos: Path, tmp_path: Path) -> None:
    maps, segmenter = tmp_path / "maps", sccan.load(segmenter_path, device="cpu")
    assert isinstance(segmenter, Segmenter)
    segmenter.keep_maps([photos / "a.jpg"], maps)
    names = {path.name for path in maps.iterdir()} - {RECORD}
    assert {json.loads(line) for line in (maps / RECORD).read_text().splitlines()} == names
    (maps / RECORD).unlink()  # as an earlier version left it
    segmenter.keep_maps([photos / "a.jpg", photos / "b.png"], maps)
    assert len(list(maps.glob("*.safetensors"))) == 2
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "maps.json").write_text('{"streets": []}')
    with pytest.raises(InputError, match=r"maps\.json is there and no result of this command; name another folder"):
        segmenter.keep_maps([photos / "a.jpg"], foreign)
    (foreign / "maps.json").unlink()
    (foreign / "maps.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(InputError, match="is a link"):
        segmenter.keep_maps([photos / "a.jpg"], foreign)
    assert not (tmp_path / "elsewhere.json").exists()
