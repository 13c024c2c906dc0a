"""What segmentation methods are made of; most of it has no weights."""
