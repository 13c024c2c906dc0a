"""Few-shot segmentation and classification: SCCAN and its relatives, from a config to an honest number."""

__version__ = "0.1.0"
