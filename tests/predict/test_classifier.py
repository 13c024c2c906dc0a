"""A trained classification method on one's own pictures: unequal shots, the threshold, transduction."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sccan
from sccan.builders.released.trained import load_trained
from sccan.classification.classifying import NONE, Classifying
from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.method import Method
from sccan.predict import ClassifiedPicture, Classifier, Supports
from tests.classification.made_up import small_spatialformer
from tests.predict.made_up import classifier_file, little_memory, save

NAMES = ("cat", "cow", "dog")


def _noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (24, 30 + seed, 3), dtype=np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for seed, name in enumerate(["cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png", "cow/1.png", "cow/2.png"]):
        save(tmp_path / "support" / name, _noise(seed))
    for seed in range(5):
        save(tmp_path / "photos" / f"{seed}.png", _noise(seed))  # the first pictures again, under another name
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    return tmp_path / "support", tmp_path / "photos"


def _by_hand(method: Method, fixed: FixedTransform, support: Path, photos: Path) -> torch.Tensor:
    def read(path: Path) -> torch.Tensor:
        return fixed(np.asarray(Image.open(path).convert("RGB")))

    examples = [read(path) for name in NAMES for path in sorted((support / name).iterdir())]
    queries = [read(path) for path in sorted(photos.glob("*.png"))]
    with torch.no_grad():
        maps = method.encode(torch.stack([*examples, *queries])).maps["layer4"]
        state = method.condition(Features({"layer4": maps[None, :6]}, fixed.size), torch.tensor([[0, 0, 0, 1, 1, 2]]))
        return method.predict(Features({"layer4": maps[None, 6:]}, fixed.size), state)[0].softmax(-1)


def _rows(found: list[ClassifiedPicture]) -> torch.Tensor:
    return torch.tensor([list(one.probabilities.values()) for one in found])


@pytest.mark.parametrize("transductive", [False, True])
def test_probabilities_are_those_of_one_episode_with_unequal_shots(
    folders: tuple[Path, Path], tmp_path: Path, transductive: bool
) -> None:
    path = classifier_file(tmp_path, TRANSDUCTIVE=transductive)
    classifier = sccan.load(path, device="cpu", batch=2)
    assert isinstance(classifier, Classifier)
    supports = Supports.from_folder(folders[0])
    found = classifier(supports, folders[1])
    assert isinstance(found, list)
    assert supports.class_names == NAMES
    assert [one.picture for one in found] == [f"{number}.png" for number in range(5)]
    want = _by_hand(classifier.trained.method, classifier.task.transform, *folders)
    torch.testing.assert_close(_rows(found), want, atol=1e-5, rtol=1e-4)
    assert [one.name for one in found] == [NAMES[int(number)] for number in want.argmax(-1)]
    alone = classifier(supports, folders[1] / "3.png")
    assert isinstance(alone, ClassifiedPicture)
    assert alone.probability == max(alone.probabilities.values())
    if not transductive:
        assert alone.probabilities == pytest.approx(found[3].probabilities, abs=1e-5)


def test_a_method_that_fine_tunes_on_the_examples_needs_nothing_else(folders: tuple[Path, Path]) -> None:
    fixed = FixedTransform((20, 40))
    task = Classifying(small_spatialformer().eval(), fixed, torch.device("cpu"))
    supports = Supports.from_folder(folders[0])
    examples, labels = supports.labelled()
    state = task.condition([example.image() for example in examples], labels, batch=4)
    queries = [np.asarray(Image.open(path)) for path in sorted(folders[1].glob("*.png"))]
    found = task.probabilities(task.encode(queries), state)
    torch.testing.assert_close(found, _by_hand(task.method, fixed, *folders), atol=1e-5, rtol=1e-4)


def test_a_picture_below_the_threshold_is_none_of_these(folders: tuple[Path, Path], classifier_path: Path) -> None:
    classifier, supports = sccan.load(classifier_path, device="cpu"), Supports.from_folder(folders[0])
    best = sorted(one.probability for one in classifier.each(supports, folders[1]))
    found = list(classifier.each(supports, folders[1], none_below=(best[1] + best[2]) / 2))
    assert sum(one.name == NONE for one in found) == 2
    with pytest.raises(InputError, match=r"must lie in \[0, 1\)"):
        classifier(supports, folders[1], none_below=1.0)


def _flat(shade: int, seed: int) -> np.ndarray:
    """Noise of one colour."""
    noise = np.random.default_rng(seed).integers(0, 40, (24, 30, 3), dtype=np.uint8)
    noise[..., shade] += 200
    return noise


def _tinted(counts: dict[str, int]) -> Supports:
    supports = Supports()
    for shade, (name, count) in enumerate(counts.items()):
        for seed in range(count):
            supports.add(_flat(shade, seed), class_name=name)
    return supports


def test_what_is_less_alike_than_the_examples_is_none_of_these() -> None:
    classifier, supports = sccan.load("classify", device="cpu", batch=8), _tinted({"red": 10, "green": 10})
    found = classifier.rejection(supports, 0.1)
    assert (found.count, found.share) == (20, pytest.approx(2 / 21))
    assert found.how == "examples, each without itself"
    pictures = [_flat(0, 91), _flat(1, 91), _noise(3)]
    results = classifier(supports, pictures, reject=0.1)
    assert [one.name for one in results] == ["red", "green", NONE]
    assert [one.likeness >= found.threshold for one in results] == [True, True, False]
    assert [one.name != NONE for one in classifier(supports, pictures)] == [True] * 3
    with pytest.raises(InputError, match=r"share of wrong rejections is 1.5, but must lie between 0 and 1"):
        classifier(supports, pictures, reject=1.5)


def test_copies_stand_for_only_examples(classifier_path: Path) -> None:
    classifier = sccan.load(classifier_path, device="cpu")
    assert isinstance(classifier, Classifier)
    assert classifier.rejection(_tinted({"red": 1, "green": 1}), 0.2).how == "altered copies"
    found = classifier.rejection(_tinted({"red": 3, "green": 1}), 0.2)
    assert (found.count, found.how) == (8, "examples, each without itself and altered copies")


def test_an_example_in_the_wrong_class_is_doubtful() -> None:
    supports = _tinted({"red": 4, "green": 4, "blue": 1}).add(_flat(1, 77), class_name="red")
    classifier = sccan.load("classify", device="cpu")
    assert isinstance(classifier, Classifier)
    (found,) = classifier.doubtful(supports)
    assert (found.number, found.class_name, found.nearest) == (9, "red", "green")
    assert found.other > found.own
    assert "example 9 (red) is nearer to green" in str(found)


def test_one_and_five_hundred_examples_many_classes_and_one_picture_give_finite_numbers(classifier_path: Path) -> None:
    classifier = sccan.load(classifier_path, device="cpu", batch=64)
    hundreds = Supports.from_arrays([_noise(n % 40) for n in range(300)], classes=[f"kind {n}" for n in range(300)])
    uneven = Supports.from_arrays([_flat(0, n) for n in range(501)], classes=["red"] * 500 + ["green"])
    for supports in (hundreds, uneven):
        found = classifier(supports, _noise(2), reject=0.05)
        assert isinstance(found, ClassifiedPicture)
        assert np.isfinite([found.likeness, *found.probabilities.values()]).all()
        assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-4)


def test_a_method_that_needs_balance_is_not_for_folders() -> None:
    with pytest.raises(InputError, match="pt_map deals pictures evenly to the classes, but nobody knows how a folder"):
        sccan.load("classify", device="cpu", opts=("METHOD.NAME", "pt_map"))


def test_supports_that_cannot_serve_are_one_clear_line(folders: tuple[Path, Path], classifier_path: Path) -> None:
    classifier = sccan.load(classifier_path, device="cpu")
    with pytest.raises(InputError, match="telling pictures apart needs at least two classes"):
        classifier(Supports().add(_noise(1)), _noise(2))
    (folders[1] / "z.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"z\.png cannot be decoded: it is no picture of a known format"):
        classifier(Supports.from_folder(folders[0]), folders[1])


def test_where_memory_is_short_fewer_pictures_are_encoded_together(
    folders: tuple[Path, Path], classifier_path: Path
) -> None:
    supports = Supports.from_folder(folders[0])
    plenty, little = (Classifier(load_trained(classifier_path), device="cpu", batch=4) for _ in range(2))
    expected = plenty(supports, folders[1])
    with little_memory(little.trained.method, 3) as given:
        found = little(supports, folders[1])
    assert given.count(4) == 1
    assert isinstance(found, list)
    assert isinstance(expected, list)
    torch.testing.assert_close(_rows(found), _rows(expected), atol=1e-5, rtol=1e-4)
