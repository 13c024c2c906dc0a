"""Words of classes: their vectors, and the map that is learned to them."""
