"""Few-shot classification: data, methods, losses and accuracy; never imports the segmentation subpackage."""
