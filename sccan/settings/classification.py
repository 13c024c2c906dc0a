"""Settings of the classification methods under METHOD: default, type and meaning; see `sccan.settings.tree`."""

from __future__ import annotations

from yacs.config import CfgNode

from sccan.settings.ranges import Node, number, numbers, share, whole


def classification_methods() -> CfgNode:
    """One node per method; TASKS, which the tSF family shares; FROZEN, which methods on frozen vectors share."""
    node = Node()
    for methods in (_can_and_dmf(), _tasnet(), _family(), _frozen()):
        for name, method in methods.items():
            node[name] = method
    return node


def _can_and_dmf() -> CfgNode:
    node = Node()
    node.CAN = Node()
    # channels of the meta learner; 0: a sixth of the map's positions (published: 6 of 36)
    node.CAN.HIDDEN = whole(0, 0, 8192)
    node.CAN.TEMPERATURE = number(0.025, 0, 1000, above=True)  # of the attention
    node.CAN.SCALE = number(7.0, 0, 1e6, above=True)  # factor of every cosine
    node.CAN.LOCAL_WEIGHT = number(0.5, 0, 1e6)  # of the nearest-neighbour loss beside the global one
    node.CAN.TRANSDUCTIVE = False  # testing: learn from all queries of an episode
    # of the queries that join the class means in every transductive round
    node.CAN.SHARE = number(35 / 75, 0, 1, above=True)
    node.DMF = Node()
    node.DMF.GROUPS = whole(64, 1, 8192)  # groups of channels with a filter each; published: 64, 160, 320, 640
    node.DMF.FILTER_SIZE = whole(1, 1, 63)
    node.DMF.SCRAMBLED_TAPS = False  # larger filters: the published order of memory, which mixes positions
    node.DMF.ODE = True  # integrate the filter; False: apply it once
    node.DMF.SOLVER = ""  # of torchdiffeq, by its name there (dopri5, rk4 ...); empty: the published single step
    node.DMF.TOLERANCE = number(0.01, 0, 1, above=True)  # of SOLVER, relative and absolute
    node.DMF.LOCAL_WEIGHT = number(0.5, 0, 1e6)  # of the local loss beside the global one
    return node


def _tasnet() -> CfgNode:
    node = Node()
    node.BASE_CLASSIFIER = Node()  # one linear classifier of all base classes: trains a backbone
    node.BASE_CLASSIFIER.TRANSDUCTIVE = False  # testing: draw class means towards clusters of the queries
    node.PROTOTYPES = Node()
    node.PROTOTYPES.UNIT_PIXELS = False  # every normalised pixel at unit length first (published baseline of TasNet)
    node.PROTOTYPES.TRANSDUCTIVE = False  # testing: draw class means towards clusters of the queries
    node.TASNET = Node()
    node.TASNET.COMBINE = "fusion"  # fusion | concatenation
    node.TASNET.FEATURES = ""  # folder that tools/extract_features.py has filled; empty: encode pictures as they come
    node.TASNET.VECTORS = ""  # file of tools/prepare_words.py, text file (GloVe), or stand_in: random, named in results
    node.TASNET.WORD_SIZE = whole(300, 1, 10**5)  # numbers per word
    node.TASNET.NAME_RULE = (
        "cifar"  # class name to words: mini | tiered | cifar | whole | own (sccan.builders.classification.class_words)
    )
    node.TASNET.NAMES = ""  # text file whose first column is the class and last its name; empty: classes are names
    node.TASNET.ZERO_UNKNOWN = False  # classes of which no word is known get zeros instead of stopping
    node.TASNET.WORD_SCALE = number(1.0, -1e6, 1e6)  # factor of all words, for instance 0.01 for percentages
    node.TASNET.COSINE = False  # score by cosine; otherwise by minus the squared distance
    node.TASNET.SCALE = number(1.0, 0, 1e6, above=True)  # of the cosines (published: none)
    node.TASNET.VISUAL_SHARE = share(0.05)  # fusion: of the visual vector; words have the rest
    node.TASNET.STEPS = whole(100, 1, 10**6)  # of the fit of words to every support set
    node.TASNET.RATE = number(0.01, 0, 1000)  # of that fit
    node.TASNET.FACTOR = number(0.2, 0, 1000)  # its rate is multiplied by this ...
    node.TASNET.EVERY = whole(10, 1)  # ... after so many steps
    node.TASNET.CARRY_OVER = False  # start each episode's fit where the last one ended, also in testing (published)
    node.TASNET.UNIT_FEATURES = "never"  # features at unit length: never | training (published concatenation) | always
    node.TASNET.TRANSDUCTIVE = False  # testing: draw class means towards clusters of the queries
    return node


