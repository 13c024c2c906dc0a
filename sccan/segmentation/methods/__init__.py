"""Few-shot segmentation methods, one file each."""
