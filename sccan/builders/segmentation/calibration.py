"""The generalised test's threshold from settings, chosen on base classes."""

from __future__ import annotations

import numpy as np
from yacs.config import CfgNode

from sccan.builders.engine import evaluator
from sccan.builders.segmentation.data import SegmentationData, episode_source, logit_score
from sccan.builders.segmentation.features import encoded_once
from sccan.engine.distributed import Runtime
from sccan.errors import InputError
from sccan.segmentation.data.sampling.generalised_plan import GeneralisedPlan
from sccan.segmentation.evaluation.generalised import Merge
from sccan.segmentation.evaluation.tau import ThresholdScore, best_tau, forgetting, pretended_folds
from sccan.segmentation.methods.all_answers import AllAnswers
from sccan.segmentation.methods.bam import BAM


def chosen_tau(cfg: CfgNode, runtime: Runtime, data: SegmentationData, method: BAM, merge: Merge) -> float:
    """The threshold with the best mean of novel and base IoU where groups of base classes play the novel ones.

    TEST.CALIBRATION_EPISODES are shared out among the groups; their pictures hold no novel class.

    Args:
        method: on the runtime's device, in eval mode.
        merge: how the two learners are joined.

    Raises InputError: no base class has enough pictures without novel classes.
    """
    index, pictures, n_shot = data.base_store.index, data.base.items, cfg.EPISODE.SHOTS
    folds = pretended_folds(data.fold, (index.counts[pictures] > 0).sum(0), n_shot)
    if not folds:
        raise InputError(
            f"no base class is in more than {n_shot} of {data.base.title}, so --tau auto has nothing to choose on; "
            "name a threshold"
        )
    share = max(cfg.TEST.CALIBRATION_EPISODES // len(folds), 1)
    plans = [
        GeneralisedPlan(
            index,
            fold,
            n_shot=n_shot,
            n_episodes=share,
            seed=cfg.VALIDATE.SEED + 2,
            pictures=np.random.default_rng(cfg.VALIDATE.SEED).permutation(pictures),
        )
        for fold in folds
    ]
    sources = [episode_source(cfg, data.base_store, plan) for plan in plans]
    known = encoded_once(cfg, runtime, method, sources)
    balances = []
    for fold, source in zip(folds, sources, strict=True):
        score = ThresholdScore(logit_score(cfg).comparison, fold, merge)
        tested = AllAnswers(forgetting(method, fold.base)).eval()
        run = evaluator(cfg, runtime, progress="choosing the threshold", known=known)
        balances.append(score.balances(run(tested, source, score)))
    return best_tau(balances)
