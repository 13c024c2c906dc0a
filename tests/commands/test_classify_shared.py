"""`sccan classify` by several processes: the files of one."""

from pathlib import Path

import pytest
import torch

from sccan.commands import classify
from sccan.commands.classify_pictures import _shares
from sccan.engine.distributed import Runtime
from sccan.pictures.photos import Photo
from tests.commands.test_segment_shared import _files
from tests.engine.processes import run_module
from tests.predict.made_up import classifier_file, disc, save


@pytest.mark.parametrize(("count", "processes"), [(0, 2), (1, 3), (10_000, 2), (8192, 3)])
def test_every_picture_is_dealt_once_in_groups_and_every_process_has_as_many_shares(count: int, processes: int) -> None:
    photos = [Photo(f"{number:05}.png", Path("none")) for number in range(count)]
    dealt = [[*_shares(photos, 4, Runtime(torch.device("cpu"), rank, processes))] for rank in range(processes)]
    assert len({len(shares) for shares in dealt}) == 1
    together = [[photo for share in shares for photo in share] for shares in zip(*dealt, strict=True)]
    assert [photo for photos in together for photo in sorted(photos, key=lambda one: one.name)] == photos
    for share in (share for shares in dealt for share in shares):
        for first in range(0, len(share), 4):
            start = int(share[first].name[:5])
            assert start % 4 == 0
            assert share[first : first + 4] == photos[start : start + 4]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_write_the_bytes_of_one(tmp_path: Path, processes: int) -> None:
    model = classifier_file(tmp_path)
    for number, kind in enumerate(["cat", "dog"]):
        save(tmp_path / "kinds" / kind / "1.png", disc(40, 50, seed=number)[0])
    for number in range(5):
        save(tmp_path / "photos" / f"{number}.png", disc(40, 50 + number, seed=5 + number)[0])
    (tmp_path / "photos" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    def words(out: str) -> list[str]:
        places = ["--support", str(tmp_path / "kinds"), "--images", str(tmp_path / "photos")]
        return ["--model", str(model), *places, "--out", str(tmp_path / out), "--device", "cpu", "--batch", "2"]

    assert classify.main(words("one")) == 1
    launcher = ("torch.distributed.run", "--standalone", f"--nproc_per_node={processes}")
    code, output = run_module(*launcher, "-m", "sccan", "classify", *words("several"), timeout=600)
    assert code == 1, "the broken picture"
    assert output.count("not classified: 2.png") == 1
    want = _files(tmp_path / "one")
    assert len(want) > 2
    assert _files(tmp_path / "several") == want
