"""Every setting: its default, its type (that of the default) and its meaning; files, bases and overrides merged.

A run file states only what differs from the defaults and names the file it builds on as ``_BASE_`` (relative to
itself). Published SCCAN and BAM files are read through `sccan.published_config`. The merged tree is frozen;
only `sccan.build` and the commands read it.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from sccan.errors import InputError, nearest
from sccan.published_config import is_published, translate

BASE_KEY = "_BASE_"
FREE_NODES = ("OPTIM",)
"""Nodes whose children are named by the user (the parameter groups of a method); each child has fixed keys."""


def defaults() -> CfgNode:
    """The tree of all settings at their defaults (published SCCAN on PASCAL-5i where a paper fixes a value)."""
    cfg = CfgNode()
    cfg.SEED = 321  # episodes, transforms, initial weights
    cfg.OUTPUT = "runs"  # folder of run folders
    cfg.NAME = ""  # name of the run folder; empty: the config file's own name
    cfg.DEVICE = "auto"  # auto | cpu | cuda
    cfg.DATA = _data()
    cfg.BACKBONE = _backbone()
    cfg.METHOD = _method()
    cfg.EPISODE = _episode()
    cfg.PICTURE = _picture()
    cfg.TRAIN = _train()
    cfg.OPTIM = CfgNode(new_allowed=True)  # NAME: optimiser_group() for every parameter group of the method
    cfg.VALIDATE = _validate()
    cfg.TEST = _test()
    return cfg


def _data() -> CfgNode:
    node = CfgNode()
    node.NAME = "pascal"  # pascal | coco | shapes | coco_mini | folder; classification: whatever results should say
    node.ROOT = ""  # folder that the lines of the lists are relative to
    node.TRAIN_LIST = ""  # "image label" per line, a path or relative to ROOT; empty: the data set's own place
    node.VAL_LIST = ""  # likewise, for testing
    node.CLASSES = ""  # text file with one class name per line (folder); empty: the data set's own names
    node.FOLD = 0  # which part of the classes is novel
    node.N_FOLDS = 4
    node.FOLD_RULE = ""  # consecutive | interleaved; empty: the data set's own rule
    node.MIN_PIXELS = 2048  # pixels that make a class count in a picture
    node.ALL_PICTURES = False  # train base learners on every line of the list, whatever it shows (published BAM)
    node.NOVEL_PIXELS = ""  # training pictures with novel pixels: drop | background; empty: the protocol's own
    node.SKIP_SMALL_CLASSES = False  # leave out classes with too few pictures (and say so) instead of stopping
    node.CACHE = ""  # folder of class-pixel indices; empty: $SCCAN_CACHE or ~/.cache/sccan
    node.MEMORY_GB = 0.0  # memory for decoded pictures (small data sets)
    node.WORKERS = 8  # loader processes
    node.CLASS_LIST = ""  # classification: published split to check against (miniimagenet, cifar-fs, cub-feat ...)
    node.IMAGENET = ""  # classification: ImageNet's training folder, for lists that name pictures of it
    node.ON_DEVICE = False  # classification: keep the training split on the device, as bytes
    return node


def _backbone() -> CfgNode:
    node = CfgNode()
    node.NAME = "resnet50_deep"  # see sccan.build.models.BACKBONES
    node.WEIGHTS = ""  # file, a base run's folder, or a torchvision enum name; empty: random (training a base only)
    node.SMALL = CfgNode()  # NAME: small
    node.SMALL.STEM = (16, 16, 32)  # channels of the three stem convolutions
    node.SMALL.WIDTHS = (32, 64, 96, 96)
    node.SMALL.BLOCKS = (2, 2, 2, 1)
    node.RESNET12 = CfgNode()  # NAME: resnet12
    node.RESNET12.STEM = 64  # channels of the stem
    node.RESNET12.WIDTHS = (64, 128, 256, 512)
    node.RESNET12.STRIDES = (2, 2, 2, 2)
    node.CONV4 = CfgNode()  # NAME: conv4
    node.CONV4.WIDTHS = (64, 128, 256, 512)
    node.CONV4.MOMENTUM = 1.0  # of the norms; 1 (published): running statistics are those of the last batch
    node.RESNET12_POOLED = CfgNode()  # NAME: resnet12_pooled
    node.RESNET12_POOLED.WIDTHS = (64, 160, 320, 640)
    node.RESNET12_POOLED.STRIDES = (2, 2, 2, 1)
    node.RESNET12_POOLED.ROUND_UP = (
        True  # pooling keeps a last odd row and column (DMF); False: drops them (family of tSF)
    )
    node.RESNET12_POOLED.DROP_RATE = 0.1  # elements dropped in the first two stages, squares in the last two
    node.RESNET12_POOLED.BLOCK_SIZE = 5  # side of the squares, in cells of the map
    node.RESNET12_POOLED.RAMP = 40000  # forwards until squares are dropped at the full rate
    node.RESNET12_POOLED.COUNT_EVALUATION = False  # count forwards of evaluations as well (published)
    return node


def _method() -> CfgNode:
    node = CfgNode()
    # sccan | bam | pspnet, pixel_classifier (train a backbone); classification: see sccan.build.classification_models
    node.NAME = "sccan"
    node.SCCAN = CfgNode()
    node.SCCAN.CHANNELS = 256
    node.SCCAN.GRID = (64, 64)  # working grid, height and width
    node.SCCAN.WINDOW = 8
    node.SCCAN.HEADS = 8
    node.SCCAN.DEPTH = 8  # blocks; every second one is shifted by half a window
    node.SCCAN.MLP_RATIO = 1.0
    node.SCCAN.MERGE_STAGES = ("layer2", "layer3")  # concatenated for the working features
    node.SCCAN.PRIOR_STAGE = "layer4"
    node.SCCAN.FEATURE_DROPOUT = 0.5  # channel dropout after the down-projections
    node.SCCAN.HEAD_DROPOUT = 0.1  # channel dropout before the classifier
    node.SCCAN.ASPP_DILATIONS = (6, 12, 18)
    node.SCCAN.LOSS_IGNORES = False  # leave ignored pixels out of the dice (published: they count as negatives)
    node.PIXEL_CLASSIFIER = CfgNode()
    node.PIXEL_CLASSIFIER.STAGE = "layer4"
    node.PIXEL_CLASSIFIER.BACKGROUND_WEIGHT = 1.0  # weight of background pixels in the cross-entropy
    node.PSPNET = CfgNode()
    node.PSPNET.STAGE = "layer4"
    node.PSPNET.CHANNELS = 512  # of the hidden map
    node.PSPNET.BINS = (1, 2, 3, 6)  # cells per side of the pooled grids
    node.PSPNET.DROPOUT = 0.1  # channel dropout before the last convolution
    node.PSPNET.BACKGROUND_WEIGHT = 1.0  # weight of background pixels in the cross-entropy
    node.BAM = CfgNode()  # the shape of its base head is that of PSPNET
    node.BAM.BASE = ""  # run folder or checkpoint of a pspnet; it brings the backbone, so BACKBONE.WEIGHTS is not read
    node.BAM.CHANNELS = 256
    node.BAM.MERGE_STAGES = ("layer3", "layer2")  # concatenated for the working features, at the size of the first
    node.BAM.PRIOR_STAGE = "layer4"  # also of the base head
    node.BAM.SCENE_STAGE = "layer2"  # its Gram matrix stands for the scene
    node.BAM.SHOT_CHANNELS = 2  # hidden channels of the network that weighs several shots; 0: none
    node.BAM.FEATURE_DROPOUT = 0.5  # channel dropout after the down-projections
    node.BAM.HEAD_DROPOUT = 0.1  # channel dropout before the classifier
    node.BAM.ASPP_DILATIONS = (6, 12, 18)
    node.BAM.BASE_DROPOUT = True  # the frozen base head's dropout stays active in training (published)
    node.BAM.META_WEIGHT = 1.0  # of the meta learner's loss beside the ensemble's
    node.BAM.BASE_WEIGHT = 1.0  # of the base learner's loss, a number that moves nothing
    node.BAM.BASE_LOSS = False  # compute that number (published: True); it costs maps of all base classes
    node.CAN = CfgNode()
    node.CAN.HIDDEN = 0  # channels of the meta learner; 0: a sixth of the map's positions (published: 6 of 36)
    node.CAN.TEMPERATURE = 0.025  # of the attention
    node.CAN.SCALE = 7.0  # factor of every cosine
    node.CAN.LOCAL_WEIGHT = 0.5  # of the nearest-neighbour loss beside the global one
    node.CAN.TRANSDUCTIVE = False  # testing: learn from all queries of an episode
    node.CAN.SHARE = 35 / 75  # of the queries that join the class means in every transductive round
    node.TASKS = CfgNode()  # what tSF and its relatives learn beside their metric
    node.TASKS.ROTATION = True  # show every training query in four rotations, and learn to tell which
    node.TASKS.LEARNED_WEIGHTS = True  # of the base-class and the rotation loss
    node.TASKS.FLOOR = 1.0  # of the learned weights
    node.TASKS.GAMMA = 1.0  # of the focal losses; 0: plain cross-entropy
    node.TSF = CfgNode()
    node.TSF.TOKENS = 5  # of the filter
    node.TSF.HEADS = 4
    node.TSF.DROPOUT = 0.1  # of the filter's feed-forward block
    node.TSF.SCALE = 7.0  # factor of every cosine
    node.SPATIALFORMER = CfgNode()
    node.SPATIALFORMER.HEADS = 1  # of either attention
    node.SPATIALFORMER.TEMPERATURE = 0.025  # of the semantic attention's softmax over positions
    node.SPATIALFORMER.DROPOUT = 0.1  # of the feed-forward blocks
    node.SPATIALFORMER.SCALE = 7.0  # factor of every cosine
    node.SPATIALFORMER.NOVEL_TASK = True  # testing: fine-tune a classifier on every support set; it attends first
    node.SPATIALFORMER.TUNING_STEPS = 200
    node.SPATIALFORMER.TUNING_RATE = 0.01
    node.SPATIALFORMER.ADD_PROBABILITIES = True  # decide by that classifier too (published), not by the metric alone
    # published mistake: support maps in the episode's order stand for class maps (one shot only)
    node.SPATIALFORMER.SUPPORTS_FOR_PROTOTYPES = False
    node.CECNET = CfgNode()
    node.CECNET.CLUSTER = "transformer"  # of the connection: matmul | cosine | gcn | transformer
    node.CECNET.CONNECT = "one_to_one"  # one_to_one | one_to_many (a query with all class maps together)
    node.CECNET.DISTANCE = "cosine"  # patch cluster of the distance, as above; none: cosine of averaged maps instead
    node.CECNET.TEMPERATURE = 0.025  # of the connection's softmax over positions
    node.CECNET.SCALE = 7.0  # factor of every cosine
    node.CECNET.FINE_TUNING = False  # testing: the paper's Self-CECM with a fine-tuned classifier (no published code)
    node.CECNET.TUNING_STEPS = 200
    node.CECNET.TUNING_RATE = 0.01
    node.DMF = CfgNode()
    node.DMF.GROUPS = 64  # groups of channels with a filter each; published: 64, 160, 320, 640
    node.DMF.FILTER_SIZE = 1
    node.DMF.SCRAMBLED_TAPS = False  # larger filters: the published order of memory, which mixes positions
    node.DMF.ODE = True  # integrate the filter; False: apply it once
    node.DMF.LOCAL_WEIGHT = 0.5  # of the local loss beside the global one
    return node


def _episode() -> CfgNode:
    node = CfgNode()
    node.SHOTS = 1
    node.ANNOTATION = "mask"  # support annotation: mask | bbox
    node.WAYS = 5  # classification: classes per episode
    node.QUERIES = 15  # classification: queries per class in testing and validation
    node.TRAIN_QUERIES = 6  # classification: queries per class in training
    return node


def _picture() -> CfgNode:
    """Classification: from a stored picture to the network's input (published CAN; TRAIN.SIZE etc. do not apply)."""
    node = CfgNode()
    node.SIZE = (84, 84)  # height and width of the network's input
    node.RESIZE = ()  # height and width to resize to before the centre of SIZE is cut out; empty: SIZE itself
    node.FILTER = "bicubic"  # bicubic | bilinear, Pillow's
    node.CHANNELS = "rgb"  # rgb | bgr, for checkpoints that were trained on swapped channels
    node.CONSTANTS = "imagenet"  # mean and deviation: imagenet | miniimagenet | cifar
    node.PAD = 8  # training: zeros on every side before the random crop, in pixels
    node.FLIP = 0.5  # training: probability of a left-right flip
    node.ERASE = 0.5  # training: probability of random erasing
    node.JITTER = 0.0  # training: largest change of brightness, contrast and saturation, as a share
    return node


