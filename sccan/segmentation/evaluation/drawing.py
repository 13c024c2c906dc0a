"""Single episodes with everything that is worth looking at: for sheets and pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from sccan.episodes.episode import EpisodeSpec, Features
from sccan.method import Method
from sccan.report.episodes import EpisodePicture
from sccan.report.pictures import resize_image
from sccan.segmentation.data.labels.masks import boxed_mask, class_mask
from sccan.segmentation.data.sampling.pictures import SegmentationSource
from sccan.segmentation.evaluation.iou import episode_iou, episode_row
from sccan.segmentation.evaluation.scoring import Comparison, predict


def draw_episodes(
    method: Method,
    source: SegmentationSource,
    specs: Iterable[EpisodeSpec],
    comparison: Comparison,
    device: torch.device,
) -> Iterator[EpisodePicture]:
    """Run a method on episodes one by one and keep pictures, masks, prediction, and the maps that the method shows.

    Args:
        method: in eval mode, on `device`.
        source: its pictures.
        specs: episodes of that source.
        comparison: where prediction and label meet.
    """
    names, store = source.store.index.names, source.store
    for spec in specs:
        pictures = {number: source.load(number) for number in spec.pictures}
        episode = source.assemble([spec], pictures).to(device)
        with torch.no_grad():
            support, query = method.encode_episode(episode)
            state = method.condition_episode(support, episode)
            logits = method.predict(query, state)[0, 0]
            prior = _prior(method, query, state)
            maps = _score_maps(method, query, state)
        seen = pictures[spec.query[0][0]]
        number = spec.classes[0]
        truth = comparison.target(seen.original_label, number)
        prediction = predict(logits, seen, comparison).cpu()
        row = episode_row(spec.number, number, prediction, torch.from_numpy(truth))
        supports = [store.read(picture) for picture in spec.support[0]]
        masks = [class_mask(label, number) for _, label in supports]
        yield EpisodePicture(
            number=spec.number,
            class_name=store.index.class_names[number - 1],
            support_images=[image for image, _ in supports],
            support_masks=[boxed_mask(mask) for mask in masks] if source.annotation == "bbox" else masks,
            query_image=resize_image(store.read(seen.number)[0], (truth.shape[0], truth.shape[1])),
            truth=truth,
            prediction=prediction.numpy(),
            iou=float(episode_iou(row[None])[0]),
            prior=None if prior is None else _of_content(prior, query.image_size, seen.content_size),
            maps={name: _of_content(scores, query.image_size, seen.content_size) for name, scores in maps.items()},
            support_names=[names[picture] for picture in spec.support[0]],
            query_name=seen.name,
        )


def _prior(method: Method, query: Features, state: object) -> Tensor | None:
    """The prior mask [h, w] of a method that has one."""
    prior = getattr(method, "prior", None)
    return None if prior is None else prior(query, state)[0, 0, 0].float().cpu()


def _score_maps(method: Method, query: Features, state: object) -> dict[str, Tensor]:
    """Further maps [h, w] of a method that shows what its parts say."""
    maps = getattr(method, "score_maps", None)
    return {} if maps is None else {name: value[0, 0, 0].float().cpu() for name, value in maps(query, state).items()}


def _of_content(prior: Tensor, input_size: tuple[int, int], content_size: tuple[int, int]) -> np.ndarray:
    """The part of a prior [h, w] that lies over the picture, padding of the network's input left out."""
    rows, columns = (
        max(1, round(cells * content / size))
        for cells, content, size in zip(prior.shape, content_size, input_size, strict=True)
    )
    return prior[:rows, :columns].numpy()
