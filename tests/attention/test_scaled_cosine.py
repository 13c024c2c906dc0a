"""Scaled-cosine attention against a loop over single tokens, and its refusals."""

import pytest
import torch
from torch import Tensor

from sccan.attention import scaled_cosine
from sccan.attention.scaled_cosine import (
    ScaledCosineAttention,
    fused_attention,
    plain_attention,
    scaled_cosine_attention,
    unit,
)
from sccan.errors import InputError


def _by_hand(query: Tensor, key: Tensor, value: Tensor, cross_key: Tensor, cross_value: Tensor) -> Tensor:
    """The published formula, one query token at a time; cosines with the published epsilon."""
    rows = []
    for q in query:
        own = [(q @ k) / len(q) ** 0.5 for k in key]
        cross = [(q @ k) / (q.norm() * k.norm() + 1e-7) for k in cross_key]
        weights = torch.stack(own + cross).softmax(0)
        rows.append(weights @ torch.cat([value, cross_value]))
    return torch.stack(rows)


def test_the_function_equals_the_formula_token_by_token() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 5, 4, generator=generator) for _ in range(3))
    cross_key, cross_value = (torch.randn(2, 3, 4, generator=generator) for _ in range(2))
    unit = cross_key / cross_key.norm(dim=-1, keepdim=True)
    out = scaled_cosine_attention(query, key, value, unit, cross_value)
    for item in range(2):
        want = _by_hand(query[item], key[item], value[item], cross_key[item], cross_value[item])
        torch.testing.assert_close(out[item], want)


def test_one_key_of_each_kind_worked_by_hand() -> None:
    one = torch.tensor
    # Dot product 3 * 0 + 4 * 1 = 4, over sqrt(2); cosine of (3, 4) and (1, 0) is 0.6.
    out = scaled_cosine_attention(
        one([[3.0, 4.0]]), one([[0.0, 1.0]]), one([[1.0, 0.0]]), one([[1.0, 0.0]]), one([[0.0, 1.0]])
    )
    own, cross = 2.718281828 ** (4 / 2**0.5), 2.718281828**0.6
    torch.testing.assert_close(out, one([[own / (own + cross), cross / (own + cross)]]))


def test_a_query_of_length_zero_attends_evenly_and_has_finite_gradients() -> None:
    query = torch.zeros(1, 2, requires_grad=True)
    values = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    out = scaled_cosine_attention(query, torch.ones(1, 2), values[0], torch.tensor([[1.0, 0.0]]), values[1])
    torch.testing.assert_close(out.detach(), torch.tensor([[0.5, 0.5]]))
    out[0, 0].backward()
    assert query.grad is not None
    assert query.grad.isfinite().all()


def test_heads_are_contiguous_groups_of_channels() -> None:
    """Without cross keys and with the same windows, one head of the module equals the function on its channels."""
    torch.manual_seed(0)
    attention = ScaledCosineAttention(6, heads=3)
    windows = torch.randn(2, 4, 5, 6)
    query, key_value = attention.query(windows), attention.key_value(windows)
    heads = [
        scaled_cosine_attention(query[..., a : a + 2], key_value[..., a : a + 2], key_value[..., 6 + a : 8 + a])
        for a in (0, 2, 4)
    ]
    torch.testing.assert_close(attention(windows), attention.projection(torch.cat(heads, -1)))


def test_the_memory_holds_keys_of_length_one_beside_values() -> None:
    torch.manual_seed(0)
    attention = ScaledCosineAttention(6, heads=3)
    memory = attention.memory(torch.randn(2, 4, 5, 6))
    assert memory.shape == (2, 4, 2, 3, 5, 2)
    torch.testing.assert_close(memory[:, :, 0].norm(dim=-1), torch.ones(2, 4, 3, 5))


def test_channels_that_heads_cannot_share_are_refused() -> None:
    with pytest.raises(InputError, match="64 channels cannot be shared by 5 heads"):
        ScaledCosineAttention(64, heads=5)


def test_one_fused_call_gives_the_numbers_and_gradients_of_plain_products() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 3, 4, 5, 8)] * 3 + [(2, 3, 4, 7, 8)] * 2
    parts = [torch.randn(shape, generator=generator) for shape in shapes]
    parts[3] = unit(parts[3])
    parts[3][0, 0, 0, 0] = 0  # a key of length zero
    parts = [part.requires_grad_() for part in parts]
    toward = torch.randn(shapes[0], generator=generator)
    outs = [compute(*parts) for compute in (plain_attention, fused_attention)]
    torch.testing.assert_close(outs[1], outs[0], rtol=1e-5, atol=1e-6)
    gradients = [torch.autograd.grad((out * toward).sum(), parts) for out in outs]
    for got, want in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


def test_a_few_windows_at_a_time_give_the_numbers_of_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(4)
    own = [torch.randn(2, 5, 3, 4, 8, generator=generator) for _ in range(3)]  # [N, M, A, P, D]
    other = [torch.randn(2, 5, 3, 6, 8, generator=generator) for _ in range(2)]
    with torch.no_grad():
        whole = scaled_cosine_attention(*own, unit(other[0]), other[1])
        windows: list[int] = []

        def counted(query: Tensor, *others: Tensor) -> Tensor:
            windows.append(query.shape[1])
            return plain_attention(query, *others)

        monkeypatch.setattr(scaled_cosine, "plain_attention", counted)
        monkeypatch.setattr(scaled_cosine, "LOGITS", 2 * (2 * 3 * 4 * 10) + 1)  # 2 of 5 windows
        torch.testing.assert_close(scaled_cosine_attention(*own, unit(other[0]), other[1]), whole, rtol=0, atol=1e-6)
    assert windows == [2, 2, 1]


def test_lengths_are_taken_in_float32_under_autocast() -> None:
    """In bf16 a sum of 1024 equal squares would stop growing at 256 of them."""
    vectors = torch.full((3, 1024), 0.5, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = unit(vectors)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float().norm(dim=-1), torch.ones(3), rtol=0, atol=1e-3)
