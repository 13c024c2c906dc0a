"""Few-shot classification: data, methods and accuracy; never imports `sccan.segmentation`."""
