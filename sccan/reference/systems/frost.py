"""Reference cases of FROST: which part of ours answers which case."""

from __future__ import annotations

from typing import Any

import torch

from sccan.reference.cases import Case, Runner
from sccan.reference.systems.scenes import encoded, encoder, known_settings
from sccan.reference.toy_encoder import TOKENS
from sccan.segmentation.methods.frost import FROST


def run_model(case: Case) -> dict[str, Any]:
    """The whole method on one query."""
    config = known_settings(case)
    method = FROST(encoder(case), stages=(TOKENS,), rank=config["svd_components"])
    support, masks, query = encoded(case, method)
    with torch.inference_mode():
        state = method.condition(support, masks)
        found, grid = method.ratios(query, state)[0][0], method.cells.grid(query)
        white = method.cells.debiased(method.cells.unit(query), query)
        if state[0].whitening is not None:
            white = white @ state[0].whitening
        return {
            "candidates": found.candidates.unflatten(0, grid),
            "query_whitened": method.cells.in_all_channels(white, query)[0, 0].T.unflatten(1, grid),
            "log_ratio": found.log_ratio.unflatten(0, grid),
            "smoothed": found.smoothed.unflatten(0, grid),
            "bandwidth": state[0].bandwidth.sigma,
            "margin": state[0].bandwidth.margin,
            "mask": method.predict(query, state)[0, 0].argmax(0),
        }


PARTS: dict[str, Runner] = {"model": run_model}
