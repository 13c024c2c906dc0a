"""From the official archives, or a folder of one's own, to label images, lists and an index."""
