"""A data set of shapes and a run on it: settings, manifests, training state, weights, index, lists."""

from __future__ import annotations

import json
from pathlib import Path

from sccan.commands import episodes, generate_shapes, train
from tests.commands.conftest import TINY
from tests.fuzz.campaign import ROOT, SOME, Case
from tests.fuzz.mutations import BYTES, JSON, TEXT

CONFIG = str(ROOT / "config" / "shapes" / "shapes_split0.yaml")
BASE = str(ROOT / "config" / "shapes" / "shapes_split0_base.yaml")
SMALL = (
    "TRAIN.SIZE [33,33] TEST.SIZE 33 TRAIN.EPISODES_PER_EPOCH 8 VALIDATE.EPISODES 3 DATA.SKIP_SMALL_CLASSES True "
    "TRAIN.EPOCHS 1 TEST.EPISODES 3"
).split()
STOPPED = 3
"""Exit code of a training that can go on."""
DRAWN = ["--train", "60", "--test", "40", "--size", "65", "--workers", "1"]


def cases(folder: Path) -> list[Case]:
    root, runs, cache = folder / "shapes", folder / "runs", folder / "cache"
    assert generate_shapes.main([str(root), *DRAWN]) == 0
    small = [*TINY, *SMALL, "DATA.ROOT", str(root)]
    own = [*small, "OUTPUT", str(runs), "DATA.CACHE", str(cache)]
    assert train.main([f"--config={BASE}", "--opts", *own]) == 0
    weights = ["BACKBONE.WEIGHTS", str(runs / "shapes_split0_base")]
    assert train.main([f"--config={CONFIG}", "--opts", *own, *weights]) == 0
    options = ["--opts", *own, *weights]
    resumed = ["train", "--resume", "--config", CONFIG, "--opts", *small, *weights, "OUTPUT", "{}"]
    return [
        *_settings(folder / "config"),
        *_manifests(folder / "manifests", options),
        *_run(runs, resumed, ["test", "--config", CONFIG, "--out", "{}/out", *options]),
        *_data(root, cache, ["test", "--config", CONFIG, "--out", "{}/out", *options, "DATA.CACHE", "{}"]),
    ]


def _settings(folder: Path) -> list[Case]:
    folder.mkdir()
    base = Path(CONFIG)
    (folder / "base.yaml").write_text(base.read_text().replace("_BASE_: ", f"_BASE_: {base.parent}/"))
    (folder / "own.yaml").write_text(
        "_BASE_: base.yaml\nSEED: 7\nTRAIN:\n  BATCH_SIZE: 2\n  SCALE: [0.9, 1.1]\nMETHOD:\n  NAME: sccan\n  SCCAN: "
        "{HEADS: 2, GRID: [8, 8], WINDOW: 4, DEPTH: 2}\nOPTIM:\n  head: {LR: 1e-3}\nTEST: {SEEDS: [1, 2]}\n"
    )
    (folder / "published.yaml").write_text(
        "DATA:\n  data_root: x\n  train_list: lists/a.txt\nTRAIN:\n  layers: 50\n  train_h: 33\n  train_w: 33\n"
        "  epochs: 2\n  base_lr: 0.005\n  rotate_min: -10\n  rotate_max: 10\n  scale_min: 0.9\n  scale_max: 1.1\n"
        "  SubEpoch_val: True\n"
    )
    return [
        Case("config", folder, "own.yaml", ["doctor", "{}/own.yaml"], TEXT, SOME),
        Case("base of a config", folder, "base.yaml", ["doctor", "{}/own.yaml"], TEXT, SOME),
        Case("published config", folder, "published.yaml", ["doctor", "{}/published.yaml"], TEXT, SOME),
    ]


def _manifests(folder: Path, options: list[str]) -> list[Case]:
    assert episodes.main(["write", "--config", CONFIG, "--out", str(folder), *options]) == 0
    name = min(folder.iterdir()).name
    replay = ["test", "--config", CONFIG, "--manifest", f"{{}}/{name}", "--out", "{}/out", *options]
    return [
        Case("manifest shown", folder, name, ["episodes", "show", f"{{}}/{name}"], JSON),
        Case("manifest replayed", folder, name, replay, JSON),
    ]


def _run(runs: Path, resumed: list[str], test: list[str]) -> list[Case]:
    name, best = "shapes_split0", "shapes_split0/best.safetensors"
    facts = json.loads((runs / name / "environment.json").read_text())
    assert facts
    tested = [*test[:3], "--weights", f"{{}}/{best}", *test[3:]]
    return [
        Case("training state", runs, f"{name}/last.pt", resumed, BYTES, (0, 2, STOPPED)),
        Case("settings of a run", runs, f"{name}/settings.json", resumed, JSON, (0, 2, STOPPED)),
        Case("starts of a run", runs, f"{name}/environment.json", resumed, JSON, (0, 2, STOPPED)),
        Case("log of a run", runs, f"{name}/log.jsonl", resumed, JSON, (0, 2, STOPPED)),
        Case("weights", runs, best, tested, BYTES),
    ]


def _data(root: Path, cache: Path, test: list[str]) -> list[Case]:
    examined = ["doctor", "{}", "--data", "shapes", "--min-pixels", "20", "--workers", "1"]
    listed = next(path for name in ("lists/val.txt", "val.txt") if (path := root / name).is_file())
    label = min((root / "SegmentationClassAug").iterdir())
    return [
        Case("index", cache, min(cache.glob("*.npz")).name, test, BYTES),
        Case("list of pictures", root, listed.relative_to(root).as_posix(), examined, TEXT, SOME),
        Case("label of shapes", root, label.relative_to(root).as_posix(), examined, BYTES, SOME),
        Case("facts of shapes", root, "settings.json", ["generate_shapes", "{}", *DRAWN], JSON),
    ]
