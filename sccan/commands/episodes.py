"""Write, show and compare episode manifests: which pictures a test is made of."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sccan.builders.classification.data import is_classification
from sccan.builders.segmentation.data import open_data, protocol_of
from sccan.builders.segmentation.testing import episode_plans
from sccan.commands.entry import Kind, add_config_options, parser, run_kind, say
from sccan.engine.distributed import start
from sccan.episodes.manifest import manifest_name, read_manifest, write_manifest
from sccan.episodes.named_manifest import NamedEpisode, NamedManifest, compare_manifests, read_named
from sccan.errors import InputError
from sccan.files.alone import alone_in
from sccan.files.made import Made
from sccan.report.tables import Table, count_column, text_column
from sccan.settings.loading import load_config

EXAMPLES = """\
  python tools/episodes.py write --out episodes --config config/shapes/shapes_split0.yaml
  python tools/episodes.py show episodes/episodes_seed321.jsonl --first 3
  python tools/episodes.py compare episodes/episodes_seed321.jsonl runs/other/episodes_seed321.jsonl"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: done, or the two manifests are the same; 1: they differ."""
    return run_kind(parser(__doc__ or "", EXAMPLES), KINDS, argv)


def _write_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the files, one per seed")
    add_config_options(command)


def _write(args: argparse.Namespace) -> int:
    """The episodes of a test by this config, without testing."""
    cfg = load_config(args.config, args.opts)
    if is_classification(cfg):
        raise InputError(f"{args.config} is for classification; its test writes its manifests beside the results")
    with start("cpu") as runtime:
        data = open_data(cfg, runtime)
    plans = list(episode_plans(cfg, data))
    with alone_in(args.out):
        made = Made(args.out)
        made.require(manifest_name(seed) for seed, _ in plans)
        for seed, plan in plans:
            path = made.claim(manifest_name(seed))
            digest = write_manifest(
                path,
                plan.episodes(),
                data.test_store.index,
                dataset=data.dataset.name,
                fold=data.fold.number,
                protocol=protocol_of(cfg).name,
                seed=seed,
            )
            say(f"{path}: {len(plan)} episodes, hash {digest}")
    return 0


def _show_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("manifest", type=Path, metavar="FILE", help="manifest to show")
    command.add_argument("--first", type=int, default=10, metavar="N", help="episodes to list (default: 10)")
    add_config_options(command, required=False)


def _show(args: argparse.Namespace) -> int:
    manifest = read_named(args.manifest)
    names: tuple[str, ...] = ()
    if args.config:
        cfg = load_config(args.config, args.opts)
        with start("cpu") as runtime:
            index = open_data(cfg, runtime).test_store.index
        read_manifest(args.manifest, index)  # raises where it does not fit the data
        names = index.class_names
    for key, value in manifest.header.items():
        say(f"{key:<18} {value}")
    print(f"{'checked':<18} {_checked(manifest, bool(names))}\n")
    print(_class_table(manifest, names).text())
    queries = manifest.queries()
    most = queries.most_common(1)[0]
    print(f"{len(queries)} different query pictures; {most[0]} is the query {most[1]} times\n")
    for episode in manifest.episodes[: max(args.first, 0)]:
        say(_line(episode))
    return 0


def _checked(manifest: NamedManifest, with_data: bool) -> str:
    if not manifest.untouched:
        return "the episodes are not those the hash was made of; the file was changed"
    return "fits the data set of the config" if with_data else "the hash fits the episodes"


def _class_table(manifest: NamedManifest, names: tuple[str, ...]) -> Table:
    rows: list[list[Any]] = [
        [f"{number} {names[number - 1]}" if names else str(number), episodes]
        for number, episodes in manifest.per_class().items()
    ]
    return Table([text_column("class"), count_column("episodes")], rows)


def _line(episode: NamedEpisode) -> str:
    ways = [
        f"class {number}: query {' '.join(query)}, support {' '.join(support)}"
        for number, query, support in zip(episode.classes, episode.query, episode.support, strict=True)
    ]
    return f"{episode.number:>6}  {'; '.join(ways)}"


def _compare_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("one", type=Path, metavar="FILE")
    command.add_argument("other", type=Path, metavar="FILE")


def _compare(args: argparse.Namespace) -> int:
    one, other = read_named(args.one), read_named(args.other)
    difference = compare_manifests(one, other)
    for key, (mine, theirs) in difference.header.items():
        say(f"{key}: {mine} | {theirs}")
    if difference.identical:
        print(f"the same {len(one.episodes)} episodes in the same order on the same data")
        return 0
    lengths = f"{len(one.episodes)} and {len(other.episodes)} episodes"
    print(f"{lengths}: {difference.same_place} are the same at the same place, {difference.shared} wherever they stand")
    if difference.first is not None:
        first, second = one.episodes[difference.first], other.episodes[difference.first]
        say("the first that differs:", _line(first), _line(second))
    if difference.per_class:
        rows = [[str(number), *counts] for number, counts in difference.per_class.items()]
        print()
        print(Table([text_column("class"), count_column("episodes"), count_column("in the other")], rows).text())
    return 1


KINDS = {
    "write": Kind("the episodes that a test by this config would draw, one file per seed", _write_options, _write),
    "show": Kind("what a manifest holds; with --config, checked against the data", _show_options, _show),
    "compare": Kind("whether two manifests hold the same episodes, and where they differ", _compare_options, _compare),
}
