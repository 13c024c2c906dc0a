"""Recognise one's own pictures from a few examples of every class."""

from collections import Counter
from pathlib import Path

from sccan.build.checkpoints import checkpoint_path
from sccan.build.class_words import needs_words, tell_classes
from sccan.build.classification import fixed_transform, is_classification, is_transductive
from sccan.build.classification_testing import load_classifier
from sccan.classification.data.file_formats import read_class_folder
from sccan.classification.recognise import recognise, write_recognised
from sccan.commands.entry import add_config_options, parser
from sccan.config import load_config
from sccan.engine.distributed import start
from sccan.errors import InputError

EXAMPLE = """  python tools/recognise.py --config=config/miniimagenet/can_resnet12_5w1s.yaml --support support \\
      --pictures photos --out recognised
  where support/cat/, support/dog/ ... hold a few examples each and photos/ the pictures to tell apart"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: every picture has got a class, or none."""
    command = parser(
        "Recognise pictures from a few examples of every class, with a trained classification method.", EXAMPLE
    )
    command.add_argument(
        "--support", type=Path, required=True, metavar="DIR", help="a sub-folder of examples per class"
    )
    command.add_argument("--pictures", type=Path, required=True, metavar="DIR", help="pictures to recognise")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="CSV, JSON and contact sheet go here")
    command.add_argument("--weights", default="", help="checkpoint file or run folder (default: the run's best)")
    command.add_argument(
        "--none-below", type=float, default=0.0, metavar="P",
        help="a picture whose best class has a smaller probability is none of these (default: 0, never)",
    )  # fmt: skip
    command.add_argument("--sort", action="store_true", help="also copy the pictures into one folder per class")
    add_config_options(command)
    args = command.parse_args(argv)
    cfg = load_config(args.config, args.opts)
    if not is_classification(cfg):
        raise InputError(
            f"METHOD.NAME is {cfg.METHOD.NAME!r}, which segments; name the config of a classification method"
        )
    method, _ = load_classifier(cfg, checkpoint_path(cfg, args.weights))
    if needs_words(method):
        tell_classes(cfg, method, read_class_folder(args.support).class_names)
    with start(cfg.DEVICE) as runtime:
        found = recognise(
            method.to(runtime.device).eval(),
            fixed_transform(cfg),
            args.support,
            args.pictures,
            device=runtime.device,
            none_below=args.none_below,
            all_at_once=is_transductive(cfg),
        )
    files = write_recognised(args.out, found, copies=args.sort)
    for name, count in Counter(one.label for one in found.pictures).most_common():
        print(f"{count:6}  {name}")
    print("\n".join(str(path) for path in files))
    return 0
