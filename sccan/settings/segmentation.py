"""Settings of the segmentation methods under METHOD: default, type and meaning; see `sccan.settings.tree`."""

from __future__ import annotations

from yacs.config import CfgNode

from sccan.settings.ranges import Node, number, numbers, several, share, whole


def segmentation_methods() -> CfgNode:
    """One node per method."""
    node = Node()
    for methods in (_trained(), _training_free()):
        for name, method in methods.items():
            node[name] = method
    return node


def _trained() -> CfgNode:
    node = Node()
    node.SCCAN = Node()
    node.SCCAN.CHANNELS = whole(256, 1, 8192)
    node.SCCAN.GRID = several((64, 64), 1, 512, (2, 2))  # working grid, height and width
    node.SCCAN.WINDOW = whole(8, 1, 512)
    node.SCCAN.HEADS = whole(8, 1, 1024)
    node.SCCAN.DEPTH = whole(8, 1, 256)  # blocks; every second one is shifted by half a window
    node.SCCAN.MLP_RATIO = number(1.0, 0, 64, above=True)
    node.SCCAN.MERGE_STAGES = ("layer2", "layer3")  # concatenated for the working features
    node.SCCAN.PRIOR_STAGE = "layer4"
    node.SCCAN.FEATURE_DROPOUT = share(0.5)  # channel dropout after the down-projections
    node.SCCAN.HEAD_DROPOUT = share(0.1)  # channel dropout before the classifier
    node.SCCAN.ASPP_DILATIONS = several((6, 12, 18), 1, 512, (1, 16))
    # a method that learns nothing (guided_density | insid3 | frost without FLIP), under its own settings, whose logits
    # the head adds to and sees in place of the prior mask; empty: none (published)
    node.SCCAN.EVIDENCE = ""
    node.SCCAN.CUT = number(0.0, -100, 100)  # margin of the logits above which a pixel is foreground in testing
    node.SCCAN.LOSS_IGNORES = False  # leave ignored pixels out of the dice (published: they count as negatives)
    node.PIXEL_CLASSIFIER = Node()
    node.PIXEL_CLASSIFIER.STAGE = "layer4"
    node.PIXEL_CLASSIFIER.BACKGROUND_WEIGHT = number(1.0, 0, 1e6)  # weight of background pixels in the cross-entropy
    node.PSPNET = Node()
    node.PSPNET.STAGE = "layer4"
    node.PSPNET.CHANNELS = whole(512, 1, 8192)  # of the hidden map
    node.PSPNET.BINS = several((1, 2, 3, 6), 1, 128, (1, 16))  # cells per side of the pooled grids
    node.PSPNET.DROPOUT = share(0.1)  # channel dropout before the last convolution
    node.PSPNET.BACKGROUND_WEIGHT = number(1.0, 0, 1e6)  # weight of background pixels in the cross-entropy
    node.BAM = Node()  # the shape of its base head is that of PSPNET
    node.BAM.BASE = ""  # run folder or checkpoint of a pspnet; it brings the backbone, so BACKBONE.WEIGHTS is not read
    node.BAM.CHANNELS = whole(256, 1, 8192)
    node.BAM.MERGE_STAGES = ("layer3", "layer2")  # concatenated for the working features, at the size of the first
    node.BAM.PRIOR_STAGE = "layer4"  # also of the base head
    node.BAM.SCENE_STAGE = "layer2"  # its Gram matrix stands for the scene
    node.BAM.SHOT_CHANNELS = whole(2, 0, 8192)  # hidden channels of the network that weighs several shots; 0: none
    node.BAM.FEATURE_DROPOUT = share(0.5)  # channel dropout after the down-projections
    node.BAM.HEAD_DROPOUT = share(0.1)  # channel dropout before the classifier
    node.BAM.ASPP_DILATIONS = several((6, 12, 18), 1, 512, (1, 16))
    node.BAM.BASE_DROPOUT = True  # the frozen base head's dropout stays active in training (published)
    node.BAM.META_WEIGHT = number(1.0, 0, 1e6)  # of the meta learner's loss beside the ensemble's
    node.BAM.BASE_WEIGHT = number(1.0, 0, 1e6)  # of the base learner's loss, a number that moves nothing
    node.BAM.BASE_LOSS = False  # compute that number (published: True); it costs maps of all base classes
    return node


def _training_free() -> CfgNode:
    """Methods that have nothing to train; see docs/methods.md."""
    node = Node()
    node.INSID3 = Node()
    node.INSID3.STAGES = ()  # whose maps are the cells, joined at the grid of the first; empty: the last stage
    # positional debiasing: a share of the channels below 1, or a number of directions (published: 500 of 1024);
    # backbones whose maps know no place (convolutions) go without
    node.INSID3.RANK = number(0.488, 0, 65536)
    node.INSID3.TAU = number(0.6, -1, 1)  # mean cosine above which two regions are joined
    node.INSID3.THRESHOLD = number(0.2, -1, 1)  # of a region's score
    node.INSID3.SOFT = False  # logits are scores less the threshold; else the enlarged mask less a half (published)
    node.INSID3.HALF_STATE = False  # keep the cells of the examples in half precision
    node.FROST = Node()
    node.FROST.STAGES = ()  # as of INSID3
    node.FROST.RANK = number(0.244, 0, 65536)  # as of INSID3 (published: 250 of 1024)
    node.FROST.FLIP = True  # see the examples flipped left to right as well
    # widths of the kernel to choose from
    node.FROST.BANDWIDTHS = numbers((0.05, 0.1, 0.2, 0.5, 1.0), 1e-3, 1e3, (1, 100))
    node.FROST.ODDS_WEIGHT = number(0.0, -100, 100)  # of the log odds of the examples' foreground (published: 0)
    node.FROST.WHITEN = True  # stretch cells by the covariance within foreground and background
    node.FROST.GATE = True  # only candidates and what is near them can be foreground
    node.FROST.RADIUS = number(16.0, 0, 1e4, above=True)  # within which cells are smoothed with each other, in cells
    node.FROST.STEPS = whole(10, 0, 10000)  # of smoothing; 0: none
    node.GUIDED_DENSITY = Node()
    node.GUIDED_DENSITY.STAGES = ()  # as of INSID3
    node.GUIDED_DENSITY.RANK = number(0.244, 0, 65536)  # as of INSID3
    node.GUIDED_DENSITY.SIGMA = number(0.03, 0, 10, above=True)  # width of the kernel of cosines
    node.GUIDED_DENSITY.ODDS_WEIGHT = number(0.5, 0, 100)  # of the log odds of the foreground among the examples' cells
    node.GUIDED_DENSITY.REACH = number(0.15, 0, 10)  # of places, in sides of the picture; 0: they are not looked at
    # of the second look at examples, in cells; 0: they are seen once, as they are where SCCAN takes this for evidence
    node.GUIDED_DENSITY.SHIFT = number(0.5, 0, 0.99)
    node.GUIDED_DENSITY.RADII = several((1, 2, 3, 4), 0, 64, (1, 16))  # of the filter, in cells of 4 pixels; 0: none
    node.GUIDED_DENSITY.RADIUS_SHARE = number(0.4, 0, 10, above=True)  # radius over a single example's thickness
    node.GUIDED_DENSITY.REGULARITY = number(1e-3, 0, 10, above=True)  # of the filter, a variance of colours in [0, 1]
    return node
