"""Trivial baselines: hand-worked predictions, the choice of thresholds, and the comparison in one pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sccan.backbones.stage import Backbone, Stage
from sccan.episodes.episode import Episode, EpisodeSpec, Features
from sccan.method import Method
from sccan.segmentation.data.sampling.pictures import Picture
from sccan.segmentation.evaluation import baselines as b
from sccan.segmentation.evaluation import ladder
from sccan.segmentation.evaluation.iou import best_threshold, count_scores, episode_row, mean_iou, rows_at_threshold
from sccan.segmentation.evaluation.scoring import HistogramScore, LogitScore, OnLabelSquare
from sccan.segmentation.parts.prior import prior_support, softmax_prior

SIZE = (6, 8)


class ColourBackbone(Backbone):
    """Two stages that can be worked by hand: the picture itself, and its mean over 2x2 cells."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = {"fine": Stage(3, 1), "coarse": Stage(3, 2)}
        self.calls = 0

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.calls += 1
        return {"fine": images, "coarse": torch.nn.functional.avg_pool2d(images, 2)}


def one_map(maps: Tensor) -> Features:
    """Features of one stage whose cells are the picture's pixels."""
    return Features({"fine": maps}, (maps.shape[-2], maps.shape[-1]))


def test_all_foreground_marks_every_pixel_of_every_query() -> None:
    method = b.AllForeground()
    query = method.encode(torch.randn(6, 3, *SIZE)).view(3, 2)
    support = method.encode(torch.randn(6, 3, *SIZE)).view(3, 2)
    logits = method.predict(query, method.condition(support, torch.zeros(3, 2, *SIZE, dtype=torch.long)))
    assert logits.shape == (3, 2, 2, *SIZE)
    assert (logits.argmax(2) == 1).all()


def test_copied_mask_is_the_majority_of_the_supports_and_ignored_pixels_are_background() -> None:
    masks = torch.tensor(
        [
            [[[1, 1, 0], [1, 255, 0]], [[1, 0, 0], [1, 1, 255]], [[1, 1, 0], [0, 1, 0]]],
            [[[0, 0, 1], [0, 0, 1]], [[0, 0, 1], [255, 0, 0]], [[0, 0, 255], [1, 0, 255]]],
        ]
    )  # [B=2, K=3, 2, 3]
    method = b.CopiedSupportMask()
    query = method.encode(torch.randn(2, 3, 2, 3)).view(2, 1)
    prediction = method.predict(query, method.condition(query, masks)).argmax(2)[:, 0]
    assert prediction.tolist() == [[[1, 1, 0], [1, 1, 0]], [[0, 0, 1], [0, 0, 0]]]


def test_copied_mask_of_two_supports_needs_both() -> None:
    masks = torch.tensor([[[[1, 1, 0]], [[1, 0, 0]]]])  # a tie is not more than half
    method = b.CopiedSupportMask()
    query = method.encode(torch.randn(1, 3, 1, 3)).view(1, 1)
    assert method.predict(query, method.condition(query, masks)).argmax(2).flatten().tolist() == [1, 0, 0]


def test_copied_mask_follows_the_size_of_the_query() -> None:
    method = b.CopiedSupportMask()
    state = method.condition(method.encode(torch.randn(1, 3, 1, 2)).view(1, 1), torch.tensor([[[[1, 0]]]]))
    prediction = method.predict(method.encode(torch.randn(2, 3, 2, 4)).view(1, 2), state).argmax(2)
    assert prediction.tolist() == [[[[1, 1, 0, 0]] * 2] * 2]


def test_cosine_to_the_mean_prototype_by_hand() -> None:
    # Shot 1: foreground (1, 0); shot 2: foreground (0, 1), its ignored pixel left out. Prototype: (1, 1) / 2.
    support = torch.tensor([[[[[1.0, 5.0]], [[0.0, -3.0]]], [[[0.0, 9.0]], [[1.0, 9.0]]]]])  # [1, K=2, C=2, 1, 2]
    labels = torch.tensor([[[[1, 0]], [[1, 255]]]])
    query = torch.tensor([[[[[2.0, 1.0, -1.0]], [[2.0, 0.0, -1.0]]]]])  # [1, 1, 2, 1, 3]
    method = b.PrototypeCosine(ColourBackbone(), "fine")
    scores = method.predict(one_map(query), method.condition(one_map(support), labels))
    assert scores.shape == (1, 1, 1, 1, 3)
    assert scores.flatten().tolist() == pytest.approx([1.0, 0.5**0.5, 0.0], abs=1e-6)


