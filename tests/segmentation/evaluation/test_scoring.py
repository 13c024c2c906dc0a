"""Predictions at the size of the comparison, the counts they give, and the same counts from disk."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import ClassIndex
from sccan.errors import InputError
from sccan.segmentation.data.labels.palette import label_palette
from sccan.segmentation.data.sampling.pictures import Picture, PictureStore
from sccan.segmentation.data.transforms.published import KeepAspect, SquareResize
from sccan.segmentation.evaluation.iou import count_labels, rows_at_threshold
from sccan.segmentation.evaluation.scoring import (
    AtInputSize,
    Comparison,
    ContentOnLabel,
    HistogramScore,
    LogitScore,
    OnLabelSquare,
    PredictionSink,
    on_square,
    predict,
    prediction_path,
    read_prediction,
    score_stored,
)

SIDE = 97
COMPARISONS: dict[str, Comparison] = {
    "square": OnLabelSquare(),
    "content": ContentOnLabel(KeepAspect(SIDE)),
    "input": AtInputSize(SquareResize(SIDE)),
}
SIZES = ((75, 100), (131, 60), (60, 60))


def made_up_label(size: tuple[int, int], number: int, seed: int) -> np.ndarray:
    label = np.zeros(size, np.uint8)
    generator = np.random.default_rng(seed)
    top, left = (int(generator.integers(5, side // 3)) for side in size)
    label[top - 2 : top + size[0] // 2 + 2, left - 2 : left + size[1] // 2 + 2] = 255
    label[top : top + size[0] // 2, left : left + size[1] // 2] = number
    label[:4, :9] = 19
    return label


@pytest.fixture
def data(tmp_path: Path) -> tuple[ClassIndex, list[EpisodeSpec], dict[int, Picture], torch.Tensor]:
    """Three label files, an episode each, their pictures and logits [3, 1, 2, T, T]."""
    labels = [made_up_label(size, 3 + row, row) for row, size in enumerate(SIZES)]
    for row, label in enumerate(labels):
        Image.fromarray(label).save(tmp_path / f"label{row}.png")
    none = np.zeros(0)
    names = tuple(f"label{row}.png" for row in range(3))
    classes = tuple(f"thing {number}" for number in range(1, 21))
    index = ClassIndex(tmp_path, names, names, none, none, none, classes)
    specs = [EpisodeSpec(10 + row, (3 + row,), ((9,),), ((row,),)) for row in range(3)]
    transform = KeepAspect(SIDE)
    pictures = {
        row: Picture(
            row,
            str(row),
            torch.zeros(3, SIDE, SIDE),
            transform.label(label),
            label,
            transform.content_size(*label.shape),
        )
        for row, label in enumerate(labels)
    }
    coarse = torch.randn(3, 2, 13, 13, generator=torch.Generator().manual_seed(0))
    return index, specs, pictures, F.interpolate(coarse, (SIDE, SIDE), mode="bilinear")[:, None]


Data = tuple[ClassIndex, list[EpisodeSpec], dict[int, Picture], torch.Tensor]


def test_the_label_part_counts_like_the_whole_square(data: Data) -> None:
    _, specs, pictures, logits = data
    rows = LogitScore(OnLabelSquare())(logits, specs, pictures)
    assert rows.shape == (3, 6)
    assert rows.dtype == torch.int64
    for row, spec in enumerate(specs):
        label = pictures[row].original_label
        side = max(label.shape)
        target = torch.full((side, side), 255)
        mask = np.where(label == 255, 255, label == spec.classes[0])
        target[: label.shape[0], : label.shape[1]] = torch.from_numpy(mask.astype(np.int64))
        stretched = F.interpolate(logits[row], (side, side), mode="bilinear", align_corners=True)[0]
        counts = count_labels(stretched.argmax(0), target, 2)
        wanted = [spec.number, spec.classes[0], *counts.intersection.tolist(), *counts.union.tolist()]
        assert rows[row].tolist() == wanted


def test_a_square_of_the_same_size_is_left_alone() -> None:
    maps = torch.randn(2, 60, 60)
    assert on_square(maps, (60, 31)) is maps


@pytest.mark.parametrize("size", [(75, 100), (131, 60), (90, 67)])
def test_exact_mapping_leads_back_to_the_same_place(size: tuple[int, int]) -> None:
    """A picture whose pixels say where they are goes through the resize and back."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    places = np.stack([rows, columns, np.zeros_like(rows)], axis=2)
    resized = torch.from_numpy(KeepAspect(SIDE).resize(places).transpose(2, 0, 1).copy())
    inner = (slice(2, -2), slice(2, -2))  # both resizes repeat the border
    errors = {}
    for name in ("content", "square"):
        back = COMPARISONS[name].maps(resized, size).numpy()
        errors[name] = max(np.abs(back[0] - rows)[inner].max(), np.abs(back[1] - columns)[inner].max())
    assert errors["content"] < 0.02
    assert errors["square"] > 0.5  # the published square is a few pixels off


