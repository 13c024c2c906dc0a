"""Segment one's own pictures from a few annotated examples."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sccan.builders.released.trained import load_trained
from sccan.commands.entry import parser, say
from sccan.commands.own_pictures import add_compute_options, add_picture_options, require_apart
from sccan.engine.progress import Progress
from sccan.errors import InputError
from sccan.files.photos import Photo, find_photos
from sccan.files.tally import Tally
from sccan.predict.foreseen import told_masks, told_memory
from sccan.predict.quality import support_outcomes, told_weak, write_report
from sccan.predict.segment_folder import SegmentedFolder
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Supports
from sccan.segmentation.data.exports.formats import FORMATS, Options, check_format

EXAMPLE = """  sccan segment --support examples/ --images photos/ --out masks/
  where examples/ holds pictures and, beside each or in examples/masks/, a mask PNG of the same name (white on black);
  or LabelMe json files; or one COCO json; several classes: one such sub-folder each, or classes.txt

  sccan segment --model runs/coco_mini_split0 --support examples/ --images photos/ --out masks/
  sccan segment --model sccan.safetensors --support examples/ --images huge.tif --out masks/ --tile 1024
  sccan segment --model train_epoch_43_0.6753.pth --support examples/ --images photos/ --out masks/ --device cuda \\
      --precision bf16 --batch 16 --report

The same command goes on where it was interrupted. Exit code 1: some pictures could not be read; they are named at the
end, and all others are done."""
SHOWN = 5


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: every picture is segmented; 1: some could not be read."""
    args = _parser().parse_args(argv)
    if args.report and args.no_overlays:
        raise InputError("--report shows overlays; leave out --no-overlays")
    require_apart(args.out, args.support)
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
    segmenter.condition(supports)  # a bad example is told before any file is written
    say(*told_masks(segmenter, supports), *told_memory(segmenter, photos, len(supports.class_names)))
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


def _parser() -> argparse.ArgumentParser:
    command = parser("Segment pictures from a few annotated examples.", EXAMPLE)
    add_picture_options(
        command,
        model="segment",
        support="annotated examples (see below)",
        out="label maps and tables go here",
    )
    command.add_argument(
        "--size", type=int, default=0, metavar="PIXELS",
        help="longer side of the network's input (default: the model's)",
    )  # fmt: skip
    command.add_argument(
        "--tile", type=int, default=0, metavar="PIXELS",
        help="cut pictures larger than this into overlapping tiles and blend them (default: 0, never)",
    )  # fmt: skip
    command.add_argument("--no-overlays", action="store_true", help="write no pictures with the masks drawn in")
    command.add_argument(
        "--format",
        default="",
        metavar="A,B",
        help=f"also write the masks as {', '.join(FORMATS)}, each into OUT/FORMAT/",
    )
    command.add_argument(
        "--instances",
        action="store_true",
        help="one region per connected part instead of one per class, where it matters",
    )
    command.add_argument("--report", action="store_true", help="also write report.html: doubtful examples and pictures")
    command.add_argument("--overwrite", action="store_true", help="replace results made with other settings")
    add_compute_options(command)
    return command


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
