"""Pictures of one's own with examples in every form: what `segment` and `classify` read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sccan.commands import embed, segment
from tests.fuzz.campaign import SOME, Case
from tests.fuzz.mutations import BYTES, JSON, PICTURE, TEXT
from tests.predict.made_up import classifier_file, save, segmenter_file
from tests.segmentation.data.annotations import test_exports_of_tools as exports

FORMS = ("a.jpg", "b.png", "c.bmp", "d.webp", "e.tif", "f.png", "g.tif")
READ = {"cvat_coco": "annotations/instances_default.json", "labelme": "a.json", "via_project": "via_project.json"}
"""Exports that `segment` reads; `doctor` reads all of them."""


def cases(folder: Path) -> list[Case]:
    folder.mkdir(parents=True)
    model = segmenter_file(folder)
    own = _examples(folder / "own")
    argv = ["segment", "--model", str(model), "--support", "{}/examples", "--images", "{}/photos", "--out", "{}/out"]
    argv += ["--device", "cpu"]
    found = [Case(f"photo {name}", own, f"photos/{name}", argv, (*BYTES, *PICTURE), SOME) for name in FORMS]
    found += [
        Case("picture of an example", own, "examples/a.jpg", argv, (*BYTES, *PICTURE), SOME),
        Case("mask", own, "examples/a_mask.png", argv, (*BYTES, *PICTURE), SOME),
        Case("names of classes", own, "examples/classes.txt", argv, TEXT, SOME),
        *_results(folder / "results", own, argv),
        *_maps(folder / "maps", own, argv),
        *_weights(folder / "weights", model, own, argv),
        *_exports(folder / "exports"),
        *_shown(folder / "shown", own, argv),
        *_kinds(folder / "kinds", classifier_file(folder), own),
    ]
    return found


def _examples(own: Path) -> Path:
    """Examples with masks, and a photo of every form."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    mask = np.zeros((40, 48), np.uint8)
    mask[10:30, 12:36] = 255
    save(own / "examples" / "a.jpg", noise)
    save(own / "examples" / "a_mask.png", mask)
    (own / "examples" / "classes.txt").write_text("cat\n")
    for name in FORMS[:5]:
        save(own / "photos" / name, noise)
    cv2.imwrite(str(own / "photos" / "f.png"), noise.astype(np.uint16) * 16)
    Image.fromarray(noise[..., 0].astype(np.float32) / 255).save(own / "photos" / "g.tif")
    return own


def _results(folder: Path, own: Path, argv: list[str]) -> list[Case]:
    """A folder of results that goes on."""
    made = [word.replace("{}", str(own)) for word in argv]
    made[made.index("--out") + 1] = str(folder)
    assert segment.main(made[1:]) == 0
    again = [word.replace("{}", str(own)) if word != "{}/out" else "{}" for word in argv]
    return [
        Case("journal of segment", folder, ".segment.jsonl", again, JSON),
        Case("record of what was made", folder, ".made_by_sccan", again, (*JSON, *TEXT)),
        Case("label map of results", folder, "a.png", again, BYTES),
    ]


def _maps(folder: Path, own: Path, argv: list[str]) -> list[Case]:
    """Maps of the photos, in place of encoding them."""
    features = folder.parent / "features.safetensors"
    assert embed.main([str(own / "photos"), "--out", str(features), "--maps", str(folder), *argv[1:3]]) == 0
    kept = [word.replace("{}", str(own)) if word != "{}/out" else word for word in argv] + ["--maps", "{}"]
    one = min(path.name for path in folder.glob("*.safetensors"))
    return [Case("origin of maps", folder, "maps.json", kept, JSON), Case("maps", folder, one, kept, BYTES, SOME)]


def _weights(folder: Path, model: Path, own: Path, argv: list[str]) -> list[Case]:
    folder.mkdir(parents=True)
    (folder / "best.safetensors").write_bytes(model.read_bytes())
    elsewhere = [word.replace("{}", str(own)) if word != "{}/out" else word for word in argv]
    elsewhere[2] = "{}/best.safetensors"
    return [Case("model of segment", folder, "best.safetensors", elsewhere, BYTES)]


def _exports(folder: Path) -> list[Case]:
    """What labelling tools write: every kind of file of every export."""
    found = []
    for export in exports.EXPORTS:
        root = folder / export.__name__
        root.mkdir(parents=True)
        export(root)
        targets = {path.suffix: path.relative_to(root).as_posix() for path in sorted(root.rglob("*.*"), reverse=True)}
        for suffix, target in sorted(targets.items()):
            if suffix in (".jpg", ".png") and export is not exports.cvat_masks:
                continue
            kinds = {".json": JSON, ".png": (*BYTES, *PICTURE), ".jpg": (*BYTES, *PICTURE)}.get(suffix, TEXT)
            examined = ["doctor", "{}", "--data", "folder", "--min-pixels", "1", "--workers", "1"]
            found.append(Case(f"{export.__name__} {suffix}", root, target, examined, kinds, SOME))
    return found


def _shown(folder: Path, own: Path, argv: list[str]) -> list[Case]:
    """Exports as examples of a command that finds the same in photos."""
    found = []
    for name, target in READ.items():
        (folder / name / "examples").mkdir(parents=True)
        getattr(exports, name)(folder / name / "examples")
        shown = [word.replace("{}/photos", str(own / "photos" / FORMS[0])) for word in argv]
        found.append(Case(f"{name} as examples", folder / name, f"examples/{target}", shown, JSON, SOME))
    return found


def _kinds(folder: Path, model: Path, own: Path) -> list[Case]:
    """Class folders, and a table of what is true."""
    for name in ("cat", "dog"):
        save(folder / "kinds" / name / "1.jpg", np.full((20, 24, 3), 90, np.uint8))
    (folder / "truth.csv").write_text("a.jpg,cat\nb.png,dog\nc.bmp,cat\n")
    argv = ["classify", "--model", str(model), "--support", "{}/kinds", "--images", str(own / "photos"), "--sort"]
    argv += ["--out", "{}/out", "--labels", "{}/truth.csv", "--device", "cpu"]
    return [
        Case("table of true classes", folder, "truth.csv", argv, TEXT),
        Case("picture of a class", folder, "kinds/cat/1.jpg", argv, (*BYTES, *PICTURE)),
    ]
