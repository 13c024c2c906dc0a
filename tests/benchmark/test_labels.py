"""How long labels take is measured on the command's own classifier, for every number of classes."""

from pathlib import Path

from sccan.benchmark.labels import measure
from sccan.benchmark.page import write_folder
from sccan.builders.released.trained import load_trained
from sccan.predict import Classifier


def test_every_number_of_classes_is_measured(tmp_path: Path) -> None:
    write_folder(tmp_path, 3, 64)
    ticks = iter(range(100))
    classifier = Classifier(load_trained("classify", ("PICTURE.SIZE", "(32, 32)")), device="cpu")
    found = measure(tmp_path, [2, 5], classifier, lambda: float(next(ticks)))
    assert list(found.values()) == [1, 1, 1, 1, 1]
    assert list(found) == [
        "features of 3 pictures",
        "2 classes: their examples",
        "2 classes: labels from features",
        "5 classes: their examples",
        "5 classes: labels from features",
    ]