def _train() -> CfgNode:
    node = CfgNode()
    node.EPOCHS = 200
    node.EPISODES_PER_EPOCH = 0  # 0: every picture of the training list is the query once
    node.BATCH_SIZE = 8  # per process
    node.ACCUMULATION = 1  # batches per optimiser step
    node.CLIP_NORM = 0.0  # largest gradient norm; 0: no clipping
    node.PRECISION = "float32"  # float32 | bf16 | fp16 (autocast)
    node.CHANNELS_LAST = False  # memory layout of convolutions: faster on CPUs, and on GPUs with half precision
    node.SIZE = (473, 473)  # height and width of the network's input
    node.TRANSFORM = "published"  # published | fast | crops | fixed (sccan.build.segmentation.train_transform)
    node.SCALE = (0.9, 1.1)
    node.ROTATE = 10.0  # largest rotation either way, degrees
    node.BLUR = 0.5  # probability of a 5x5 Gaussian blur
    node.FLIP = 0.5  # probability of a left-right flip
    node.OBJECT_CROPS = 0.9  # crops: share of crops placed near an object
    node.CACHE_VIEWS = 0  # frozen backbone: train on features of so many fixed views of every picture; 0: on pictures
    node.BALANCED = False  # draw the class first, all alike, then the query
    node.ANY_AMOUNT = True  # the query's class may be one it holds a single pixel of (published)
    node.PATIENCE = 75.0  # stop after this many epochs without a better score
    node.MAX_MINUTES = 0.0  # stop, resumable, after this many minutes; 0: no bound
    node.SAVE_MINUTES = 10.0  # how often the state to resume from is written, besides at the end of every epoch
    node.LOG_EVERY = 10  # steps
    return node


