"""What `sccan segment` does, once its command line is read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sccan.builders.released.trained import load_trained
from sccan.commands.entry import say
from sccan.engine.progress import Progress
from sccan.files.photos import Photo, find_photos
from sccan.files.tally import Tally
from sccan.predict.foreseen import told_masks, told_memory
from sccan.predict.quality import support_outcomes, told_weak, write_report
from sccan.predict.segment_folder import SegmentedFolder
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Supports
from sccan.segmentation.data.exports.formats import Options, check_format

SHOWN = 5


def segment_pictures(args: argparse.Namespace) -> int:
    """Exit code 0: every picture is segmented; 1: some could not be read."""
    segmenter = Segmenter(
        load_trained(args.model, args.opts),
        device=args.device,
        precision=args.precision,
        size=args.size,
        tile=args.tile,
        batch=args.batch,
    )
    supports = Supports.from_folder(args.support)
    formats = [name.strip() for name in args.format.split(",") if name.strip()]
    for name in formats:
        check_format(name, supports.class_names)
    passed = Tally()
    photos = find_photos(args.images, leave_out=[args.out], passed=passed)
    say(f"model: {segmenter.trained.note}", f"examples: {supports!r}", *supports.notes, *passed.lines())
    memory = told_memory(segmenter, photos, len(supports.class_names))  # before any of it is taken
    segmenter.condition(supports)  # a bad example is told before any file is written
    if args.learn:
        marked, supports = supports, segmenter.transduced(supports, photos, args.learn)
        say(_learned(marked, supports))
    say(*told_masks(segmenter, supports), *memory)
    checked = support_outcomes(segmenter, supports) if args.report else []
    say(*told_weak(checked))
    folder = SegmentedFolder(args.out, segmenter, supports, overwrite=args.overwrite)
    with folder.journal:
        left = len(folder.left(photos, overlays=not args.no_overlays))
        say(f"{len(photos)} pictures, {len(photos) - left} of them finished earlier; {segmenter!r}")
        with Progress(len(photos), "segmenting", done=len(photos) - left, unit="picture") as bar:
            folder.run(photos, overlays=not args.no_overlays, advance=bar.advance)
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


def _summary(folder: SegmentedFolder, photos: Sequence[Photo]) -> list[str]:
    """What was found, and where to look first."""
    records = folder.records(photos)
    lines = []
    for name in folder.class_names:
        shares = [one["regions"][name]["share"] for one in records.values() if one["regions"][name]["pixels"]]
        mean = f", {100 * sum(shares) / len(shares):.1f} % of their area" if shares else ""
        lines.append(f"{name}: in {len(shares)} of {len(records)} pictures{mean}")
    doubtful = sorted(records, key=lambda name: (not records[name]["absent"], records[name]["confidence"]))[:SHOWN]
    if absent := sum(one["absent"] for one in records.values()):
        lines.append(
            f"{absent} of {len(records)} pictures probably show none of this: "
            "nothing was marked, or what hardly resembles the examples"
        )
    if len(records) > SHOWN:
        told = ", ".join(f"{name} ({records[name]['confidence']:.2f})" for name in doubtful)
        lines.append(f"look at these first (confidence): {told}")
    return lines
