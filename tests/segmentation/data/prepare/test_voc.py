"""PASCAL: archives, unpacked folders and converted labels lead to the same data set; every failure says what to do."""

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.errors import InputError
from sccan.segmentation.data.prepare.voc import (
    CONVERTED,
    LARGEST_PART,
    MAT_COMPRESSED,
    MAT_HEADER,
    VARIANT,
    Sources,
    prepare_pascal,
    read_mat_label,
)
from sccan.segmentation.data.sets.lists import read_list
from sccan.segmentation.data.sets.record import label_variant
from tests.segmentation.data.prepare import made_up
from tests.segmentation.data.prepare.made_up import SBD_TRAIN, SBD_VAL, VOC_TRAIN, VOC_VAL, label_of

ALL = {*VOC_TRAIN, *VOC_VAL, *SBD_TRAIN, *SBD_VAL}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    made_up.write_tar(folder / "voc.tar", made_up.voc_members())
    made_up.write_tar(folder / "sbd.tgz", made_up.sbd_members(), "w:gz")
    return folder


def given(archives: Path, **others: Path) -> Sources:
    return Sources(voc=archives / "voc.tar", sbd=archives / "sbd.tgz", **others)


def labels_in(root: Path) -> dict[str, np.ndarray]:
    """Name -> label, read by an independent decoder, which would show a palette as such."""
    result = {}
    for path in sorted((root / "SegmentationClassAug").iterdir()):
        with Image.open(path) as image:
            assert image.mode == "L"
            result[path.stem] = np.asarray(image)
    return result


def test_archives_become_raw_index_labels_with_the_rim_of_voc(tmp_path: Path, archives: Path) -> None:
    made = prepare_pascal(tmp_path, given(archives), workers=1)
    labels = labels_in(tmp_path)
    assert set(labels) == ALL
    for name, label in labels.items():
        np.testing.assert_array_equal(label, label_of(name, rim=name in {*VOC_TRAIN, *VOC_VAL}), err_msg=name)
    assert {path.stem for path in (tmp_path / "JPEGImages").iterdir()} == ALL  # one of them came from SBD
    assert made.labels == {"converted": 0, "VOC": 7, "SBD": len(ALL) - 7}
    assert made.missing == ()
    assert label_variant(tmp_path, "SegmentationClassAug/2007_000032.png") == VARIANT
    assert not (tmp_path / "SBD" / "inst").exists()


def test_source_lists_follow_from_the_split_files(tmp_path: Path, archives: Path) -> None:
    made = prepare_pascal(tmp_path, given(archives), workers=1)
    lists = {
        name: [Path(image).stem for image, _ in read_list(tmp_path / "lists" / name, tmp_path)]
        for name in made.lists
        if name != "voc_sbd_merge.txt"
    }
    # SBD's train list, then its val list, without what VOC tests on.
    expected_sbd = ["2008_000008", "2008_000019", "2008_000023", "2008_000028", "2010_000002"]
    assert lists["sbd_data.txt"] == expected_sbd
    assert lists["voc_original_train.txt"] == list(VOC_TRAIN)
    assert lists["val.txt"] == list(VOC_VAL)
    assert lists["voc_sbd_merge_noduplicate.txt"] == [*expected_sbd, "2007_000032", "2007_000039", "2008_000015"]
    assert made.lists["voc_sbd_merge.txt"] == 9
    first = (tmp_path / "lists" / "sbd_data.txt").read_text().splitlines()[0]
    assert first == "JPEGImages/2008_000008.jpg SegmentationClassAug/2008_000008.png"


def test_unpacked_folders_give_the_same_and_stay_untouched(tmp_path: Path, archives: Path) -> None:
    voc = made_up.unpack_into(tmp_path / "voc", made_up.voc_members())
    sbd = made_up.unpack_into(tmp_path / "sbd", made_up.sbd_members())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    prepare_pascal(tmp_path / "a", Sources(voc=voc, sbd=sbd), workers=1)
    prepare_pascal(tmp_path / "b", given(archives), workers=1)
    for path in (tmp_path / "b").rglob("*"):
        relative = path.relative_to(tmp_path / "b")
        # Taken from a folder, the parts that are only read stay where they are.
        if path.is_file() and relative.parts[0] != "SBD":
            assert (tmp_path / "a" / relative).read_bytes() == path.read_bytes()
    assert all(path.read_bytes() == content for path, content in before.items())


def test_in_place_the_data_root_itself_is_completed(tmp_path: Path, archives: Path) -> None:
    root = made_up.unpack_into(tmp_path, made_up.voc_members()) / "VOCdevkit" / "VOC2012"
    prepare_pascal(root, Sources(sbd=archives / "sbd.tgz"), workers=1)
    assert set(labels_in(root)) == ALL


