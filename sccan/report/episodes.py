"""Episodes as pictures: support, query, prior, ground truth and prediction side by side, best and worst first.

Nothing here knows a method or a data set: an episode comes as plain arrays in an `EpisodePicture`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sccan.files.made import Made
from sccan.files.writing import write_bytes_atomically, write_text_atomically
from sccan.report import pictures
from sccan.report.page import Gallery, Page, Panel, Section, Strip
from sccan.report.sheets import LegendEntry, Row, Tile, fitted_size, mosaic, mosaic_grid, sheet

LEGEND = (
    LegendEntry("support mask", pictures.SUPPORT),
    LegendEntry("ground truth", pictures.TRUTH),
    LegendEntry("hit", pictures.HIT),
    LegendEntry("false alarm", pictures.FALSE_ALARM),
    LegendEntry("missed", pictures.MISSED, hatched=True),
    LegendEntry("ignored", pictures.IGNORED, hatched=True),
)
ROWS_PER_SHEET = 8
SHEET_TILE, PAGE_SIDE = 208, 320
PAGE = "episodes.html"
WORST, BEST, FIRST, DISAGREE = GROUPS = ("Worst", "Best", "First", "Learners disagree")
"""Names of the groups of episodes that are drawn."""
SUPPORTS_BREADTH = 1.5  # several supports get a wider panel; six small tiles fill it


@dataclass(frozen=True)
class EpisodePicture:
    """Everything that is shown of one episode with one query.

    Attributes:
        number: position in the episode plan.
        class_name: what is looked for.
        support_images: K pictures, RGB uint8 [H, W, 3], each of its own size.
        support_masks: K masks of the same sizes, 0 background, 1 foreground, 255 ignored.
        query_image: RGB uint8, [H, W, 3].
        truth: 0 background, 1 foreground, 255 ignored, [H, W].
        prediction: 1 where foreground is predicted, [H, W].
        iou: foreground intersection over union of this episode, in [0, 1].
        prior: scores in [0, 1] at any size [h, w], or None for a method without one.
        maps: further scores of that kind by their title.
        support_names: file names of the supports.
        query_name: file name of the query.
    """

    number: int
    class_name: str
    support_images: Sequence[np.ndarray]
    support_masks: Sequence[np.ndarray]
    query_image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    iou: float
    prior: np.ndarray | None = None
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    support_names: Sequence[str] = ()
    query_name: str = ""

    def __post_init__(self) -> None:
        if len(self.support_images) != len(self.support_masks) or not self.support_images:
            raise ValueError(f"{len(self.support_images)} support pictures and {len(self.support_masks)} masks")
        if not self.query_image.shape[:2] == self.truth.shape == self.prediction.shape:
            sizes = [array.shape[:2] for array in (self.query_image, self.truth, self.prediction)]
            raise ValueError(f"query, ground truth and prediction differ in size: {sizes}")


def draw_panels(episode: EpisodePicture, side: int) -> list[Panel]:
    """Supports, query, prior (where there is one), ground truth and prediction, drawn at the size they are shown at.

    Args:
        episode: what to draw.
        side: longer side of the pictures, in pixels; several supports are drawn smaller.
    """
    n_shot = len(episode.support_images)
    support_side = side if n_shot == 1 else mosaic_grid(n_shot, _support_room(side))[1]
    supports = [
        pictures.overlay(_scaled(support_side, image), _scaled(support_side, mask), pictures.SUPPORT)
        for image, mask in zip(episode.support_images, episode.support_masks, strict=True)
    ]
    query, truth = _scaled(side, episode.query_image), _scaled(side, episode.truth)
    wrong_and_right = pictures.errors(query, _scaled(side, episode.prediction), truth)
    panels = [
        Panel(supports, "support" if n_shot == 1 else f"{n_shot} supports", ", ".join(episode.support_names)),
        Panel([query], "query", episode.query_name),
    ]
    scores = {} if episode.prior is None else {"prior mask": episode.prior}
    for name, values in (scores | dict(episode.maps)).items():
        panels.append(Panel([pictures.heat_map(values, query)], name, "dark 0, yellow 1"))
    return [
        *panels,
        Panel([pictures.overlay(query, truth, pictures.TRUTH)], "ground truth", _share(episode.truth, episode.truth)),
        Panel([wrong_and_right], "prediction", _share(episode.prediction, episode.truth)),
    ]


def episode_sheet(episodes: Sequence[EpisodePicture], title: str, tile: int = SHEET_TILE) -> np.ndarray:
    """One sheet with a row per episode; all episodes have the same number of shots and the same maps.

    Returns:
        RGB uint8, [H, W, 3].
    """
    drawn = [draw_panels(episode, tile) for episode in episodes]
    rows = [
        Row([_tile(panel, tile) for panel in panels], *_result(episode))
        for episode, panels in zip(episodes, drawn, strict=True)
    ]
    return sheet(rows, [*(panel.name for panel in drawn[0]), "result"], title=title, legend=LEGEND, tile=tile)


def episode_gallery(episodes: Iterable[EpisodePicture]) -> Gallery:
    """The episodes as a block of an HTML page."""
    strips = []
    for episode in episodes:
        heading, lines = _result(episode)
        strips.append(Strip(heading, " · ".join(lines), draw_panels(episode, PAGE_SIDE)))
    return Gallery(strips, LEGEND)


def episode_sections(groups: Sequence[tuple[str, Sequence[EpisodePicture]]]) -> list[Section]:
    """One section per named group of episodes that is not empty; for a page of its own or as part of a report."""
    return [Section(name, [episode_gallery(episodes)]) for name, episodes in groups if episodes]


def episode_files(shown: int, groups: Sequence[str] = GROUPS) -> list[str]:
    """The files that `write_episodes` writes at most.

    Args:
        shown: episodes of each group.
        groups: their names.
    """
    return [
        PAGE,
        *(_sheet_name(name, part + 1) for name in groups for part in range(math.ceil(shown / ROWS_PER_SHEET))),
    ]


def _sheet_name(group: str, number: int) -> str:
    return f"{group.lower().replace(' ', '_')}_{number:02d}.png"


def write_episodes(
    made: Made, groups: Sequence[tuple[str, Sequence[EpisodePicture]]], *, title: str, subtitle: str = ""
) -> list[Path]:
    """Writes named groups of episodes as numbered PNG sheets and as one self-contained HTML page.

    Args:
        made: the folder, and which of its files are ours.
        groups: name ("worst", "best", "first") and episodes, in the order in which they are to be shown.
        title: heading of the page and the sheets.
        subtitle: line below it, such as the manifest's hash.

    Returns:
        The files, the page first.

    Raises InputError: the folder cannot be written, or holds a file of this name that is not ours.
    """
    page = Page(title, episode_sections(groups), subtitle=subtitle)
    files = [write_text_atomically(made.claim(PAGE), page.render())]
    for name, episodes in groups:
        for number, part in enumerate(_parts(episodes), start=1):
            image = episode_sheet(part, f"{title}: {name}")
            files.append(write_bytes_atomically(made.claim(_sheet_name(name, number)), pictures.encode(image)))
    return files


def _parts(episodes: Sequence[EpisodePicture]) -> Iterator[Sequence[EpisodePicture]]:
    for start in range(0, len(episodes), ROWS_PER_SHEET):
        yield episodes[start : start + ROWS_PER_SHEET]


def _result(episode: EpisodePicture) -> tuple[str, list[str]]:
    return f"IoU {100 * episode.iou:.1f}", [episode.class_name, f"episode {episode.number}"]


def _tile(panel: Panel, side: int) -> Tile:
    if not panel.is_wide:
        return Tile(panel.images[0], panel.caption)
    return Tile(mosaic(panel.images, _support_room(side)), panel.caption, SUPPORTS_BREADTH)


def _support_room(side: int) -> tuple[int, int]:
    """Height and width of the panel that holds several supports."""
    return side, round(SUPPORTS_BREADTH * side)


def _scaled(side: int, array: np.ndarray) -> np.ndarray:
    """A picture or mask at the size at which it is shown, so that lines and stripes keep their width."""
    size = fitted_size(array.shape, (side, side))
    return pictures.resize_image(array, size) if array.ndim == 3 else pictures.resize_mask(array, size)


def _share(mask: np.ndarray, truth: np.ndarray) -> str:
    """How much of the pixels that count is foreground, as a caption."""
    counted = truth != pictures.IGNORE
    share = float((mask[counted] == pictures.FOREGROUND).mean()) if counted.any() else 0.0
    return f"{100 * share:.1f} % of the pixels"
