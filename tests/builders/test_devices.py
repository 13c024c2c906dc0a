"""Every released method computes on the device it is on, and the host waits for nothing: on a pretended GPU.

Published sizes throughout, since nothing is computed. What this cannot show is that kernels run and are right there.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sccan.backbones.timm_backbone import timm_backbone
from sccan.benchmark.everything import PASCAL, PASCAL_BAM, SMALL, SMALL_PICTURES
from sccan.benchmark.synthetic import synthetic_settings
from sccan.builders.classification.data import augmentation, build_classifier, fixed_transform, training_job
from sccan.builders.released.trained import load_trained
from sccan.builders.segmentation.data import episode_source, logit_score, novel_plan, open_data, protocol_of
from sccan.builders.segmentation.models import build_base_learner, build_method
from sccan.classification.classifying import Classifying
from sccan.classification.data.episodes import augmented
from sccan.classification.methods.tasnet import TasNet
from sccan.engine.distributed import Runtime
from sccan.engine.evaluate import Score, evaluate
from sccan.episodes.episode import Episode
from sccan.segmentation.data.sampling.training import prepare_episode, prepare_pixels
from sccan.segmentation.evaluation.part_scores import PartScore
from sccan.segmentation.evaluation.shot_vote import VotingMethod
from sccan.segmentation.finding.segmenting import Segmenting
from sccan.segmentation.methods.all_answers import AllAnswers
from sccan.segmentation.methods.bam import BAM
from sccan.segmentation.parts.pixel_batch import PixelBatch
from sccan.settings.loading import load_config
from tests.engine.toy import cpu
from tests.fake_device import DEVICE, bf16_autocast, devices, fake_tensors, on_device

BASE = tuple(range(6, 21))
SEGMENTATION = (
    *("resnet50", "bam_vgg16"),
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("resnet50_5s", "resnet101", "bam_resnet50", "bam_resnet50_5s")
    ),
)
BASE_LEARNERS = ("pascal/pascal_split0_resnet50", "pascal/pascal_split0_vgg16", "shapes/shapes_split0")
CLASSIFICATION = (
    *("can", "tsf"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("tasnet", "dmf", "spatialformer", "cecnet", "amtnet")),
)


def bytes_episode(shots: int, queries: int, side: int, labels: Tensor | None = None) -> Episode:
    """Two episodes of pictures as bytes, as a loader gives them."""
    masks = torch.zeros(2, shots + queries, side, side, dtype=torch.int64)
    supports, wanted = masks.split([shots, queries], 1) if labels is None else labels.split([shots, queries], 1)
    return Episode(
        torch.zeros(2, shots, 3, side, side, dtype=torch.uint8),
        supports,
        torch.zeros(2, queries, 3, side, side, dtype=torch.uint8),
        wanted,
        torch.ones(2, 1 if labels is None else 5, dtype=torch.int64),
        torch.arange(2),
    )


@pytest.mark.parametrize("lower", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("name", SEGMENTATION)
def test_segmentation(name: str, lower: bool) -> None:
    cfg = load_config(f"config/pascal/pascal_split0_{name}.yaml", [])
    with fake_tensors(), bf16_autocast(lower):
        model = on_device(build_method(cfg, BASE, pretrained=False))
        episode = prepare_episode(bytes_episode(cfg.EPISODE.SHOTS, 1, cfg.TRAIN.SIZE[0]), DEVICE)
        kinds: list[torch.dtype] = []
        model.down_query.register_forward_hook(lambda module, inputs, output: kinds.append(output.dtype))
        outputs = model.train()(episode)
        losses = model.loss(outputs, episode)
        assert devices(outputs) == devices(losses) == {"cuda"}
        assert losses["total"].dtype == torch.float32
        with torch.no_grad():
            answered = model.eval()
            if cfg.EPISODE.SHOTS > 1 and not name.startswith("bam"):
                answered = VotingMethod(model)
            support, query = answered.encode_episode(episode)
            state = answered.condition_episode(support, episode)
            logits = answered.predict(query, state)
        assert logits.shape[:2] == (2, 1)
        assert set(kinds) == {torch.bfloat16 if lower else torch.float32}
        assert devices(state) == devices(logits) == {"cuda"}


@pytest.mark.parametrize(
    ("model", "stages"),
    [
        ("tf_efficientnet_lite0", ("blocks.2", "blocks.4", "blocks.5")),
        ("vit_small_patch14_dinov2", ("blocks.4", "blocks.11", "norm")),
        ("vit_small_patch16_dinov3", ("blocks.4", "blocks.11", "norm")),
    ],
)
def test_networks_of_timm(model: str, stages: tuple[str, ...]) -> None:
    built = timm_backbone(model, stages=stages).freeze()
    with fake_tensors():
        backbone = on_device(built)
        maps = backbone(torch.zeros(2, 3, 224, 336, device=DEVICE))
        assert devices(maps) == {"cuda"}
        assert devices(backbone.continued(stages[-1], maps[stages[-2]])) == {"cuda"}


@pytest.mark.parametrize(
    "name", ["pascal/pascal_split0_resnet50", "pascal/pascal_split0_vgg16", "shapes/shapes_split0"]
)
def test_base_learners(name: str) -> None:
    cfg = load_config(f"config/{name}_base.yaml", ["BACKBONE.WEIGHTS", ""])
    with fake_tensors():
        model = on_device(build_base_learner(cfg, len(BASE))).train()
        side = cfg.TRAIN.SIZE[0]
        images, labels = torch.zeros(2, 3, side, side, dtype=torch.uint8), torch.zeros(2, side, side, dtype=torch.int64)
        batch = prepare_pixels(PixelBatch(images, labels), DEVICE)
        assert devices(model.loss(model(batch), batch)) == {"cuda"}


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classification(name: str) -> None:
    cfg = load_config(f"config/cifar_fs/{name}_resnet12_5w1s.yaml")
    model = build_classifier(cfg, 64)
    if isinstance(model, TasNet):
        model.know(torch.rand(64, 300))
    with fake_tensors():
        ways = torch.arange(5)
        labels = torch.cat([ways.expand(2, 5), ways.repeat_interleave(2).expand(2, 10)], 1)
        model = on_device(model).train()
        episode = bytes_episode(5, 10, 84, labels).to(DEVICE)
        assert episode.support_images is not None
        assert episode.query_images is not None
        episode = dataclasses.replace(
            episode, support_images=episode.support_images.float(), query_images=episode.query_images.float()
        )
        outputs = model(episode)
        assert devices(outputs) == devices(model.loss(outputs, episode)) == {"cuda"}
        with torch.no_grad():
            support, query = model.eval().encode_episode(episode)
            state = model.condition_episode(support, episode)
            assert devices(model.predict(query, state)) == devices(state) == {"cuda"}


@pytest.mark.parametrize("config", [PASCAL, pytest.param(PASCAL_BAM, marks=pytest.mark.slow)])
def test_segmentation_is_evaluated_without_waiting(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)  # unknown to tensors without contents
    cfg = load_config(config, SMALL)
    cfg = load_config(config, [*SMALL, *synthetic_settings(cfg, tmp_path, pictures=30, side=97)])
    data = open_data(cfg, cpu())
    source = episode_source(cfg, data.test_store, novel_plan(cfg, data, n_episodes=6, seed=1))
    model, score = build_method(cfg, data.fold.base, pretrained=False), logit_score(cfg)
    rule: Score = PartScore(score.comparison, data.fold) if isinstance(model, BAM) else score
    with fake_tensors():
        tested = on_device(AllAnswers(model) if isinstance(model, BAM) else model)
        rows = evaluate(tested, source, rule, runtime=Runtime(DEVICE), batch_size=2, encode_batch=2, fold=False)
    assert rows.shape == (6, 6 if config == PASCAL else 10 + 3 * (len(data.fold.base) + 1))


@pytest.mark.parametrize("resident", [False, True])
def test_classification_pictures_are_prepared_on_the_device(resident: bool, tmp_path: Path) -> None:
    config = "config/cifar_fs/tsf_resnet12_5w1s.yaml"
    own = [*SMALL_PICTURES, "DATA.ON_DEVICE", str(resident), "PICTURE.JITTER", "0.4", "PICTURE.ERASE", "0.5"]
    cfg = load_config(config, own)
    cfg = load_config(config, [*own, *synthetic_settings(cfg, tmp_path, pictures=8, side=0)])
    task = training_job(cfg, cpu()).task
    batch = next(iter(task.batches(0, 0)))
    assert (batch.pixels is None) == resident
    with fake_tensors():
        if resident:
            held = torch.zeros(160, 3, *cfg.PICTURE.SIZE, dtype=torch.uint8, device=DEVICE)
            ready = augmented(batch.to(DEVICE), fixed_transform(cfg), augmentation(cfg), resident=held)
        else:
            ready = task.prepare(batch, DEVICE)
    assert devices(ready) == {"cuda"}
    assert ready.query_images is not None
    assert ready.query_images.dtype == torch.float32


def test_pictures_of_ones_own_are_encoded_on_the_device() -> None:
    """What follows waits for the host once for every set of examples, which cannot be run on such tensors."""
    pictures = [np.zeros((90, 120, 3), np.uint8)] * 3
    trained = load_trained("segment")
    transform = protocol_of(trained.cfg).transform(128)
    telling = load_trained("classify")
    with fake_tensors():
        segmenting = Segmenting(on_device(trained.method), transform, device=DEVICE, batch=2)
        assert devices(segmenting.encode(pictures)) == {"cuda"}
        assert devices(segmenting.as_example(segmenting.encode(pictures[:1]), lambda: pictures[0])) == {"cuda"}
        classifying = Classifying(on_device(telling.method), fixed_transform(telling.cfg), DEVICE)
        assert devices(classifying.encoded(pictures, batch=2)) == {"cuda"}
