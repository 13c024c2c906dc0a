"""SCCAN in the plain order of its published description: an oracle for tests, and what speed is measured against.

It uses the parameters of a `SCCAN` and nothing else of it: two backbone calls, shots one after another, cosines divided
by an outer product of lengths, aligned windows rebuilt as a map and cut again, keys of all windows computed wherever
they are used, the last block's support half computed for nothing. `plain_copy` puts torch's own layers in the place of
this project's as well.

Letters: B episodes, K shots, C channels, H W picture size, h w working grid, n windows, P tokens per window, A heads.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.attention.cross_transformer import CrossBlock
from sccan.attention.scaled_cosine import ScaledCosineAttention
from sccan.episodes.episode import Episode
from sccan.pointwise import PointwiseConv2d, TokenLinear
from sccan.segmentation.methods.sccan import SCCAN
from sccan.segmentation.parts.losses import dice_loss


def plain_loss(model: SCCAN, episode: Episode) -> Tensor:
    """The dice loss of a batch with one query per episode; dropout acts if the model is in training mode."""
    return dice_loss(plain_logits(model, episode), episode.query_labels[:, 0], ignore=model.ignore_label)


def plain_logits(model: SCCAN, episode: Episode) -> Tensor:
    """Logits [B, 2, H, W] of episodes with one query each, from their images."""
    assert episode.query_images is not None
    assert episode.support_images is not None
    images, shots = episode.query_images[:, 0], episode.support_labels.shape[1]
    with torch.no_grad():
        query = model.backbone(images)
        support = model.backbone(episode.support_images.flatten(0, 1))
    first, second = model.merge_stages
    q0 = _up(model.down_query(torch.cat([query[first], query[second]], 1)), model.grid)
    s0 = _up(model.down_support(torch.cat([support[first], support[second]], 1)), model.grid)
    s0 = s0.view(len(images), shots, *s0.shape[1:])
    deep = support[model.prior_stage].view(len(images), shots, *support[model.prior_stage].shape[1:])
    masks, foregrounds, prototypes, priors = [], [], [], []
    for shot in range(shots):
        mask = _up((episode.support_labels[:, shot] == 1).float().unsqueeze(1), model.grid)
        masks.append(mask)
        foregrounds.append(s0[:, shot] * mask)
        prototypes.append((s0[:, shot] * mask).sum((2, 3), keepdim=True) / (mask.sum((2, 3), keepdim=True) + 5e-4))
        with torch.no_grad():
            prior = _prior(query[model.prior_stage], _up(deep[:, shot], model.grid), mask)
        priors.append(_up(prior, model.grid))
    mask, foreground, prior = (torch.stack(parts).mean(0) for parts in (masks, foregrounds, priors))
    prototype = torch.stack(prototypes).mean(0).expand_as(q0)
    query_map = model.merge_query(torch.cat([q0, prototype, prior], 1))
    support_map = model.merge_support(torch.cat([foreground, prototype, mask], 1))
    maps = _transformer(model, query_map, support_map, mask).relu()
    x = F.relu(model.head.reduce(model.head.aspp(maps)))
    return _up(model.head.classify(x + model.head.refine(x)), (images.shape[-2], images.shape[-1]))


def _up(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)


def _prior(query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
    """[B, 1, h', w'], min-max normalised."""
    a, b = query.flatten(2).transpose(1, 2), support.flatten(2)  # [B, L, C], [B, C, L']
    lengths = a.norm(dim=2, keepdim=True) @ b.norm(dim=1, keepdim=True)
    raw = ((a @ b / (lengths + 1e-7)).softmax(-1) @ mask.flatten(2).transpose(1, 2)).squeeze(-1)  # [B, L]
    low, high = raw.amin(1, keepdim=True), raw.amax(1, keepdim=True)
    return ((raw - low) / (high - low + 1e-7)).view(len(query), 1, *query.shape[2:])


def _transformer(model: SCCAN, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
    q, z, m = (maps.permute(0, 2, 3, 1) for maps in (query, support, mask))  # [B, h, w, C]
    for block in model.transformer.blocks:
        assert isinstance(block, CrossBlock)
        q, z = _block(block, q, z, m)
    return model.transformer.norm(q).permute(0, 3, 1, 2)


def _block(block: CrossBlock, q: Tensor, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    side, pad = block.window, block.shift
    if q.shape[1] % side or q.shape[2] % side or 2 * pad % side:
        raise ValueError("the plain order is written for maps that windows divide")
    qn, zn = block.norm1(q), block.norm1(z)
    qn, zn, mask = (F.pad(maps, (0, 0, pad, pad, pad, pad)) for maps in (qn, zn, mask))
    size = (qn.shape[1], qn.shape[2])
    q_windows, z_windows, m_windows = (_cut(maps, side) for maps in (qn, zn, mask))  # [B, n, P, ...]
    with torch.no_grad():
        area = m_windows.mean(2) * side * side + 5e-4  # [B, n, 1]
        s = (z_windows * m_windows).sum(2) / area
        p = q_windows.mean(2)
        cosine = s @ p.transpose(1, 2) / (s.norm(dim=2)[:, :, None] * p.norm(dim=2)[:, None] + 1e-7)
        index = ((cosine + 1) / 2 * (area != 5e-4)).argmax(1)  # [B, n]
    chosen = index[:, :, None, None].expand(-1, -1, *z_windows.shape[2:])
    aligned = _cut(_join(z_windows.gather(1, chosen), size), side)  # rebuilt as a map, and cut again
    keys = torch.cat([q_windows, aligned], 2)
    out_q = _crop(_join(_attention(block.query_attention, q_windows, keys), size), pad)
    out_z = _crop(_join(_attention(block.support_attention, z_windows, z_windows), size), pad)
    q, z = q + out_q, z + out_z
    return q + block.query_mlp(block.norm2(q)), z + block.support_mlp(block.norm2(z))


def _attention(layer: ScaledCosineAttention, windows: Tensor, keys: Tensor) -> Tensor:
    """Windows [B, n, P, C] attend to keys [B, n, P or 2 P, C]."""
    own, heads = windows.shape[2], layer.heads
    query = layer.query(windows).unflatten(-1, (heads, -1)).transpose(2, 3)  # [B, n, A, P, D]
    key, value = (part.unflatten(-1, (heads, -1)).transpose(2, 3) for part in layer.key_value(keys).chunk(2, dim=-1))
    near, far = key[..., :own, :], key[..., own:, :]
    dots = query @ near.transpose(-1, -2) * query.shape[-1] ** -0.5
    lengths = query.norm(dim=-1, keepdim=True) * far.norm(dim=-1).unsqueeze(-2)
    cosines = query @ far.transpose(-1, -2) / (lengths + 1e-7)
    weights = torch.cat([dots, cosines], -1).softmax(-1)
    return layer.projection((weights @ value).transpose(2, 3).flatten(-2))


def _cut(maps: Tensor, side: int) -> Tensor:
    batch, height, width, channels = maps.shape
    tiles = maps.reshape(batch, height // side, side, width // side, side, channels).permute(0, 1, 3, 2, 4, 5)
    return tiles.reshape(batch, -1, side * side, channels)


def _join(windows: Tensor, size: tuple[int, int]) -> Tensor:
    side = int(windows.shape[2] ** 0.5)
    tiles = windows.reshape(len(windows), size[0] // side, size[1] // side, side, side, -1)
    return tiles.permute(0, 1, 3, 2, 4, 5).reshape(len(windows), *size, -1)


def _crop(maps: Tensor, pad: int) -> Tensor:
    return maps[:, pad : maps.shape[1] - pad, pad : maps.shape[2] - pad]


def plain_copy(model: SCCAN) -> SCCAN:
    """A copy whose linear maps are torch's own layers, as in the published implementations."""
    plain = copy.deepcopy(model)
    for module in list(plain.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, TokenLinear | PointwiseConv2d):
                setattr(module, name, _torch_layer(layer))
    return plain


def _torch_layer(layer: TokenLinear | PointwiseConv2d) -> nn.Module:
    bias = layer.bias is not None
    own: nn.Linear | nn.Conv2d
    if isinstance(layer, TokenLinear):
        own = nn.Linear(layer.in_features, layer.out_features, bias=bias)
    else:
        own = nn.Conv2d(layer.in_channels, layer.out_channels, 1, bias=bias)
    own.weight, own.bias = layer.weight, layer.bias
    return own.train(layer.training)


def plain_step(model: SCCAN) -> Callable[[Episode], Tensor]:
    """A whole training step in the plain order on a `plain_copy`, with the published optimisers."""
    model = plain_copy(model)
    groups = model.parameter_groups()
    sgd = torch.optim.SGD(groups["head"], lr=0.05, momentum=0.9, weight_decay=1e-4)
    adamw = torch.optim.AdamW(groups["transformer"], lr=6e-5, weight_decay=0.01)

    def step(episode: Episode) -> Tensor:
        loss = plain_loss(model, episode)
        sgd.zero_grad()
        adamw.zero_grad()
        loss.backward()
        sgd.step()
        adamw.step()
        return loss.detach()

    return step
