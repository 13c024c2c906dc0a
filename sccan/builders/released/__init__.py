"""Checkpoint files, ours and published, become models without a config."""
