"""Reference cases of the data side: transforms, counts and scores; fold lists and episodes stand beside.

The runners that SCCAN's own cases share stand at the end.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from sccan.episodes.index import IGNORE
from sccan.reference import fill
from sccan.reference.cases import Case, NotApplicable, Runner, parse_slice
from sccan.reference.pictures import byte_picture
from sccan.reference.systems.segmentation_episodes import (
    run_fold_lists,
    run_published_episodes,
    run_sccan_published_episodes,
)
from sccan.segmentation.data.labels.masks import boxed_mask
from sccan.segmentation.data.transforms.published import (
    KeepAspect,
    PublishedTransform,
    centre_crop,
    published_test_resize,
    to_tensor,
)
from sccan.segmentation.evaluation.iou import (
    CLASS,
    Counts,
    background_iou,
    class_scores,
    count_labels,
    fb_iou,
    foreground_iou,
    label_iou,
    mean_iou,
    pixel_accuracy,
)
from sccan.segmentation.evaluation.scoring import on_square

Values = dict[str, Any]
MEAN, STD = ([255 * value for value in values] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def run_resize(case: Case) -> Values:
    """Validation resize of every picture of the case."""
    case.config.only(transform=("Resize", "test_Resize"), mean=MEAN, std=STD)
    case.config.aside("libraries")
    make: Callable[[int], KeepAspect] = KeepAspect if case.config["transform"] == "Resize" else published_test_resize
    results: Values = {}
    for number in _numbers(case, "image"):
        image, label = _picture(case, number)
        size = case.data["values"][f"{number}.size"]["value"]
        transform = _with_float64_canvas(make(size))  # as published; equal values, but the number type is recorded
        resized, small = transform.resize(image), transform.label(label)
        tensor = to_tensor(resized)
        results |= {
            f"image_{number}": resized,
            f"label_{number}": small,
            f"tensor_{number}": tensor,
            f"{number}.input_hw": label.shape,
            f"{number}.size": size,
            f"{number}.content_hw": transform.content_size(*label.shape),
            f"{number}.output_hw": small.shape,
            f"{number}.image_dtype_after_resize": resized.dtype.name,
            f"{number}.tensor_dtype": tensor.dtype,
            **_histogram(small, number),
        }
    return results


def _with_float64_canvas(transform: KeepAspect) -> KeepAspect:
    return KeepAspect(transform.size, enlarge=transform.enlarge, canvas=np.float64)


def run_train_transform(case: Case) -> Values:
    """The published training chain with a seeded generator; every draw is written down."""
    case.config.only(mean=MEAN, std=STD, padding=MEAN, ignore_label=IGNORE)
    case.config.aside("libraries")
    results: Values = {}
    for number in _numbers(case, "image"):
        image, label = _picture(case, number)
        given = {key: case.data["values"][f"{number}.{key}"]["value"] for key in ("crop", "scale", "rotate")}
        seed = case.data["values"][f"{number}.python_random_seed"]["value"]
        draws = RecordedDraws(seed)
        chain = PublishedTransform((given["crop"],) * 2, tuple(given["scale"]), max_angle=given["rotate"][1])
        tensor, small = chain(image.astype(np.float32), label, draws)
        results |= {
            f"label_{number}": small,
            f"{number}.input_hw": label.shape,
            f"{number}.python_random_seed": seed,
            f"{number}.draws": draws.log,
            f"{number}.crop_tries": sum(entry[0] == "randint" for entry in draws.log) // 2,
            **_rotation_by_version(case, number, tensor),
            **{f"{number}.{key}": value for key, value in given.items()},
            **_histogram(small.numpy(), number),
        }
    return results


def _rotation_by_version(case: Case, number: int, tensor: torch.Tensor) -> Values:
    """OpenCV 4 rotates on a grid of 1/32 pixel, OpenCV 5 does not: compared with the recording of the installed one."""
    name, other = f"tensor_{number}", f"tensor_{number}_opencv4"
    if other not in case.data["outputs"]:
        return {name: tensor}
    if cv2.__version__.startswith("4."):
        index = case.data["outputs"][name]["slice"]
        stored = tensor.numpy()[parse_slice(index)] if index else tensor
        return {name: NotApplicable(f"made with OpenCV 5, here is {cv2.__version__}"), other: stored}
    return {name: tensor, other: NotApplicable(f"made with OpenCV 4, here is {cv2.__version__}")}


class RecordedDraws:
    """Python's generator with a log of what was drawn."""

    def __init__(self, seed: int) -> None:
        self._generator = random.Random(seed)
        self.log: list[list[Any]] = []

    def random(self) -> float:
        value = self._generator.random()
        self.log.append(["random", value])
        return value

    def randint(self, a: int, b: int) -> int:
        value = self._generator.randint(a, b)
        self.log.append(["randint", a, b, value])
        return value


