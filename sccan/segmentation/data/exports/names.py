"""What the formats of masks are called; nothing is imported here, so that --help has the names at once."""

FORMAT_NAMES = ("png", "coco", "coco-polygons", "labelme", "yolo", "cvat", "examples")
