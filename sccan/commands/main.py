"""The `sccan` command: one word names what to do."""

import importlib
import sys

from sccan.commands.entry import importing, run_main
from sccan.errors import InputError, nearest

COMMANDS = {
    "train": "train a method or a base backbone from a config",
    "test": "test a run or a checkpoint: mIoU, FB-IoU, intervals, baselines",
    "test_gfss": "generalised test of BAM: base and novel classes in one label image",
    "visualize": "draw episodes as PNG sheets and one HTML page",
    "evaluate_miou": "score stored predictions without a model",
    "generate_shapes": "write the embedded data set",
    "pipeline": "several run files in order, the last one tested and reported",
    "demo": "the whole way on the embedded data set: data, base, SCCAN, test, report",
    "prepare": "official archives to a verified data set",
    "prepare_classification": "pictures with one class each, in any known form, to a safe and fast layout",
    "prepare_words": "word vectors (GloVe) to a safe and compact form",
    "extract_features": "features of a frozen backbone, once, for methods that learn on features",
    "label": "a page in the browser: mark one picture, find it in the folder, correct, export",
    "segment": "masks for one's own pictures from a few annotated examples",
    "mark_one": "mark one picture of a folder, find the rest, score it against the folder's masks",
    "classify": "tell one's own pictures apart from a few examples of every class",
    "embed": "features of one's own pictures in one file: for classify, clustering and search",
    "export": "a model as ONNX graphs, for programs without torch",
    "models": "models by ready-made names: licences, sizes, weights fetched when asked for",
    "doctor": "read-only check of a data set or a config",
    "episodes": "write, show and compare episode manifests",
    "convert_checkpoint": "published checkpoints to safetensors with a header, proved on fixed inputs",
    "benchmark": "episodes, steps and images per second, memory, operations",
    "verify_reference": "compare with recorded numbers of published implementations",
}
"""Command -> what it does; each is a module of `sccan.commands` with a `main(argv) -> exit code`."""
EXAMPLES = """  sccan demo
  sccan segment --model runs/shapes_split0 --support examples --images photos --out masks --report
  sccan train --config=config/shapes/shapes_split0.yaml"""


def main(argv: list[str] | None = None) -> int:
    """Dispatch to a command.

    Raises InputError: the first word is no command.
    """
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        print("usage: sccan COMMAND ...   (sccan COMMAND --help says it all)\n")
        print("\n".join(f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()))
        print(f"\nexamples:\n{EXAMPLES}")
        return 0
    name = words[0].replace("-", "_")
    if name not in COMMANDS:
        raise InputError(f"there is no command {words[0]!r}{nearest(name, COMMANDS)}; sccan --help lists them")
    with importing():
        module = importlib.import_module(f"sccan.commands.{name}")
    return int(module.main(words[1:]))


def console() -> None:
    """Entry point of the installed `sccan` script."""
    run_main(main)
