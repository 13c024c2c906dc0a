"""Every setting: its default, its type (that of the default) and its meaning.

A setting is declared once, here or, for a classification method, in `sccan.settings_classification`; `sccan.config`
merges files and overrides into this tree.
"""

from __future__ import annotations

from yacs.config import CfgNode

from sccan.settings_classification import classification_methods


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
    node.NAME = "resnet50_deep"  # see sccan.builders.segmentation.models.BACKBONES
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
    # sccan | bam | pspnet, pixel_classifier (train a backbone); classification: sccan.builders.classification.models
    node.NAME = "sccan"
    node.NECK = "none"  # plug-in, a filter of every picture's maps: none | tsf | cece | sfta (docs/plug_ins.md)
    node.CROSS = "none"  # plug-in, attention between class and query maps of every pair: none | sfsa | cecm
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
    for name, method in classification_methods().items():
        node[name] = method
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
    # height and width to resize to before SIZE is cut out; one number: of the shorter side; empty: SIZE itself
    node.RESIZE = ()
    node.FILTER = "bicubic"  # bicubic | bilinear, Pillow's
    node.CHANNELS = "rgb"  # rgb | bgr, for checkpoints that were trained on swapped channels
    node.CONSTANTS = "imagenet"  # mean and deviation: imagenet | miniimagenet | cifar | cifar_dmf | cifar_rfs
    # training: padded (SIZE out of the resized picture and zeros around it) | resized (part of random size, resized) |
    # centre (as in testing)
    node.CROP = "padded"
    node.PAD = 8  # training, padded: zeros on every side before the random crop, in pixels
    node.SCALE = (0.08, 1.0)  # training, resized: smallest and largest share of the picture's area
    node.FLIP = 0.5  # training: probability of a left-right flip
    node.ERASE = 0.5  # training: probability of random erasing
    node.ERASE_FILL = (0.4914, 0.4822, 0.4465)  # training: value of erased pixels, after normalisation (published)
    node.JITTER = 0.0  # training: largest change of brightness, contrast and saturation, as a share
    node.JITTER_IN_ORDER = False  # training: in this order (CloserLookFewShot), not in a random one
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
    node.FOLD_NORMS = True  # fold a frozen backbone's norms into its convolutions; the same numbers to rounding
    node.COMPILE = False  # torch.compile of forward and loss: for long trainings, mostly on GPUs; needs a C++ compiler
    node.SIZE = (473, 473)  # height and width of the network's input
    node.SYNC_NORMS = True  # base learners: norms see the pictures of all processes together (published)
    node.TRANSFORM = "published"  # published | fast | crops | fixed (sccan.builders.segmentation.data.train_transform)
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
    node.PROTOCOL = "stratified"  # sccan.segmentation.evaluation.protocols; classification: uniform | can | can_python3
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
    node.CACHE_ON = "device"  # where that memory is: device | host
    node.FEATURE_FILES = ""  # folder that keeps features from one test to the next (frozen backbones); empty: none
    node.FEATURE_FILES_GB = 50.0  # how large that folder may grow
    node.FOLD_NORMS = True  # fold frozen norms into the convolutions meanwhile; the same numbers to rounding
    node.PRECISION = "float32"
    node.BASELINES = False  # trivial baselines on the same episodes
    node.CALIBRATION_EPISODES = 300  # base-class episodes on which the baselines' thresholds are found
    return node
