"""Data sets as others store them, and the one safe layout."""
