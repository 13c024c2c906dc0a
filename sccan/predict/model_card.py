"""The model card that goes with published weights: what they are, made of which data, and what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from sccan.builders.released.systems import TITLES
from sccan.builders.released.trained import Trained
from sccan.errors import InputError
from sccan.files.structured import read_json
from sccan.report.tables import Table, count_column, interval_column, text_column

TASKS = {False: "image-segmentation", True: "image-classification"}
"""Whether it is a classifier -> what the hub calls its task."""
FACTS = ("data", "fold", "class_list", "ways", "shots", "selection", "epoch", "score", "revision", "note")
"""Of a header of weights, in this order; those that are there."""
SCORES = {"miou": "mIoU", "fb_iou": "FB-IoU", "accuracy": "accuracy"}
CLASSES = 40
"""Names of training classes that are listed, at most."""
CARD = """---
{front}---

# {title}

{note}. A model of [sccan], which finds a thing in any picture after seeing it marked once, or a few times.

```sh
pip install 'sccan[hub]'
sccan {verb} --model {address} --support examples --images photos --out found
```

{facts}

## Measured

{measured}

## Licence and files

The weights are given under {license}. `model.safetensors` holds nothing but tensors and, as JSON, the settings that
build their model, which `config.yaml` shows to readers; nothing has to be run to load them.

[sccan]: {address}
"""


def results_of(trained: Trained) -> list[dict[str, Any]]:
    """Records of the tests that lie beside the weights and were made of these very weights.

    Raises InputError: one cannot be read.
    """
    found = []
    for path in sorted(trained.path.parent.glob("results/*/results.json")):
        record: dict[str, Any] = read_json(path, dict[str, Any], "results")
        if record.get("checkpoint_digest") == trained.digest:
            found.append(record)
    return found


def model_card(trained: Trained, header: Mapping[str, Any], *, address: str, license_name: str) -> str:
    """The card as Markdown.

    Args:
        trained: the model; results of its tests lie beside its weights.
        header: what its file of weights says about itself.
        address: where it will lie on the hub.
        license_name: of the weights.

    Raises InputError: a result cannot be read.
    """
    method = str(trained.cfg.METHOD.NAME)
    task = TASKS[trained.is_classifier]
    front = {"license": license_name, "library_name": "sccan", "pipeline_tag": task, "tags": ["few-shot", method]}
    facts = {"weights": f"`{trained.digest}`, the beginning of the tensors' SHA-256"}
    facts |= {name.replace("_", " "): str(header[name]) for name in FACTS if header.get(name) not in (None, "")}
    if classes := header.get("classes"):
        facts["trained on"] = ", ".join(map(str, classes[:CLASSES])) + " ..." * (len(classes) > CLASSES)
    return CARD.format(
        front=yaml.safe_dump(front, sort_keys=False),
        title=TITLES[method],
        note=_in_line(trained.note),
        verb="classify" if trained.is_classifier else "segment",
        address=address,
        facts="\n".join(f"- {name}: {_in_line(value)}" for name, value in facts.items()),
        measured=_measured(results_of(trained)),
        license=_in_line(license_name),
    )


def _measured(records: Sequence[Mapping[str, Any]]) -> str:
    if not records:
        return "No test of these weights lay beside them when this card was written."
    texts = ("data", "protocol", "method")
    columns = [*map(text_column, texts), count_column("episodes"), text_column("score"), interval_column("percent")]
    columns += [text_column("episodes' manifests")]
    try:
        rows = [row for record in records for row in _rows(record)]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"a results.json beside the weights lacks what every test writes ({error}); test again"
        ) from error
    note = "Mean ± half-width of the 95 % interval, where there is one; `sccan test --manifest` replays the episodes."
    return Table(columns, rows, note=note).markdown().rstrip()


def _rows(record: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """A line per score of a test."""
    data = record["data_set"] + (f", fold {record['fold']}" if "fold" in record else "")
    shape = "".join(f", {record[name]}-{name[:-1]}" for name in ("ways", "shots") if name in record)
    n_episodes = sum(record["episodes"]) if "episodes" in record else record["accuracy"]["episodes"]
    facts = _in_line(data), _in_line(record["protocol"] + shape), _in_line(record["method"]), int(n_episodes)
    manifests = _in_line(", ".join(record["manifests"]))
    spreads = [(title, record[name]) for name, title in SCORES.items() if name in record]
    return [(*facts, title, (one["mean"], one["half_width_95"]), manifests) for title, one in spreads]


def _in_line(text: object) -> str:
    """Text of a file, so that it stays in its line."""
    return " ".join(str(text).split())
