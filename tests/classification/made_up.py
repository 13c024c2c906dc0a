"""Small pictures, splits, methods and episodes for the tests of classification."""

from collections.abc import Sequence

import numpy as np
import torch

from sccan.backbones.resnet12 import StridedResNet12
from sccan.classification.data.splits.pictures import ArrayPictures
from sccan.classification.methods.can import CAN
from sccan.classification.methods.spatialformer import NovelTask, SpatialFormer
from sccan.classification.parts.novel_task import FineTuning
from sccan.episodes.episode import Episode


def made_up_pictures(
    sizes: Sequence[int] = (7, 9, 8), side: tuple[int, int] = (20, 24), title: str = "made up", prefix: str = "class"
) -> ArrayPictures:
    """Noise, tinted by class, in an order that mixes the classes."""
    generator = np.random.default_rng(len(sizes))
    labels = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    images = generator.integers(0, 128, (len(labels), *side, 3)) + (40 * labels % 128)[:, None, None, None]
    return ArrayPictures(images.astype(np.uint8), labels, [f"{prefix}{n}" for n in range(len(sizes))], title=title)


def noise_picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Bytes [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def small_can(map_size: tuple[int, int] = (2, 3), **settings: object) -> CAN:
    """CAN with a backbone of a few channels; pictures of 20 x 40 have maps of 2 x 3."""
    torch.manual_seed(0)
    model = CAN(StridedResNet12(stem=4, widths=(4, 6, 8, 10)), n_base=7, map_size=map_size, hidden=3, **settings)
    for name, value in model.named_buffers():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    return model


def small_spatialformer(steps: int = 5) -> SpatialFormer:
    """SpatialFormer with a backbone of a few channels, fine-tuning in tests."""
    torch.manual_seed(0)
    backbone = StridedResNet12(stem=4, widths=(4, 6, 8, 10))
    return SpatialFormer(backbone, n_base=7, novel_task=NovelTask(FineTuning(steps=steps, rate=0.5)))


def square_episode() -> Episode:
    """`made_up_episode` with pictures of 24 x 24, for methods that rotate them."""
    return made_up_episode(size=(24, 24))


def made_up_episode(
    n_batch: int = 2,
    n_way: int = 3,
    n_shot: int = 2,
    n_query: int = 4,
    seed: int = 0,
    size: tuple[int, int] = (20, 40),
) -> Episode:
    """Random pictures (of 20 x 40) with labels in mixed order; class numbers in 1..7."""
    generator = torch.Generator().manual_seed(seed)
    support = torch.stack(
        [
            torch.arange(n_way).repeat(n_shot)[torch.randperm(n_way * n_shot, generator=generator)]
            for _ in range(n_batch)
        ]
    )
    query = torch.randint(0, n_way, (n_batch, n_query), generator=generator)
    images = torch.randn(n_batch, n_way * n_shot + n_query, 3, *size, generator=generator)
    return Episode(
        support_images=images[:, : n_way * n_shot],
        support_labels=support,
        query_images=images[:, n_way * n_shot :],
        query_labels=query,
        classes=torch.stack([torch.randperm(7, generator=generator)[:n_way] + 1 for _ in range(n_batch)]),
        numbers=torch.arange(n_batch),
    )
