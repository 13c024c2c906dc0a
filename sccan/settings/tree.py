"""Every setting: its default, its type (that of the default), its range and its meaning.

``whole(8, 1, 256)`` is 8 by default, at least 1 and at most 256; of a list, the two numbers bound its items, and the
pair behind them says how many there may be. A setting is declared once, here or, for a method, in
`sccan.settings.segmentation` or `sccan.settings.classification`; `sccan.settings.loading` merges files and overrides
and refuses what is outside.
"""

from __future__ import annotations

from yacs.config import CfgNode

from sccan.settings.classification import classification_methods
from sccan.settings.ranges import Node, number, numbers, seeds, several, share, whole
from sccan.settings.segmentation import segmentation_methods


def defaults() -> CfgNode:
    """The tree of all settings at their defaults (published SCCAN on PASCAL-5i where a paper fixes a value)."""
    cfg = Node()
    cfg.SEED = whole(321, 0, 2**32 - 1)  # episodes, transforms, initial weights
    cfg.OUTPUT = "runs"  # folder of run folders
    cfg.NAME = ""  # name of the run folder; empty: the config file's own name
    cfg.DEVICE = "auto"  # auto | cpu | cuda
    cfg.DATA = _data()
    cfg.BACKBONE = _backbone()
    cfg.METHOD = _method()
    cfg.EPISODE = _episode()
    cfg.PICTURE = _picture()
    cfg.TRAIN = _train()
    cfg.OPTIM = Node(new_allowed=True)  # NAME: optimiser_group() for every parameter group of the method
    cfg.VALIDATE = _validate()
    cfg.TEST = _test()
    return cfg


def _data() -> CfgNode:
    node = Node()
    node.NAME = "pascal"  # pascal | coco | shapes | coco_mini | folder; classification: whatever results should say
    node.ROOT = ""  # folder that the lines of the lists are relative to
    node.TRAIN_LIST = ""  # "image label" per line, a path or relative to ROOT; empty: the data set's own place
    node.VAL_LIST = ""  # likewise, for testing
    node.CLASSES = ""  # text file with one class name per line (folder); empty: the data set's own names
    node.FOLD = whole(0, 0, 1000)  # which part of the classes is novel
    node.N_FOLDS = whole(4, 1, 1000)
    node.FOLD_RULE = ""  # consecutive | interleaved; empty: the data set's own rule
    node.MIN_PIXELS = whole(2048, 0)  # pixels that make a class count in a picture
    node.ALL_PICTURES = False  # train base learners on every line of the list, whatever it shows (published BAM)
    node.NOVEL_PIXELS = ""  # training pictures with novel pixels: drop | background; empty: the protocol's own
    node.SKIP_SMALL_CLASSES = False  # leave out classes with too few pictures (and say so) instead of stopping
    node.CACHE = ""  # folder of class-pixel indices; empty: $SCCAN_CACHE or ~/.cache/sccan
    node.MEMORY_GB = number(0.0, 0, 1e5)  # memory for decoded pictures (small data sets)
    node.WORKERS = whole(8, 0, 512)  # loader processes
    node.CLASS_LIST = ""  # classification: published split to check against (miniimagenet, cifar-fs, cub-feat ...)
    node.IMAGENET = ""  # classification: ImageNet's training folder, for lists that name pictures of it
    node.ON_DEVICE = False  # classification: keep the training split on the device, as bytes
    return node


def _backbone() -> CfgNode:
    node = Node()
    node.NAME = "resnet50_deep"  # see sccan.builders.segmentation.models.BACKBONES; timm: see docs/backbones.md
    # file, a base run's folder, or a torchvision enum name; NAME timm: also packaged | hub | hub:OWNER/NAME;
    # empty: random (training a base only)
    node.WEIGHTS = ""
    node.DOWNLOAD = False  # NAME timm: fetch weights of the hub if they are not on this machine
    node.TIMM = Node()  # NAME: timm
    node.TIMM.MODEL = "tf_efficientnet_lite1"  # timm's name
    node.TIMM.STAGES = ()  # names (blocks.4, layer3, norm) or numbers among timm's; empty: all that timm lists
    node.TIMM.OUTPUT_STRIDE = whole(
        0, 0, 64
    )  # pixels per cell of the deepest map, by dilation: 8 | 16 | 32; 0: as trained
    node.TIMM.FROZEN = False  # keep the weights also where a method or a base learner would train them
    node.SMALL = Node()  # NAME: small
    node.SMALL.STEM = several((16, 16, 32), 1, 4096, (3, 3))  # channels of the three stem convolutions
    node.SMALL.WIDTHS = several((32, 64, 96, 96), 1, 4096, (4, 4))
    node.SMALL.BLOCKS = several((2, 2, 2, 1), 1, 100, (4, 4))
    node.RESNET12 = Node()  # NAME: resnet12
    node.RESNET12.STEM = whole(64, 1, 4096)  # channels of the stem
    node.RESNET12.WIDTHS = several((64, 128, 256, 512), 1, 4096, (4, 4))
    node.RESNET12.STRIDES = several((2, 2, 2, 2), 1, 4, (4, 4))
    node.CONV4 = Node()  # NAME: conv4
    node.CONV4.WIDTHS = several((64, 128, 256, 512), 1, 4096, (4, 4))
    node.CONV4.MOMENTUM = share(1.0)  # of the norms; 1 (published): running statistics are those of the last batch
    node.RESNET12_POOLED = Node()  # NAME: resnet12_pooled
    node.RESNET12_POOLED.WIDTHS = several((64, 160, 320, 640), 1, 4096, (4, 4))
    node.RESNET12_POOLED.STRIDES = several((2, 2, 2, 1), 1, 4, (4, 4))
    node.RESNET12_POOLED.ROUND_UP = (
        True  # pooling keeps a last odd row and column (DMF); False: drops them (family of tSF)
    )
    # elements dropped in the first two stages, squares in the last two
    node.RESNET12_POOLED.DROP_RATE = number(0.1, 0, 0.99)
    node.RESNET12_POOLED.BLOCK_SIZE = whole(5, 1, 64)  # side of the squares, in cells of the map
    node.RESNET12_POOLED.RAMP = whole(40000, 1)  # forwards until squares are dropped at the full rate
    node.RESNET12_POOLED.COUNT_EVALUATION = False  # count forwards of evaluations as well (published)
    return node


