"""Features of a folder in one file: what others read there, what classify does with it, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import sccan
from sccan.commands import classify, embed
from sccan.errors import InputError
from sccan.predict import ClassifiedPicture, Classifier, Segmenter
from tests.predict.made_up import disc, save

SMALL = ("PICTURE.SIZE", "(64, 64)")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(5):
        save(tmp_path / "photos" / f"{number}.png", disc(40, 50 + number, seed=number)[0])
    for number in range(2):
        save(tmp_path / "kinds" / "disc" / f"{number}.png", disc(40, 40, seed=9 + number)[0])
        save(tmp_path / "kinds" / "grey" / f"{number}.png", np.full((40, 40, 3), 90 + 40 * number, np.uint8))
    return tmp_path / "photos"


def test_the_file_is_plain_safetensors_and_serves_classify(photos: Path) -> None:
    file = photos.parent / "features.safetensors"
    assert embed.main([str(photos), "--out", str(file), "--device", "cpu", "--batch", "2", "--opts", *SMALL]) == 0
    vectors = safetensors.torch.load_file(file)["vectors"]
    with safetensors.safe_open(file, "pt") as stored:
        about = stored.metadata()
    assert json.loads(about["names"]) == [f"{number}.png" for number in range(5)]
    assert (about["backbone"], about["stage"], about["side"]) == ("timm tf_efficientnet_lite1", "bn2", "64 64")
    assert vectors.shape == (5, 1280)
    assert vectors.dtype == torch.float32

    classifier = sccan.load("classify", device="cpu", opts=SMALL)
    assert isinstance(classifier, Classifier)
    supports, kept = sccan.Supports.from_folder(photos.parent / "kinds"), sccan.Embedding.load(file)
    found, wanted = classifier(supports, kept), classifier(supports, photos)
    assert isinstance(found, list)
    assert isinstance(wanted, list)
    for one, other in zip(found, wanted, strict=True):
        assert (one.picture, one.name) == (other.picture, other.name)
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
        assert one.likeness == pytest.approx(other.likeness, abs=1e-4)
    argv = ["--support", str(photos.parent / "kinds"), "--images", str(photos), "--features", str(file)]
    assert classify.main([*argv, "--out", str(photos.parent / "out"), "--device", "cpu", "--opts", *SMALL]) == 0
    assert "3.png" in (photos.parent / "out" / "classified.csv").read_text()


def test_features_of_a_segmenter_are_of_whole_pictures(photos: Path, segmenter_path: Path) -> None:
    segmenter = sccan.load(segmenter_path, device="cpu")
    assert isinstance(segmenter, Segmenter)
    found = segmenter.embed(photos)
    read = np.stack([disc(40, 50 + number, seed=number)[0] for number in (0,)])
    maps = segmenter.task.encode(list(read)).maps
    assert found.origin.stage == max(maps, key=lambda name: (maps[name].shape[1], name))
    torch.testing.assert_close(found.vectors[:1], maps[found.origin.stage].mean((2, 3)), atol=1e-4, rtol=1e-4)


def test_what_cannot_be_read_is_left_out_and_told(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "z.jpg").write_bytes(b"")
    file = photos.parent / "features.safetensors"
    assert embed.main([str(photos), "--out", str(file), "--device", "cpu", "--opts", *SMALL]) == 1
    assert "left out: z.jpg: " in capsys.readouterr().out
    assert len(sccan.Embedding.load(file)) == 5


def test_other_features_are_refused_in_one_line(photos: Path, classifier_path: Path) -> None:
    classifier, supports = (
        sccan.load("classify", device="cpu", opts=SMALL),
        sccan.Supports.from_folder(photos.parent / "kinds"),
    )
    assert isinstance(classifier, Classifier)
    kept = classifier.embed(photos)
    other = sccan.load("classify", device="cpu", opts=("PICTURE.SIZE", "(96, 96)"))
    with pytest.raises(InputError, match=r"made with side \(64, 64\), but the model has \(96, 96\)"):
        other(supports, kept)
    with pytest.raises(InputError, match="can looks at more of a picture than one vector"):
        sccan.load(classifier_path, device="cpu")(supports, kept)
    with pytest.raises(InputError, match=r"no features of 1 of 2 pictures \(new.png\)"):
        kept.of(["0.png", "new.png"])
    (one,) = classifier(supports, kept.of(["3.png"]))
    assert isinstance(one, ClassifiedPicture)
    argv = [str(photos), "--out", str(photos.parent / "features.npy")]
    with pytest.raises(InputError, match=r"let it end in \.safetensors"):
        embed.main(argv)


@pytest.mark.parametrize("harm", ["other", "cut", "names", "twice", "not finite", "flat"])
def test_broken_files_are_one_line(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "features.safetensors"
    about = {
        "format": "sccan-embedding-1",
        "backbone": "b",
        "weights": "w",
        "stage": "s",
        "side": "8 9",
        "precision": "float32",
        "names": '["a", "b"]',
    }
    vectors = torch.ones(2, 3)
    if harm == "other":
        about = {}
    elif harm in ("names", "twice"):
        about["names"] = {"names": '{"a": 1}', "twice": '["a", "a"]'}[harm]
    elif harm == "not finite":
        vectors[1, 1] = torch.nan
    elif harm == "flat":
        vectors = vectors[0]
    safetensors.torch.save_file({"vectors": vectors}, path, about)
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError) as told:
        sccan.Embedding.load(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)
