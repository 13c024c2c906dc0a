"""Runs, features and words that an earlier version wrote, for the commands that read them from their own folder."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.campaign import ROOT, Case
from tests.fuzz.mutations import BYTES, JSON

STORED = ROOT / "tests" / "stored"
TASNET, CAN = "runs/tasnet_cpu_5w1s", "runs/can_cpu_5w1s"
PARTS = {"features.npy": BYTES, "json": JSON}


def cases(folder: Path) -> list[Case]:
    features = ["extract_features", "--config", f"{TASNET}/config.yaml"]
    manifest = f"{CAN}/results/can_3way_1shot/episodes_seed1.jsonl"
    replay = ["test", "--config", f"{CAN}/config.yaml", "--manifest", manifest, "--out", "out"]
    shown = ["test", "--config", f"{TASNET}/config.yaml", "--out", "out"]
    return [
        *(
            Case(f"features {end}", STORED, f"data/features/test.{end}", features, kinds, inside=True)
            for end, kinds in PARTS.items()
        ),
        Case("features tested", STORED, "data/features/test.features.npy", shown, BYTES, inside=True),
        Case("prepared words", STORED, "data/words/words.json", shown, JSON, inside=True),
        Case("vectors of words", STORED, "data/words/vectors.npy", shown, BYTES, inside=True),
        Case("manifest of a classifier", STORED, manifest, replay, JSON, inside=True),
        Case("weights of a classifier", STORED, f"{CAN}/best.safetensors", replay, BYTES, inside=True),
    ]
