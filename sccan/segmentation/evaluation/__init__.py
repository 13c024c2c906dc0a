"""How segmentation is measured: counts, scores, protocols, baselines."""
