"""Evaluation protocols of few-shot segmentation as named settings, so that a number says how it was measured.

The field's numbers are not comparable: resize, place of comparison, episode draw, number of episodes and seeds differ.
A protocol is a row of the table below; single parts can be replaced (`Protocol.with_parts`), and results name them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sccan.episodes.index import FoldLists
from sccan.episodes.plan import EpisodePlan, ListPlan, StratifiedPlan
from sccan.errors import InputError, nearest
from sccan.method import Method
from sccan.segmentation.data.sampling.hsnet_sampler import HSNetClasses, HSNetPairs
from sccan.segmentation.data.sampling.published_sampler import PublishedPlan
from sccan.segmentation.data.transforms.published import BilinearSquare, FixedTransform, KeepAspect, SquareResize
from sccan.segmentation.evaluation.scoring import AtInputSize, Comparison, ContentOnLabel, OnLabelSquare, WholeOnLabel
from sccan.segmentation.evaluation.shot_vote import VotingMethod

ANY = "*"
"""Stands for every data set that is not named."""

RESIZES: dict[str, Callable[[int], FixedTransform]] = {
    "published": lambda size: KeepAspect(size),
    "keep_aspect": lambda size: KeepAspect(size, multiple=1),
    "square": SquareResize,
    "hsnet": SquareResize,
    "matcher": BilinearSquare,
}
"""How a picture becomes the network's square input. published: longer side to the size, sides floored to multiples of
8, black canvas; keep_aspect: the same without the flooring; square, hsnet: both sides directly, aspect not kept;
matcher: the same, bilinear without averaging."""

COMPARISONS: dict[str, Callable[[FixedTransform], Comparison]] = {
    "label_square": lambda transform: WholeOnLabel() if isinstance(transform, SquareResize) else OnLabelSquare(),
    "label": lambda transform: ContentOnLabel(transform),
    "input": lambda transform: AtInputSize(transform),
}
"""Where prediction and label meet. label_square: the whole output stretched over a square of the label's longer side
(published; over the label itself where the resize pads nothing); label: the output's content mapped exactly onto the
label; input: at the size of the network's input."""

SAMPLERS: dict[str, Callable[..., EpisodePlan]] = {
    "stratified": lambda lists, **options: StratifiedPlan(lists, **options),
    "list": lambda lists, **options: ListPlan(lists, **options),
    "published": lambda lists, skip_small, **options: PublishedPlan(lists, **options),
    "hsnet_pairs": lambda lists, **options: HSNetPairs(lists, **options),
    "hsnet_classes": lambda lists, **options: HSNetClasses(lists, **options),
}
"""Which episodes. stratified: equally many for every class; list: queries in list order, class drawn among the
picture's; published: the same as drawn by the released loader with eight worker processes; hsnet_pairs: (picture,
class) items in file order, supports with replacement; hsnet_classes: class, then query, supports with replacement."""

SHOTS: dict[str, Callable[[Method], Method]] = {
    "network": lambda method: method,
    "votes": lambda method: VotingMethod(method),
}
"""Who joins several shots. network: the method itself (SCCAN inside, BAM re-weighted, PFENet by mean prototypes);
votes: the method runs per shot and the foreground votes decide (HSNet)."""


