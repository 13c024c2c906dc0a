"""Episodes and batches: which pictures, in which order."""
