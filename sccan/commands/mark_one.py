"""Mark one, find the rest: how well a model finds things in a folder whose masks are known."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sccan.builders.released.trained import load_trained
from sccan.commands.entry import parser, say
from sccan.commands.own_pictures import add_compute_options, add_learn_option, add_model_option, require_apart
from sccan.engine.distributed import Runtime, start
from sccan.engine.environment import describe_environment
from sccan.engine.progress import Progress
from sccan.errors import InputError, nearest
from sccan.files.alone import alone_in
from sccan.files.inside import real
from sccan.files.made import Made
from sccan.files.writing import write_bytes_atomically, write_json, write_text_atomically
from sccan.predict.mark_one import Draw, Finding, MarkOne, Score, class_label, plan, scores, shared
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Example, Supports
from sccan.report.mark_one_page import FoundRow, WorstPicture, found_table, mark_one_page
from sccan.report.pictures import encode, errors, resize_image
from sccan.report.quality_page import SUPPORT_LEGEND
from sccan.report.sheets import Row, Tile, fitted_size, sheet
from sccan.report.tables import csv_text

EXAMPLE = """  sccan mark-one xrays/ --out results/
  where xrays/ holds pictures with masks in any form that segment takes as examples: one of them is marked, the others
  are found; with 3 and with 5 marked ones likewise; every time from 4 different draws

  sccan mark-one xrays/ --out results/ --model runs/shapes_split0 --shots 1 --draws 10 --classes heart"""
FILES = ("results.json", "pictures.csv", "worst.jpg", "report.html")
WORST, COLUMNS, THUMBNAIL = 12, 4, 400
"""Pictures on the sheet of the worst, how many side by side, and their longer side in pixels."""
HEADER = (
    "class",
    "marked",
    "draw",
    "picture",
    "iou",
    "boundary_f",
    "marked_pictures",
    "encoding_seconds",
    "finding_seconds",
)


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: everything that was drawn is scored.

    Processes that torchrun started share the pictures; the first keeps the folder and says what there is to say.
    """
    args = _parser().parse_args(argv)
    require_apart(args.out, args.folder)
    supports = Supports.from_folder(args.folder)
    draws = _plan(args, supports)
    with start(args.device) as runtime, contextlib.ExitStack() as held:
        segmenter = Segmenter(
            load_trained(args.model, args.opts),
            device=str(runtime.device),
            precision=args.precision,
            size=args.size,
            engine=args.engine,
        )
        told = [f"model: {segmenter.trained.note}", f"pictures: {supports!r}", *supports.notes]
        say(*told, shown=runtime.is_main)
        made = Made(args.out)
        with runtime.main_first():
            if runtime.is_main:
                held.enter_context(alone_in(args.out))
                made.require(FILES)
        job = MarkOne(segmenter, supports, learn=args.learn)
        found = _found(job, draws, runtime)
        if runtime.is_main:
            _report(args, job, segmenter, found, made)
    return 0


def _found(job: MarkOne, draws: Sequence[Draw], runtime: Runtime) -> list[Finding]:
    """What was drawn, found by all processes."""
    deal = slice(runtime.rank, None, runtime.world_size)
    dealt = range(len(job.examples))[deal]
    total = sum(number in dealt for draw in draws for number in draw.others)
    label = "finding" if runtime.world_size == 1 else f"finding, the first of {runtime.world_size} processes"
    with Progress(total, label, unit="picture", shown=runtime.is_main) as bar:
        return shared(list(job.run(draws, bar.advance, deal)), draws, runtime)


def _report(args: argparse.Namespace, job: MarkOne, segmenter: Segmenter, found: Sequence[Finding], made: Made) -> None:
    """Scores what was found, and writes it."""
    rows = _rows(scores(found))
    facts = _facts(args, segmenter, job.supports, found)
    worst = _worst(job, found)
    print(found_table(rows).text())
    print(f"seconds a picture: {facts['seconds']['encoding']} to encode, {facts['seconds']['finding']} to find")
    for path in _written(made, rows, found, job.examples, worst, facts):
        say(f"wrote {path}")


def _plan(args: argparse.Namespace, supports: Supports) -> list[Draw]:
    """The draws.

    Raises InputError: there is no such class, or none has enough pictures.
    """
    names = supports.class_names
    for name in args.classes:
        if name not in names:
            raise InputError(f"no picture shows {name!r}, but {', '.join(names[:12])}{nearest(name, names)}")
    counts = {name: sum(name in one.shown for one in supports.examples) for name in args.classes or names}
    chosen = [name for name, count in counts.items() if count >= args.least]
    shots = sorted(set(args.shots))
    draws = plan(
        supports.examples, chosen, shots=shots, draws=args.draws, queries=args.queries, seed=args.seed
    )  # fmt: skip
    if not draws:
        best = max(counts, key=lambda name: counts[name])
        raise InputError(
            f"nothing can be drawn: {best!r} is in {counts[best]} pictures, the most of all classes, and {shots[0]} "
            "marked ones and another are needed; add pictures, or lower --shots and --least"
        )
    return draws


