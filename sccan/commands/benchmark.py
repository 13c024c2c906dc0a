"""Measure evaluation, training steps and the loader of a config; compare two measurements."""

import argparse
from pathlib import Path

from sccan.benchmark import record
from sccan.benchmark.everything import run_everything
from sccan.benchmark.session import PARTS, Plan, document, run_plan
from sccan.benchmark.workloads import WORDS
from sccan.commands.entry import add_config_options, parser, say
from sccan.engine.distributed import start
from sccan.errors import InputError
from sccan.files.made import made_beside
from sccan.files.writing import write_json

EXAMPLE = """  python tools/benchmark.py --config=config/pascal/pascal_split0_resnet50.yaml --synthetic 60 \\
      --part evaluation --variant published --variant "" --variant "TEST.BATCH_SIZE 4"
  python tools/benchmark.py --config=config/coco_mini/coco_mini_split0.yaml --part training --out after.json
  python tools/benchmark.py --compare before.json after.json
  python tools/benchmark.py --everything --out docs/benchmark_h200
a variant is a list of settings (KEY VALUE ...) and of the words """ + ", ".join(
    f"{word} ({what})" for word, what in WORDS.items()
)


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: measured (or compared); 1: --everything found a deviation from the reference, or failed in part."""
    args = _parser().parse_args(argv)
    if args.compare:
        print(record.compared(*(record.read(path) for path in args.compare)))
        return 0
    if args.everything and args.out is None:
        raise InputError("--everything writes several files; name their folder with --out")
    if not args.everything and not args.config:
        raise InputError("nothing to measure; give --config FILE, --compare A.json B.json or --everything")
    made = made_beside(args.out, "--out") if args.out is not None and not args.everything else None
    with start(args.device) as runtime:
        if args.everything:
            return run_everything(runtime, args.out, reference=args.reference, small=args.small)
        lines = run_plan(_plan(args), runtime, args.profile)
        if runtime.is_main:
            print(record.table(lines))
            print("\n".join(line["profile"] for line in lines if "profile" in line))
            if made is not None:
                say(f"written: {write_json(made.claim(args.out.name), document(lines, runtime))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    command = parser("Episodes, training steps and images per second, memory, operations; variants in turn.", EXAMPLE)
    command.add_argument(
        "--part", default="all", choices=(*PARTS, "parts", "all"), help="parts: seconds by part of the model"
    )
    command.add_argument("--parts", action="store_true", help="seconds by part of the model, with any --part")
    command.add_argument("--processor", action="store_true", help="parts by processor time (a busy CPU)")
    command.add_argument("--variant", action="append", metavar="TEXT", help="may be repeated; they run in turn")
    command.add_argument("--shots", type=int, help="EPISODE.SHOTS")
    command.add_argument("--size", type=int, help="height and width of the network's input")
    command.add_argument("--batch", type=int, help="TRAIN.BATCH_SIZE and TEST.BATCH_SIZE")
    command.add_argument("--precision", choices=("float32", "bf16", "fp16"), help="TRAIN.PRECISION and TEST.PRECISION")
    command.add_argument("--device", default="auto", help="auto | cpu | cuda (default: auto)")
    command.add_argument("--compile", action="store_true", help="torch.compile in every variant")
    command.add_argument(
        "--synthetic", type=int, default=0, metavar="N", help="generate N pictures (per class) and use them"
    )
    command.add_argument("--side", type=int, default=433, help="of generated pictures, in pixels (default 433)")
    command.add_argument("--data", default="", metavar="DIR", help="keep generated data here")
    command.add_argument("--weights", default="", help="checkpoint for the evaluation (default: random weights)")
    command.add_argument("--episodes", type=int, default=20, help="per repeat")
    command.add_argument("--steps", type=int, default=4, help="per repeat")
    command.add_argument("--images", type=int, default=64, help="per repeat")
    command.add_argument("--warm-up", type=int, default=1, help="rounds that do not count")
    command.add_argument("--repeats", type=int, default=5, help="rounds that count")
    command.add_argument(
        "--no-operations", action="store_true", help="do not count operations (saves a unit per variant)"
    )
    command.add_argument(
        "--profile", type=Path, metavar="DIR", help="write torch profiler traces and print what costs most"
    )
    command.add_argument("--out", type=Path, help="JSON file (--everything: folder)")
    command.add_argument("--compare", nargs=2, type=Path, metavar="JSON", help="ratios of two stored measurements")
    command.add_argument(
        "--everything", action="store_true", help="reference cases, matrix and profile for this machine"
    )
    command.add_argument(
        "--reference", type=Path, help="--everything: folder of reference cases (default: those of the tests)"
    )
    command.add_argument("--small", action="store_true", help="--everything at toy size, to see that it works")
    add_config_options(command, required=False)
    return command


def _plan(args: argparse.Namespace) -> Plan:
    return Plan(
        config=args.config,
        parts=PARTS if args.part == "all" else ("evaluation", "training") if args.part == "parts" else (args.part,),
        opts=(*_overrides(args), *args.opts),
        variants=tuple(args.variant or [""]),
        amounts=(("evaluation", args.episodes), ("training", args.steps), ("loader", args.images)),
        warm_up=args.warm_up,
        repeats=args.repeats,
        clocked=args.part == "parts" or args.parts,
        processor=args.processor,
        compiled=args.compile,
        operations=not args.no_operations,
        weights=args.weights,
        synthetic=args.synthetic,
        side=args.side,
        folder=args.data,
    )


def _overrides(args: argparse.Namespace) -> list[str]:
    """KEY VALUE ... of the options that stand for settings."""
    found: list[tuple[str, object]] = []
    if args.shots:
        found.append(("EPISODE.SHOTS", args.shots))
    if args.size:
        found += [(key, f"[{args.size},{args.size}]") for key in ("TRAIN.SIZE", "PICTURE.SIZE")]
        found.append(("TEST.SIZE", args.size))
    if args.batch:
        found += [("TRAIN.BATCH_SIZE", args.batch), ("TEST.BATCH_SIZE", args.batch)]
    if args.precision:
        found += [("TRAIN.PRECISION", args.precision), ("TEST.PRECISION", args.precision)]
    return [word for key, value in found for word in (key, str(value))]
