"""Draw episodes: support with mask, query, prior mask, ground truth, prediction; worst and best first."""

from pathlib import Path

from sccan.builders.engine import run_folder
from sccan.builders.segmentation.drawing import episode_groups
from sccan.builders.segmentation.testing import open_test
from sccan.commands.entry import add_config_options, parser, say
from sccan.engine.distributed import start
from sccan.engine.together import alone_for_all
from sccan.errors import InputError
from sccan.report.episodes import PAGE, episode_files, write_episodes
from sccan.report.page import is_page
from sccan.settings.loading import load_config

EXAMPLE = """  python tools/visualize.py runs/shapes_split0
  python tools/visualize.py --config=config/shapes/shapes_split0.yaml --manifest episodes_seed321.jsonl --out sheets"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: sheets (PNG) and one self-contained page (HTML) are written."""
    command = parser("Draw the episodes of a run, of a manifest, or the first ones of a config.", EXAMPLE)
    command.add_argument("run", nargs="?", type=Path, default=None, help="run folder: its settings and best weights")
    command.add_argument("--weights", default="", help="checkpoint file or run folder (default: the run's best)")
    command.add_argument("--manifest", default="", help="draw episodes of this file")
    command.add_argument("--first", type=int, default=200, help="episodes that are ranked (default: 200)")
    command.add_argument("--shown", type=int, default=8, help="episodes drawn of each group (default: 8)")
    command.add_argument("--out", type=Path, default=None, help="folder (default: report/ in the run folder)")
    add_config_options(command, required=False)
    args = command.parse_args(argv)
    if (args.run is None) == (args.config is None):
        raise InputError("give a run folder or --config FILE, one of the two; see --help")
    if args.first < 1 or args.shown < 1:
        raise InputError(f"--first and --shown must be at least 1, but are {args.first} and {args.shown}")
    config = args.config or _config_of(args.run)
    cfg = load_config(config, args.opts)
    with start(cfg.DEVICE) as runtime:
        job = open_test(cfg, runtime, weights=args.weights or str(args.run or ""), manifest=args.manifest)
        tested = job.tests[0]
        title = (
            f"{cfg.METHOD.NAME.upper()}, {job.data.dataset.name}, fold {job.data.fold.number}, {cfg.EPISODE.SHOTS}-shot"
        )
        ranked = min(args.first, len(tested.source.specs))
        subtitle = f"first {ranked} episodes of seed {tested.seed}, manifest {tested.manifest}"
        folder = args.out or (args.run or run_folder(cfg)) / "report"
        with alone_for_all(folder, runtime, episode_files(args.shown), is_ours=_is_drawn) as made:
            groups = episode_groups(cfg, runtime, job, tested, first=args.first, shown=args.shown)
            if made is not None:
                say(*map(str, write_episodes(made, groups, title=title, subtitle=subtitle)))
    return 0


def _is_drawn(folder: Path) -> bool:
    return is_page(folder / PAGE)


def _config_of(run: Path) -> Path:
    config = run / "config.yaml"
    if not config.is_file():
        raise InputError(f"{run} is no run folder: it holds no config.yaml; give --config instead")
    return config
