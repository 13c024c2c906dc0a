"""Official archives, and what lies in them."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.campaign import SOME, Case
from tests.fuzz.mutations import BYTES
from tests.segmentation.data.prepare.made_up import coco_archives, sbd_members, voc_members, write_tar


def cases(folder: Path) -> list[Case]:
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
        Case("tar", voc, "voc.tar", argv, BYTES, codes=SOME),
        Case("tgz", voc, "sbd.tgz", argv, BYTES, codes=SOME),
        Case("zip", coco, "annotations_trainval2014.zip", more, BYTES),
        Case("zip of pictures", coco, "train2014.zip", more, BYTES),
    ]
