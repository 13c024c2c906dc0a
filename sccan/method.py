"""The contract between a few-shot method and everything around it, for both tasks.

Letters: B episodes, K support pictures, Q queries, C channels, H W picture size.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from sccan.episodes.episode import Episode, Features


class Method(nn.Module, ABC):
    """Three verbs and their composition: encode pictures, condition on a support set, predict queries.

    A method is stateless between calls: what `condition` learns from the support set is returned and handed to
    `predict`, so one state serves any number of queries and replicas work. The number of shots is read from the
    tensors.

    An evaluation calls the verbs (`condition_episode`, `predict`), so that a support set that returns is learned once;
    a `forward` of its own changes the training of a method alone.
    """

    @abstractmethod
    def encode(self, images: Tensor) -> Features:
        """Backbone features of pictures, each on its own, so that they can be cached and used again.

        Args:
            images: normalised RGB, [N, 3, H, W].
        """

    def encode_support(self, images: Tensor) -> Features:
        """What `condition` gets of support pictures [N, 3, H, W]: the maps of `encode`, and what `as_support` adds."""
        return self.as_support(self.encode(images), images)

    def as_support(self, features: Features, images: Tensor) -> Features:
        """The features with further maps that a method needs of support pictures; here they stay as they are.

        Args:
            features: what `encode` gives of the pictures.
            images: normalised RGB, [N, 3, H, W].
        """
        return features

    @property
    def supports_differ(self) -> bool:
        """Whether `as_support` adds anything."""
        return False

    @property
    def learns_from_absence(self) -> bool:
        """Whether `condition` learns from support pictures whose masks are background alone, beside others."""
        return False

    @abstractmethod
    def condition(self, support: Features, labels: Tensor) -> Any:
        """What the method keeps of B support sets; computed once for any number of queries.

        Args:
            support: maps with leading dimensions [B, K].
            labels: masks [B, K, H, W] in {0, 1, 255} (segmentation) or ways [B, K] (classification).
        """

    @abstractmethod
    def predict(self, query: Features, state: Any) -> Tensor:
        """Logits of the queries.

        Args:
            query: maps with leading dimensions [B, Q].
            state: what `condition` returned for the same B support sets.

        Returns:
            Segmentation: [B, Q, 2, H, W] at the size of the query pictures; classification: [B, Q, N].
        """

    @abstractmethod
    def loss(self, outputs: Any, episode: Episode) -> dict[str, Tensor]:
        """Named scalars of what `forward` returned; the entry ``total`` is what the optimiser sees."""

    @abstractmethod
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Trainable parameters under the names that optimiser settings refer to; every one exactly once."""

    def encode_episode(self, episode: Episode) -> tuple[Features, Features]:
        """Support features [B, K, ...] and query features [B, Q, ...], in one backbone call where possible."""
        support, query = episode.support_features, episode.query_features
        if support is not None and query is not None:
            return support, query
        if episode.support_images is None or episode.query_images is None:
            raise ValueError("an episode needs images or features for both support and query")
        images = episode.support_images, episode.query_images
        (s_lead, s_flat), (q_lead, q_flat) = ((i.shape[:2], i.flatten(0, 1)) for i in images)
        if not self.supports_differ and s_flat.shape[1:] == q_flat.shape[1:]:
            first, rest = self.encode(torch.cat([s_flat, q_flat])).split(len(s_flat))
        else:
            first, rest = self.encode_support(s_flat), self.encode(q_flat)
        return first.view(*s_lead), rest.view(*q_lead)

    def condition_episode(self, support: Features, episode: Episode) -> Any:
        """`condition` on what an episode tells: here its labels; a method may use its class numbers as well.

        Args:
            support: maps with leading dimensions [B, K].
            episode: that they belong to.
        """
        return self.condition(support, episode.support_labels)

    def training_outputs(self, query: Features, state: Any, episode: Episode) -> Any:
        """What `loss` needs: here the logits of `predict`; a method may learn from more.

        Args:
            query: maps with leading dimensions [B, Q].
            state: what `condition_episode` returned for the same episodes.
            episode: that they belong to.
        """
        return self.predict(query, state)

    def forward(self, episode: Episode) -> Any:
        """Encode, condition and predict; in training, encode, condition and `training_outputs`."""
        support, query = self.encode_episode(episode)
        state = self.condition_episode(support, episode)
        return self.training_outputs(query, state, episode) if self.training else self.predict(query, state)
