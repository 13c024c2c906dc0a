"""Few-shot classification methods, one file each."""