def optimiser_group() -> CfgNode:
    """The settings of one parameter group's optimiser."""
    node = CfgNode()
    node.ALGORITHM = "sgd"  # sgd | adamw | adam
    node.LR = 0.05  # the rate that is really used at the first step
    node.MOMENTUM = 0.9
    node.NESTEROV = False
    node.BETAS = (0.9, 0.999)
    node.WEIGHT_DECAY = 1e-4
    node.SCHEDULE = "poly"  # constant | poly | cosine | steps
    node.POWER = 0.9  # poly
    node.WARMUP_STEPS = 0
    node.WARMUP_START = 0.1  # share of LR at which the warm-up starts
    node.MINIMUM = 0.0  # lowest share of LR
    node.MILESTONES = ()  # steps: shares of the whole training at which the rate is multiplied by FACTOR
    node.FACTOR = 0.1
    node.SHARES = ()  # steps: the share of LR from each milestone on, where it is no power of FACTOR
    return node


def _validate() -> CfgNode:
    node = CfgNode()
    node.EVERY = 1.0  # epochs between validations; 0.5: twice per epoch
    # base: episodes of base classes, no novel class is touched | test_fold: as published; classification: val | test
    node.SELECT_ON = "base"
    node.EPISODES = 1000
    node.SEED = 321
    # share of the training pictures kept for SELECT_ON: base; 0: those of the test list, if it is another list
    node.HOLD_OUT = 0.0
    return node


