"""Features kept on a disk from settings: the same rows, and files that belong to weights, transform and picture."""

from pathlib import Path

import pytest
import torch
from yacs.config import CfgNode

from sccan.benchmark.everything import SMALL
from sccan.benchmark.synthetic import synthetic_settings
from sccan.builders.engine import evaluator
from sccan.builders.feature_files import feature_files, feature_store
from sccan.builders.segmentation.data import SegmentationData, episode_source, logit_score, novel_plan, open_data
from sccan.builders.segmentation.features import encoded_once
from sccan.builders.segmentation.models import build_method
from sccan.errors import InputError
from sccan.segmentation.data.sampling.pictures import SegmentationSource
from sccan.settings.loading import load_config
from tests.engine.toy import cpu

CONFIG = "config/pascal/pascal_split0_resnet50.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def settings(folder: Path, *more: str) -> CfgNode:
    opts = [*SMALL, *more]
    return load_config(CONFIG, [*synthetic_settings(load_config(CONFIG, opts), folder, pictures=30, side=97), *opts])


def opened(cfg: CfgNode) -> tuple[SegmentationData, SegmentationSource]:
    data = open_data(cfg, cpu())
    return data, episode_source(cfg, data.test_store, novel_plan(cfg, data, n_episodes=6, seed=1))


def test_a_second_test_reads_what_the_first_one_wrote(folder: Path, tmp_path: Path) -> None:
    data, source = opened(settings(folder))
    rows = []
    for more in ((), ("TEST.FEATURE_FILES", str(tmp_path)), ("TEST.FEATURE_FILES", str(tmp_path))):
        cfg = settings(folder, *more)
        method = build_method(cfg, data.fold.base, pretrained=False)
        rows.append(evaluator(cfg, cpu())(method, source, logit_score(cfg)))
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[1], rows[2])
    pictures = {number for spec in source.specs for number in spec.pictures}
    assert len(list(tmp_path.glob("*.safetensors"))) == len(pictures)
    written = {path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    cfg = settings(folder, "TEST.FEATURE_FILES", str(tmp_path))
    known = encoded_once(cfg, cpu(), build_method(cfg, data.fold.base, pretrained=False), [source])
    assert set(known) == pictures
    assert written == {path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_files_belong_to_weights_transform_kept_maps_role_and_picture(folder: Path, tmp_path: Path) -> None:
    cfg = settings(folder, "TEST.FEATURE_FILES", str(tmp_path))
    data, source = opened(cfg)
    method = build_method(cfg, data.fold.base, pretrained=False)
    files = feature_files(cfg, method, source)
    assert files is not None
    names = {files.digest(0, False), files.digest(0, True), files.digest(1, False)}
    larger = settings(folder, "TEST.FEATURE_FILES", str(tmp_path), "TEST.SIZE", "81")
    other = feature_files(larger, method, opened(larger)[1])
    assert other is not None
    names.add(other.digest(0, False))
    with torch.no_grad():
        next(method.get_submodule("backbone").parameters()).mul_(2)
    changed = feature_files(cfg, method, source)
    assert changed is not None
    names.add(changed.digest(0, False))
    fewer = settings(folder, "TEST.FEATURE_FILES", str(tmp_path), "METHOD.SCCAN.MERGE_STAGES", "['layer3']")
    without = feature_files(fewer, method, source)
    assert without is not None
    names.add(without.digest(0, False))
    assert len(names) == 6
    assert feature_files(settings(folder), method, source) is None


def test_where_features_are_kept_is_named(folder: Path) -> None:
    assert feature_store(settings(folder, "TEST.CACHE_ON", "host"), cpu()) == torch.device("cpu")
    with pytest.raises(InputError, match="TEST.CACHE_ON is 'disk', expected device or host"):
        feature_store(settings(folder, "TEST.CACHE_ON", "disk"), cpu())
