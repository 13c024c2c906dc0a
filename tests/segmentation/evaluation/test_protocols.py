"""The protocols are the rows of the table they stand for, and each part does what its column says."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image

from sccan.backbones.pixels import normalize
from sccan.episodes.index import FoldLists
from sccan.episodes.plan import StratifiedPlan
from sccan.errors import InputError
from sccan.segmentation.data.sampling.hsnet_sampler import HSNetClasses, HSNetPairs
from sccan.segmentation.data.sampling.published_sampler import PublishedPlan
from sccan.segmentation.evaluation.iou import RATIOS
from sccan.segmentation.evaluation.protocols import PROTOCOLS, protocol
from sccan.segmentation.evaluation.scoring import AtInputSize, ContentOnLabel, OnLabelSquare, WholeOnLabel
from sccan.segmentation.evaluation.shot_vote import VotingMethod
from tests.segmentation.evaluation.test_shot_vote import MeanSupport

TABLE = {  # name: input and episodes on PASCAL and COCO, seeds, novel pixels in training, selection
    "sccan": ((473, 473), (1000, 4000), (321,), "drop", "test_fold"),
    "bam": ((473, 641), (1000, 1000), (510, 365, 382, 322, 988), "drop", "test_fold"),
    "pfenet": ((473, 641), (1000, 1000), (510, 365, 382, 322, 988), "background", "test_fold"),
    "hsnet": ((400, 400), (1000, 1000), (0,), "background", "test_fold"),
    "matcher": ((1024, 1024), (1000, 1000), (0,), "background", "test_fold"),
    "stratified": ((473, 473), (1000, 4000), (321, 322, 323, 324, 325), "drop", "base"),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_numbers_of_every_row(name: str) -> None:
    row = protocol(name)
    sizes, episodes, seeds, novel_pixels, selection = TABLE[name]
    assert (row.input_size("pascal"), row.input_size("coco")) == sizes
    assert (row.n_episodes("pascal"), row.n_episodes("coco")) == episodes
    assert (row.seeds, row.novel_pixels, row.selection) == (seeds, novel_pixels, selection)
    assert row.n_episodes("shapes") == 1000
    assert row.absent_counts == (name != "stratified")
    assert RATIOS[row.ratio](0, 0) == 0.0
    assert set(PROTOCOLS) == set(TABLE)


def lists(n_classes: int = 2) -> FoldLists:
    table = np.ones((8, n_classes), bool)
    return FoldLists(tuple(range(1, n_classes + 1)), np.arange(8), table, table)


@pytest.mark.parametrize(
    ("name", "dataset", "kind"),
    [
        ("sccan", "pascal", PublishedPlan),
        ("bam", "coco", PublishedPlan),
        ("pfenet", "pascal", PublishedPlan),
        ("stratified", "coco", StratifiedPlan),
        ("hsnet", "pascal", HSNetPairs),
        ("hsnet", "shapes", HSNetPairs),
        ("hsnet", "coco", HSNetClasses),
        ("matcher", "coco", HSNetClasses),
        ("matcher", "coco_mini", HSNetClasses),
    ],
)
def test_the_sampler_of_every_row_and_data_set(name: str, dataset: str, kind: type) -> None:
    plan = protocol(name).plan(lists(), n_shot=2, n_episodes=5, seed=0, skip_small=False, dataset=dataset)
    assert type(plan) is kind
    assert len(plan) == 5


def test_a_replaced_sampler_holds_on_every_data_set() -> None:
    row = protocol("hsnet", sampler="stratified")
    assert row.name == "hsnet+sampler=stratified"
    for dataset in ("pascal", "coco"):
        plan = row.plan(lists(), n_shot=1, n_episodes=2, seed=0, skip_small=False, dataset=dataset)
        assert type(plan) is StratifiedPlan


def test_a_part_named_for_every_data_set_is_no_longer_told_by_the_data_set() -> None:
    row = protocol("hsnet", sampler="hsnet_pairs")
    plan = row.plan(lists(), n_shot=1, n_episodes=2, seed=0, skip_small=False, dataset="coco")
    assert type(plan) is HSNetPairs


def test_items_of_a_published_list_are_for_hsnet_alone() -> None:
    items = [(3, 1), (4, 1), (2, 1)]
    asked = {"n_shot": 1, "n_episodes": 4, "seed": 0, "skip_small": False, "items": items}
    plan = protocol("hsnet").plan(lists(), dataset="pascal", **asked)
    assert [spec.query[0][0] for spec in plan.episodes()] == [3, 4, 2, 3]
    line = "a list of (picture, class) items is for the sampler 'hsnet_pairs', not for 'published'"
    with pytest.raises(InputError, match=re.escape(line)):
        protocol("sccan").plan(lists(), dataset="pascal", **asked)


def test_where_labels_are_compared() -> None:
    kinds = {name: type(row.comparison(row.transform(400))) for name, row in PROTOCOLS.items()}
    assert kinds == {
        "sccan": OnLabelSquare,
        "bam": OnLabelSquare,
        "pfenet": OnLabelSquare,
        "hsnet": AtInputSize,
        "matcher": AtInputSize,
        "stratified": ContentOnLabel,
    }
    original = protocol("hsnet", compare_at="label")  # HSNet's original-size switch
    assert original.name == "hsnet+compare_at=label"
    assert type(original.comparison(original.transform(400))) is ContentOnLabel


def test_the_double_dagger_rows_are_sccan_with_hsnets_resize() -> None:
    row = protocol("sccan", resize="hsnet")
    assert row.name == "sccan+resize=hsnet"
    transform = row.transform(40)
    picture = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    expected = np.asarray(Image.fromarray(picture).resize((40, 40), Image.Resampling.BILINEAR)) / 255
    normalised = (expected - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(transform.image(picture).numpy().transpose(1, 2, 0), normalised, atol=1e-5)
    # Nothing is padded, so the whole output belongs on the whole label.
    comparison = row.comparison(transform)
    assert type(comparison) is WholeOnLabel
    ramp = torch.linspace(0, 1, 40).expand(1, 40, 40)
    stretched = comparison.maps(ramp, (30, 50))
    torch.testing.assert_close(stretched, torch.linspace(0, 1, 50).expand(1, 30, 50))
    label = np.full((30, 50), 7, np.uint8)
    assert (comparison.target(label, 7) == 1).all()


def test_hsnets_labels_are_the_nearest_pixels() -> None:
    label = np.arange(6 * 9, dtype=np.uint8).reshape(6, 9)
    found = protocol("hsnet").transform(4).label(label)
    rows, columns = (np.arange(4) * side // 4 for side in label.shape)
    np.testing.assert_array_equal(found, label[rows][:, columns])


def test_who_joins_several_shots() -> None:
    method = MeanSupport()
    assert all(row.method(method) is method for name, row in PROTOCOLS.items() if name != "hsnet")
    assert type(protocol("hsnet").method(method)) is VotingMethod
    assert protocol("hsnet", shots="network").method(method) is method


@pytest.mark.parametrize(
    ("name", "parts", "line"),
    [
        (
            "hsnets",
            {},
            "TEST.PROTOCOL is 'hsnets', expected one of stratified, sccan, bam, pfenet, hsnet, matcher; did you mean",
        ),
        (
            "sccan",
            {"resize": "hsnets"},
            "TEST.RESIZE is 'hsnets', expected one of published, keep_aspect, square, hsnet",
        ),
        ("sccan", {"shots": "vote"}, "TEST.SHOTS is 'vote', expected one of network, votes; did you mean 'votes'?"),
    ],
)
def test_unknown_names_are_refused(name: str, parts: dict[str, str], line: str) -> None:
    with pytest.raises(InputError, match=re.escape(line)):
        protocol(name, **parts)


def test_a_part_that_is_the_protocols_own_changes_nothing() -> None:
    assert protocol("hsnet", resize="hsnet", compare_at="").name == "hsnet"
    assert protocol("hsnet", resize="square").name == "hsnet"  # the same resize by its other name


def test_the_matcher_protocol_shrinks_a_picture_between_the_centres_of_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image = protocol("matcher").transform(8).image(pixels)
    wanted = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    wanted = torch.nn.functional.interpolate(wanted, size=(8, 8), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(image, normalize(wanted), rtol=0, atol=1e-4)
    averaged = protocol("hsnet").transform(8).image(pixels)
    assert (image - averaged).abs().max() > 0.5
