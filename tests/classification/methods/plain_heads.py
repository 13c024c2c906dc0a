"""The plain arithmetic of classification heads, with the maps of every pair in full: oracles, and a measure of savings.

Letters: B episodes, N ways, S support pictures, Q queries, P = B * Q * N pairs, C channels, h w map size, m = h * w.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.classification.methods.amtnet import AMTNet, AMTNetOutputs
from sccan.classification.methods.can import CAN
from sccan.classification.methods.cecnet import CECNet
from sccan.classification.methods.spatialformer import TARGET, SpatialFormer
from sccan.classification.parts.base_tasks import PatchOutputs
from sccan.classification.parts.heads import class_means, one_hot
from sccan.classification.parts.metric_fusion import AdaptiveMetrics, MetricScores, RelationNetwork
from sccan.episodes.episode import Episode, Features
from tests.attention.plain_cross_attention import correlation_attention
from tests.attention.plain_pairs import attended_pairs, clusters, connected_pairs, cosines, normed, pair_copies

PairMaps = tuple[Tensor, Tensor]
"""Class maps and query maps of every pair, [P, C, m] each."""


def can_pair_maps(model: CAN, support: Tensor, labels: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Attended maps of every pair in full, [B, Q, N, C, m], as published."""
    indicators = one_hot(labels, int(labels.max()) + 1)
    class_maps = torch.einsum("bsn,bscm->bncm", indicators, support) / indicators.sum(1)[..., None, None]
    class_attention, query_attention = correlation_attention(model.attention, class_maps, query)
    class_pairs = class_maps.unsqueeze(1) * class_attention.transpose(1, 2).unsqueeze(3)
    return class_pairs, query.unsqueeze(2) * query_attention.transpose(1, 2).unsqueeze(3)


def can_scores(model: CAN, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
    """Scores [B, Q, N] of support maps [B, S, C, m] and query maps [B, Q, C, m]."""
    class_pairs, query_pairs = can_pair_maps(model, support, labels, query)
    return 7 * F.cosine_similarity(class_pairs.mean(-1), query_pairs.mean(-1), dim=-1, eps=1e-12)


def spatialformer_pairs(model: SpatialFormer, support: Features, query: Features, episode: Episode) -> PairMaps:
    """SFSA of every pair, and SFTA of either map added."""
    pairs = attended_pairs(model.semantic, *_copies(support, query, episode, model.stage))
    aware = _copies(support, query, episode, TARGET)
    return pairs[0] + aware[0], pairs[1] + aware[1]


def cecnet_pairs(model: CECNet, support: Features, query: Features, episode: Episode) -> PairMaps:
    """CECM of every pair."""
    assert model.connection is not None
    pairs, _ = connected_pairs(model.connection, *_copies(support, query, episode, model.stage))
    return pairs


def pair_scores(model: SpatialFormer | CECNet, pairs: PairMaps, episode: Episode) -> Tensor:
    """Scores in a test, [B, Q, N]."""
    if isinstance(model, CECNet) and model.distance is not None:
        return local_scores(model, pairs).mean(-1).view(_pair_shape(episode))
    one, other = (F.normalize(maps.mean(-1), dim=1) for maps in pairs)
    return model.scale * (one * other).sum(1).view(_pair_shape(episode))


def local_scores(model: SpatialFormer | CECNet, pairs: PairMaps) -> Tensor:
    """Scores of every pair at every position of the query map, [P, m]: CECD, or cosines to the mean class vector."""
    classes, queries = pairs
    if isinstance(model, CECNet) and model.distance is not None:
        return model.scale * cosines(queries, clusters(model.distance, queries, classes))
    means = F.normalize(classes.mean(-1), dim=1).unsqueeze(-1)
    return model.scale * (means * F.normalize(queries, dim=1)).sum(1)


def training_outputs(
    model: SpatialFormer | CECNet, pairs: PairMaps, episode: Episode, size: tuple[int, int]
) -> PatchOutputs:
    """What the losses need, of maps of h x w."""
    shape = _pair_shape(episode)
    local = local_scores(model, pairs).view(*shape, *size)
    return PatchOutputs(local, model.tasks(_true_maps(pairs[1].unflatten(0, shape), episode).unflatten(-1, size)))


def relation_scores(network: RelationNetwork, classes: Tensor, patches: Tensor) -> Tensor:
    """The relation network on class vectors [P, C] and patches [P, C, m] side by side: [P, m]."""
    maps = torch.cat([classes.unsqueeze(-1).expand_as(patches), patches], dim=1).unsqueeze(-1)  # [P, 2 C, m, 1]
    for layer, norm in ((network.first, network.first_norm), (network.second, network.second_norm)):
        maps = F.relu(normed(norm, layer(maps)))
    return network.last(maps).flatten(1)


def metric_scores(metrics: AdaptiveMetrics, classes: Tensor, patches: Tensor) -> MetricScores:
    """The three metrics of class vectors [P, C] and patches [P, C, m], all of length 1: [P, m] each."""
    vectors = classes.unsqueeze(-1)
    squares = (vectors - patches).square()
    euclidean = squares.sum(1) if metrics.summed else squares.mean(1)
    cosine = (vectors * patches).sum(1)
    return MetricScores(
        metrics.scale * cosine, -metrics.scale * euclidean, relation_scores(metrics.relation, classes, patches)
    )


def amtnet_outputs(
    model: AMTNet, support: Features, query: Features, episode: Episode, size: tuple[int, int]
) -> AMTNetOutputs:
    """What the losses of AMTNet need, of maps of h x w."""
    classes, queries = _copies(support, query, episode, model.stage)
    scores = metric_scores(model.metrics, F.normalize(classes.mean(-1), dim=1), F.normalize(queries, dim=1))
    shape = _pair_shape(episode)
    maps = MetricScores(*(one.view(*shape, *size) for one in scores))
    true = _true_maps(queries.unflatten(0, shape), episode).unflatten(-1, size)
    return AMTNetOutputs(maps, model.metrics.fused(maps), model.tasks(true))


def _copies(support: Features, query: Features, episode: Episode, name: str) -> PairMaps:
    maps = support.maps[name].flatten(-2)
    return pair_copies(
        class_means(maps, episode.support_labels, episode.classes.shape[1]), query.maps[name].flatten(-2)
    )


def _true_maps(queries: Tensor, episode: Episode) -> Tensor:
    """Query maps of the pairs with the true class, [B, Q, C, m], of those of all pairs [B, Q, N, C, m]."""
    n_batch, n_query = episode.query_labels.shape
    return queries[torch.arange(n_batch)[:, None], torch.arange(n_query), episode.query_labels]


def _pair_shape(episode: Episode) -> tuple[int, int, int]:
    return *episode.query_labels.shape, episode.classes.shape[1]
