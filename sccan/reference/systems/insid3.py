"""Reference cases of INSID3: which part of ours answers which case."""

from __future__ import annotations

from typing import Any

import torch

from sccan.reference.cases import Case, Runner
from sccan.reference.systems.scenes import encoded, encoder, known_settings
from sccan.reference.toy_encoder import TOKENS
from sccan.segmentation.methods.insid3 import INSID3


def run_model(case: Case) -> dict[str, Any]:
    """The whole method on one query."""
    config = known_settings(case, "tau", "merge_threshold")
    method = INSID3(
        encoder(case),
        stages=(TOKENS,),
        rank=config["svd_components"],
        tau=config["tau"],
        threshold=config["merge_threshold"],
    )
    support, masks, query = encoded(case, method)
    with torch.inference_mode():
        state = method.condition(support, masks)
        found, grid = method.scored(query, state)[0][0], method.cells.grid(query)
        mask = method.predict(query, state)[0, 0].argmax(0)
        results = {
            "candidates": found.candidates.unflatten(0, grid),
            "prototype": method.cells.in_all_channels(state.prototype, support)[0],
            "query_debiased": method.cells.in_all_channels(
                method.cells.debiased(method.cells.unit(query), query), query
            )[0, 0].T.unflatten(1, grid),
            "mask": mask,
        }
        if found.regions is not None and found.scores is not None:
            results["regions"] = found.regions.unflatten(0, grid)
            results["grid_mask"] = (found.scores > method.threshold).unflatten(0, grid)
        return results


PARTS: dict[str, Runner] = {"model": run_model}
