"""Tell one's own pictures apart from a few examples of every class."""

from __future__ import annotations

from pathlib import Path

from sccan.commands.entry import importing, parser
from sccan.commands.own_pictures import add_compute_options, add_picture_options, require_apart

EXAMPLE = """  sccan classify --support examples/ --images photos/ --out classified/
  where examples/cat/, examples/dog/ ... hold a few pictures each and photos/ the pictures to tell apart

  sccan classify --support examples/ --images photos/ --out classified/ --reject 0.05
  where photos/ may show other things, too: about 5 % of the pictures of cats and dogs are then called none of these

  sccan classify --model runs/can_resnet12_5w1s --support examples/ --images photos/ --out classified/
  sccan classify --model can.safetensors --support examples/ --images photos/ --out classified/ --none-below 0.6 --sort
  sccan classify --model can.safetensors --support examples/ --images labelled/ --out classified/
  where labelled/cat/, labelled/dog/ ... hold pictures whose class is known: the accuracy is printed

Exit code 1: some pictures could not be read; they are named at the end, and all others are done."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: every picture has got a class, or none; 1: some could not be read."""
    command = parser("Tell pictures apart from a few examples of every class, with a classification method.", EXAMPLE)
    add_picture_options(
        command,
        model="classify",
        support="a sub-folder of examples per class",
        out="CSV, JSON and contact sheet go here",
    )
    command.add_argument(
        "--none-below", type=float, default=0.0, metavar="P",
        help="a picture whose best class has a smaller probability is none of these (default: 0, never)",
    )  # fmt: skip
    command.add_argument(
        "--reject", type=float, default=0.0, metavar="SHARE",
        help="a picture less alike than all but this share of the examples is none of these: the share of pictures of "
        "the classes that may be called so by mistake, such as 0.05 (default: 0, never)",
    )  # fmt: skip
    command.add_argument("--sort", action="store_true", help="also copy the pictures into one folder per class")
    command.add_argument(
        "--labels", type=Path, default=None, metavar="CSV",
        help="the pictures' true classes, a line 'picture,class' each (default: their sub-folder, if it is a class)",
    )  # fmt: skip
    command.add_argument(
        "--features", type=Path, default=None, metavar="FILE",
        help="features of the pictures that sccan embed has made with this model: they are not computed again",
    )  # fmt: skip
    add_compute_options(command)
    args = command.parse_args(argv)
    require_apart(args.out, args.support)
    with importing():
        from sccan.commands.classify_pictures import classify_pictures  # torch takes seconds

    return classify_pictures(args)