def test_cosine_of_an_empty_support_mask_is_zero_everywhere() -> None:
    maps = torch.rand(2, 2, 3, *SIZE)
    method = b.PrototypeCosine(ColourBackbone(), "fine")
    scores = method.predict(one_map(maps), method.condition(one_map(maps), torch.zeros(2, 2, *SIZE, dtype=torch.long)))
    assert not scores.any()


def test_nearest_and_prototype_differences_by_hand() -> None:
    """Shot 1 shows east as foreground and north as background; of shot 2, north-east, and an ignored cell."""
    support = torch.tensor([[[[[1.0, 0.0]], [[0.0, 2.0]]], [[[3.0, 9.0]], [[3.0, -9.0]]]]])  # [1, K=2, C=2, 1, 2]
    labels = torch.tensor([[[[1, 0]], [[1, 255]]]])
    query = torch.tensor([[[[[2.0, 0.0, -1.0]], [[0.0, 1.0, 0.0]]]]])  # east, north, west
    half = 0.5**0.5
    nearest = b.NearestVote(ColourBackbone(), "fine")
    scores = nearest.predict(one_map(query), nearest.condition(one_map(support), labels))
    assert scores.flatten().tolist() == pytest.approx(
        [1.0, 0.5 + half - 1, 0.5 - half if half < 0.5 else 0.0], abs=1e-6
    )
    prototype = b.PrototypeDifference(ColourBackbone(), "fine")
    found = prototype.predict(one_map(query), prototype.condition(one_map(support), labels)).flatten()
    long = ((1 + half) ** 2 + half**2) ** 0.5  # of the mean of east and north-east, which is north's share as well
    assert found.tolist() == pytest.approx([1.0, max(0.5 + half / long - 1, 0), 0.0], abs=1e-6)


def test_a_nearest_vote_without_background_marks_everything() -> None:
    maps, method = torch.rand(2, 2, 3, *SIZE), b.NearestVote(ColourBackbone(), "fine")
    full = method.condition(one_map(maps), torch.ones(2, 2, *SIZE, dtype=torch.long))
    assert (method.predict(one_map(maps), full) == 1).all()
    none = method.condition(one_map(maps), torch.zeros(2, 2, *SIZE, dtype=torch.long))
    assert (method.predict(one_map(maps), none) == 0).all()


def test_prior_is_the_mean_over_shots_of_the_softmax_prior() -> None:
    generator = torch.Generator().manual_seed(3)
    support, query = (torch.randn(2, n, 5, *SIZE, generator=generator) for n in (3, 2))
    labels = torch.randint(0, 2, (2, 3, *SIZE), generator=generator)
    method = b.PriorBaseline(ColourBackbone(), "fine")
    scores = method.predict(one_map(query), method.condition(one_map(support), labels))
    assert scores.shape == (2, 2, 1, *SIZE)
    shots = [
        softmax_prior(query, prior_support(support[:, k : k + 1], labels[:, k : k + 1, None].float())) for k in range(3)
    ]
    assert torch.allclose(scores, torch.cat(shots, 2).mean(2, keepdim=True), atol=1e-6)


def test_scores_come_back_at_picture_size_from_a_coarser_stage() -> None:
    backbone = ColourBackbone()
    images = torch.rand(4, 3, *SIZE)
    for method in (b.PriorBaseline(backbone, "coarse"), b.PrototypeCosine(backbone, "coarse")):
        features = method.encode(images)
        assert set(features.maps) == {"coarse"}
        labels = torch.ones(2, 2, *SIZE, dtype=torch.long)
        scores = method.predict(features.view(2, 2), method.condition(features.view(2, 2), labels))
        assert scores.shape == (2, 2, 1, *SIZE)
        assert scores.min() >= 0
        assert scores.max() <= 1


def test_half_of_a_support_is_weighted_softly_at_the_map_size() -> None:
    labels = torch.tensor([[[[1, 1, 0, 0]] * 2] * 2])  # [1, 2, 2, 4]
    masks = b.soft_masks(labels, torch.zeros(1, 2, 7, 2, 3))
    assert masks.shape == (1, 2, 1, 2, 3)
    assert masks[0, 0, 0, 0].tolist() == pytest.approx([1.0, 0.5, 0.0])