def test_a_converted_folder_is_taken_over_palette_or_grey(tmp_path: Path, archives: Path) -> None:
    converted = tmp_path / "SegmentationClassAug"
    converted.mkdir()
    for number, name in enumerate(sorted(ALL - {"2007_000061"})):
        write = made_up.palette_png if number % 2 else made_up.grey_png
        (converted / f"{name}.png").write_bytes(write(label_of(name, rim=False)))
    root = tmp_path / "root"
    made_up.unpack_into(root, {f"JPEGImages/{made_up.ONLY_IN_SBD}.jpg": made_up.jpeg(made_up.ONLY_IN_SBD)})
    made = prepare_pascal(root, Sources(voc=archives / "voc.tar", sbd=converted), workers=1)
    assert made.labels == {"converted": len(ALL) - 1, "VOC": 1, "SBD": 0}
    for name, label in labels_in(root).items():  # what it lacks comes from VOC, with its rim
        np.testing.assert_array_equal(label, label_of(name, rim=name == "2007_000061"))
    assert label_variant(root, "SegmentationClassAug/2007_000032.png") == CONVERTED
    # A second run finds everything in place and changes nothing.
    again = prepare_pascal(root, Sources(voc=archives / "voc.tar"), workers=1)
    assert again.lists == made.lists


def test_a_converted_archive_is_taken_over_without_its_rubbish(tmp_path: Path, archives: Path) -> None:
    members = {f"SegmentationClassAug/{n}.png": made_up.grey_png(label_of(n, rim=False)) for n in ("2008_000019",)}
    rubbish = {"__MACOSX/SegmentationClassAug/._2008_000019.png": b"x"}
    archive = made_up.write_zip(tmp_path / "SegmentationClassAug.zip", members | rubbish)
    root = tmp_path / "root"
    made = prepare_pascal(root, Sources(voc=archives / "voc.tar", sbd=archive), workers=1)
    assert made.labels == {"converted": 1, "VOC": 7, "SBD": 0}
    assert set(labels_in(root)) == {"2008_000019", *VOC_TRAIN, *VOC_VAL}
    assert made.lists["sbd_data.txt"] == 5  # the converted one, and VOC's own train pictures


def test_a_given_selection_is_followed_and_its_missing_pictures_are_named(tmp_path: Path, archives: Path) -> None:
    wanted = tmp_path / "sbd_data.txt"
    names = ["2008_000028", "2008_777777", "2008_000019"]
    wanted.write_text("".join(f"JPEGImages/{name}.jpg SegmentationClassAug/{name}.png\n" for name in names))
    made = prepare_pascal(tmp_path / "root", given(archives, sbd_list=wanted), workers=1)
    assert made.missing == ("2008_777777",)
    pairs = read_list(tmp_path / "root" / "lists" / "sbd_data.txt", tmp_path)
    assert [Path(image).stem for image, _ in pairs] == ["2008_000028", "2008_000019"]


def test_a_selection_that_would_train_on_tested_pictures_is_refused(tmp_path: Path, archives: Path) -> None:
    wanted = tmp_path / "wrong.txt"
    wanted.write_text("2008_000019\n2007_000033\n")
    line = f"{wanted} names 2007_000033, which is in VOC's val list; training must not see it"
    with pytest.raises(InputError, match=re.escape(line)):
        prepare_pascal(tmp_path / "root", given(archives, sbd_list=wanted), workers=1)


def test_a_second_run_keeps_finished_labels_and_makes_the_damaged_ones_again(tmp_path: Path, archives: Path) -> None:
    prepare_pascal(tmp_path, given(archives), workers=1)
    folder = tmp_path / "SegmentationClassAug"
    files = sorted(folder.iterdir())
    whole = {path: path.read_bytes() for path in files}
    files[0].write_bytes(b"")  # as after a power cut
    files[1].write_bytes(whole[files[1]][:-20])
    files[2].unlink()
    (folder / ".2008_000008.png.sccan-12345678.partial").write_bytes(b"half")
    times = {path: path.stat().st_mtime_ns for path in files[3:]}
    prepare_pascal(tmp_path, given(archives), workers=1)
    assert {path: path.read_bytes() for path in folder.iterdir()} == whole
    assert {path: path.stat().st_mtime_ns for path in files[3:]} == times