def _test() -> CfgNode:
    node = CfgNode()
    node.PROTOCOL = "stratified"  # see sccan.segmentation.protocols; classification: uniform | can | can_python3
    node.EPISODES = 0  # per seed; 0: the protocol's own number
    node.SEEDS = ()  # empty: the protocol's own seeds
    node.RESIZE = ""  # part of the protocol to replace; empty: the protocol's own
    node.COMPARE_AT = ""  # likewise
    node.SAMPLER = ""  # likewise
    node.SHOTS = ""  # likewise: who joins several shots, network | votes
    node.ITEMS = ""  # HSNet's list of a fold (NAME__CLASS per line) for the sampler hsnet_pairs; empty: the val list
    node.SIZE = 0  # longer side of the network's input; 0: the protocol's own
    node.WEIGHTS = ""  # checkpoint; empty: the run's best
    node.BATCH_SIZE = 1  # episodes predicted together
    node.ENCODE_BATCH = 1  # pictures encoded together
    node.CACHE_GB = 4.0  # memory for features of pictures that return
    node.PRECISION = "float32"
    node.BASELINES = False  # trivial baselines on the same episodes
    node.CALIBRATION_EPISODES = 300  # base-class episodes on which the baselines' thresholds are found
    return node


def load_config(path: str | Path, opts: list[str] | tuple[str, ...] = ()) -> CfgNode:
    """The frozen settings of a run.

    Args:
        path: a YAML file of ours (with ``_BASE_``) or a published one; a file that is not there is looked for among
            the configurations installed with the package.
        opts: KEY VALUE pairs that have the last word, for instance ``["TRAIN.BATCH_SIZE", "4"]``.

    Raises InputError: the file, a key or a value is unfit; the line names the nearest known key.
    """
    file = find_config(path)
    cfg = defaults()
    if len(opts) % 2:
        raise InputError(f"--opts takes KEY VALUE pairs, but got {len(opts)} words; the last is {opts[-1]!r}")
    named = [(_nested(key, _parse(value)), "--opts") for key, value in zip(opts[::2], opts[1::2], strict=True)]
    layers = _layers(file) + named
    for layer, source in layers:
        if is_published(layer):
            layer = translate(layer, source, _method_named(layers))
        _merge(cfg, layer, source)
    if not cfg.NAME:
        cfg.NAME = file.stem
    cfg.freeze()
    return cfg


