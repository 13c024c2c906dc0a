"""Episodes as panels, sheets and pages; the choice of the best and the worst."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.files.made import Made
from sccan.report import pictures as p
from sccan.report.episodes import EpisodePicture, draw_panels, episode_files, episode_sheet, write_episodes

RANDOM = np.random.default_rng(0)


def episode(number: int = 0, iou: float = 0.5, *, n_shot: int = 1, prior: bool = True) -> EpisodePicture:
    """Pictures of several sizes, none of them square."""
    sizes = [(60 + 10 * shot, 90) for shot in range(n_shot)]
    truth = np.zeros((48, 72), np.uint8)
    truth[10:30, 20:50] = 1
    truth[:, 70:] = 255
    prediction = np.zeros((48, 72), np.uint8)
    prediction[10:30, 35:60] = 1
    return EpisodePicture(
        number=number,
        class_name="dög",
        support_images=[RANDOM.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes],
        support_masks=[np.pad(np.ones((20, 30), np.uint8), ((20, h - 40), (20, w - 50))) for h, w in sizes],
        query_image=np.full((48, 72, 3), 90, np.uint8),
        truth=truth,
        prediction=prediction,
        iou=iou,
        prior=np.linspace(0, 1, 30).reshape(5, 6) if prior else None,
        support_names=[f"s{shot}.jpg" for shot in range(n_shot)],
        query_name="q.jpg",
    )


def test_panels_show_support_query_prior_truth_and_prediction() -> None:
    panels = draw_panels(episode(), side=144)
    assert [panel.name for panel in panels] == ["support", "query", "prior mask", "ground truth", "prediction"]
    assert [panel.images[0].shape for panel in panels] == [(96, 144, 3)] * 5
    support, query, _, truth, prediction = (panel.images[0] for panel in panels)
    assert support.shape == (96, 144, 3)
    assert (query == 90).all()
    assert truth[40, 60, 2] > 130  # tinted sky blue at twice the size
    assert prediction[40, 80].tolist() == [round(0.4 * 90 + 0.6 * c) for c in p.HIT]
    assert prediction[40, 110].tolist() == [round(0.4 * 90 + 0.6 * c) for c in p.FALSE_ALARM]
    assert [panel.caption for panel in panels[:2]] == ["s0.jpg", "q.jpg"]
    assert panels[3].caption == f"{100 * 600 / (48 * 70):.1f} % of the pixels"  # ignored pixels do not count


def test_several_supports_are_small_and_a_missing_prior_leaves_no_gap() -> None:
    panels = draw_panels(episode(n_shot=5, prior=False), side=120)
    assert [panel.name for panel in panels] == ["5 supports", "query", "ground truth", "prediction"]
    assert len(panels[0].images) == 5
    assert all(max(image.shape) == 57 for image in panels[0].images)
    assert panels[0].caption == "s0.jpg, s1.jpg, s2.jpg, s3.jpg, s4.jpg"


def test_sheet_has_a_row_per_episode() -> None:
    one, three = (episode_sheet([episode(n) for n in range(count)], "t", tile=96) for count in (1, 3))
    assert one.shape[1] == three.shape[1]
    per_row = (three.shape[0] - one.shape[0]) / 2
    assert 96 < per_row < 150
    assert episode_sheet([episode(n_shot=5)], "t", tile=96).shape[1] == one.shape[1] + 48


def test_files_are_sheets_of_eight_and_one_page(tmp_path: Path) -> None:
    groups = [("Worst", [episode(n, n / 20) for n in range(9)]), ("Best", [episode(9, 0.9)]), ("Empty", [])]
    files = write_episodes(Made(tmp_path / "pictures"), groups, title="SCCAN & <friends>", subtitle="manifest 12ab")
    assert {file.name for file in files} <= set(episode_files(9, [name for name, _ in groups]))
    assert [file.name for file in files] == ["episodes.html", "worst_01.png", "worst_02.png", "best_01.png"]
    html = files[0].read_text("utf-8")
    assert "SCCAN &amp; &lt;friends&gt;" in html
    assert "dög · episode 8" in html
    assert html.count("<img") == 10 * 5
    assert "Empty" not in html
    heights = [Image.open(file).size[1] for file in files[1:]]
    assert heights[0] > heights[1] == heights[2]


def test_unfit_episodes_are_refused() -> None:
    good = episode()
    with pytest.raises(ValueError, match="1 support pictures and 0 masks"):
        EpisodePicture(0, "a", good.support_images, [], good.query_image, good.truth, good.prediction, 0.5)
    with pytest.raises(ValueError, match="differ in size"):
        EpisodePicture(
            0, "a", good.support_images, good.support_masks, good.query_image, good.truth.T, good.prediction, 0.5
        )