@settings(max_examples=30, deadline=None)
@given(threshold=st.floats(0.05, 0.95), seed=st.integers(0, 2**31))
def test_threshold_commutes_with_resizing(threshold: float, seed: int) -> None:
    scores = torch.rand(2, 1, 1, 5, 7, generator=torch.Generator().manual_seed(seed))
    larger = b.resize(scores, (11, 9))
    logits = b.resize(b.two_channels(scores, threshold), (11, 9))
    clear = (larger - threshold).abs() > 1e-5
    assert torch.equal((larger > threshold)[clear], (logits.argmax(2, keepdim=True) == 1)[clear])


def test_thresholded_score_is_an_ordinary_predictor() -> None:
    backbone = ColourBackbone()
    scores = b.PrototypeCosine(backbone, "fine")
    method = b.Thresholded(scores, 0.9)
    maps, labels = torch.rand(2, 2, 3, *SIZE), torch.ones(2, 2, *SIZE, dtype=torch.long)
    state = method.condition(one_map(maps), labels)
    assert torch.equal(
        method.predict(one_map(maps), state).argmax(2, keepdim=True) == 1, scores.predict(one_map(maps), state) > 0.9
    )


def test_unknown_stage_and_two_backbones_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\['layer9'\] are not among \['fine', 'coarse'\]"):
        b.PriorBaseline(ColourBackbone(), "layer9")
    with pytest.raises(ValueError, match="share one backbone"):
        b.SideBySide([b.PriorBaseline(ColourBackbone(), "fine"), b.PriorBaseline(ColourBackbone(), "fine")])


def test_baselines_have_nothing_to_train() -> None:
    method = b.AllForeground()
    assert method.parameter_groups() == {}
    with pytest.raises(ValueError, match="AllForeground has nothing to train"):
        method.loss(torch.zeros(1), Episode(None, torch.zeros(1), None, torch.zeros(1), torch.zeros(1), torch.zeros(1)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), bins=st.integers(2, 12), threshold=st.integers(0, 12))
def test_sweep_equals_scoring_every_threshold_anew(seed: int, bins: int, threshold: int) -> None:
    """Histograms against the definition: threshold the maps, count, sum per class, divide, average."""
    threshold = min(threshold, bins)
    generator = torch.Generator().manual_seed(seed)
    classes = [3, 7]
    maps = [torch.rand(4, 5, generator=generator) * 0.999 for _ in range(5)]
    targets = [torch.randint(0, 3, (4, 5), generator=generator) for _ in range(5)]
    targets = [torch.where(target == 2, 255, target) for target in targets]
    owners = [classes[number % 2] for number in range(5)]

    def brute_force(edge: float) -> Tensor:
        predictions = [(scores.double() >= edge).long() for scores in maps]
        return torch.stack([episode_row(n, owners[n], predictions[n], targets[n]) for n in range(5)])

    counted = torch.stack([count_scores(n, owners[n], maps[n], targets[n], bins) for n in range(5)])
    assert torch.equal(rows_at_threshold(counted, threshold), brute_force(threshold / bins))
    best = best_threshold(counted, classes)
    values = [mean_iou(brute_force(edge / bins), classes) for edge in range(bins + 1)]
    assert values[best] == pytest.approx(max(values))


@dataclass
class PlainSource:
    """Episodes of pictures held in memory."""

    specs: Sequence[EpisodeSpec]
    pictures: Mapping[int, Picture]

    def episode(self, spec: EpisodeSpec) -> Episode:
        def masks(numbers: Sequence[int]) -> Tensor:
            return torch.stack([torch.from_numpy(self.pictures[n].label == spec.classes[0]).long() for n in numbers])

        def images(numbers: Sequence[int]) -> Tensor:
            return torch.stack([self.pictures[n].image for n in numbers])

        support, query = spec.support[0], spec.query[0]
        return Episode(
            images(support)[None],
            masks(support)[None],
            images(query)[None],
            masks(query)[None],
            torch.tensor([spec.classes]),
            torch.tensor([spec.number]),
        )


