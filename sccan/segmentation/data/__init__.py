"""Data sets of pictures with label images."""
