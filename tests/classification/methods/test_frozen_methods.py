"""Methods on frozen vectors: one contract, unequal shots, numbers by hand, and what transduction is worth."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from sccan.backbones.conv4 import Conv4
from sccan.classification.methods.alpha_tim import AlphaTIM
from sccan.classification.methods.frozen_vectors import FrozenVectors
from sccan.classification.methods.laplacian_shot import LaplacianShot, rectified_means
from sccan.classification.methods.logistic_shot import LogisticShot
from sccan.classification.methods.pt_map import PTMAP
from sccan.classification.methods.simple_shot import SimpleShot
from sccan.classification.parts.centring import fixed_centre, support_centre
from sccan.classification.parts.logistic import logistic_weights
from sccan.episodes.episode import Features
from sccan.errors import InputError

METHODS: dict[str, Callable[..., FrozenVectors]] = {
    "simple_shot": SimpleShot,
    "logistic": LogisticShot,
    "laplacian": LaplacianShot,
    "alpha_tim": AlphaTIM,
    "pt_map": PTMAP,
}


def method(name: str, **options: Any) -> FrozenVectors:
    return METHODS[name](Conv4(widths=(3, 3, 3, 4)), stages=("layer4",), **options)


def as_features(vectors: Tensor) -> Features:
    return Features({"layer4": vectors[..., None, None]}, (32, 32))


def clouds(seed: int, shots: list[int], queries: list[int], spread: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rectified vectors around one centre per class: supports, ways, queries and their ways, two episodes of each."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.rand(2, len(shots), 8, generator=generator)

    def drawn(counts: list[int]) -> tuple[Tensor, Tensor]:
        ways = torch.tensor([way for way, count in enumerate(counts) for _ in range(count)]).expand(2, -1)
        noise = spread * torch.randn(2, ways.shape[1], 8, generator=generator)
        return (centres.gather(1, ways[..., None].expand(-1, -1, 8)) + noise).relu(), ways

    return (*drawn(shots), *drawn(queries))


@pytest.mark.parametrize("name", METHODS)
def test_any_support_set_gives_finite_scores_of_every_way(name: str) -> None:
    for shots in ([1, 1, 1], [1, 7, 2], [40, 1], [1] * 12):
        support, labels, queries, ways = clouds(0, shots, [4] * len(shots), 0.1)
        found = method(name)
        scores = found.predict(as_features(queries), found.condition(as_features(support), labels))
        assert scores.shape == (2, 4 * len(shots), len(shots))
        assert scores.isfinite().all()
        assert (scores.argmax(-1) == ways).float().mean() > 0.9


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shots", [[500, 1], [1] * 300], ids=["500 and 1", "300 of 1"])
def test_extreme_support_sets_and_a_single_query_give_finite_scores(name: str, shots: list[int]) -> None:
    support, labels, queries, _ = clouds(0, shots, [1] * len(shots), 0.1)
    found = method(name)
    scores = found.predict(as_features(queries[:, :1]), found.condition(as_features(support), labels))
    assert scores.shape == (2, 1, len(shots))
    assert scores.isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_trained_and_pictures_become_one_vector(name: str) -> None:
    found = method(name)
    assert found.parameter_groups() == {}
    assert not any(parameter.requires_grad for parameter in found.parameters())
    features = found.encode(torch.randn(3, 3, 32, 40))
    assert features.maps["layer4"].shape == (3, 4, 1, 1)
    assert found.train().backbone.training is False
    with pytest.raises(ValueError, match="nothing to train"):
        found.loss(None, None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no stage 'layer9'"):
        METHODS[name](Conv4(widths=(3, 3, 3, 4)), stages=("layer9",))


def test_episodes_do_not_know_each_other() -> None:
    support, labels, queries, _ = clouds(3, [2, 3], [5, 5], 0.6)
    for name in METHODS:
        found = method(name)
        both = found.predict(as_features(queries), found.condition(as_features(support), labels))
        one = found.predict(as_features(queries[1:]), found.condition(as_features(support[1:]), labels[1:]))
        torch.testing.assert_close(both[1:], one, atol=1e-4, rtol=1e-4, msg=name)


def test_class_means_by_hand() -> None:
    support = torch.tensor([[[3.0, 4.0], [0.0, 2.0], [0.0, 6.0]]])
    found = method("simple_shot", scale=1.0)
    state = found.condition(as_features(support), torch.tensor([[0, 1, 1]]))
    torch.testing.assert_close(state.learned, torch.tensor([[[0.6, 0.8], [0.0, 1.0]]]))
    scores = found.predict(as_features(torch.tensor([[[5.0, 0.0]]])), state)
    torch.testing.assert_close(scores, torch.tensor([[[-(0.4**2 + 0.8**2), -2.0]]]))


def test_centres() -> None:
    support = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [0.0, 4.0]]])
    labels = torch.tensor([[0, 0, 1]])
    torch.testing.assert_close(support_centre(support, labels, 2), torch.tensor([[[1.0, 2.0]]]))  # classes count alike
    mean = fixed_centre(torch.tensor([1.0, 1.0]))
    torch.testing.assert_close(mean(support, labels, 2), torch.tensor([[[1.0, 1.0]]]))
    state = method("simple_shot", centre=mean).condition(as_features(support), labels)
    torch.testing.assert_close(state.vectors[0, 0], torch.tensor([0.0, -1.0]))


@pytest.mark.parametrize(("shots", "channels"), [([3, 2, 4], 30), ([9, 12, 10], 5), ([2, 3], 20)])
def test_regression_in_the_span_is_the_whole_regression(shots: list[int], channels: int) -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(shots)), shots)
    vectors = generator.standard_normal((len(labels), channels))
    weights = logistic_weights(vectors, labels, len(shots), strength=0.7)
    whole = LogisticRegression(C=0.7, max_iter=5000, tol=1e-8, class_weight="balanced").fit(vectors, labels)
    logits = vectors @ weights[:, :-1].T + weights[:, -1]
    found = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(found, whole.predict_proba(vectors), atol=2e-3)


def test_rectified_means_by_hand() -> None:
    vectors, ways = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    queries = torch.tensor([[[2.0, 0.0]]])  # of the first class, as similar to its mean as its support is
    found = rectified_means(vectors, ways, queries, vectors, sharpness=10.0)
    torch.testing.assert_close(found, torch.tensor([[[1.5, 0.0], [0.0, 1.0]]]))


def accuracy(name: str, queries: list[int], **options: Any) -> float:
    right, total = 0.0, 0
    for seed in range(6):
        support, labels, pictures, ways = clouds(seed, [1, 1, 1], queries, 0.45)
        found = method(name, **options)
        scores = found.predict(as_features(pictures), found.condition(as_features(support), labels))
        right, total = right + float((scores.argmax(-1) == ways).sum()), total + ways.numel()
    return right / total


def test_transduction_helps_where_queries_are_balanced_and_even_dealing_harms_where_not() -> None:
    alone = accuracy("simple_shot", [20, 20, 20])
    for name in ("laplacian", "alpha_tim", "pt_map"):
        assert accuracy(name, [20, 20, 20]) > alone + 0.015, name
    assert accuracy("pt_map", [54, 3, 3]) < accuracy("simple_shot", [54, 3, 3])
