"""What the reference cases of classification methods have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sccan.classification.methods.can import CAN, can_losses
from sccan.classification.methods.dmf import DMF
from sccan.classification.parts.heads import ways_of
from sccan.episodes.episode import Episode
from sccan.reference.cases import Case
from sccan.reference.stated import matched


def published_episode(case: Case, *, plural: bool = False) -> Episode:
    """The pictures and labels of a case; without class numbers.

    Args:
        plural: whether the case calls its labels ``support_labels`` and ``query_labels``, not ``..._label``.

    Raises InputError: the case states another number of ways, shots or queries.
    """
    word = "labels" if plural else "label"
    labels: Tensor = case.tensor(f"support_{word}")
    ways, queries = ways_of(labels), case.tensor(f"query_{word}").shape[1]
    shots = labels.shape[1] // ways
    case.config.agree(way=ways, shot=shots, nKnovel=ways, nExemplars=shots, batch=len(labels))
    case.config.agree(queries_per_class=queries // ways)
    return Episode(
        support_images=case.tensor("support"),
        support_labels=labels,
        query_images=case.tensor("query"),
        query_labels=case.tensor(f"query_{word}"),
        classes=torch.arange(1, ways_of(labels) + 1, device=labels.device).expand(len(labels), -1),
        numbers=torch.arange(len(labels), device=labels.device),
    )


def local_weight(case: Case) -> float:
    """Of the local loss beside the global one, in training; as published where the case does not state it."""
    if "loss" not in case.config:
        return 0.5
    return float(matched(r"^global \+ ([\d.e-]+) \* local$", case.config["loss"], "the loss")[1])


def can_training(case: Case, model: CAN | DMF) -> dict[str, Any]:
    """Outputs and losses of a training step of CAN or DMF, which learn alike; the gradients are in the model."""
    episode = published_episode(case, plural=True)
    outputs = model.train()(episode)
    losses = can_losses(outputs, episode.query_labels, case.tensor("query_global_labels"), model.local_weight)
    losses["total"].backward()
    return {
        "global_logits": outputs.global_logits.flatten(0, 1),
        "local_scores": outputs.local_scores.flatten(0, 1),
        "loss_global": losses["global"].item(),
        "loss_local": losses["local"].item(),
        "loss": losses["total"].item(),
    }