def _rows(found: Sequence[Score]) -> list[FoundRow]:
    """Every class and number of marked pictures, and the mean over classes of each number where there are several."""
    rows = [
        FoundRow(
            one.class_name,
            one.shots,
            one.pictures,
            (one.iou, None if math.isnan(one.half_width) else one.half_width),
            one.class_iou,
            one.fb_iou,
            one.boundary,
        )
        for one in found
    ]
    for shots in sorted({row.shots for row in rows}):
        own = [row for row in rows if row.shots == shots]
        if len(own) > 1:
            means = [
                sum(values) / len(own)
                for values in zip(*((r.iou[0], r.class_iou, r.fb_iou, r.boundary) for r in own), strict=True)
            ]
            rows.append(FoundRow("", shots, sum(row.pictures for row in own), (means[0], None), *means[1:]))
    return rows


def _facts(
    args: argparse.Namespace, segmenter: Segmenter, supports: Supports, found: Sequence[Finding]
) -> dict[str, Any]:
    """What the numbers depend on, plain data."""
    by_picture = {one.example: one.seconds[0] for one in found}
    seconds = {
        "encoding": round(sum(by_picture.values()) / len(by_picture), 4),
        "finding": round(sum(one.seconds[1] for one in found) / len(found), 4),
    }
    drawn = {"seed": args.seed, "shots": sorted(set(args.shots)), "draws": args.draws, "queries": args.queries}
    if args.learn:
        drawn["learn"] = args.learn
    return {
        **segmenter.facts,
        "note": segmenter.trained.note,
        "folder": real(args.folder).name,
        "pictures": len(supports.examples),
        "pictures_digest": supports.fingerprint,
        "draws": drawn,
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "environment": describe_environment(segmenter.device),
    }


def _worst(job: MarkOne, found: Sequence[Finding]) -> list[WorstPicture]:
    """The pictures that were found worst, each once."""
    examples = job.examples
    chosen: dict[tuple[str, int], Finding] = {}
    for one in sorted(found, key=lambda one: (one.iou, one.draw.shots)):
        chosen.setdefault((one.draw.class_name, one.example), one)
    worst = []
    for one in list(chosen.values())[:WORST]:
        example, image = examples[one.example], examples[one.example].image()
        drawn = errors(
            image, job.mask(one.draw, one.example).astype(np.uint8), class_label(example, one.draw.class_name)
        )
        small = resize_image(drawn, fitted_size(drawn.shape, (THUMBNAIL, THUMBNAIL)))
        note = f"{one.draw.class_name}, from {', '.join(examples[k].name for k in one.draw.marked)}"
        worst.append(WorstPicture(small, example.name, one.iou, note))
    return worst


def _written(
    made: Made,
    rows: Sequence[FoundRow],
    found: Sequence[Finding],
    examples: Sequence[Example],
    worst: Sequence[WorstPicture],
    facts: Mapping[str, Any],
) -> list[Path]:
    """The files, written."""
    results = [
        {
            "class": row.class_name or None,
            "marked": row.shots,
            "pictures": row.pictures,
            "iou": row.iou[0],
            "half_width_95": row.iou[1],
            "class_iou": row.class_iou,
            "fb_iou": row.fb_iou,
            "boundary_f": row.boundary,
        }
        for row in rows
    ]
    lines = [
        (
            one.draw.class_name,
            one.draw.shots,
            one.draw.number,
            examples[one.example].name,
            round(one.iou, 4),
            round(one.boundary, 4),
            " ".join(examples[k].name for k in one.draw.marked),
            *(round(value, 4) for value in one.seconds),
        )
        for one in found
    ]
    tiles = [Tile(one.image, f"{100 * one.iou:.0f} % {one.name}") for one in worst]
    tiles += [Tile(np.full((1, 1, 3), 255, np.uint8))] * (-len(tiles) % COLUMNS)
    sheets = [Row(tiles[first : first + COLUMNS]) for first in range(0, len(tiles), COLUMNS)]
    picture = sheet(sheets, [""] * COLUMNS, title="Found worst, with IoU", legend=SUPPORT_LEGEND)
    title = f"Mark one, find the rest: {facts['folder']}"
    numbers, table, sheet_of_worst, page = made.claim_all(FILES)
    return [
        write_json(numbers, {"results": results, **facts}),
        write_text_atomically(table, csv_text(HEADER, lines)),
        write_bytes_atomically(sheet_of_worst, encode(picture, "jpeg")),
        write_text_atomically(page, mark_one_page(rows, worst, title=title, facts=facts).render()),
    ]


def _parser() -> argparse.ArgumentParser:
    command = parser(
        "Mark one picture of a folder, find the rest, and score what was found against its masks.", EXAMPLE
    )
    command.add_argument("folder", type=Path, metavar="DIR", help="pictures with masks, in any form of examples")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="results go here")
    add_model_option(command, "segment")
    command.add_argument(
        "--shots", type=_positive, nargs="+", default=[1, 3, 5], metavar="K", help="marked pictures (default: 1 3 5)"
    )
    command.add_argument("--draws", type=_positive, default=4, metavar="N", help="of every class and K (default: 4)")
    command.add_argument(
        "--queries", type=_positive, default=25, metavar="N", help="most pictures to find in a draw (default: 25)"
    )
    add_learn_option(command)
    command.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    command.add_argument("--classes", nargs="+", default=[], metavar="NAME", help="look for these alone")
    command.add_argument(
        "--least", type=_positive, default=2, metavar="N", help="leave out classes in fewer pictures (default: 2)"
    )
    command.add_argument(
        "--size", type=int, default=0, metavar="PIXELS", help="side of the network's input (default: the model's)"
    )
    add_compute_options(command)
    return command


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)
