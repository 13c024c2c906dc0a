"""Score stored predictions without a model."""

from pathlib import Path

from yacs.config import CfgNode

from sccan.builders.segmentation.data import logit_score, open_data, protocol_of
from sccan.builders.segmentation.testing import fold_manifest, scored_classes
from sccan.commands.entry import add_config_options, parser
from sccan.engine.distributed import Runtime, start
from sccan.errors import InputError
from sccan.files.made import made_beside
from sccan.files.writing import write_json
from sccan.report.results import SeedOutcome
from sccan.report.tables import Table, count_column, percent, percent_column, text_column
from sccan.segmentation.evaluation.iou import RATIOS
from sccan.segmentation.evaluation.outcomes import seed_outcome
from sccan.segmentation.evaluation.scoring import score_stored
from sccan.settings.loading import load_config

EXAMPLE = """  cd runs/shapes_split0/results/stratified_1shot
  python tools/evaluate_miou.py --manifest episodes_seed321.jsonl --predictions predictions/seed321"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: every episode of the manifest has been scored."""
    command = parser(
        "Score stored predictions, ours or anybody's: one PNG per episode of a manifest, named 000000.png, 000001.png "
        "..., of the size that the protocol compares at (the label's own), 0 for background and anything else for "
        "foreground.",
        EXAMPLE,
    )
    command.add_argument("--predictions", type=Path, required=True, metavar="DIR", help="folder of label PNGs")
    command.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="the episodes they belong to")
    command.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the scores here as well")
    add_config_options(command, required=False)
    args = command.parse_args(argv)
    cfg = load_config(args.config or _config_of_run(args.manifest), args.opts)
    if not args.predictions.is_dir():
        raise InputError(f"there is no folder {args.predictions} with predictions")
    made = made_beside(args.json, "--json") if args.json else None
    with start("cpu") as runtime:
        outcome = _score(cfg, runtime, args.manifest, args.predictions)
    columns = [count_column("class"), text_column("name"), percent_column("IoU"), count_column("episodes")]
    table = Table(columns, [(c.number, c.name, c.iou, c.episodes) for c in outcome.classes])
    print(
        f"{table.text()}\n"
        f"mIoU {percent(outcome.miou)}  FB-IoU {percent(outcome.fb_iou)}  ({outcome.n_episodes} episodes)"
    )
    if made is not None:
        scores = {"miou": outcome.miou, "fb_iou": outcome.fb_iou, "manifest": outcome.manifest}
        write_json(made.claim(args.json.name), scores | {"classes": {str(c.number): c.iou for c in outcome.classes}})
    return 0


def _score(cfg: CfgNode, runtime: Runtime, manifest_file: Path, folder: Path) -> SeedOutcome:
    data = open_data(cfg, runtime)
    manifest = fold_manifest(manifest_file, data)
    protocol, made_under = protocol_of(cfg), manifest.header.get("protocol", "")
    if made_under != protocol.name:
        raise InputError(
            f"{manifest_file} was made under protocol {made_under!r}, but the settings name {protocol.name!r}, which "
            "may compare at another place; set TEST.PROTOCOL and its parts to match, with --opts"
        )
    rows = score_stored(folder, manifest.specs, data.test_store, logit_score(cfg).comparison)
    classes = scored_classes(cfg, data, [manifest.specs])
    seed = int(manifest.header["seed"])
    ratio = RATIOS[protocol.ratio]
    return seed_outcome(
        rows, manifest.specs, data.test_store.index, classes, seed=seed, manifest=manifest.hash, ratio=ratio
    )


def _config_of_run(manifest: Path) -> Path:
    """The merged config of the run folder that a manifest lies in."""
    for folder in manifest.absolute().parents:
        if (folder / "config.yaml").is_file():
            return folder / "config.yaml"
    raise InputError(f"{manifest} does not lie in a run folder; name the settings with --config")
