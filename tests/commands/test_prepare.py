"""tools/prepare.py as a user meets it: what it prints, the exit code, and the one line for each kind of bad input."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sccan.commands.prepare import main
from sccan.reference import tiny_dataset
from sccan.segmentation.data.annotations.coco_labels import VARIANTS, paint
from sccan.segmentation.data.annotations.instances import annotations_of, read_instances
from sccan.segmentation.data.labels.raw_png import write_label
from sccan.segmentation.data.prepare.coco import CLASS_NUMBERS
from sccan.segmentation.data.prepare.lists import read_class_lists
from sccan.segmentation.data.sets.lists import read_list
from tests.segmentation.data.prepare import made_up

Refusal = Callable[[Callable[[list[str] | None], int], list[str]], str]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    made_up.write_tar(folder / "VOCtrainval_11-May-2012.tar", made_up.voc_members())
    made_up.write_tar(folder / "benchmark.tgz", made_up.sbd_members(), "w:gz")
    made_up.coco_archives(folder)
    return folder


def pascal(root: Path, archives: Path, *more: str) -> list[str]:
    given = ["--voc", str(archives / "VOCtrainval_11-May-2012.tar"), "--sbd", str(archives / "benchmark.tgz")]
    return ["pascal", "--root", str(root), *given, "--workers", "1", "--cache", str(root / "cache"), *more]


def coco(root: Path, archives: Path, *more: str) -> list[str]:
    given = ["--annotations", str(archives / "annotations_trainval2014.zip")]
    given += ["--train-images", str(archives / "train2014.zip"), "--val-images", str(archives / "val2014.zip")]
    return ["coco", "--root", str(root), *given, "--workers", "1", "--cache", str(root / "cache"), *more]


def test_pascal_ends_with_an_index_fold_lists_and_counts(
    tmp_path: Path, archives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(pascal(tmp_path, archives, "--list-prefix", "../data/VOCdevkit2012/VOC2012")) == 0
    text = capsys.readouterr().out
    assert "label images: 7 from VOC, 4 from SBD" in text
    assert re.search(r"lists/sbd_data\.txt +5 +5623\n", text)
    assert "no published selection of SBD pictures was given (--sbd-list)" in text
    assert "of 8 fold counts and" in text
    assert f"next: python tools/doctor.py {tmp_path}" in text
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 2  # the indices of both lists
    folder = tmp_path / "lists" / "fss_list"
    assert {path.name for path in (folder / "val").iterdir()} == {
        f"{kind}_{fold}.txt" for kind in ("data_list", "sub_class_file_list") for fold in range(4)
    }
    lists = [(folder / "val" / f"data_list_{fold}.txt").read_text().splitlines() for fold in range(4)]
    for line in (line for lines in lists for line in lines):
        assert line.startswith("../data/VOCdevkit2012/VOC2012/JPEGImages/")
    # Our own import reads back what we wrote for published code.
    for fold, lines in enumerate(lists):
        per_class = read_class_lists(folder / "val" / f"sub_class_file_list_{fold}.txt", tmp_path)
        assert sorted(per_class) == list(range(5 * fold + 1, 5 * fold + 6))
        assert len(lines) == len({pair for pairs in per_class.values() for pair in pairs})


def test_pictures_missing_from_a_given_selection_are_said_and_the_exit_code_is_1(
    tmp_path: Path, archives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = tmp_path / "sbd_data.txt"
    wanted.write_text("2008_000019\n" + "".join(f"2008_9000{n:02d}\n" for n in range(25)))
    assert main(pascal(tmp_path / "root", archives, "--sbd-list", str(wanted))) == 1
    text = capsys.readouterr().out
    line = "25 pictures of the SBD list have no image or label and were left out: 2008_900000 2008_900001 "
    assert line in text
    assert "and 5 more" in text
    missing = (tmp_path / "root" / "lists" / "sbd_missing.txt").read_text().splitlines()
    assert missing == [f"2008_9000{n:02d}" for n in range(25)]


def test_coco_in_both_variants_says_which_one_agrees(
    tmp_path: Path, archives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(coco(tmp_path, archives, "--labels", "both", "--only", "val")) == 0
    text = capsys.readouterr().out
    assert "lists/val.txt" in text
    assert "labels 'compatible', folds interleaved" in text
    assert "labels 'full', folds interleaved" in text
    assert "no variant agrees with every published count; pictures apart, summed over all counts: '" in text
    assert "--opts DATA.TRAIN_LIST lists/full/train.txt DATA.VAL_LIST lists/full/val.txt" in text
    for folder in ("lists", "lists/full"):
        assert (tmp_path / folder / "fss_list" / "val" / "data_list_3.txt").is_file()


def test_a_published_list_is_taken_over_relative_to_the_root(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_dataset.build(str(tmp_path), train=5, val=4)
    lines = (tmp_path / "val.txt").read_text().splitlines()
    theirs = tmp_path / "theirs.txt"
    windows = [" ".join("D:\\VOC2012\\" + part.replace("/", "\\") for part in line.split()) for line in lines[::-1]]
    theirs.write_text("\n".join([*windows, windows[0]]))
    assert main(["list", "--root", str(tmp_path), str(theirs), "--out", "lists/val.txt"]) == 0
    assert "lists/val.txt: 4 pictures" in capsys.readouterr().out
    assert (tmp_path / "lists" / "val.txt").read_text().splitlines() == lines[::-1]


def test_a_list_of_absent_files_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    tiny_dataset.build(str(tmp_path), train=2, val=2)
    theirs = tmp_path / "theirs.txt"
    theirs.write_text(
        "JPEGImages/v0000.png SegmentationClassAug/v0000.png\nJPEGImages/x.jpg SegmentationClassAug/x.png\n"
    )
    assert refusal(main, ["list", "--root", str(tmp_path), str(theirs)]) == (
        f"error: {theirs} names 2 files that are not in {tmp_path}, the first is JPEGImages/x.jpg; nothing was "
        "written: prepare the data set first, or check --root"
    )
    assert not (tmp_path / "lists").exists()
    theirs.write_text("{6: []}")
    assert refusal(main, ["list", "--root", str(tmp_path), str(theirs)]) == (
        f'error: {theirs} is no list of "image label" lines; compare class lists with fold-list'
    )


def test_published_fold_lists_are_compared_with_our_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCCAN_CACHE", str(tmp_path / "cache"))
    tiny_dataset.build(str(tmp_path), train=60, val=60)
    theirs = tmp_path / "data_list_1.txt"
    kept = []
    for number in range(60):  # the published rule once more, from the label arrays
        _, label = tiny_dataset.arrays(number, 1)
        if any((label == c).sum() >= 2048 for c in range(6, 11)):
            kept.append(f"../data/JPEGImages/v{number:04d}.png ../data/SegmentationClassAug/v{number:04d}.png\n")
    theirs.write_text("".join(kept))
    asked = ["fold-list", "--root", str(tmp_path), "--data", "pascal", "--fold", "1"]
    asked += ["--source-list", str(tmp_path / "val.txt"), str(theirs)]
    assert main(asked) == 0
    assert "the same pictures, same order" in capsys.readouterr().out
    theirs.write_text("".join(kept[1:]))
    assert main(asked) == 1
    assert (
        f"{len(kept) - 1} pictures in data_list_1.txt, {len(kept)} by our rule, 1 only here" in capsys.readouterr().out
    )


def test_labels_of_unknown_origin_are_identified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(made_up.coco_instances("val")))
    for picture in read_instances(path).pictures():
        label = paint(annotations_of(path, picture), (70, 100), CLASS_NUMBERS, VARIANTS["full"])
        write_label(tmp_path / "labels" / Path(picture.file_name).with_suffix(".png").name, label)
    asked = ["identify", "--annotations", str(path), "--labels", str(tmp_path / "labels"), "--workers", "1"]
    assert main(asked) == 0
    text = capsys.readouterr().out
    assert "these labels are exactly what the rule 'full' paints" in text
    assert "polygons after the first" in text
    write_label(tmp_path / "labels" / "COCO_val2014_000000000100.png", np.full((70, 100), 9, np.uint8))
    assert main(asked) == 1
    assert "no rule paints these labels exactly; the closest is 'full'" in capsys.readouterr().out


def test_bad_archives_stop_before_anything_is_listed(tmp_path: Path, archives: Path, refusal: Refusal) -> None:
    members = made_up.voc_members() | {"VOCdevkit/../../evil.txt": b"x"}
    evil = made_up.write_tar(tmp_path / "evil.tar", members)
    root = tmp_path / "root"
    assert refusal(main, [*pascal(root, archives), "--voc", str(evil)]) == (
        f"error: {evil} holds 'VOCdevkit/../../evil.txt', which is a path that leads upwards; nothing was unpacked: "
        "fetch the official archive, or make it anew without that"
    )
    assert [path for path in root.rglob("*") if path.is_file()] == []
    assert not (tmp_path.parent / "evil.txt").exists()


def test_a_label_of_another_size_than_its_image_stops_with_its_name(
    tmp_path: Path, archives: Path, refusal: Refusal
) -> None:
    members = made_up.voc_members()
    name = "VOCdevkit/VOC2012/SegmentationClass/2007_000042.png"
    members[name] = made_up.palette_png(np.zeros((33, 44), np.uint8))
    voc = made_up.write_tar(tmp_path / "voc.tar", members)
    root = tmp_path / "root"
    height, width = made_up.shape_of("2007_000042")
    assert refusal(main, [*pascal(root, archives), "--voc", str(voc)]) == (
        f"error: label {root}/SegmentationClassAug/2007_000042.png is 33x44 (height x width), but its image "
        f"{root}/JPEGImages/2007_000042.jpg is {height}x{width}; they must be equal"
    )


def test_a_damaged_annotation_file_is_said(tmp_path: Path, archives: Path, refusal: Refusal) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    text = json.dumps(made_up.coco_instances("val"))
    (folder / "instances_val2014.json").write_text(text[:-300])
    line = refusal(main, [*coco(tmp_path / "root", archives, "--only", "val"), "--annotations", str(folder)])
    assert line.startswith(f"error: {folder}/instances_val2014.json ends early or is damaged near byte ")
    assert line.endswith("; fetch it again")


def test_without_material_the_line_says_where_to_get_it(tmp_path: Path, refusal: Refusal) -> None:
    assert refusal(main, ["coco", "--root", str(tmp_path)]) == (
        f"error: {tmp_path} holds neither the annotations (instances_train2014.json, instances_val2014.json) nor "
        "annotations_trainval2014.zip; give its place with --annotations, or add --download to fetch it from "
        "http://images.cocodataset.org/annotations/annotations_trainval2014.zip"
    )


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python tools/prepare.py pascal --root ../data/VOCdevkit2012/VOC2012 --download" in capsys.readouterr().out


def test_lists_that_were_made_are_read_by_the_data_set(tmp_path: Path, archives: Path) -> None:
    assert main(coco(tmp_path, archives)) == 0
    pairs = read_list(tmp_path / "lists" / "train.txt", tmp_path)
    assert all((tmp_path / path).is_file() for pair in pairs for path in pair)
