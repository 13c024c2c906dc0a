"""Both prior masks against their formulas in float64, and by hand."""

import pytest
import torch
from torch import Tensor

from sccan.segmentation.parts import prior as prior_module
from sccan.segmentation.parts.prior import foreground_only, max_cosine_prior, prior_support, softmax_prior

B, K, Q, C = 2, 3, 2, 7
QUERY_SIZE, SUPPORT_SIZE = (4, 5), (6, 3)


def _inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(B, Q, C, *QUERY_SIZE, generator=generator).relu()
    support = torch.randn(B, K, C, *SUPPORT_SIZE, generator=generator).relu()
    mask = torch.rand(B, K, 1, *SUPPORT_SIZE, generator=generator)
    return query, support, mask * (mask > 0.4)


def _cosines(query: Tensor, support: Tensor) -> Tensor:
    """One query [C, h, w] and one support [C, H, W], with the published epsilon, float64."""
    a, b = query.double().flatten(1), support.double().flatten(1)
    return (a.T @ b) / (a.norm(dim=0)[:, None] * b.norm(dim=0)[None, :] + 1e-7)


def _stretched(values: Tensor) -> Tensor:
    return ((values - values.min()) / (values.max() - values.min() + 1e-7)).view(QUERY_SIZE)


def test_the_softmax_prior_is_the_published_formula() -> None:
    query, support, mask = _inputs()
    out = softmax_prior(query, prior_support(support, mask))
    assert out.shape == (B, Q, K, *QUERY_SIZE)
    for b in range(B):
        for q in range(Q):
            for k in range(K):
                weights = _cosines(query[b, q], support[b, k]).softmax(-1)
                want = _stretched(weights @ mask[b, k].double().flatten())
                torch.testing.assert_close(out[b, q, k], want.float(), rtol=0, atol=5e-6)


def test_the_max_cosine_prior_is_the_published_formula() -> None:
    query, support, mask = _inputs()
    out = max_cosine_prior(query, prior_support(support, mask))
    assert out.shape == (B, Q, K, *QUERY_SIZE)
    for b in range(B):
        for q in range(Q):
            for k in range(K):
                want = _stretched(_cosines(query[b, q], support[b, k] * mask[b, k]).amax(-1))
                torch.testing.assert_close(out[b, q, k], want.float(), rtol=0, atol=5e-6)


def test_max_cosine_by_hand() -> None:
    """Two foreground directions, east and north; the query shows east, north-east and south."""
    support = torch.tensor([[1.0, 0.0, 9.0], [0.0, 1.0, -9.0]]).view(1, 1, 2, 1, 3)
    mask = torch.tensor([1.0, 0.5, 0.0]).view(1, 1, 1, 1, 3)
    query = torch.tensor([[2.0, 3.0, 0.0], [0.0, 3.0, -4.0]]).view(1, 1, 2, 3, 1)
    out = max_cosine_prior(query, prior_support(support, mask))
    # Cosines 1, 0.7071 and 0 (with east; the masked-out third position counts as 0 too).
    torch.testing.assert_close(out.flatten(), torch.tensor([1.0, 0.70710678, 0.0]))


@pytest.mark.parametrize("compute", [softmax_prior, max_cosine_prior])
def test_an_empty_mask_and_a_uniform_query_give_zeros(compute: object) -> None:
    query, support, mask = _inputs()
    assert callable(compute)
    assert compute(query, prior_support(support, torch.zeros_like(mask))).abs().max() == 0
    assert compute(torch.ones_like(query), prior_support(support, mask)).abs().max() == 0


@pytest.mark.parametrize("compute", [softmax_prior, max_cosine_prior])
def test_taking_a_few_positions_at_a_time_changes_nothing(compute: object, monkeypatch: pytest.MonkeyPatch) -> None:
    query, support, mask = _inputs()
    assert callable(compute)
    state = prior_support(support, mask)
    whole = compute(query, state)
    monkeypatch.setattr(prior_module, "PAIRS_ON_CPU", 7 * B * K * 18)  # 7 of 40 positions at a time
    torch.testing.assert_close(compute(query, state), whole, rtol=0, atol=1e-6)


def test_the_softmax_prior_is_more_accurate_than_the_plain_order_of_operations() -> None:
    """The spread before the min-max is tiny; the plain order loses several digits, ours keeps six."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(1, 1, 128, 5, 8, generator=generator).relu()
    support = (torch.randn(1, 1, 128, 32, 32, generator=generator) + 0.3).relu()
    mask = (torch.rand(1, 1, 1, 32, 32, generator=generator) > 0.7).float()
    ours = softmax_prior(query, prior_support(support, mask)).flatten()

    def stretched(values: Tensor) -> Tensor:
        return (values - values.min()) / (values.max() - values.min() + 1e-7)

    cosines = _cosines(query[0, 0], support[0, 0])
    truth = stretched(cosines.softmax(-1) @ mask.double().flatten())
    plain = stretched(cosines.float().softmax(-1) @ mask.flatten())
    assert (ours - truth).abs().max() < 5e-6
    assert (ours - truth).abs().max() < (plain - truth).abs().max()


def test_priors_carry_no_gradient_and_stay_float32_under_autocast() -> None:
    query, support, mask = _inputs()
    state = prior_support(support.requires_grad_(), mask)
    want = softmax_prior(query.requires_grad_(), state)
    assert not want.requires_grad
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = softmax_prior(query, prior_support(support, mask))
    assert got.dtype == torch.float32
    assert torch.equal(got, want)


def test_a_mask_of_another_size_is_refused() -> None:
    _, support, mask = _inputs()
    with pytest.raises(ValueError, match=r"features are \(6, 3\) but the mask is \(3, 6\)"):
        prior_support(support, mask.transpose(-1, -2))


def test_foreground_columns_alone_give_the_same_numbers() -> None:
    query, support, mask = _inputs()
    mask[0, 0], mask[1, 2] = 0, 1  # no foreground, and nothing but foreground
    whole = prior_support(support, mask)
    few = foreground_only(prior_support(support, mask))
    torch.testing.assert_close(max_cosine_prior(query, few), max_cosine_prior(query, whole), rtol=0, atol=1e-6)
    mask[1, 2, :, 2:] = 0
    few = foreground_only(prior_support(support, mask))
    assert few.directions.shape[2] == int((mask > 0).flatten(2).sum(-1).max()) + 1 < 18


def test_a_masked_out_position_still_counts_with_similarity_zero() -> None:
    """Where every foreground direction points away from the query, zero is the highest."""
    support = torch.tensor([[-1.0, 5.0], [0.0, 5.0]]).view(1, 1, 2, 1, 2)
    mask = torch.tensor([1.0, 0.0]).view(1, 1, 1, 1, 2)
    query = torch.tensor([[1.0, -1.0, 1.0], [0.0, 0.0, 1.0]]).view(1, 1, 2, 1, 3)
    out = max_cosine_prior(query, foreground_only(prior_support(support, mask)))
    torch.testing.assert_close(out.flatten(), torch.tensor([0.0, 1.0, 0.0]))
