"""Settings of the classification methods under METHOD: default, type and meaning; see `sccan.settings`."""

from __future__ import annotations

from yacs.config import CfgNode


def classification_methods() -> CfgNode:
    """One node per method, and TASKS, which tSF, SpatialFormer, CECNet and AMTNet share."""
    node = CfgNode()
    for methods in (_can_and_dmf(), _tasnet(), _family()):
        for name, method in methods.items():
            node[name] = method
    return node


def _can_and_dmf() -> CfgNode:
    node = CfgNode()
    node.CAN = CfgNode()
    node.CAN.HIDDEN = 0  # channels of the meta learner; 0: a sixth of the map's positions (published: 6 of 36)
    node.CAN.TEMPERATURE = 0.025  # of the attention
    node.CAN.SCALE = 7.0  # factor of every cosine
    node.CAN.LOCAL_WEIGHT = 0.5  # of the nearest-neighbour loss beside the global one
    node.CAN.TRANSDUCTIVE = False  # testing: learn from all queries of an episode
    node.CAN.SHARE = 35 / 75  # of the queries that join the class means in every transductive round
    node.DMF = CfgNode()
    node.DMF.GROUPS = 64  # groups of channels with a filter each; published: 64, 160, 320, 640
    node.DMF.FILTER_SIZE = 1
    node.DMF.SCRAMBLED_TAPS = False  # larger filters: the published order of memory, which mixes positions
    node.DMF.ODE = True  # integrate the filter; False: apply it once
    node.DMF.SOLVER = ""  # of torchdiffeq, by its name there (dopri5, rk4 ...); empty: the published single step
    node.DMF.TOLERANCE = 0.01  # of SOLVER, relative and absolute
    node.DMF.LOCAL_WEIGHT = 0.5  # of the local loss beside the global one
    return node


def _tasnet() -> CfgNode:
    node = CfgNode()
    node.BASE_CLASSIFIER = CfgNode()  # one linear classifier of all base classes: trains a backbone
    node.BASE_CLASSIFIER.TRANSDUCTIVE = False  # testing: draw class means towards clusters of the queries
    node.PROTOTYPES = CfgNode()
    node.PROTOTYPES.UNIT_PIXELS = False  # every normalised pixel at unit length first (published baseline of TasNet)
    node.PROTOTYPES.TRANSDUCTIVE = False  # testing: draw class means towards clusters of the queries
    node.TASNET = CfgNode()
    node.TASNET.COMBINE = "fusion"  # fusion | concatenation
    node.TASNET.FEATURES = ""  # folder that tools/extract_features.py has filled; empty: encode pictures as they come
    node.TASNET.VECTORS = ""  # file of tools/prepare_words.py, text file (GloVe), or stand_in: random, named in results
    node.TASNET.WORD_SIZE = 300  # numbers per word
    node.TASNET.NAME_RULE = (
        "cifar"  # class name to words: mini | tiered | cifar | whole | own (sccan.builders.classification.class_words)
    )
    node.TASNET.NAMES = ""  # text file whose first column is the class and last its name; empty: classes are names
    node.TASNET.ZERO_UNKNOWN = False  # classes of which no word is known get zeros instead of stopping
    node.TASNET.WORD_SCALE = 1.0  # factor of all words, for instance 0.01 for percentages
    node.TASNET.COSINE = False  # score by cosine; otherwise by minus the squared distance
    node.TASNET.SCALE = 1.0  # of the cosines (published: none)
    node.TASNET.VISUAL_SHARE = 0.05  # fusion: of the visual vector; words have the rest
    node.TASNET.STEPS = 100  # of the fit of words to every support set
    node.TASNET.RATE = 0.01  # of that fit
    node.TASNET.FACTOR = 0.2  # its rate is multiplied by this ...
    node.TASNET.EVERY = 10  # ... after so many steps
    node.TASNET.CARRY_OVER = False  # start each episode's fit where the last one ended, also in testing (published)
    node.TASNET.UNIT_FEATURES = "never"  # features at unit length: never | training (published concatenation) | always
    node.TASNET.TRANSDUCTIVE = False  # testing: draw class means towards clusters of the queries
    return node


def _family() -> CfgNode:
    node = CfgNode()
    node.TASKS = CfgNode()  # what tSF and its relatives learn beside their metric
    node.TASKS.ROTATION = True  # show every training query in four rotations, and learn to tell which
    node.TASKS.LEARNED_WEIGHTS = True  # of the base-class and the rotation loss
    node.TASKS.FLOOR = 1.0  # of the learned weights
    node.TASKS.GAMMA = 1.0  # of the focal losses; 0: plain cross-entropy
    node.PATCHPROTO = CfgNode()
    node.PATCHPROTO.SCALE = 7.0  # factor of every cosine
    node.TSF = CfgNode()
    node.TSF.TOKENS = 5  # of the filter
    node.TSF.HEADS = 4
    node.TSF.DROPOUT = 0.1  # of the filter's feed-forward block
    node.TSF.SCALE = 7.0  # factor of every cosine
    node.CECE = CfgNode()  # the filter that NECK names so
    node.CECE.CLUSTER = "transformer"  # as CECNET.CLUSTER
    node.CECE.TOKENS = 5
    node.CECE.DROPOUT = 0.1  # of its feed-forward block
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
    node.CECNET.CLUSTER = "transformer"  # of the connection: matmul | cosine | gcn | transformer; none: no connection
    node.CECNET.CONNECT = "one_to_one"  # one_to_one | one_to_many (a query with all class maps together)
    node.CECNET.DISTANCE = "cosine"  # patch cluster of the distance, as above; none: cosine of averaged maps instead
    node.CECNET.TEMPERATURE = 0.025  # of the connection's softmax over positions
    node.CECNET.SCALE = 7.0  # factor of every cosine
    node.CECNET.FINE_TUNING = False  # testing: the paper's Self-CECM with a fine-tuned classifier (no published code)
    node.CECNET.TUNING_STEPS = 200
    node.CECNET.TUNING_RATE = 0.01
    node.AMTNET = CfgNode()
    node.AMTNET.SCALE = 7.0  # factor of cosines and Euclidean distances
    node.AMTNET.ADAPTIVE = True  # fuse predictions with weights of their own; False: with those of the losses
    node.AMTNET.TRAIN_FUSION = True  # learn these weights (published: they stay what they were)
    node.AMTNET.PATCH_VOTE = "auto"  # testing: add votes of patches: auto (published: not for conv4) | always | never
    node.AMTNET.SUMMED = False  # Euclidean distances summed over channels (published: averaged)
    node.AMTNET.MOMENTUM = 0.1  # of the relation network's norms (published: 1, the statistics of the last batch)
    node.AMTNET.DIVERGENCE = True  # pull the metrics' predictions together
    node.AMTNET.DETACH = False  # what they are pulled to does not learn from it (published: it does)
    node.AMTNET.TEACHER = ""  # training: checkpoint of an AMTNet to learn from as well; empty: none
    node.AMTNET.TEACHER_BACKBONE = ""  # BACKBONE.NAME of the teacher; empty: the same
    return node
