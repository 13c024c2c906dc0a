"""Settings: bases, overrides, refusals with the line a user sees, and the published files against ours."""

from pathlib import Path

import pytest
import yaml

from sccan.builders.classification import frozen as classification
from sccan.builders.segmentation import models as segmentation
from sccan.errors import InputError
from sccan.settings.loading import dump, find_config, flatten, load_config
from sccan.settings.tree import defaults

UNTRAINED = {*segmentation.TRAINING_FREE, *classification.TRAINING_FREE}
"""Methods without a training of their own."""
CONFIG = Path(__file__).parents[2] / "config"

PUBLISHED = """
DATA:
  data_root: ../data/{root}
  train_list: lists/{data}/{train}
  val_list: lists/{data}/val.txt
  classes: 2
  use_split_coco: {interleaved}
TRAIN:
  layers: {layers}
  zoom_factor: 8
  ignore_label: 255
  padding_label: 255
  aux_weight1: 1.0
  aux_weight2: 1.0
  low_fea: layer2
  kshot_trans_dim: 2
  merge: final
  merge_tau: 0.9
  vgg: False
  fix_bn: True
  train_h: 473
  train_w: 473
  val_size: 473
  scale_min: {scale[0]}
  scale_max: {scale[1]}
  rotate_min: -10
  rotate_max: 10
  workers: 8
  batch_size: {batch}
  batch_size_val: 1
  base_lr: 0.005
  epochs: {epochs}
  start_epoch: 0
  stop_interval: 75
  index_split: -1
  power: 0.9
  momentum: 0.9
  weight_decay: 0.0001
  warmup: False
  manual_seed: 321
  seed_deterministic: False
  print_freq: 10
  save_freq: 10
  resume:
  evaluate: True
  SubEpoch_val: True
  fix_random_seed_val: True
  resized_val: True
  ori_resize: True
  ann_type: mask
Method:
  split: {fold}
  shot: {shot}
Test_Finetune:
  weight: train_epoch_1_0.5.pth
"""


def published(data: str, layers: int, fold: int, shot: int) -> str:
    coco = data == "coco"
    return PUBLISHED.format(
        data=data,
        root="MSCOCO2014" if coco else "VOCdevkit2012/VOC2012",
        train="train.txt" if coco else "voc_sbd_merge_noduplicate.txt",
        interleaved=coco,
        layers=layers,
        scale=(0.8, 1.25) if coco else (0.9, 1.1),
        batch=2 if coco else 8,
        epochs=50 if coco else 200,
        fold=fold,
        shot=shot,
    )


@pytest.mark.parametrize("data", ["pascal", "coco"])
@pytest.mark.parametrize("layers", [50, 101])
@pytest.mark.parametrize("fold", range(4))
@pytest.mark.parametrize("shot", [1, 5])
def test_our_run_file_and_the_published_file_mean_the_same(
    tmp_path: Path, data: str, layers: int, fold: int, shot: int
) -> None:
    name = f"{data}_split{fold}_resnet{layers}{'_5s' if shot == 5 else ''}.yaml"
    theirs = tmp_path / name
    theirs.write_text(published(data, layers, fold, shot))
    ours, read = flatten(load_config(CONFIG / data / name)), flatten(load_config(theirs))
    # A published file also names its own list files and its checkpoint.
    apart = {key for key in ours if ours[key] != read[key]}
    assert apart <= {"DATA.TRAIN_LIST", "DATA.VAL_LIST", "TEST.WEIGHTS", "DATA.FOLD_RULE"}
    assert read["DATA.FOLD_RULE"] == ("interleaved" if data == "coco" else "consecutive")
    assert (ours["DATA.FOLD"], ours["EPISODE.SHOTS"], ours["OPTIM.head.LR"]) == (fold, shot, 0.05)


def test_a_published_key_with_another_value_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(published("pascal", 50, 0, 1).replace("vgg: False", "vgg: True"))
    with pytest.raises(InputError, match="vgg is True, but only False"):
        load_config(file)


def test_an_unknown_published_key_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(published("pascal", 50, 0, 1).replace("base_lr", "base_ir"))
    with pytest.raises(InputError, match="unknown key base_ir .*did you mean 'base_lr'"):
        load_config(file)


def test_every_shipped_run_file_loads_is_short_and_starts_with_its_command() -> None:
    files = [file for file in CONFIG.rglob("*.yaml") if not file.name.startswith("_")]
    assert len(files) >= 32
    for file in files:
        cfg = load_config(file)
        assert cfg.NAME == file.stem
        text = file.read_text()
        command = "test" if cfg.METHOD.NAME in UNTRAINED else "train"
        assert text.startswith(f"# python {command}_sccan.py --config={file.relative_to(CONFIG.parent)}"), file
        settings = [line for line in text.splitlines() if not line.startswith("#")]
        assert len(settings) <= 14, file


def test_an_override_has_the_last_word_and_numbers_fit_their_type() -> None:
    cfg = load_config(
        CONFIG / "pascal/pascal_split0_resnet50.yaml",
        ["TRAIN.BATCH_SIZE", "4", "OPTIM.transformer.LR", "1e-4", "TRAIN.SIZE", "[129, 97]", "TRAIN.ROTATE", "5"],
    )
    assert cfg.TRAIN.BATCH_SIZE == 4
    assert cfg.OPTIM.transformer.LR == 1e-4
    assert cfg.TRAIN.SIZE == (129, 97)
    assert cfg.TRAIN.ROTATE == 5.0
    assert isinstance(cfg.TRAIN.ROTATE, float)


