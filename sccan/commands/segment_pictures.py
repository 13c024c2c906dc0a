"""What `sccan segment` does, once its command line is read."""

from __future__ import annotations

import argparse
import contextlib
import functools
import heapq
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from sccan.builders.released.trained import load_trained
from sccan.commands.entry import say
from sccan.engine.distributed import Runtime, start
from sccan.engine.progress import Progress
from sccan.files.tally import Tally
from sccan.pictures.photos import Photo, find_photos
from sccan.predict.foreseen import told_masks, told_memory
from sccan.predict.quality import support_outcomes, told_weak, write_report
from sccan.predict.segment_folder import SegmentedFolder
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Supports
from sccan.segmentation.data.exports.formats import Options, check_format

SHOWN = 5


def segment_pictures(args: argparse.Namespace) -> int:
    """Exit code 0: every picture is segmented; 1: some could not be read.

    Processes that torchrun started share the pictures; the first keeps the folder and says what there is to say.
    """
    with start(args.device) as runtime:
        return _segment(args, runtime, functools.partial(say, shown=runtime.is_main))


def _segment(args: argparse.Namespace, runtime: Runtime, tell: Callable[..., None]) -> int:
    segmenter = Segmenter(
        load_trained(args.model, args.opts),
        device=str(runtime.device),
        precision=args.precision,
        size=args.size,
        tile=args.tile,
        batch=args.batch,
        engine=args.engine,
        maps=args.maps,
    )
    supports = Supports.from_folder(args.support)
    formats = [name.strip() for name in args.format.split(",") if name.strip()]
    for name in formats:
        check_format(name, supports.class_names)
    passed = Tally()
    photos = find_photos(args.images, leave_out=[args.out], passed=passed)
    tell(f"model: {segmenter.trained.note}", f"examples: {supports!r}", *supports.notes, *passed.lines())
    # Before any of it is taken; of every picture its head is read, by one process.
    memory = told_memory(segmenter, photos, len(supports.class_names)) if runtime.is_main else []
    segmenter.condition(supports)  # a bad example is told before any file is written
    if args.learn:
        marked, supports = supports, segmenter.transduced(supports, photos, args.learn)
        tell(_learned(marked, supports))
    tell(*told_masks(segmenter, supports), *memory)
    checked = support_outcomes(segmenter, supports) if args.report and runtime.is_main else []
    tell(*told_weak(checked))
    overlays, plan = not args.no_overlays, {}
    with contextlib.ExitStack() as held:
        with runtime.main_first():
            folder = SegmentedFolder(args.out, segmenter, supports, overwrite=args.overwrite, rank=runtime.rank)
            held.enter_context(folder.journal)  # also where the plan is refused, others may have the folder at once
            if runtime.is_main:
                plan = folder.plan(photos, overlays=overlays, formats=formats)
                if runtime.world_size > 1:
                    folder.claim(plan, overlays=overlays)
        plan = json.loads(runtime.share(json.dumps(plan)))
        tell(f"{len(photos)} pictures, {len(photos) - len(plan)} of them finished earlier; {segmenter!r}")
        own = len(photos) if runtime.world_size == 1 else math.ceil(len(plan) / runtime.world_size)
        label = "segmenting" if runtime.world_size == 1 else f"segmenting, the first of {runtime.world_size} processes"
        done = len(photos) - len(plan) if runtime.world_size == 1 else 0
        with Progress(own, label, done=done, unit="picture", shown=runtime.is_main) as bar:
            deal = slice(runtime.rank, None, runtime.world_size)
            folder.run(photos, plan, overlays=overlays, deal=deal, advance=bar.advance)
        if not runtime.is_main:
            folder.journal.close()  # for the first to take over
        outcomes = runtime.gather(json.dumps([folder.problems, list(folder.told)]))
        if not runtime.is_main:
            return 0
        _take_in(folder, photos, outcomes)
        files = folder.finish(photos, instances=args.instances)
        files += [folder.export(photos, name, Options(instances=args.instances)) for name in formats]
        files += [write_report(folder, photos, checked)] if args.report else []
        say(*_summary(folder, photos), *folder.told.lines(), *(f"wrote {path}" for path in (*files, args.out)))
    say(*(f"not segmented: {name}: {problem}" for name, problem in folder.problems.items()))
    return 1 if folder.problems else 0


def _learned(marked: Supports, supports: Supports) -> str:
    """Which pictures have become examples."""
    names = [example.name for example in supports.examples[len(marked) :]]
    if not names:
        return "no picture became an example: from none of them are the marked ones found again"
    told = ", ".join(names[:SHOWN]) + f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
    return f"{len(names)} pictures became examples: {told}"


def _take_in(folder: SegmentedFolder, photos: Sequence[Photo], outcomes: Sequence[str]) -> None:
    """What the processes have done, as if one had done it all."""
    folder.take_over()
    found = [json.loads(one) for one in outcomes]
    problems = {name: problem for problems, _ in found for name, problem in problems.items()}
    folder.problems = {photo.name: problems[photo.name] for photo in photos if photo.name in problems}
    folder.told.extend((what, name) for _, notes in found[1:] for what, name in notes)


def _summary(folder: SegmentedFolder, photos: Sequence[Photo]) -> list[str]:
    """What was found, and where to look first."""
    inside, area = Counter[str](), Counter[str]()
    count = absent = 0

    def ranked() -> Iterator[tuple[bool, float, int, str]]:
        nonlocal count, absent
        for count, (picture, one) in enumerate(folder.records(photos), 1):
            absent += one["absent"]
            for name in folder.class_names:
                region = one["regions"][name]
                inside[name] += region["pixels"] > 0
                area[name] += region["share"]
            yield not one["absent"], one["confidence"], count, picture

    doubtful = heapq.nsmallest(SHOWN, ranked())
    lines = []
    for name in folder.class_names:
        mean = f", {100 * area[name] / inside[name]:.1f} % of their area" if inside[name] else ""
        lines.append(f"{name}: in {inside[name]} of {count} pictures{mean}")
    if absent:
        lines.append(
            f"{absent} of {count} pictures probably show none of this: "
            "nothing was marked, or what hardly resembles the examples"
        )
    if count > SHOWN:
        told = ", ".join(f"{picture} ({confidence:.2f})" for _, confidence, _, picture in doubtful)
        lines.append(f"look at these first (confidence): {told}")
    return lines