def _family() -> CfgNode:
    node = Node()
    node.TASKS = Node()  # what tSF and its relatives learn beside their metric
    node.TASKS.ROTATION = True  # show every training query in four rotations, and learn to tell which
    node.TASKS.LEARNED_WEIGHTS = True  # of the base-class and the rotation loss
    node.TASKS.FLOOR = number(1.0, 0, 1000)  # of the learned weights
    node.TASKS.GAMMA = number(1.0, 0, 100)  # of the focal losses; 0: plain cross-entropy
    node.PATCHPROTO = Node()
    node.PATCHPROTO.SCALE = number(7.0, 0, 1e6, above=True)  # factor of every cosine
    node.TSF = Node()
    node.TSF.TOKENS = whole(5, 1, 4096)  # of the filter
    node.TSF.HEADS = whole(4, 1, 1024)
    node.TSF.DROPOUT = share(0.1)  # of the filter's feed-forward block
    node.TSF.SCALE = number(7.0, 0, 1e6, above=True)  # factor of every cosine
    node.CECE = Node()  # the filter that NECK names so
    node.CECE.CLUSTER = "transformer"  # as CECNET.CLUSTER
    node.CECE.TOKENS = whole(5, 1, 4096)
    node.CECE.DROPOUT = share(0.1)  # of its feed-forward block
    node.SPATIALFORMER = Node()
    node.SPATIALFORMER.HEADS = whole(1, 1, 1024)  # of either attention
    # of the semantic attention's softmax over positions
    node.SPATIALFORMER.TEMPERATURE = number(0.025, 0, 1000, above=True)
    node.SPATIALFORMER.DROPOUT = share(0.1)  # of the feed-forward blocks
    node.SPATIALFORMER.SCALE = number(7.0, 0, 1e6, above=True)  # factor of every cosine
    node.SPATIALFORMER.NOVEL_TASK = True  # testing: fine-tune a classifier on every support set; it attends first
    node.SPATIALFORMER.TUNING_STEPS = whole(200, 0, 10**6)
    node.SPATIALFORMER.TUNING_RATE = number(0.01, 0, 1000)
    node.SPATIALFORMER.ADD_PROBABILITIES = True  # decide by that classifier too (published), not by the metric alone
    # published mistake: support maps in the episode's order stand for class maps (one shot only)
    node.SPATIALFORMER.SUPPORTS_FOR_PROTOTYPES = False
    node.CECNET = Node()
    node.CECNET.CLUSTER = "transformer"  # of the connection: matmul | cosine | gcn | transformer; none: no connection
    node.CECNET.CONNECT = "one_to_one"  # one_to_one | one_to_many (a query with all class maps together)
    node.CECNET.DISTANCE = "cosine"  # patch cluster of the distance, as above; none: cosine of averaged maps instead
    node.CECNET.TEMPERATURE = number(0.025, 0, 1000, above=True)  # of the connection's softmax over positions
    node.CECNET.SCALE = number(7.0, 0, 1e6, above=True)  # factor of every cosine
    node.CECNET.FINE_TUNING = False  # testing: the paper's Self-CECM with a fine-tuned classifier (no published code)
    node.CECNET.TUNING_STEPS = whole(200, 0, 10**6)
    node.CECNET.TUNING_RATE = number(0.01, 0, 1000)
    node.AMTNET = Node()
    node.AMTNET.SCALE = number(7.0, 0, 1e6, above=True)  # factor of cosines and Euclidean distances
    node.AMTNET.ADAPTIVE = True  # fuse predictions with weights of their own; False: with those of the losses
    node.AMTNET.TRAIN_FUSION = True  # learn these weights (published: they stay what they were)
    node.AMTNET.PATCH_VOTE = "auto"  # testing: add votes of patches: auto (published: not for conv4) | always | never
    node.AMTNET.SUMMED = False  # Euclidean distances summed over channels (published: averaged)
    # of the relation network's norms (published: 1, the statistics of the last batch)
    node.AMTNET.MOMENTUM = share(0.1)
    node.AMTNET.DIVERGENCE = True  # pull the metrics' predictions together
    node.AMTNET.DETACH = False  # what they are pulled to does not learn from it (published: it does)
    node.AMTNET.TEACHER = ""  # training: checkpoint of an AMTNet to learn from as well; empty: none
    node.AMTNET.TEACHER_BACKBONE = ""  # BACKBONE.NAME of the teacher; empty: the same
    return node


def _frozen() -> CfgNode:
    node = Node()
    node.FROZEN = Node()  # what simpleshot, logistic, laplacianshot, alpha_tim and pt_map share
    node.FROZEN.STAGES = ()  # stages whose averaged maps are joined to one vector; empty: the deepest
    node.FROZEN.CENTRE = "none"  # subtracted before vectors get length one: none | supports (mean of class means)
    node.FROZEN.FEATURES = ""  # folder that tools/extract_features.py has filled; empty: encode pictures as they come
    node.SIMPLESHOT = Node()
    node.SIMPLESHOT.SCALE = number(10.0, 0, 1e6, above=True)  # of minus the squared distances: changes probabilities
    node.LOGISTIC = Node()
    node.LOGISTIC.STRENGTH = number(1.0, 0, 1e6, above=True)  # inverse weight of the quadratic penalty
    node.LAPLACIANSHOT = Node()
    node.LAPLACIANSHOT.PULL = number(1.0, 0, 1e6)  # weight of the agreement of neighbours (lambda)
    node.LAPLACIANSHOT.NEIGHBOURS = whole(3, 1, 1000)
    node.LAPLACIANSHOT.RECTIFIED = True  # class means formed anew with the nearest queries
    node.ALPHA_TIM = Node()
    node.ALPHA_TIM.ALPHA = number(2.0, 1, 100)  # of the entropies; 1: TIM, which pulls towards balanced classes
    node.ALPHA_TIM.TEMPERATURE = number(15.0, 0, 1e6, above=True)
    node.ALPHA_TIM.STEPS = whole(100, 1, 100_000)  # of Adam (published: 1000 at a rate of 1e-4)
    node.ALPHA_TIM.RATE = number(1e-3, 0, 10, above=True)
    # of the supports' loss, the queries' entropy, and the entropy of their mean
    node.ALPHA_TIM.WEIGHTS = numbers((1.0, 1.0, 1.0), 0, 1e6, (3, 3))
    node.PT_MAP = Node()  # for episodes whose queries are balanced, alone
    node.PT_MAP.SHARPNESS = number(10.0, 0, 1e6, above=True)  # of the assignment (lambda)
    node.PT_MAP.STEP = number(0.2, 0, 1, above=True)  # share by which centres move
    node.PT_MAP.ROUNDS = whole(20, 1, 10_000)
    return node
