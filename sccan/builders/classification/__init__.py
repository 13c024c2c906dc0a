"""Few-shot classification from settings."""
