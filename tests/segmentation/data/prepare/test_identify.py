"""Which rule made given label images: every rule is recognised, and every differing pixel has a cause."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from sccan.errors import InputError
from sccan.segmentation.data.annotations.coco_labels import paint
from sccan.segmentation.data.annotations.instances import Instances, annotations_of, read_instances
from sccan.segmentation.data.labels.raw_png import write_label
from sccan.segmentation.data.prepare.coco import CLASS_NUMBERS
from sccan.segmentation.data.prepare.identify import CHAIN, compare_labels, effect_names
from tests.segmentation.data.prepare.made_up import annotation, square

RUN = {"counts": [0, 60 * 10, 60 * 70], "size": [60, 80]}  # the ten leftmost columns


@pytest.fixture
def instances(tmp_path: Path) -> Instances:
    """Two pictures in which every rule paints something else than the one before."""
    drawn = [
        [square(20.8, 10.8, 30.0), square(60, 40, 12)],
        [square(25, 15, 10)],
    ]
    annotations = [
        annotation(1, 1, 1, drawn[1], 100),  # small, painted first
        annotation(2, 1, 2, drawn[0], 1044),
        annotation(3, 1, 1, RUN, 600, crowd=1),
        annotation(4, 2, 90, [square(5, 5, 20)], 400),
    ]
    content = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "height": 60, "width": 80} for n in (1, 2)],
        "annotations": annotations,
        "categories": [{"id": category, "name": str(category)} for category in CLASS_NUMBERS],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    return read_instances(path)


@pytest.mark.parametrize("step", range(len(CHAIN)))
def test_the_rule_that_painted_is_found_and_explains_everything(
    tmp_path: Path, instances: Instances, step: int
) -> None:
    for picture in instances.pictures():
        label = paint(annotations_of(instances.path, picture), (60, 80), CLASS_NUMBERS, CHAIN[step][2])
        write_label(tmp_path / "labels" / f"{Path(picture.file_name).stem}.png", label)
    result = compare_labels(instances, tmp_path / "labels", workers=1)
    assert result.closest == step
    assert (result.identical[step], result.differing[step]) == (2, 0)
    assert result.effects[0] == 0  # nothing unexplained
    assert sum(result.effects) == result.differing[0]
    assert len(effect_names(step)) == len(result.effects) == step + 1
    if step == len(CHAIN) - 1:
        assert result.effects[2:] == (12 * 12, 60 * 10, 10 * 10)  # second polygon, crowd, small over large


def test_pixels_that_no_rule_paints_stay_unexplained(tmp_path: Path, instances: Instances) -> None:
    for picture in instances.pictures():
        label = paint(annotations_of(instances.path, picture), (60, 80), CLASS_NUMBERS, CHAIN[-1][2])
        label[50:, 30:40] = 77
        write_label(tmp_path / "labels" / f"{Path(picture.file_name).stem}.png", label)
    result = compare_labels(instances, tmp_path / "labels", workers=1)
    assert result.closest == len(CHAIN) - 1
    assert result.effects[0] == result.differing[-1] == 2 * 100
    assert result.identical == (0,) * len(CHAIN)


def test_labels_that_do_not_belong_to_the_annotations_are_refused(tmp_path: Path, instances: Instances) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    line = f"no picture of {instances.path} has a label image NAME.png in {labels}"
    with pytest.raises(InputError, match=re.escape(line)):
        compare_labels(instances, labels, workers=1)
    write_label(labels / "1.png", np.zeros((80, 60), np.uint8))
    with pytest.raises(
        InputError, match=r"1\.png is \(80, 60\) \(height, width\), but instances\.json says \(60, 80\)"
    ):
        compare_labels(instances, labels, workers=1)
