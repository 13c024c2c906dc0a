"""Write the embedded data set."""

from pathlib import Path

from sccan.commands.entry import parser, say
from sccan.segmentation.data.shapes.dataset import generate


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the data set is complete, made now or before."""
    command = parser(
        "Write the embedded data set `shapes` in the layout of PASCAL VOC: 20 classes in 4 folds, drawn from a seed.",
        "  python tools/generate_shapes.py data/shapes",
    )
    command.add_argument("root", type=Path, help="folder to write; an interrupted run is continued there")
    command.add_argument("--train", type=int, default=4000, help="training pictures (default: 4000)")
    command.add_argument("--test", type=int, default=800, help="test pictures (default: 800)")
    command.add_argument("--seed", type=int, default=0, help="decides every pixel (default: 0)")
    command.add_argument("--size", type=int, default=129, help="side of a picture in pixels (default: 129)")
    command.add_argument("--workers", type=int, default=None, help="processes (default: one per core)")
    command.add_argument(
        "--universe",
        default="released",
        help="outlines and textures: released, or development, on which settings are tuned (default: released)",
    )
    args = command.parse_args(argv)
    generate(
        args.root,
        n_train=args.train,
        n_test=args.test,
        seed=args.seed,
        size=args.size,
        workers=args.workers,
        universe=args.universe,
    )
    say(f"{args.root}: {args.train} training and {args.test} test pictures of 20 classes")
    return 0
