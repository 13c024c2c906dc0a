"""The cross transformer: conditioned once, any size, and which parameters it leaves alone."""

import pytest
import torch

from sccan.attention.cross_transformer import CrossTransformer


def _transformer(depth: int = 3) -> CrossTransformer:
    torch.manual_seed(0)
    return CrossTransformer(12, depth=depth, heads=3, window=4)


def _mask(*shape: int) -> torch.Tensor:
    mask = torch.zeros(shape)
    mask[..., 1:6, 2:7] = 1
    return mask


@pytest.mark.parametrize("size", [(8, 12), (7, 10), (3, 5)])
def test_any_size_gives_maps_of_that_size_and_an_index_for_every_window(size: tuple[int, int]) -> None:
    transformer = _transformer()
    state = transformer.condition(torch.randn(2, 12, *size), _mask(2, 1, *size))
    out, indices = transformer.forward_aligned(torch.randn(2, 3, 12, *size), state)
    assert out.shape == (2, 3, 12, *size)
    plain, shifted = -(-size[0] // 4) * -(-size[1] // 4), -(-(size[0] + 2) // 4) * -(-(size[1] + 2) // 4)
    assert [index.shape for index in indices] == [(2, 3, plain), (2, 3, shifted), (2, 3, plain)]


def test_queries_do_not_see_each_other_and_episodes_do_not_mix() -> None:
    transformer = _transformer()
    query, support, mask = torch.randn(2, 3, 12, 8, 12), torch.randn(2, 12, 8, 12), _mask(2, 1, 8, 12)
    mask[1] = mask[1].flip(-1)
    together = transformer(query, transformer.condition(support, mask))
    for episode in range(2):
        state = transformer.condition(support[episode : episode + 1], mask[episode : episode + 1])
        for number in range(3):
            alone = transformer(query[episode : episode + 1, number : number + 1], state)
            torch.testing.assert_close(together[episode, number], alone[0, 0])


def test_only_aligned_support_windows_matter() -> None:
    """With one valid window, changing the others changes nothing in a single block."""
    transformer = _transformer(depth=1)
    query, support, mask = torch.randn(1, 1, 12, 8, 8), torch.randn(1, 12, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., :4, 4:] = 1  # window 1
    out, indices = transformer.forward_aligned(query, transformer.condition(support, mask))
    assert indices[0].unique().tolist() == [1]
    elsewhere = support.clone()
    elsewhere[..., 4:, :] += 1
    assert torch.equal(transformer(query, transformer.condition(elsewhere, mask)), out)
    inside = support.clone()
    inside[..., 0, 4] += torch.randn(12)
    assert not torch.equal(transformer(query, transformer.condition(inside, mask)), out)


def test_gradients_reach_all_but_the_last_blocks_support_half_which_asks_for_none() -> None:
    transformer = _transformer()
    support = torch.randn(2, 12, 8, 12, requires_grad=True)
    out = transformer(torch.randn(2, 2, 12, 8, 12), transformer.condition(support, _mask(2, 1, 8, 12)))
    (out * torch.randn_like(out)).sum().backward()
    idle = [name for name, parameter in transformer.named_parameters() if not parameter.requires_grad]
    assert idle
    assert all(name.startswith(("blocks.2.support_attention.", "blocks.2.support_mlp.")) for name in idle)
    for name, parameter in transformer.named_parameters():
        if name in idle:
            assert parameter.grad is None
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name
    assert support.grad is not None
    assert support.grad.abs().sum() > 0
