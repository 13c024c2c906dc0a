"""Features that two processes encoded in halves are there whole on both."""

from typing import Any

import torch

from sccan.engine.sharing import share_of, shared_features
from sccan.episodes.episode import Features
from tests.engine.toy import cpu


def test_every_process_gets_the_features_of_all_pictures(two_processes: list[dict[str, Any]]) -> None:
    for found in two_processes:
        for shared in found["shared"].values():
            assert list(shared) == [f"{number} {name}" for number in (7, 3, 9, 4, 6) for name in ("deep", "map")]
            for place, value in shared.items():
                number, name = place.split()
                assert torch.equal(value, torch.full((1, 3, 4, 5), float(number) * (1 if name == "map" else -1)))


def test_one_process_keeps_its_own() -> None:
    own = {3: Features({"map": torch.ones(1, 2, 3, 4)}, (6, 8))}
    assert share_of([3], cpu()) == [3]
    assert shared_features(own, [3], cpu()) == own
