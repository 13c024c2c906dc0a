"""Few-shot segmentation: data, methods, scores, and pictures of one's own; never imports `sccan.classification`."""
