"""What `sccan export` does, once its command line is read."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from sccan.builders.backbones import backbone_name
from sccan.builders.released.trained import Trained, load_trained
from sccan.builders.segmentation.data import protocol_of
from sccan.classification.data.transforms.fixed import CONSTANTS
from sccan.commands.entry import say
from sccan.errors import InputError
from sccan.files.alone import alone_in
from sccan.graphs.exporting import Example, Exported, classification_graphs, segmentation_graphs, write_graphs
from sccan.graphs.verbs import Verbs
from sccan.predict.classifier import Classifier
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Supports


def export_model(args: argparse.Namespace) -> int:
    """Exit code 0: everything is written."""
    trained = load_trained(args.model, args.opts)
    supports = Supports.from_folder(args.support)
    say(f"model: {trained.note}", f"examples: {supports!r}", *supports.notes)
    if trained.is_classifier:
        if args.size:
            raise InputError(f"{args.model} is a classifier, which has a picture size of its own; leave out --size")
        found, facts = _classifier(trained, supports)
    else:
        found, facts = _segmenter(trained, supports, args.size)
    with alone_in(args.out):
        files = write_graphs(args.out, found, _facts(trained) | facts, overwrite=args.overwrite)
    off = ", ".join(f"{verb} {value:.1e}" for verb, value in found.deviations.items())
    say(f"largest deviation from torch, of the largest value: {off}")
    say(*(f"no graph of {verb}: {why}" for verb, why in found.missing.items()))
    say(*(f"wrote {path}" for path in files))
    return 0


def _segmenter(trained: Trained, supports: Supports, size: int) -> tuple[Exported, dict[str, Any]]:
    segmenter = Segmenter(trained, device="cpu", size=size, engine="torch")
    transform = segmenter.task.transform
    examples = [
        Example(transform.image(shot.image)[None], torch.from_numpy(transform.label(shot.label)))
        for shot in supports.shots()
    ]
    sides = examples[0].image.shape[-2:]
    found = segmentation_graphs(Verbs(trained.method, (sides[0], sides[1])), examples, supports.class_names)
    facts = {"task": "segmentation", "size": list(sides), "resize": protocol_of(trained.cfg).resize}
    return found, facts | {"classes": list(supports.class_names)}


def _classifier(trained: Trained, supports: Supports) -> tuple[Exported, dict[str, Any]]:
    transform = Classifier(trained, device="cpu", engine="torch").task.transform
    shown, ways = supports.labelled()
    examples = [
        Example(torch.as_tensor(transform(one.image()))[None], way) for one, way in zip(shown, ways, strict=True)
    ]
    sides = examples[0].image.shape[-2:]
    found = classification_graphs(Verbs(trained.method, (sides[0], sides[1])), examples, supports.class_names)
    mean, std = ([255 * float(value) for value in values] for values in CONSTANTS[transform.constants])
    facts = {
        "task": "classification",
        "size": list(sides),
        "resize": transform.resize,
        "filter": transform.filter,
        "channels": transform.channels,
        "mean": mean,
        "std": std,
    }
    return found, facts | {"classes": list(supports.class_names)}


def _facts(trained: Trained) -> dict[str, Any]:
    return {
        "model": trained.name,
        "model_digest": trained.digest,
        "method": trained.cfg.METHOD.NAME,
        "backbone": backbone_name(trained.cfg),
    }