def test_comparison_at_the_input_size(data: Data) -> None:
    _, specs, pictures, logits = data
    comparison = COMPARISONS["input"]
    rows = LogitScore(comparison)(logits, specs, pictures)
    label = SquareResize(SIDE).label(pictures[1].original_label)
    target = torch.from_numpy(np.where(label == 255, 255, label == 4))
    counts = count_labels(logits[1, 0].argmax(0), target, 2)
    assert rows[1].tolist() == [11, 4, *counts.intersection.tolist(), *counts.union.tolist()]


@pytest.mark.parametrize("name", COMPARISONS)
def test_stored_predictions_score_the_same_digits(name: str, data: Data, tmp_path: Path) -> None:
    index, specs, pictures, logits = data
    comparison, folder = COMPARISONS[name], tmp_path / "predictions"
    PredictionSink(folder, comparison)(specs, pictures, logits)
    assert sorted(path.name for path in folder.iterdir()) == ["000010.png", "000011.png", "000012.png"]
    stored = score_stored(folder, specs, PictureStore(index), comparison)
    assert torch.equal(stored, LogitScore(comparison)(logits, specs, pictures))


def test_stored_predictions_can_be_looked_at(data: Data, tmp_path: Path) -> None:
    _, specs, pictures, logits = data
    PredictionSink(tmp_path, OnLabelSquare())(specs, pictures, logits)
    image = Image.open(prediction_path(tmp_path, 11))
    assert image.mode == "P"
    assert image.size == (60, 131)
    assert set(np.unique(np.asarray(image))) == {0, 4}
    colours = np.array(label_palette()).reshape(256, 3)
    assert colours[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert colours[[15, 255]].tolist() == [[192, 128, 128], [224, 224, 192]]


@pytest.mark.parametrize("value", [1, 17, 255])
def test_anybodys_masks_are_read_whatever_their_foreground_value(tmp_path: Path, value: int) -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:] = value
    Image.fromarray(mask).save(tmp_path / "000007.png")
    assert (read_prediction(tmp_path, 7, (4, 6)) == (mask > 0)).all()


def test_missing_or_unfit_predictions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_prediction(tmp_path, 7, (4, 6))
    path = tmp_path / "000007.png"
    assert str(caught.value) == (
        f"episode 7 has no prediction {path}; expected one PNG per episode, named by its number"
    )
    Image.fromarray(np.zeros((6, 4), np.uint8)).save(path)
    with pytest.raises(InputError) as caught:
        read_prediction(tmp_path, 7, (4, 6))
    assert str(caught.value) == f"prediction {path} is 6x4 (height x width), but its label is 4x6"


def test_histograms_score_like_predictions_at_a_threshold(data: Data) -> None:
    _, specs, pictures, logits = data
    scores = logits.softmax(2)[:, :, 1]  # [3, 1, T, T]
    rows = HistogramScore(OnLabelSquare(), bins=20)(scores, specs, pictures)
    assert rows.shape == (3, 42)
    for threshold in (4, 10, 13):
        for row, spec in enumerate(specs):
            resized = OnLabelSquare().maps(scores[row], pictures[row].original_label.shape)[0]
            predicted = (resized.double() * 20 >= threshold).to(torch.uint8)
            target = torch.from_numpy(OnLabelSquare().target(pictures[row].original_label, spec.classes[0]))
            counts = count_labels(predicted, target, 2)
            wanted = [spec.number, spec.classes[0], *counts.intersection.tolist(), *counts.union.tolist()]
            assert rows_at_threshold(rows, threshold)[row].tolist() == wanted


def test_predictions_are_bytes_of_the_label_size(data: Data) -> None:
    _, _, pictures, logits = data
    prediction = predict(logits[1, 0], pictures[1], OnLabelSquare())
    assert prediction.shape == (131, 60)
    assert prediction.dtype == torch.uint8