def test_labels_that_are_unfinished_need_their_source_again(tmp_path: Path, archives: Path) -> None:
    sbd = made_up.unpack_into(tmp_path / "sbd", made_up.sbd_members())
    (sbd / "benchmark_RELEASE/dataset/cls/2010_000002.mat").write_bytes(b"MATLAB 5.0 MAT-file, cut off")
    root = tmp_path / "root"
    with pytest.raises(InputError, match=r"2010_000002\.mat is no label of SBD"):
        prepare_pascal(root, Sources(voc=archives / "voc.tar", sbd=sbd), workers=1)
    line = (
        f"the labels in {root}/SegmentationClassAug are unfinished; give the place of SBD with --sbd again to continue"
    )
    with pytest.raises(InputError, match=re.escape(line)):
        prepare_pascal(root, Sources(), workers=1)
    assert not (root / "lists" / "val.txt").exists()


@pytest.mark.parametrize("cut", [0, 1, 100, 127, 130, 200, 300, 0.7, 0.95])
def test_a_damaged_mat_file_is_refused_in_one_line(tmp_path: Path, cut: float) -> None:
    content = made_up.mat(label_of("2008_000019", rim=False))
    path = tmp_path / "x.mat"
    path.write_bytes(content[: int(cut * len(content)) if isinstance(cut, float) else cut])
    with pytest.raises(InputError, match=r"x\.mat is no label of SBD \(GTcls\.Segmentation\): .*; unpack the archive"):
        read_mat_label(path)


def test_a_mat_file_that_unpacks_to_more_than_a_label_is_refused(tmp_path: Path) -> None:
    head = made_up.mat(label_of("2008_000019", rim=False))[:MAT_HEADER]
    packed = zlib.compress(bytes(LARGEST_PART + 1))
    path = tmp_path / "x.mat"
    path.write_bytes(head + struct.pack("<II", MAT_COMPRESSED, len(packed)) + packed)
    with pytest.raises(InputError, match=r"x\.mat is no label of SBD .*: a part of more than 64 MB"):
        read_mat_label(path)


def test_every_altered_byte_of_a_compressed_mat_file_is_noticed(tmp_path: Path) -> None:
    content = bytearray(made_up.mat(label_of("2008_000019", rim=False)))
    random = np.random.default_rng(0)
    path = tmp_path / "x.mat"
    for place in random.integers(136, len(content), 40):
        altered = content.copy()
        altered[place] ^= 1 << int(random.integers(8))
        path.write_bytes(altered)
        with pytest.raises(InputError, match=r"x\.mat is no label of SBD"):
            read_mat_label(path)


def test_a_value_that_is_no_class_names_the_file(tmp_path: Path, archives: Path) -> None:
    sbd = made_up.unpack_into(tmp_path / "sbd", made_up.sbd_members()) / "benchmark_RELEASE" / "dataset"
    label = label_of("2008_000019", rim=False)
    label[0, 0] = 21
    (sbd / "cls" / "2008_000019.mat").write_bytes(made_up.mat(label))
    line = f"label {sbd}/cls/2008_000019.mat holds the value 21; expected 0, the classes 1..20 and 255"
    with pytest.raises(InputError, match=re.escape(line)):
        prepare_pascal(tmp_path / "root", Sources(voc=archives / "voc.tar", sbd=sbd), workers=1)


def test_an_incomplete_voc_is_named(tmp_path: Path, archives: Path) -> None:
    members = made_up.voc_members()
    del members["VOCdevkit/VOC2012/JPEGImages/2007_000042.jpg"]
    voc = made_up.write_tar(tmp_path / "voc.tar", members)
    root = tmp_path / "root"
    line = (
        f"VOC's val list names 2007_000042, of which {root} has no image or label (1 of 3 pictures are missing); "
        "unpack the whole archive"
    )
    with pytest.raises(InputError, match=re.escape(line)):
        prepare_pascal(root, Sources(voc=voc, sbd=archives / "sbd.tgz"), workers=1)


def test_missing_material_says_where_to_get_it(tmp_path: Path, archives: Path) -> None:
    line = (
        f"{tmp_path} holds neither VOC 2012 (JPEGImages, SegmentationClass, ImageSets) nor "
        "VOCtrainval_11-May-2012.tar; give its place with --voc, or add --download to fetch it from "
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar"
    )
    with pytest.raises(InputError, match=re.escape(line)):
        prepare_pascal(tmp_path, Sources(), workers=1)
    with pytest.raises(InputError, match=r"--sbd .*nowhere does not exist; expected SBD"):
        prepare_pascal(tmp_path, Sources(voc=archives / "voc.tar", sbd=tmp_path / "nowhere"), workers=1)
    with pytest.raises(InputError, match=r"sbd\.tgz does not hold VOC 2012"):
        prepare_pascal(tmp_path / "other", Sources(voc=archives / "sbd.tgz"), workers=1)
    with pytest.raises(InputError, match=r"voc\.tar holds neither SBD's cls/\*\.mat nor SegmentationClassAug/\*\.png"):
        prepare_pascal(tmp_path, Sources(voc=archives / "voc.tar", sbd=archives / "voc.tar"), workers=1)
