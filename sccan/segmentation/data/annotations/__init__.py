"""Formats of annotations, and the label images they become."""
