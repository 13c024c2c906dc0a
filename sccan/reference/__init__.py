"""Recorded numbers of published implementations, and how far ours are from them."""
