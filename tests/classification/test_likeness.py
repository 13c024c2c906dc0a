"""How alike is alike enough: numbers by hand, the promised share on made-up classes, doubtful examples, copies."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sccan.classification.likeness import CUT, ClassMeans, altered_copies, rejection


def test_an_example_is_compared_with_means_that_were_made_without_it() -> None:
    vectors = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [3.0, 4.0], [-1.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 1, 2])
    means = ClassMeans.of(vectors, labels)
    found = means.left_out(vectors, labels)
    # class 0 without its first is (0, 1), without its second (1, 0); class 1 is (0, 1) and (0.6, 0.8)
    torch.testing.assert_close(found.own, torch.tensor([0.0, 0.0, 0.8, 0.8, -1.0]))
    side, up = 0.6 / np.hypot(0.6, 1.8), 1.8 / np.hypot(0.6, 1.8)
    half = 0.5**0.5
    torch.testing.assert_close(found.other, torch.tensor([side, up, half, 1.4 * half, -side]).float())
    assert found.nearest.tolist() == [1, 1, 0, 0, 1]
    assert found.is_only.tolist() == [False, False, False, False, True]
    assert found.doubtful == [0, 1, 3]  # the only example of class 2 has nothing to be compared with
    torch.testing.assert_close(found.likeness, torch.tensor([side, up, 0.8, 1.4 * half]).float())
    new = torch.tensor([[0.0, 5.0], [-2.0, 0.0]])
    torch.testing.assert_close(means.likeness(new), torch.tensor([up, 1.0]).float())


def test_the_threshold_is_the_conformal_one_and_says_its_share() -> None:
    likenesses = torch.tensor([0.9, 0.1, 0.5, 0.3, 0.7, 0.8, 0.2, 0.6, 0.4])
    assert rejection(likenesses, 0.1, "").threshold == pytest.approx(0.1)
    found = rejection(likenesses, 0.39, "examples")  # 3.9 of 10
    assert (found.threshold, found.share, found.count) == (pytest.approx(0.3), pytest.approx(0.3), 9)
    assert "likeness below 0.300; about 30.0 %" in str(found)
    least = rejection(likenesses, 0.001, "")  # nine examples tell no share below a tenth
    assert (least.threshold, least.share) == (pytest.approx(0.1), pytest.approx(0.1))


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60), st.floats(0.001, 0.999))
def test_no_more_than_the_share_lies_below(values: list[float], share: float) -> None:
    found = rejection(torch.tensor(values), share, "")
    below = sum(value < found.threshold for value in torch.tensor(values).tolist())
    assert 0 < found.share < 1
    assert below / (len(values) + 1) < found.share <= max(share + 1e-6, 1 / (len(values) + 1))


def _cloud(generator: torch.Generator, centres: Tensor, labels: Tensor) -> Tensor:
    return (centres[labels] + 0.5 * torch.randn(len(labels), centres.shape[1], generator=generator)).relu()


def test_wrong_rejections_are_as_many_as_promised_and_strangers_are_refused() -> None:
    generator, wrong, refused, promised = torch.Generator().manual_seed(0), [], [], []
    for _ in range(60):
        centres = 2 * torch.rand(10, 32, generator=generator)
        labels = torch.arange(4).repeat_interleave(10)
        vectors = _cloud(generator, centres, labels)
        means = ClassMeans.of(vectors, labels)
        found = rejection(means.left_out(vectors, labels).likeness, 0.1, "")
        own = means.likeness(_cloud(generator, centres, torch.arange(4).repeat(50)))
        strange = means.likeness(_cloud(generator, centres, 4 + torch.arange(6).repeat(50)))
        wrong.append((own < found.threshold).float().mean().item())
        refused.append((strange < found.threshold).float().mean().item())
        promised.append(found.share)
    assert np.mean(promised) == pytest.approx(4 / 41)
    assert np.mean(wrong) == pytest.approx(np.mean(promised), abs=0.025)
    assert np.mean(refused) > 0.9


def test_copies_are_parts_and_mirrored_parts() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 35, 3), dtype=np.uint8)
    copies = altered_copies(image)
    assert {copy.shape for copy in copies} == {(round(CUT * 20), round(CUT * 35), 3)}
    rows, columns = copies[0].shape[:2]
    assert (copies[0] == image[:rows, :columns]).all()
    assert (copies[1] == image[:rows, -columns:][:, ::-1]).all()
    assert len({copy.tobytes() for copy in copies}) == len(copies)
    assert altered_copies(image[:1, :1])[0].shape == (1, 1, 3)