@pytest.mark.parametrize(
    ("opts", "line"),
    [
        (["TRAIN.BATCH_SIZ", "4"], "unknown setting TRAIN.BATCH_SIZ; did you mean 'BATCH_SIZE'?"),
        (["TRAIN.BATCH_SIZE", "four"], "TRAIN.BATCH_SIZE must be a whole number such as 8, but got 'four'"),
        (["TRAIN.BATCH_SIZE", "True"], "TRAIN.BATCH_SIZE must be a whole number such as 8, but got True"),
        (["TRAIN.SCALE", "[a, 1]"], "TRAIN.SCALE must be a number"),
        (["TRAIN", "4"], "TRAIN is a group of settings, but got the value 4"),
        (["TRAIN.BATCH_SIZE"], "--opts takes KEY VALUE pairs, but got 1 words"),
        (["OPTIM.head.RATE", "4"], "unknown setting OPTIM.head.RATE"),
    ],
)
def test_a_mistyped_override_is_refused_in_one_line(opts: list[str], line: str) -> None:
    with pytest.raises(InputError) as error:
        load_config(CONFIG / "pascal/pascal_split0_resnet50.yaml", opts)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_base_that_is_missing_or_circular_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("_BASE_: b.yaml\n")
    with pytest.raises(InputError, match="builds on .*b.yaml, which does not exist"):
        load_config(file)
    (tmp_path / "b.yaml").write_text("_BASE_: a.yaml\n")
    with pytest.raises(InputError, match="names itself as its _BASE_"):
        load_config(file)


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "a: [1", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match="a.yaml"):
        load_config(file)


def test_the_merged_settings_are_frozen_and_read_back_from_their_dump(tmp_path: Path) -> None:
    cfg = load_config(CONFIG / "coco/coco_split3_resnet101_5s.yaml")
    with pytest.raises(AttributeError):
        cfg.SEED = 1
    file = tmp_path / "config.yaml"
    file.write_text(dump(cfg))
    assert flatten(load_config(file)) == flatten(cfg)
    assert yaml.safe_load(file.read_text())["DATA"]["FOLD"] == 3


def test_a_missing_file_is_looked_for_among_those_that_come_with_the_package(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config("config/pascal/pascal_split0_resnet50.yaml").is_file()
    with pytest.raises(InputError, match="there is no config file config/pascal/none.yaml"):
        find_config("config/pascal/none.yaml")


def test_every_default_has_a_plain_type() -> None:
    assert {type(value) for value in flatten(defaults()).values()} <= {str, int, float, bool, tuple}


@pytest.mark.parametrize("data", ["pascal", "coco"])
@pytest.mark.parametrize("fold", range(4))
@pytest.mark.parametrize("shot", [1, 5])
@pytest.mark.parametrize("vgg", [False, True])
def test_our_run_file_of_bam_and_the_published_file_mean_the_same(
    tmp_path: Path, data: str, fold: int, shot: int, vgg: bool
) -> None:
    text = (
        published(data, 50, fold, shot).replace("vgg: False", f"vgg: {vgg}").replace("batch_size: 2", "batch_size: 8")
    )
    if data == "coco":
        text = text.replace("473", "641")
    (tmp_path / "theirs.yaml").write_text(text)
    name = f"{data}_split{fold}_bam_{'vgg16' if vgg else 'resnet50'}{'_5s' if shot == 5 else ''}"
    ours = flatten(load_config(CONFIG / data / f"{name}.yaml"))
    read = flatten(load_config(tmp_path / "theirs.yaml", ["METHOD.NAME", "bam", "NAME", name]))
    apart = {key for key in ours.keys() | read.keys() if ours.get(key) != read.get(key)}
    assert apart <= {"DATA.TRAIN_LIST", "DATA.VAL_LIST", "TEST.WEIGHTS", "DATA.FOLD_RULE", "METHOD.BAM.BASE"}
    folder = "vgg" if vgg else "resnet50"
    assert read["METHOD.BAM.BASE"] == f"initmodel/PSPNet/{data}/split{fold}/{folder}/best.pth"


@pytest.mark.parametrize(("data", "index_split", "encoder"), [("pascal", 0, 2.5e-4), ("coco", -1, 2.5e-3)])
def test_our_run_file_of_the_base_learner_and_the_published_file_mean_the_same(
    tmp_path: Path, data: str, index_split: int, encoder: float
) -> None:
    text = published(data, 50, 2, 1)
    changes = {
        "473": "417",
        "base_lr: 0.005": "base_lr: 2.5e-4",
        "index_split: -1": f"index_split: {index_split}",
        "epochs: 200": "epochs: 100",
        "epochs: 50": "epochs: 20",
        "SubEpoch_val: True": "SubEpoch_val: False",
    }
    for old, new in changes.items():
        text = text.replace(old, new)
    (tmp_path / "theirs.yaml").write_text(text)
    (tmp_path / "mine.yaml").write_text("_BASE_: theirs.yaml\nMETHOD: {NAME: pspnet}\nTRAIN: {SCALE: [0.5, 2.0]}\n")
    name = f"{data}_split2_resnet50_base"
    ours = flatten(load_config(CONFIG / data / f"{name}.yaml"))
    read = flatten(load_config(tmp_path / "mine.yaml", ["NAME", name, "TRAIN.BATCH_SIZE", "12"]))
    apart = {key for key in ours.keys() | read.keys() if ours.get(key) != read.get(key)}
    assert apart <= {"DATA.TRAIN_LIST", "DATA.VAL_LIST", "TEST.WEIGHTS", "DATA.FOLD_RULE"}
    assert (read["OPTIM.encoder.LR"], read["OPTIM.head.LR"]) == (encoder, 2.5e-3)


def test_a_published_file_cannot_be_a_classifiers(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(published("pascal", 50, 0, 1))
    with pytest.raises(InputError, match="is a published configuration, which METHOD.NAME 'can' has none of"):
        load_config(tmp_path / "a.yaml", ["METHOD.NAME", "can"])