@dataclass(frozen=True)
class Protocol:
    """How a fold is tested.

    Attributes:
        name: of the row, with a + where parts were replaced.
        resize: a key of `RESIZES`.
        compare_at: a key of `COMPARISONS`.
        sampler: a key of `SAMPLERS`.
        episodes: per seed, by data set; ``*`` for all others.
        seeds: of the episode plans.
        novel_pixels: what training does with pictures that hold novel pixels: drop | background.
        absent_counts: a class of the fold without episodes counts as 0 in the mean (published); else it is left out.
        sizes: side of the network's input, by data set; ``*`` for all others.
        sampler_on: sampler of a data set that has another than `sampler`.
        shots: a key of `SHOTS`.
        ratio: a key of `sccan.segmentation.evaluation.iou.RATIOS`: what an IoU is for counts I and U.
        selection: on what the checkpoint is chosen: base (episodes of base classes) | test_fold (published).
    """

    name: str
    resize: str
    compare_at: str
    sampler: str
    episodes: Mapping[str, int]
    seeds: tuple[int, ...]
    novel_pixels: str = "drop"
    absent_counts: bool = False
    sizes: Mapping[str, int] = dataclasses.field(default_factory=lambda: {ANY: 473})
    sampler_on: Mapping[str, str] = dataclasses.field(default_factory=dict)
    shots: str = "network"
    ratio: str = "epsilon"
    selection: str = "test_fold"

    def with_parts(self, **parts: str) -> Protocol:
        """The protocol with parts replaced; empty strings leave a part as it is.

        Raises InputError: a part has no such value.
        """
        tables: dict[str, dict[str, object]] = {
            "resize": dict(RESIZES),
            "compare_at": dict(COMPARISONS),
            "sampler": dict(SAMPLERS),
            "shots": dict(SHOTS),
        }
        given: dict[str, Any] = {part: value for part, value in parts.items() if value}
        for part, value in given.items():
            if value not in tables[part]:
                known = ", ".join(tables[part])
                raise InputError(
                    f"TEST.{part.upper()} is {value!r}, expected one of {known}{nearest(value, tables[part])}"
                )
        changed = {p: v for p, v in given.items() if tables[p][v] is not tables[p][getattr(self, p)]}
        if self.sampler_on and "sampler" in given:  # said for every data set
            changed["sampler"] = given["sampler"]
        suffix = "".join(f"+{part}={value}" for part, value in changed.items())
        if "sampler" in changed:
            changed["sampler_on"] = {}
        return dataclasses.replace(self, name=self.name + suffix, **changed)

    def transform(self, size: int) -> FixedTransform:
        """The resize to a square of `size` pixels."""
        return RESIZES[self.resize](size)

    def comparison(self, transform: FixedTransform) -> Comparison:
        """Where predictions made under `transform` are compared with labels."""
        return COMPARISONS[self.compare_at](transform)

    def plan(
        self,
        lists: FoldLists,
        *,
        n_shot: int,
        n_episodes: int,
        seed: int,
        skip_small: bool,
        dataset: str = "",
        items: Sequence[tuple[int, int]] | None = None,
    ) -> EpisodePlan:
        """The episodes of one seed.

        Args:
            lists: of the fold.
            n_shot: supports per episode.
            n_episodes: episodes in all.
            seed: of the draw.
            skip_small: leave out classes with too few pictures instead of stopping.
            dataset: name of the data set; some protocols draw otherwise on COCO.
            items: (picture, class) pairs of a published list, for the sampler ``hsnet_pairs``.

        Raises InputError: the lists cannot serve the episodes, or items are given to a sampler that has none.
        """
        sampler = self.sampler_on.get(dataset, self.sampler)
        if items is not None and sampler != "hsnet_pairs":
            raise InputError(f"a list of (picture, class) items is for the sampler 'hsnet_pairs', not for {sampler!r}")
        options: dict[str, Any] = {"items": items} if items is not None else {}
        return SAMPLERS[sampler](
            lists, n_shot=n_shot, n_episodes=n_episodes, seed=seed, skip_small=skip_small, **options
        )

    def method(self, method: Method) -> Method:
        """The method as the protocol runs it on several shots."""
        return SHOTS[self.shots](method)

    def n_episodes(self, dataset: str) -> int:
        """Episodes per seed on a data set."""
        return self.episodes.get(dataset, self.episodes[ANY])

    def input_size(self, dataset: str) -> int:
        """Side of the network's input on a data set."""
        return self.sizes.get(dataset, self.sizes[ANY])


BAM_SEEDS = (510, 365, 382, 322, 988)
FAMILY = Protocol(
    "sccan",
    "published",
    "label_square",
    "published",
    episodes={ANY: 1000, "coco": 4000},
    seeds=(321,),
    absent_counts=True,
)
"""What SCCAN's released test does; its relatives differ in parts."""

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "stratified",
            "keep_aspect",
            "label",
            "stratified",
            episodes={ANY: 1000, "coco": 4000},
            seeds=(321, 322, 323, 324, 325),
            selection="base",
        ),
        FAMILY,
        dataclasses.replace(FAMILY, name="bam", episodes={ANY: 1000}, seeds=BAM_SEEDS, sizes={ANY: 473, "coco": 641}),
        dataclasses.replace(
            FAMILY,
            name="pfenet",
            episodes={ANY: 1000},
            seeds=BAM_SEEDS,
            sizes={ANY: 473, "coco": 641},
            novel_pixels="background",
        ),
        Protocol(
            "hsnet",
            "hsnet",
            "input",
            "hsnet_pairs",
            episodes={ANY: 1000},
            seeds=(0,),
            novel_pixels="background",
            absent_counts=True,
            sizes={ANY: 400},
            sampler_on={"coco": "hsnet_classes"},
            shots="votes",
            ratio="at_least_one",
        ),
        Protocol(
            "matcher",
            "matcher",
            "input",
            "hsnet_classes",
            episodes={ANY: 1000},
            seeds=(0,),
            novel_pixels="background",
            absent_counts=True,
            sizes={ANY: 1024},
            ratio="at_least_one",
        ),
    )
}
"""stratified is ours and the default: every class counts alike, five seeds, exact mapping back to the label, and
checkpoints chosen on base classes. sccan is what the released test script does, worker processes included. bam and
pfenet are its relatives (pfenet's five runs have no recorded seeds; BAM's are taken). hsnet compares at 400 x 400, or
with compare_at label at the label's own size. matcher is what training-free methods are tested by: class, query and
references drawn in this order, compared at the input's square. All of them count pixels labelled 255 nowhere, fold COCO
interleaved, list a picture for a class from 2048 pixels on, and take mIoU as the plain mean of foreground IoU over
classes. The double-dagger rows of SCCAN's tables are sccan with resize hsnet."""


def protocol(name: str, **parts: str) -> Protocol:
    """The protocol called `name`, with parts replaced.

    Raises InputError: unknown name or part.
    """
    if name not in PROTOCOLS:
        raise InputError(f"TEST.PROTOCOL is {name!r}, expected one of {', '.join(PROTOCOLS)}{nearest(name, PROTOCOLS)}")
    return PROTOCOLS[name].with_parts(**parts)
