"""IoUs of all cuts at once against one mask per cut."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.segmentation.parts.cuts import ious_of_cuts


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(-4, 4), min_size=1, max_size=6, unique=True))
def test_every_cut_has_the_iou_of_its_mask(seed: int, chosen: list[int]) -> None:
    generator = torch.manual_seed(seed)
    scores = torch.randint(-10, 10, (3, 5, 4), generator=generator) / 2 + 0.25
    labels = torch.tensor([0, 1, 255])[torch.randint(0, 3, (3, 5, 4), generator=generator)]
    cuts = torch.tensor(sorted(chosen), dtype=torch.float32)
    found = ious_of_cuts(scores, labels, cuts)
    for k in range(3):
        for number, cut in enumerate(cuts):
            above, known = scores[k] > cut, labels[k] != 255
            union = ((above | (labels[k] == 1)) & known).sum()
            want = (above & (labels[k] == 1)).sum() / union.clamp_min(1)
            assert float(found[k, number]) == float(want)
