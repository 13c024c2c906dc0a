"""Extract the features of all pictures with a frozen backbone, once, for methods that learn on features."""

from yacs.config import CfgNode

from sccan.builders.classification.data import (
    build_classifier,
    build_untrained,
    data_source,
    fixed_transform,
    preprocessing,
)
from sccan.builders.classification.frozen import TRAINING_FREE
from sccan.builders.classification.stored_features import Storing, extract_features, features_folder
from sccan.builders.classification.tasnet import begin_with_backbone
from sccan.classification.data.datasets import open_splits
from sccan.classification.data.stored_features import features_path, has_features, holds_features, index_path
from sccan.commands.entry import add_config_options, parser, say
from sccan.engine.distributed import Runtime, start
from sccan.files.alone import alone_in
from sccan.files.made import made_before
from sccan.method import Method
from sccan.settings.loading import load_config

EXAMPLE = """  python tools/extract_features.py --config=config/cifar_fs/tasnet_resnet12_5w1s.yaml
  python tools/extract_features.py --config=config/cifar_fs/simpleshot_lite1_5w1s.yaml \\
      --opts METHOD.FROZEN.FEATURES runs/cifar_fs_lite1"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the folder holds the features of every split of the data set."""
    command = parser(
        "Extract the features of all pictures with the frozen backbone BACKBONE.WEIGHTS into METHOD.TASNET.FEATURES or "
        "METHOD.FROZEN.FEATURES. "
        "Splits that are there already are kept, if they belong to the same backbone, data set and preprocessing.",
        EXAMPLE,
    )
    add_config_options(command)
    args = command.parse_args(argv)
    cfg = load_config(args.config, args.opts)
    with start(cfg.DEVICE) as runtime:
        if runtime.is_main:
            extract(cfg, runtime)
    return 0


def extract(cfg: CfgNode, runtime: Runtime) -> None:
    """Extract what is missing, split by split, and say so.

    Raises InputError: the settings name no folder or no backbone, or the folder holds features of another one.
    """
    folder = features_folder(cfg)
    method: Method
    if cfg.METHOD.NAME in TRAINING_FREE:
        method = build_untrained(cfg)
    else:
        method = build_classifier(cfg, n_base=0)
        begin_with_backbone(cfg, method, runtime)
    assert isinstance(method, Storing)
    method = method.to(runtime.device).eval()
    transform = fixed_transform(cfg)
    say(f"features: {folder}")
    splits = open_splits(data_source(cfg))
    missing = [split for split in splits if not has_features(folder, split)]
    names = [place(folder, split).name for split in missing for place in (features_path, index_path)]
    advice = "name another folder in the settings, or move it away"
    with alone_in(folder):
        made_before(folder, names, lambda _: holds_features(folder, splits), advice=advice).claim_all(names)
        for split, pictures in splits.items():
            print(extract_features(cfg, runtime, method, pictures, split, transform, preprocessing(cfg)), flush=True)