def plain_evaluate(method: Method, source: PlainSource, score: ladder.Rows) -> Tensor:
    """One episode after the other: what the engine's evaluation does, without cache and ranks."""
    rows = [score(method(source.episode(spec)), [spec], source.pictures) for spec in source.specs]
    return torch.cat(rows)


def coloured_source(classes: Sequence[int], seed: int) -> PlainSource:
    """Pictures with one coloured block each, one colour per class, on noise; two supports per episode."""
    random = np.random.default_rng(seed)
    pictures, specs = {}, []
    for number in range(12):
        class_number = classes[number % len(classes)]
        label = np.zeros(SIZE, np.uint8)
        top, left = random.integers(0, 3, 2)
        label[top : top + 3, left : left + 4] = class_number
        image = random.random((3, *SIZE)).astype(np.float32) * 0.7
        image[:, label == class_number] = np.eye(3, dtype=np.float32)[class_number % 3][:, None] + 0.1
        pictures[number] = Picture(number, f"p{number}", torch.from_numpy(image), label, label, SIZE)
    for number in range(12):
        others = [n for n in range(12) if n % len(classes) == number % len(classes) and n != number][:2]
        specs.append(EpisodeSpec(number, (classes[number % len(classes)],), (tuple(others),), ((number,),)))
    return PlainSource(specs, pictures)


def compare(backbone: Backbone) -> list[ladder.BaselineResult]:
    return ladder.compare_with_baselines(
        backbone,
        plain_evaluate,
        base=coloured_source([1, 2], seed=0),
        base_classes=[1, 2],
        novel=[coloured_source([3, 4], seed=1), coloured_source([3, 4], seed=2)],
        score=LogitScore(OnLabelSquare()),
        histogram=HistogramScore(OnLabelSquare(), bins=20),
        prior_stage="fine",
        cosine_stages=["fine", "coarse"],
    )


def test_comparison_in_one_pass_equals_every_baseline_on_its_own() -> None:
    backbone = ColourBackbone()
    results = compare(backbone)
    by_name = {result.name: result for result in results}
    assert list(by_name) == [
        "all foreground",
        "support mask copied",
        "prior mask",
        "prior mask, tuned",
        "prototype cosine, tuned",
        "prototype difference, tuned",
        "nearest vote, tuned",
    ]
    tuned, nearest = by_name["prototype cosine, tuned"], by_name["nearest vote, tuned"]
    assert nearest.stage is not None
    assert nearest.threshold is not None
    assert tuned.threshold is not None
    assert tuned.stage is not None
    alone = {
        "all foreground": b.AllForeground(),
        "support mask copied": b.CopiedSupportMask(),
        "prior mask": b.Thresholded(b.PriorBaseline(backbone, "fine"), 0.5),
        "prototype cosine, tuned": b.Thresholded(b.PrototypeCosine(backbone, tuned.stage), tuned.threshold),
        "nearest vote, tuned": b.Thresholded(b.NearestVote(backbone, *nearest.stage.split("+")), nearest.threshold),
    }
    for name, method in alone.items():
        for seed, rows in zip((1, 2), by_name[name].rows, strict=True):
            expected = plain_evaluate(method, coloured_source([3, 4], seed), LogitScore(OnLabelSquare()))
            assert torch.equal(rows, expected), name
    assert len({rows.numpy().tobytes() for result in results for rows in result.rows}) > 6


def test_tuning_looks_at_base_episodes_only_and_beats_the_fixed_threshold_there() -> None:
    backbone = ColourBackbone()
    base = coloured_source([1, 2], seed=0)
    histogram = HistogramScore(OnLabelSquare(), bins=20)
    prior, coarse = b.PriorBaseline(backbone, "fine"), b.PrototypeCosine(backbone, "coarse")
    tuned = ladder.tune([prior, coarse], plain_evaluate, base, [1, 2], histogram)
    assert backbone.calls == len(base.specs)  # one pass for both
    for result in tuned:
        rows = [
            mean_iou(plain_evaluate(b.Thresholded(result.scores, t), base, LogitScore(OnLabelSquare())), [1, 2])
            for t in (result.threshold, 0.5)
        ]
        assert rows[0] == pytest.approx(result.base_miou, abs=0.02)
        assert rows[0] >= rows[1] - 1e-9
    best = next(result for result in compare(backbone) if result.name == "prior mask, tuned")
    assert best.threshold == tuned[0].threshold
