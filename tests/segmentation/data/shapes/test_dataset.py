"""The embedded data set: the same pixels whoever draws them, nothing given away, and folders that can be resumed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from sccan.errors import InputError
from sccan.pictures.decoding import read_image, read_label
from sccan.segmentation.data.shapes import dataset as shapes
from sccan.segmentation.data.shapes import drawing as shapes_draw

ROOT = Path(__file__).parents[4]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

N_CLASSES = 20


def scenes(count: int, *, size: int = 129, universe: str = "released") -> list[tuple[np.ndarray, np.ndarray]]:
    look = shapes.universe(universe)
    return [shapes_draw.draw_scene(look, size, np.random.default_rng([5, number])) for number in range(count)]


@pytest.fixture(scope="module")
def many() -> list[tuple[np.ndarray, np.ndarray]]:
    return scenes(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes")
    return shapes.generate(root, n_train=30, n_test=10, seed=3, size=97, workers=2, progress=False)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_fold_has_each_outline_and_each_texture_once() -> None:
    for name in ("released", "development"):
        classes = shapes.universe(name).classes
        assert len(set(classes)) == N_CLASSES
        for fold in range(4):
            outlines, textures = zip(*classes[5 * fold : 5 * fold + 5], strict=True)
            assert len(set(outlines)) == len(set(textures)) == 5


def test_the_universes_share_no_outline_and_no_texture() -> None:
    released, development = shapes.universe("released"), shapes.universe("development")
    assert not set(released.outlines) & set(development.outlines)
    assert not set(released.textures) & set(development.textures)
    assert shapes.class_names()[:2] == ["disc-stripes", "triangle-dots"]


def test_relatives_share_outline_or_texture() -> None:
    look = shapes.universe()
    outline, texture = look.classes[7 - 1]
    relatives = look.relatives(7)
    assert len(relatives) == 6
    assert all((outline in look.classes[other - 1]) ^ (texture in look.classes[other - 1]) for other in relatives)


def test_pixels_do_not_depend_on_the_number_of_workers(folder: Path, tmp_path: Path) -> None:
    alone = shapes.generate(tmp_path, n_train=30, n_test=10, seed=3, size=97, workers=1, progress=False)
    assert contents(alone) == contents(folder)


def test_a_script_that_starts_itself_again_is_told_so_and_does_not_hang(tmp_path: Path) -> None:
    script = tmp_path / "draw.py"
    call = f"generate({str(tmp_path / 'out')!r}, n_train=80, n_test=4, size=65, workers=2, progress=False)"
    script.write_text(f"from sccan.segmentation.data.shapes.dataset import generate\n{call}\n")
    found = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=100, cwd=ROOT, env=ENVIRONMENT
    )
    assert found.returncode == 1
    assert 'put what it does under if __name__ == "__main__":' in found.stderr.splitlines()[-1]


def _session(leader: int) -> set[int]:
    """The processes of a session that are still at work."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] not in "ZX":
                found.add(int(stat.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_drawing_leaves_no_worker_and_goes_on_to_the_same_files(tmp_path: Path, ending: int) -> None:
    numbers = ["--train", "600", "--test", "8", "--size", "65", "--workers", "2"]
    draw = [sys.executable, "-m", "sccan", "generate_shapes", str(tmp_path / "out"), *numbers]
    process = subprocess.Popen(draw, cwd=ROOT, env=ENVIRONMENT, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while sum(1 for _ in (tmp_path / "out").glob("JPEGImages/*.jpg")) < 40:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(_session(process.pid)) > 2
    process.send_signal(ending)
    assert process.wait(timeout=60) == -ending
    while _session(process.pid):
        assert time.monotonic() < deadline, "workers outlive it"
        time.sleep(0.05)
    assert not shapes.is_complete(tmp_path / "out")
    subprocess.run(draw, cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True, timeout=120)
    whole = shapes.generate(tmp_path / "whole", n_train=600, n_test=8, size=65, workers=1, progress=False)
    assert contents(tmp_path / "out") == contents(whole)
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_another_seed_and_the_other_split_give_other_pictures(folder: Path, tmp_path: Path) -> None:
    other = shapes.generate(tmp_path, n_train=2, n_test=1, seed=4, size=97, workers=1, progress=False)
    name = "JPEGImages/train_00000.jpg"
    assert (other / name).read_bytes() != (folder / name).read_bytes()
    assert (folder / name).read_bytes() != (folder / "JPEGImages/val_00000.jpg").read_bytes()


def test_the_folder_has_the_layout_of_pascal(folder: Path) -> None:
    for list_name, count in (("train.txt", 30), ("val.txt", 10)):
        lines = (folder / list_name).read_text().splitlines()
        assert len(lines) == count
        for line in lines:
            image_name, label_name = line.split(" ")
            assert (image_name.split("/")[0], label_name.split("/")[0]) == ("JPEGImages", "SegmentationClassAug")
            assert read_image(folder / image_name).shape == (97, 97, 3)
            assert read_label(folder / label_name).shape == (97, 97)
    assert (folder / "classes.txt").read_text().splitlines() == shapes.class_names()
    assert shapes.is_complete(folder)


def test_the_stored_label_is_the_drawn_one(folder: Path) -> None:
    image, label = shapes_draw.draw_scene(shapes.universe(), 97, np.random.default_rng([3, 0, 4]))
    np.testing.assert_array_equal(read_label(folder / "SegmentationClassAug/train_00004.png"), label)
    stored = read_image(folder / "JPEGImages/train_00004.jpg").astype(int)
    assert np.abs(stored - image).mean() < 8  # JPEG; red and blue exchanged would be far off


def test_an_interrupted_folder_is_completed_with_the_same_files(folder: Path, tmp_path: Path) -> None:
    settings = {"n_train": 30, "n_test": 10, "seed": 3, "size": 97, "workers": 1, "progress": False}
    root = shapes.generate(tmp_path / "data", **settings)  # type: ignore[arg-type]
    lost = [
        "JPEGImages/train_00007.jpg",
        "SegmentationClassAug/train_00007.png",
        "SegmentationClassAug/val_00002.png",
        "train.txt",
        "complete.json",
    ]
    for name in lost:
        (root / name).unlink()
    (root / "JPEGImages" / ".train_00007.jpg.sccan-0123abcd.partial").write_bytes(b"half")
    kept = root / "JPEGImages/train_00008.jpg"
    before = kept.stat().st_mtime_ns
    assert not shapes.is_complete(root)
    shapes.generate(root, **settings)  # type: ignore[arg-type]
    assert contents(root) == contents(folder)
    assert kept.stat().st_mtime_ns == before


def test_a_complete_folder_is_left_alone(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    shapes.generate(folder, n_train=30, n_test=10, seed=3, size=97, progress=False)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_folder_of_other_settings_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="other settings"):
        shapes.generate(folder, n_train=30, n_test=10, seed=9, size=97, progress=False)


def test_a_folder_of_something_else_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("chapter 1")
    with pytest.raises(InputError, match="not a folder of shapes"):
        shapes.generate(tmp_path, n_train=3, n_test=3, progress=False)
    assert list(contents(tmp_path)) == ["thesis.tex"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_train": 0}, "n_train=0"),
        ({"n_test": -1}, "n_test=-1"),
        ({"size": 20}, "20 pixels"),
        ({"seed": -1}, "seed"),
        ({"universe": "develop"}, "did you mean 'development'"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_written(
    wrong: dict[str, int | str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        shapes.generate(tmp_path / "new", **wrong, progress=False)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_progress_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes.generate(tmp_path, n_train=2, n_test=2, size=65, workers=1)
    assert "4/4" in capsys.readouterr().err


def test_labels_are_classes_background_and_ignore(many: list[tuple[np.ndarray, np.ndarray]]) -> None:
    values = np.unique(np.stack([label for _, label in many]))
    assert values.tolist() == [*range(N_CLASSES + 1), 255]
    assert all(image.dtype == label.dtype == np.uint8 for image, label in many)


def test_rims_part_whatever_differs(many: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for _, label in many:
        for one, other in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
            assert not np.any((one != other) & (one != 255) & (other != 255))
    share = np.mean([label == 255 for _, label in many])
    assert 0.03 < share < 0.15


def test_rims_part_objects_of_one_class() -> None:
    owner = np.zeros((12, 16), np.uint8)
    owner[2:10, 2:8], owner[2:10, 8:14] = 1, 2
    label = np.where(owner > 0, 5, 0).astype(np.uint8)
    rims = shapes_draw.with_rims(label, owner)
    assert np.all(rims[2:10, 7:9] == 255)
    assert np.all(rims[4:8, 4:6] == 5)
    assert rims[0, 0] == 0


def test_pictures_hold_several_classes_and_classes_are_balanced(many: list[tuple[np.ndarray, np.ndarray]]) -> None:
    present = [sorted(set(np.unique(label)) - {0, 255}) for _, label in many]
    counts = Counter(len(classes) for classes in present)
    assert sum(count for classes, count in counts.items() if classes >= 2) > 0.7 * len(many)
    per_class = Counter(number for classes in present for number in classes)
    expected = sum(per_class.values()) / N_CLASSES
    assert all(0.5 * expected < per_class[number] < 1.6 * expected for number in range(1, N_CLASSES + 1))
    foreground = np.mean([(label > 0) & (label < 255) for _, label in many])
    assert 0.1 < foreground < 0.3


def test_objects_hide_each_other_but_not_too_much() -> None:
    look, random = shapes.universe(), np.random.default_rng(0)
    hidden = []
    for _ in range(60):
        blank = np.zeros((129, 129), np.uint8)
        canvas = shapes_draw.Canvas(np.zeros((129, 129, 3), np.float32), blank, blank.copy(), [])
        for label in (1, 7, 13, 19):
            shapes_draw.place_object(canvas, look, label, random)
        visible = np.bincount(canvas.owner.ravel(), minlength=len(canvas.areas) + 1)[1:]
        hidden += list(1 - visible / canvas.areas)
    assert max(hidden) <= 1 - shapes_draw.LEAST_VISIBLE
    assert np.mean(np.array(hidden) > 0.05) > 0.1


def test_objects_differ_in_size_but_outlines_do_not() -> None:
    look, random = shapes.universe(), np.random.default_rng(0)
    areas: dict[int, list[int]] = {}
    for number in range(400):
        blank = np.zeros((129, 129), np.uint8)
        canvas = shapes_draw.Canvas(np.zeros((129, 129, 3), np.float32), blank, blank.copy(), [])
        label = 1 + number % 5
        shapes_draw.place_object(canvas, look, label, random)
        areas.setdefault(label, []).append(canvas.areas[0])
    means = np.array([np.mean(values) for values in areas.values()])
    assert means.max() / means.min() < 1.25
    assert max(max(values) for values in areas.values()) > 3 * min(min(values) for values in areas.values())


@pytest.mark.parametrize("name", sorted(shapes_draw.OUTLINES))
def test_outlines_have_the_area_of_a_disc(name: str) -> None:
    contours = shapes_draw.random_outline(name, 20.0, (48.0, 40.0), np.random.default_rng(1))
    assert (shapes_draw.fill(contours, 97) > 0.5).sum() == pytest.approx(np.pi * 400, rel=0.1)


@pytest.mark.parametrize("name", sorted(shapes_draw.TEXTURES))
def test_textures_show_two_colours_and_none_by_far(name: str) -> None:
    picture = shapes_draw.textured(name, 65, (32.0, 30.0), 8.0, np.random.default_rng(2))
    _, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    assert len(counts) == 2
    assert counts.min() > 0.15 * counts.sum()


def colours_by_class(pictures: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean colour and class of what each picture shows of each class."""
    colours, classes = [], []
    for image, label in pictures:
        for number in sorted(set(np.unique(label)) - {0, 255}):
            colours.append(image[label == number].mean(0))
            classes.append(int(number))
    return np.array(colours), np.array(classes)


def accuracy_of_nearest_mean_colour(colours: np.ndarray, classes: np.ndarray) -> float:
    """Fitted on one half, tested on the other."""
    half = len(classes) // 2
    means = np.stack([colours[:half][classes[:half] == number].mean(0) for number in range(1, N_CLASSES + 1)])
    distance = np.linalg.norm(colours[half:, None] - means[None], axis=-1)
    return float(np.mean(1 + distance.argmin(1) == classes[half:]))


def test_colour_does_not_tell_the_class(many: list[tuple[np.ndarray, np.ndarray]]) -> None:
    colours, classes = colours_by_class(many)
    tested = len(classes) - len(classes) // 2
    chance = 1 / N_CLASSES
    limit = chance + 3 * np.sqrt(chance * (1 - chance) / tested)
    assert accuracy_of_nearest_mean_colour(colours, classes) < limit
    # The test can fail: a slight tint by class is found out.
    tint = np.random.default_rng(0).uniform(-60, 60, (N_CLASSES + 1, 3))
    assert accuracy_of_nearest_mean_colour(colours + tint[classes], classes) > limit


def test_scenes_of_every_size_are_drawn() -> None:
    for size in (65, 97, 200):
        image, label = scenes(1, size=size, universe="development")[0]
        assert image.shape == (size, size, 3)
        assert label.shape == (size, size)


def test_neighbouring_pictures_are_unlike(many: list[tuple[np.ndarray, np.ndarray]]) -> None:
    small = [cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA).astype(int) for image, _ in many[:20]]
    assert all(np.abs(one - other).mean() > 5 for one, other in pairwise(small))