def _method() -> CfgNode:
    node = Node()
    # sccan | bam | insid3, frost, guided_density (nothing is trained) | pspnet, pixel_classifier (train a backbone);
    # classification: see sccan.builders.classification.models
    node.NAME = "sccan"
    node.NECK = "none"  # plug-in, a filter of every picture's maps: none | tsf | cece | sfta (docs/plug_ins.md)
    node.CROSS = "none"  # plug-in, attention between class and query maps of every pair: none | sfsa | cecm
    for methods in (segmentation_methods(), classification_methods()):
        for name, method in methods.items():
            node[name] = method
    return node


def _episode() -> CfgNode:
    node = Node()
    node.SHOTS = whole(1, 1, 1000)
    node.ANNOTATION = "mask"  # support annotation: mask | bbox
    node.WAYS = whole(5, 1, 1000)  # classification: classes per episode
    node.QUERIES = whole(15, 1, 10000)  # classification: queries per class in testing and validation
    node.TRAIN_QUERIES = whole(6, 1, 10000)  # classification: queries per class in training
    return node


def _picture() -> CfgNode:
    """Classification: from a stored picture to the network's input (published CAN; TRAIN.SIZE etc. do not apply)."""
    node = Node()
    node.SIZE = several((84, 84), 1, 4096, (2, 2))  # height and width of the network's input
    # height and width to resize to before SIZE is cut out; one number: of the shorter side; empty: SIZE itself
    node.RESIZE = several((), 1, 4096, (1, 2))
    node.FILTER = "bicubic"  # bicubic | bilinear, Pillow's
    node.CHANNELS = "rgb"  # rgb | bgr, for checkpoints that were trained on swapped channels
    node.CONSTANTS = "imagenet"  # mean and deviation: imagenet | miniimagenet | cifar | cifar_dmf | cifar_rfs
    # training: padded (SIZE out of the resized picture and zeros around it) | resized (part of random size, resized) |
    # centre (as in testing)
    node.CROP = "padded"
    node.PAD = whole(8, 0, 4096)  # training, padded: zeros on every side before the random crop, in pixels
    # training, resized: smallest and largest share of the picture's area
    node.SCALE = numbers((0.08, 1.0), 0.0001, 1, (2, 2), rising=True)
    node.FLIP = share(0.5)  # training: probability of a left-right flip
    node.ERASE = share(0.5)  # training: probability of random erasing
    # training: value of erased pixels, after normalisation (published)
    node.ERASE_FILL = numbers((0.4914, 0.4822, 0.4465), -1000, 1000, (3, 3))
    node.JITTER = share(0.0)  # training: largest change of brightness, contrast and saturation, as a share
    node.JITTER_IN_ORDER = False  # training: in this order (CloserLookFewShot), not in a random one
    return node