def run_centre_crop(case: Case) -> Values:
    """The middle of every picture, padded where it is smaller."""
    case.config.only(padding=MEAN, ignore_label=IGNORE)
    case.config.aside("libraries")
    results: Values = {}
    for number in _numbers(case, "image"):
        image, label = _picture(case, number)
        cropped, small = centre_crop(image.astype(np.float32), label, _crop_size(case.data["outputs"], number))
        results |= {f"image_{number}": cropped, f"label_{number}": small}
    return results


def _crop_size(outputs: Values, number: int) -> tuple[int, int]:
    """The shape of what was recorded; of a slice of it, the number in its description."""
    recorded = outputs[f"label_{number}"]
    if recorded["slice"] is None:
        height, width = recorded["shape"]
        return height, width
    side = int(re.search(r"crop (\d+) of", outputs[f"image_{number}"]["what"])[1])  # type: ignore[index]
    return side, side


def run_bounding_boxes(case: Case) -> Values:
    """Masks of two objects each, reduced to the boxes of their parts."""
    case.config.only(ann_type="bbox")
    results: Values = {}
    for number in _numbers(case, "mask"):
        mask, other = case.input(f"mask_{number}"), case.input(f"other_{number}")
        other = np.roll(other[:, ::-1], mask.shape[0] // 2, axis=0)
        results[f"box_{number}"] = boxed_mask((mask | other).astype(np.uint8))
    return results


def run_metrics(case: Case) -> Values:
    """Counts of every episode, and all scores formed from them."""
    case.config.only(ignore=IGNORE)
    n_labels, wanted = case.config["K"], case.data["values"]
    counts, classes = [], []
    for number in _numbers(case, "prediction"):
        target = np.where(case.input(f"rim_{number}") == IGNORE, IGNORE, case.input(f"label_{number}"))
        counts.append(
            count_labels(torch.as_tensor(case.input(f"prediction_{number}")), torch.as_tensor(target), n_labels)
        )
        classes.append(int(case.input(f"class_{number}")))
    n_classes = wanted["number_of_classes_in_fold"]["value"]
    rows = torch.stack([_row(number, *pair) for number, pair in enumerate(zip(classes, counts, strict=True))])
    total = counts[0]
    for more in counts[1:]:
        total = total + more
    per_label, fold = label_iou(total), range(n_classes)
    return {
        "intersection": torch.stack([c.intersection for c in counts]),
        "union": torch.stack([c.union for c in counts]),
        "target": torch.stack([c.target for c in counts]),
        "episode_class": rows[:, CLASS],
        "number_of_classes_in_fold": n_classes,
        "iou_background_foreground": [background_iou(rows), foreground_iou(rows)],
        "FBIoU": fb_iou(rows),
        "iou_per_label": per_label,
        "mean_iou": per_label.mean(),
        "class_iou": [score.iou for score in class_scores(rows, fold).values()],
        "mIoU": mean_iou(rows, fold),
        "pixel_accuracy": pixel_accuracy(total),
    }


def _row(number: int, class_number: int, counts: Counts) -> torch.Tensor:
    """The row of an episode from counts of labels 0 and 1, whatever other labels there are."""
    return torch.cat([torch.tensor([number, class_number]), counts.intersection[:2], counts.union[:2]])


def run_score_at_original_size(case: Case) -> Values:
    """Logits stretched over the label's square, predicted and counted."""
    case.config.only(ignore=IGNORE)
    results: Values = {}
    for number in _numbers(case, "logits"):
        label = case.input(f"mask_{number}")
        scored = _scored(case.tensor(f"logits_{number}"), label)
        results |= {
            f"prediction_{number}": scored.pop("prediction"),
            f"{number}.label_hw": label.shape,
            f"{number}.side": max(label.shape),
            f"{number}.loss": scored.pop("ce"),
            **{f"{number}.{name}": value for name, value in scored.items()},
        }
    return results


def _scored(logits: torch.Tensor, label: np.ndarray) -> Values:
    """Prediction [1, L, L], counts and cross-entropy of logits [1, 2, T, T] on a label in {0, 1, 255} [h, w]."""
    height, width = label.shape
    square = on_square(logits[0], (height, width))
    target = torch.full(square.shape[1:], IGNORE, device=logits.device)
    target[:height, :width] = torch.as_tensor(label)
    prediction = square.argmax(0)
    counts = count_labels(prediction, target, 2)
    return {
        "prediction": prediction[None],
        "intersection": counts.intersection,
        "union": counts.union,
        "target": counts.target,
        "ce": F.cross_entropy(square[None], target[None], ignore_index=IGNORE),
    }


def _numbers(case: Case, family: str) -> Iterator[int]:
    """The numbers of the inputs ``FAMILY_0``, ``FAMILY_1``, ..."""
    found = (re.fullmatch(rf"{family}_(\d+)", name) for name in case.inputs)
    return iter(sorted(int(match[1]) for match in found if match))


def _picture(case: Case, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 [h, w, 3] and label uint8 [h, w], as the inputs' ``how`` says."""
    recipe = case.recipe(f"image_{number}")
    height, width, channels = recipe["shape"]
    drawn = fill.image(f"image_{number}", (channels, height, width), recipe["seed"])
    return byte_picture(drawn, recipe["how"], f"input 'image_{number}'"), case.input(f"mask_{number}").astype(np.uint8)


def _histogram(label: np.ndarray, number: int) -> Values:
    return {f"{number}.label_histogram.{value}": int((label == value).sum()) for value in (0, 1, IGNORE)}


def run_sccan_val_resize(case: Case) -> Values:
    """Validation resize of one picture, as SCCAN's cases record it."""
    image = byte_picture(case.input("image")[0], case.config["note"], "the note")
    label = case.input("label")[0].astype(np.uint8)
    transform = KeepAspect(case.config["size"])
    tensor, small = transform.image(image), transform.label(label)
    return {
        "image_out": tensor,
        "label_out": small,
        "image_sum": tensor.double().sum().view(1),
        "label_counts": [int((small == value).sum()) for value in (0, 1, IGNORE)],
    }


def run_evaluate_episode(case: Case) -> Values:
    """One episode of SCCAN's test, from logits to counts."""
    label = case.input("label")[0]
    case.config.only(ignore_label=IGNORE)
    case.config.agree(original_label=list(label.shape))
    scored = _scored(case.tensor("logits"), label)
    return {**scored, "ce": scored["ce"].view(1)}


__all__ = ["PARTS", "run_evaluate_episode", "run_sccan_published_episodes", "run_sccan_val_resize"]

PARTS: dict[str, Runner] = {
    "bounding_boxes": run_bounding_boxes,
    "centre_crop": run_centre_crop,
    "fold_lists": run_fold_lists,
    "metrics": run_metrics,
    "published_episodes": run_published_episodes,
    "score_at_original_size": run_score_at_original_size,
    "test_resize": run_resize,
    "train_transform": run_train_transform,
    "val_resize": run_resize,
}
