"""Models by ready-made names: what there is, under which licence, and their weights fetched when asked for."""

import argparse

from sccan.backbones.hub import HubWeights, fetch_weights, parse_hub_name
from sccan.backbones.licenses import accept, require_accepted
from sccan.backbones.packaged import package_of
from sccan.builders.ready import DEFAULT, NOT_MEASURED, READY, Eyes, ready_model
from sccan.commands.entry import parser, say
from sccan.report.tables import Column, Table, text_column

EXAMPLES = """\
  sccan models
  sccan models --fetch insid3-dinov2-small
  sccan models --accept dinov3-license --fetch insid3-dinov3-large
  sccan models --fetch timm/vit_small_patch14_reg4_dinov2.lvd142m"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: listed, or everything that was asked for is there."""
    args = _parser().parse_args(argv)
    if args.accept:
        print(f"agreed to {args.accept}: {accept(args.accept)}")
    for name in args.fetch:
        _fetch(name)
    if not args.accept and not args.fetch:
        print(table().text())
    return 0


def table() -> Table:
    """All ready models and what is known of each."""
    rows = [
        (name, eyes.model, eyes.license, eyes.megabytes, eyes.side, _kept(eyes), ready.measured or "no")
        for name, ready in READY.items()
        for eyes in (ready.eyes,)
    ]
    columns = [
        text_column("name (method-backbone)"),
        text_column("timm's network"),
        text_column("licence"),
        Column("MB", align="right"),
        Column("pixels", align="right"),
        text_column("weights"),
        text_column("measured"),
    ]
    return Table(columns, rows, note=f"Without a name: {DEFAULT.name}. Measured no: {NOT_MEASURED}.")


def _kept(eyes: Eyes) -> str:
    if eyes.weights is None:
        return "installed" if eyes.here else "not installed"
    return "here" if eyes.here else "not fetched"


def _fetch(name: str) -> None:
    """Fetches the weights of a ready model, or those of a name on the hub.

    Raises InputError: there are none, the hub does not serve them, or their licence is not agreed to.
    """
    weights = parse_hub_name(name) if "/" in name else ready_model(name).eyes.weights
    if weights is None:
        say(f"{name}: {package_of(ready_model(name).eyes.model).path}")  # pip has installed it
        return
    licence = _license_of(weights)
    require_accepted(licence, str(weights))
    say(f"{weights}, licence {licence or 'unknown here; see the hub'}: {fetch_weights(weights)}")


def _license_of(weights: HubWeights) -> str:
    """timm's name of the licence; empty where timm does not know the weights."""
    import timm  # takes a second

    owner, model = weights.name.split("/")
    known = timm.get_pretrained_cfg(model) if owner == "timm" and timm.is_model(model) else None
    return str(known.license or "") if known is not None else ""


def _parser() -> argparse.ArgumentParser:
    command = parser(
        "List the models that have a ready-made name: a method without training on published weights. Nothing is "
        "downloaded unless --fetch asks for it; what is fetched is kept in $SCCAN_CACHE (or ~/.cache/sccan), continued "
        "after a break, and checked. HF_ENDPOINT names another hub of the same kind.",
        EXAMPLES,
    )
    command.add_argument(
        "--fetch", nargs="+", default=[], metavar="NAME", help="ready models, or OWNER/NAME[@REVISION] on the hub"
    )
    command.add_argument("--accept", default="", metavar="LICENCE", help="agree to a licence that asks for it, once")
    return command