def _method_named(layers: list[tuple[dict[str, Any], str]]) -> str:
    """METHOD.NAME where a layer of ours says it, which published files do not."""
    said = [layer["METHOD"]["NAME"] for layer, _ in layers if "NAME" in (layer.get("METHOD") or {})]
    return str(said[-1]) if said else "sccan"


def find_config(path: str | Path) -> Path:
    """The file itself, or its namesake among the configurations that come with the package.

    Raises InputError: there is neither.
    """
    file = Path(path)
    if file.is_file():
        return file
    inside = Path(*file.parts[file.parts.index("config") + 1 :]) if "config" in file.parts else file
    package = Path(__file__).resolve().parent
    for shipped in (package / "presets", package.parent / "config"):  # installed; a checkout
        if not file.is_absolute() and (shipped / inside).is_file():
            return shipped / inside
    raise InputError(f"there is no config file {file}; give the path of a YAML file, for instance from config/")


def as_dict(cfg: CfgNode) -> dict[str, Any]:
    """Plain nested dictionaries."""
    return {key: as_dict(value) if isinstance(value, CfgNode) else value for key, value in cfg.items()}


def flatten(cfg: CfgNode, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of every setting."""
    flat: dict[str, Any] = {}
    for key, value in cfg.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, CfgNode) else {f"{prefix}{key}": value}
    return flat


def dump(cfg: CfgNode) -> str:
    """The merged settings as YAML that `load_config` reads back."""
    plain = yaml.safe_load(yaml.safe_dump(_lists(as_dict(cfg)), sort_keys=False))
    return yaml.safe_dump(plain, sort_keys=False)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value


def _layers(path: Path, above: tuple[Path, ...] = ()) -> list[tuple[dict[str, Any], str]]:
    """The file's content behind that of its bases, lowest first."""
    if path.resolve() in above:
        raise InputError(f"{path} names itself as its {BASE_KEY}, directly or through another file")
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        line = str(error).replace("\n", " ")
        raise InputError(f"config file {path} cannot be read as YAML: {line}") from error
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise InputError(f"config file {path} holds no settings (a mapping of keys to values is expected)")
    base = content.pop(BASE_KEY, None)
    if base is None:
        return [(content, str(path))]
    base_path = path.parent / str(base)
    if not base_path.is_file():
        raise InputError(f"{path} builds on {base_path}, which does not exist; correct its {BASE_KEY}")
    return [*_layers(base_path, (*above, path.resolve())), (content, str(path))]


def _merge(node: CfgNode, values: dict[str, Any], source: str, prefix: str = "") -> None:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if key not in node:
            if prefix.removesuffix(".") not in FREE_NODES:
                raise InputError(f"{source}: unknown setting {name}{nearest(str(key), node.keys())}")
            if not isinstance(value, dict):
                raise InputError(f"{source}: {name} must hold settings of an optimiser, not {value!r}")
            node[key] = optimiser_group()
        if isinstance(node[key], CfgNode):
            if not isinstance(value, dict):
                raise InputError(f"{source}: {name} is a group of settings, but got the value {value!r}")
            _merge(node[key], value, source, f"{name}.")
        else:
            node[key] = _fit(value, node[key], name, source)


def _fit(value: Any, default: Any, name: str, source: str) -> Any:
    """`value` as the type of `default`."""
    kind = type(default)
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3 as text
        except ValueError:
            pass
    if kind is tuple and isinstance(value, list | tuple):
        items = tuple(value)
        if default and any(type(item) is not type(default[0]) for item in items):
            items = tuple(_fit(item, default[0], name, source) for item in items)
        return items
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if type(value) is not kind:
        expected = {"str": "text", "int": "a whole number", "float": "a number", "bool": "True or False"}
        wanted = expected.get(kind.__name__, "a list")
        raise InputError(f"{source}: {name} must be {wanted} such as {default!r}, but got {value!r}")
    return copy.copy(value)


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _parse(text: str) -> Any:
    """A value from the command line, read as YAML (so 3, 0.5, True, [1, 2] and text all work)."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if text.startswith("(") and text.endswith(")"):
        return yaml.safe_load(f"[{text[1:-1]}]")
    return "" if value is None else value
