"""One's own pictures: classes learned from a few examples, found in any number of pictures."""