def _train() -> CfgNode:
    node = Node()
    node.EPOCHS = whole(200, 1, 10**6)
    node.EPISODES_PER_EPOCH = whole(0, 0)  # 0: every picture of the training list is the query once
    node.BATCH_SIZE = whole(8, 1, 10**5)  # per process
    node.ACCUMULATION = whole(1, 1, 10**5)  # batches per optimiser step
    node.CLIP_NORM = number(0.0, 0, 1e9)  # largest gradient norm; 0: no clipping
    node.PRECISION = "float32"  # float32 | bf16 | fp16 (autocast)
    node.CHANNELS_LAST = False  # memory layout of convolutions: faster on CPUs, and on GPUs with half precision
    node.FOLD_NORMS = True  # fold a frozen backbone's norms into its convolutions; the same numbers to rounding
    node.COMPILE = False  # torch.compile of forward and loss: for long trainings, mostly on GPUs; needs a C++ compiler
    node.SIZE = several((473, 473), 8, 8192, (2, 2))  # height and width of the network's input
    node.SYNC_NORMS = True  # base learners: norms see the pictures of all processes together (published)
    node.TRANSFORM = "published"  # published | fast | crops | fixed (sccan.builders.segmentation.data.train_transform)
    node.SCALE = numbers((0.9, 1.1), 0.01, 100, (2, 2), rising=True)
    node.ROTATE = number(10.0, 0, 180)  # largest rotation either way, degrees
    node.BLUR = share(0.5)  # probability of a 5x5 Gaussian blur
    node.FLIP = share(0.5)  # probability of a left-right flip
    node.OBJECT_CROPS = share(0.9)  # crops: share of crops placed near an object
    # frozen backbone: train on features of so many fixed views of every picture; 0: on pictures
    node.CACHE_VIEWS = whole(0, 0, 10**5)
    node.FLIP_MAPS = share(0.0)  # with CACHE_VIEWS: probability that a view's maps and label are flipped left to right
    node.BALANCED = False  # draw the class first, all alike, then the query
    node.ANY_AMOUNT = True  # the query's class may be one it holds a single pixel of (published)
    node.PATIENCE = number(75.0, 0, 1e9)  # stop after this many epochs without a better score
    node.MAX_MINUTES = number(0.0, 0, 1e9)  # stop, resumable, after this many minutes; 0: no bound
    # how often the state to resume from is written, besides at the end of every epoch
    node.SAVE_MINUTES = number(10.0, 0, 1e9)
    node.LOG_EVERY = whole(10, 1)  # steps
    return node


def optimiser_group() -> CfgNode:
    """The settings of one parameter group's optimiser."""
    node = Node()
    node.ALGORITHM = "sgd"  # sgd | adamw | adam
    node.LR = number(0.05, 0, 1000)  # the rate that is really used at the first step
    node.MOMENTUM = number(0.9, 0, 0.999999)
    node.NESTEROV = False
    node.BETAS = numbers((0.9, 0.999), 0, 0.999999999, (2, 2))
    node.WEIGHT_DECAY = number(1e-4, 0, 1000)
    node.SCHEDULE = "poly"  # constant | poly | cosine | steps
    node.POWER = number(0.9, 0, 100)  # poly
    node.WARMUP_STEPS = whole(0, 0)
    node.WARMUP_START = share(0.1)  # share of LR at which the warm-up starts
    node.MINIMUM = share(0.0)  # lowest share of LR
    # steps: shares of the whole training at which the rate is multiplied by FACTOR
    node.MILESTONES = numbers((), 0, 1, (0, 1000), rising=True)
    node.FACTOR = number(0.1, 0, 1000)
    # steps: the share of LR from each milestone on, where it is no power of FACTOR
    node.SHARES = numbers((), 0, 1000, (0, 1000))
    return node


def _validate() -> CfgNode:
    node = Node()
    node.EVERY = number(1.0, 0, 1e6)  # epochs between validations; 0.5: twice per epoch
    # base: episodes of base classes, no novel class is touched | test_fold: as published; classification: val | test
    node.SELECT_ON = "base"
    node.EPISODES = whole(1000, 1)
    node.SEED = whole(321, 0, 2**32 - 1)
    # share of the training pictures kept for SELECT_ON: base; 0: those of the test list, if it is another list
    node.HOLD_OUT = number(0.0, 0, 0.95)
    return node


def _test() -> CfgNode:
    node = Node()
    node.PROTOCOL = (
        "stratified"  # sccan.segmentation.evaluation.protocols; classification: uniform | realistic | can | can_python3
    )
    node.EPISODES = whole(0, 0)  # per seed; 0: the protocol's own number
    node.SEEDS = seeds(())  # empty: the protocol's own seeds
    node.RESIZE = ""  # part of the protocol to replace; empty: the protocol's own
    node.COMPARE_AT = ""  # likewise
    node.SAMPLER = ""  # likewise
    node.SHOTS = ""  # likewise: who joins several shots, network | votes
    node.ITEMS = ""  # HSNet's list of a fold (NAME__CLASS per line) for the sampler hsnet_pairs; empty: the val list
    node.SIZE = whole(0, 0, 8192)  # longer side of the network's input; 0: the protocol's own
    node.WEIGHTS = ""  # checkpoint; empty: the run's best
    node.BATCH_SIZE = whole(1, 1, 10**5)  # episodes predicted together
    node.ENCODE_BATCH = whole(1, 1, 10**5)  # pictures encoded together
    node.CACHE_GB = number(4.0, 0, 1e5)  # memory for features of pictures that return
    node.CACHE_ON = "device"  # where that memory is: device | host
    node.FEATURE_FILES = ""  # folder that keeps features from one test to the next (frozen backbones); empty: none
    node.FEATURE_FILES_GB = number(50.0, 0, 1e6)  # how large that folder may grow
    node.FOLD_NORMS = True  # fold frozen norms into the convolutions meanwhile; the same numbers to rounding
    node.PRECISION = "float32"
    node.BASELINES = False  # trivial baselines on the same episodes
    node.CALIBRATION_EPISODES = whole(300, 1)  # base-class episodes on which the baselines' thresholds are found
    return node
