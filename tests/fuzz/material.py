"""Small valid files of every format, made by our own commands and by the libraries whose formats they are."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch

from sccan.benchmark.record import FORMAT as BENCHMARK
from sccan.commands import episodes, generate_shapes, prepare_classification, prepare_words, train
from tests.commands.conftest import TINY
from tests.fuzz.campaign import PARTLY, ROOT, Case
from tests.fuzz.mutations import BYTES, JSON, TEXT
from tests.segmentation.data.prepare.made_up import coco_archives, sbd_members, voc_members, write_tar

CONFIG = str(ROOT / "config" / "shapes" / "shapes_split0.yaml")
SOME = (0, PARTLY, 2)
STOPPED = 3
"""Exit code of a training that can go on."""


def all_cases(folder: Path) -> list[Case]:
    """Material below a folder, and the commands that read it."""
    return [*_runs(folder), *_classification(folder), *_archives(folder), *_others(folder)]


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _runs(folder: Path) -> list[Case]:
    """A data set of shapes, a run, and what lies in it."""
    root, runs = folder / "shapes", folder / "runs"
    assert generate_shapes.main([str(root), "--train", "60", "--test", "40", "--size", "65", "--workers", "1"]) == 0
    small = [
        *TINY,
        "TRAIN.SIZE",
        "[33,33]",
        "TEST.SIZE",
        "33",
        "TRAIN.EPISODES_PER_EPOCH",
        "8",
        "VALIDATE.EPISODES",
        "3",
    ]
    small += ["DATA.SKIP_SMALL_CLASSES", "True", "TRAIN.EPOCHS", "1", "TEST.EPISODES", "3", "DATA.ROOT", str(root)]
    own = [*small, "OUTPUT", str(runs), "DATA.CACHE", str(folder / "cache")]
    base = f"--config={ROOT / 'config' / 'shapes' / 'shapes_split0_base.yaml'}"
    assert train.main([base, "--opts", *own]) == 0
    weights = ["BACKBONE.WEIGHTS", str(runs / "shapes_split0_base")]
    assert train.main([f"--config={CONFIG}", "--opts", *own, *weights]) == 0
    manifests = folder / "manifests"
    assert episodes.main(["write", "--config", CONFIG, "--out", str(manifests), "--opts", *own, *weights]) == 0
    (manifest,) = sorted(manifests.iterdir())[:1]
    config = folder / "config"
    config.mkdir()
    (config / "base.yaml").write_text(Path(CONFIG).read_text().replace("_BASE_: ", f"_BASE_: {Path(CONFIG).parent}/"))
    (config / "own.yaml").write_text(
        "_BASE_: base.yaml\nSEED: 7\nTRAIN:\n  BATCH_SIZE: 2\n  SCALE: [0.9, 1.1]\nMETHOD:\n  NAME: sccan\n  SCCAN: "
        "{HEADS: 2, GRID: [8, 8], WINDOW: 4, DEPTH: 2}\nOPTIM:\n  head: {LR: 1e-3}\nTEST: {SEEDS: [1, 2]}\n"
    )
    (config / "published.yaml").write_text(
        "DATA:\n  data_root: x\n  train_list: lists/a.txt\nTRAIN:\n  layers: 50\n  train_h: 33\n  train_w: 33\n"
        "  epochs: 2\n  base_lr: 0.005\n  rotate_min: -10\n  rotate_max: 10\n  scale_min: 0.9\n  scale_max: 1.1\n"
        "  SubEpoch_val: True\n"
    )
    journal = folder / "journal"
    shutil.copytree(_own_examples(folder), journal)
    run = str(runs / "shapes_split0")
    resumed = ["train", "--resume", "--config", CONFIG, "--opts", *small, *weights, "OUTPUT", "{}"]
    test = ["test", "--config", CONFIG, "--weights"]
    tested = ["--opts", *own, *weights]
    replay = ["test", "--config", CONFIG, "--manifest", f"{{}}/{manifest.name}", "--out", "{}/out"]
    last, best = "shapes_split0/last.pt", "shapes_split0/best.safetensors"
    segment = ["segment", "--model", run, "--support", "{}/examples", "--images", "{}/photos", "--out", "{}/out"]
    return [
        Case("config", config, "own.yaml", ["doctor", "{}/own.yaml"], TEXT, SOME),
        Case("base of a config", config, "base.yaml", ["doctor", "{}/own.yaml"], TEXT, SOME),
        Case("published config", config, "published.yaml", ["doctor", "{}/published.yaml"], TEXT, SOME),
        Case("manifest shown", manifests, manifest.name, ["episodes", "show", f"{{}}/{manifest.name}"], JSON),
        Case("manifest replayed", manifests, manifest.name, [*replay, *tested], JSON),
        Case("training state", runs, last, resumed, BYTES, (0, 2, STOPPED)),
        Case("settings of a run", runs, "shapes_split0/settings.json", resumed, JSON, (0, 2, STOPPED)),
        Case("starts of a run", runs, "shapes_split0/environment.json", resumed, JSON, (0, 2, STOPPED)),
        Case("weights", runs, best, [*test, f"{{}}/{best}", "--out", "{}/out", *tested], BYTES),
        Case("index", folder / "cache", _first(folder / "cache"), [
            "test", "--config", CONFIG, "--out", "{}/out", *tested, "DATA.CACHE", "{}"
        ], BYTES),
        Case("list of pictures", root, "lists/val.txt" if (root / "lists").is_dir() else "val.txt", [
            "doctor", "{}", "--data", "shapes", "--min-pixels", "20", "--workers", "1"
        ], TEXT, SOME),
        Case("label of shapes", root, _first(root / "SegmentationClassAug", root), [
            "doctor", "{}", "--data", "shapes", "--min-pixels", "20", "--workers", "1"
        ], BYTES, SOME),
        Case("facts of shapes", root, "settings.json", [
            "generate_shapes", "{}", "--train", "60", "--test", "40", "--size", "65", "--workers", "1"
        ], JSON),
        Case("photo", journal, "photos/p.jpg", segment, BYTES, SOME),
        Case("mask", journal, "examples/a_mask.png", segment, BYTES, SOME),
        Case("model of segment", runs, best, [*segment[:2], f"{{}}/{best}", *_elsewhere(segment[3:], journal)], BYTES),
    ]  # fmt: skip


def _elsewhere(argv: list[str], material: Path) -> list[str]:
    """The same command with examples and pictures that stay as they are."""
    return [word.replace("{}", str(material)) if word != "{}/out" else word for word in argv]


def _own_examples(folder: Path) -> Path:
    """Examples with masks, and a photo."""
    own = folder / "own"
    (own / "examples").mkdir(parents=True)
    (own / "photos").mkdir()
    mask = np.zeros((40, 48), np.uint8)
    mask[10:30, 12:36] = 255
    cv2.imwrite(str(own / "examples" / "a.jpg"), _noise(40, 48, 3))
    cv2.imwrite(str(own / "examples" / "a_mask.png"), mask)
    cv2.imwrite(str(own / "photos" / "p.jpg"), _noise(40, 48, 3))
    return own


def _first(folder: Path, root: Path | None = None) -> str:
    return min(folder.iterdir()).relative_to(root or folder).as_posix()


def _classification(folder: Path) -> list[Case]:
    """Data sets of every form, each for the command that reads it."""
    forms = folder / "forms"
    pictures, labels = _noise(12, 8, 8, 3), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    made: dict[str, str] = {}

    def form(name: str, target: str) -> Path:
        made[name] = target
        (forms / name).mkdir(parents=True)
        return forms / name

    for protocol in (2, 5):
        where = form(f"pickle of protocol {protocol}", "train.pickle")
        for split in ("train", "val", "test"):
            (where / f"{split}.pickle").write_bytes(pickle.dumps({"data": pictures, "labels": labels}, protocol))
    where = form("cache", "mini-imagenet-cache-train.pkl")
    for split in ("train", "val", "test"):
        rows = {f"{split}{number}": list(range(3 * number, 3 * number + 3)) for number in range(4)}
        content = {"image_data": pictures, "class_dict": rows}
        (where / f"mini-imagenet-cache-{split}.pkl").write_bytes(pickle.dumps(content))
    for compressed in (False, True):
        where = form(f"npz {'compressed' if compressed else 'plain'}", "train_images.npz")
        for split in ("train", "val", "test"):
            save = np.savez_compressed if compressed else np.savez
            save(where / f"{split}_images.npz", images=pictures)
            (where / f"{split}_labels.pkl").write_bytes(pickle.dumps({"labels": labels}))
    where = form("hdf5", "train_data.hdf5")
    for split in ("train", "val", "test"):
        with h5py.File(where / f"{split}_data.hdf5", "w") as stored:
            for number in range(4):
                stored[f"datasets/{split}{number}"] = pictures[3 * number : 3 * number + 3]
        (where / f"{split}_labels.json").write_text(json.dumps([f"{split}{number}" for number in range(4)]))
    made["names of hdf5"] = "train_labels.json"
    shutil.copytree(where, forms / "names of hdf5")
    where = form("memory file", "train.pth")
    for split in ("train", "val", "test"):
        content = (
            [torch.from_numpy(one) for one in pictures],
            labels,
            {f"{split}{number}": number for number in range(4)},
        )
        torch.save(list(content), where / f"{split}.pth")
    where = form("csv", "train.csv")
    (where / "images").mkdir()
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(where / "images" / f"p{number}.jpg"), picture)
    for split in ("train", "val", "test"):
        with (where / f"{split}.csv").open("w") as table:
            rows = [("filename", "label"), *((f"p{n}.jpg", f"{split}{label}") for n, label in enumerate(labels))]
            csv.writer(table).writerows(rows)
    where = form("json list", "train.json")
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(where / f"p{number}.jpg"), picture)
    for split in ("train", "val", "test"):
        listed = {"label_names": [f"{split}{n}" for n in range(4)], "image_names": [f"p{n}.jpg" for n in range(12)]}
        (where / f"{split}.json").write_text(json.dumps({**listed, "image_labels": labels}))
    where = form("class folders", "train/train0/p0.jpg")
    for split in ("train", "val", "test"):
        for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            (where / split / f"{split}{label}").mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(where / split / f"{split}{label}" / f"p{number}.jpg"), picture)
    kinds = {".json": JSON, ".csv": TEXT}
    argv = ["prepare_classification", "--source", "{}", "--to", "{}/to"]
    cases = [
        Case(name, forms / name, target, argv, kinds.get(Path(target).suffix, BYTES)) for name, target in made.items()
    ]
    for name in ("csv", "npz plain"):
        to = folder / f"prepared {name}"
        assert prepare_classification.main(["--source", str(forms / name), "--to", str(to)]) == 0
        targets = ["dataset.json", *sorted(path.name for path in to.iterdir() if path.name.startswith("train"))]
        prepared = ["prepare_classification", "--source", "{}", "--to", "{}/to"]
        cases += [
            Case(f"{target} prepared of {name}", to, target, prepared, kinds.get(Path(target).suffix, BYTES))
            for target in targets
        ]
    return cases


def _archives(folder: Path) -> list[Case]:
    """Official archives, and what lies in them."""
    voc, coco = folder / "voc", folder / "coco"
    (voc / "root").mkdir(parents=True)
    write_tar(voc / "voc.tar", voc_members())
    write_tar(voc / "sbd.tgz", sbd_members(), "w:gz")
    coco_archives(coco)
    (coco / "root").mkdir()
    argv = ["prepare", "pascal", "--root", "{}/root", "--voc", "{}/voc.tar", "--sbd", "{}/sbd.tgz", "--workers", "1"]
    parts = ["--annotations", "{}/annotations_trainval2014.zip", "--train-images", "{}/train2014.zip"]
    more = ["prepare", "coco", "--root", "{}/root", *parts, "--val-images", "{}/val2014.zip", "--workers", "1"]
    return [
        Case("tar", voc, "voc.tar", argv, BYTES),
        Case("tgz", voc, "sbd.tgz", argv, BYTES),
        Case("zip", coco, "annotations_trainval2014.zip", more, BYTES),
    ]


def _others(folder: Path) -> list[Case]:
    """Word vectors, benchmarks, reference cases."""
    words = folder / "words"
    words.mkdir()
    rows = [f"word{number} " + " ".join(f"{n * 0.1:.2f}" for n in range(5)) for number in range(20)]
    (words / "glove.txt").write_text("\n".join(rows) + "\n")
    assert prepare_words.main([str(words / "glove.txt"), "--to", str(words / "safe")]) == 0
    benchmarks = folder / "benchmarks"
    benchmarks.mkdir()
    spread = {"median": 1.0, "lower": 0.9, "upper": 1.1}
    machine = {"device": "CPU", "cpu": "x", "threads": 1, "time": "now", "revision": None}
    measured = {"config": "a", "part": "b", "variant": "c", "per_second": spread}
    for name in ("one", "two"):
        content = {"format": BENCHMARK, "environment": machine, "results": [measured]}
        (benchmarks / f"{name}.json").write_text(json.dumps(content))
    cases = folder / "cases"
    cases.mkdir()
    for path in (ROOT / "tests" / "reference" / "cases" / "can").glob("test_episodes.*"):
        shutil.copy(path, cases)
    verify = ["verify_reference", "{}/test_episodes.json"]
    return [
        Case("word vectors", words, "glove.txt", ["prepare_words", "{}/glove.txt", "--to", "{}/to"], TEXT),
        Case("benchmark", benchmarks, "one.json", ["benchmark", "--compare", "{}/one.json", "{}/two.json"], JSON),
        Case("reference case", cases, "test_episodes.json", verify, JSON, SOME),
        Case("reference arrays", cases, "test_episodes.npz", verify, BYTES, SOME),
    ]
