"""Networks with named stages, and the weights that others trained."""
