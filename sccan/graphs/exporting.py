"""A model written as ONNX graphs into a folder, once they are proved to compute what torch computes.

    encode.onnx       pictures to maps
    condition.onnx    maps and masks of examples to what is kept of them, where that is a graph
    predict*.onnx     maps of a picture and what is kept to logits
    states/NAME.npz   what is kept of the examples at hand
    export.json       how pictures are prepared, what the graphs take, how far they are off

Nothing is written where a graph is off by more than `TOLERANCE`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sccan.backbones.pixels import IMAGENET
from sccan.engine.onnx_graph import OPSET, session_of
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.files.made import Made
from sccan.files.writing import write_bytes_atomically, write_json
from sccan.graphs.states import named_tensors, with_tensors
from sccan.graphs.verbs import QUERY, Verb, Verbs
from sccan.segmentation.data.labels.masks import class_mask
from sccan.segmentation.methods.bam import BAM

TOLERANCE = 1e-3
"""Largest deviation of a tensor of a graph, as a share of the tensor's largest value."""
COMPARED = 8
"""Pictures on which graphs and torch are compared, at most."""


@dataclass(frozen=True, eq=False)
class Example:
    """A picture as the network gets it.

    Attributes:
        image: normalised, [1, 3, H, W].
        label: segmentation: class numbers from 1 on, 0, 255, int64 [H, W]; classification: the way, a number.
    """

    image: Tensor
    label: Any


@dataclass
class Exported:
    """Graphs that were proved.

    Attributes:
        graphs: name -> verb.
        states: name -> what is kept, by the name of its tensors; and the graph that takes it.
        deviations: verb -> largest deviation.
        missing: verb -> why there is no graph.
    """

    graphs: dict[str, Verb] = field(default_factory=dict)
    states: dict[str, tuple[dict[str, np.ndarray], str]] = field(default_factory=dict)
    deviations: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


class _Proof:
    """Sessions of the graphs so far, and how far they are off."""

    def __init__(self, found: Exported) -> None:
        self.found, self._sessions = found, dict[str, Any]()

    def add(self, name: str, verb: Verb) -> None:
        self.found.graphs[name], self._sessions[name] = verb, session_of(verb.content)

    def run(self, name: str, given: Mapping[str, Tensor | np.ndarray]) -> dict[str, np.ndarray]:
        """What a graph makes of the tensors that it takes."""
        session = self._sessions[name]
        taken = {one.name for one in session.get_inputs()}
        feed = {key: np.ascontiguousarray(value) for key, value in given.items() if key in taken}
        return dict(zip(self.found.graphs[name].outputs, session.run(None, feed), strict=True))

    def compare(self, verb: str, made: Mapping[str, np.ndarray], wanted: Iterable[tuple[str, Tensor]]) -> None:
        """Raises InputError: a tensor is off by more than `TOLERANCE`."""
        for name, value in wanted:
            expected = value.double().numpy()
            scale = max(float(np.abs(expected).max(initial=0)), 1e-30)
            off = float(np.abs(made[name].astype(np.float64) - expected).max(initial=0)) / scale
            if not off <= TOLERANCE:
                raise InputError(
                    f"the graph of {verb} gives other numbers than torch: {name} is off by {off:.2g} of its largest "
                    f"value, more than {TOLERANCE:g}; nothing was written"
                )
            self.found.deviations[verb] = max(self.found.deviations.get(verb, 0.0), off)


def segmentation_graphs(verbs: Verbs, examples: Sequence[Example], class_names: Sequence[str]) -> Exported:
    """Graphs of a segmentation method, proved on the examples, each of which is a query too.

    Raises InputError: a verb cannot be written, or deviates.
    """
    found = Exported()
    proof, features = _encoded(verbs, examples, found)
    marked = [verbs.as_example(one.image, own) for one, own in zip(examples, features, strict=True)]
    for number, name in enumerate(class_names, 1):
        masks = [torch.from_numpy(class_mask(one.label.numpy().astype(np.uint8), number)).long() for one in examples]
        own = [place for place, mask in enumerate(masks) if (mask == 1).any()]
        if isinstance(verbs.method, BAM) and len(own) != verbs.method.n_shot:
            own = own[: verbs.method.n_shot] if len(own) > verbs.method.n_shot else own[:1]
        if not own:
            raise InputError(f"no example shows {name!r} at the network's size; mark a larger one")
        support = _joined([marked[place] for place in own]).view(1, len(own))
        labels = torch.stack([masks[place] for place in own])[None]
        with torch.no_grad():
            state = written = verbs.method.condition(support, labels)
        if verbs.no_condition:
            found.missing["condition"] = verbs.no_condition
        else:
            if "condition" not in found.graphs:
                proof.add("condition", verbs.condition(support, labels))
            made = proof.run("condition", {"labels": labels, **support.maps})
            # Torch leaves out positions that make no difference; where it does, what is predicted is compared alone.
            pairs = [(key, value) for key, value in named_tensors(state) if made[key].shape == value.shape]
            proof.compare("condition", made, pairs)
            written = with_tensors(state, (torch.from_numpy(made[key]) for key, _ in named_tensors(state)))
        _predicted(verbs, proof, name, features, state, written)
    return found


def classification_graphs(verbs: Verbs, examples: Sequence[Example], class_names: Sequence[str]) -> Exported:
    """Graphs of a classification method; the state is of all classes together.

    Raises InputError: a verb cannot be written, or deviates.
    """
    found = Exported()
    proof, features = _encoded(verbs, examples, found)
    found.missing["condition"] = verbs.no_condition
    ways = torch.tensor([[one.label for one in examples]])
    with torch.no_grad():
        state = verbs.method.condition(_joined(features).view(1, len(examples)), ways)
    _predicted(verbs, proof, "classes", features, state, state)
    return found


def _encoded(verbs: Verbs, examples: Sequence[Example], found: Exported) -> tuple[_Proof, list[Features]]:
    """The graph of encode, proved; and what torch gives."""
    proof, features = _Proof(found), []
    proof.add("encode", verbs.encode())
    for one in examples:
        with torch.no_grad():
            features.append(verbs.method.encode(one.image))
    images = torch.cat([one.image for one in examples[:COMPARED]])
    wanted = _joined(features[:COMPARED]).maps
    proof.compare("encode", proof.run("encode", {"images": images}), wanted.items())
    return proof, features


def _predicted(verbs: Verbs, proof: _Proof, name: str, features: Sequence[Features], state: Any, written: Any) -> None:
    """The graph of predict, proved on the pictures.

    Args:
        state: what torch keeps of the examples.
        written: the same as the graphs have it.
    """
    graph, tensors = verbs.predict_name(written), dict(named_tensors(written))
    queries = [one.view(1, 1) for one in features[:COMPARED]]
    if graph not in proof.found.graphs:
        proof.add(graph, verbs.predict(queries[0], written))
    for query in queries:
        maps = {f"{QUERY}{key}": value for key, value in query.maps.items()}
        with torch.no_grad():
            wanted = verbs.method.predict(query, state)
        proof.compare("predict", proof.run(graph, {**maps, **tensors}), [("logits", wanted)])
    taken = {key: value.numpy() for key, value in tensors.items() if key in proof.found.graphs[graph].inputs}
    proof.found.states[name] = taken, graph


def _joined(parts: Sequence[Features]) -> Features:
    maps = {name: torch.cat([part.maps[name] for part in parts]) for name in parts[0].maps}
    return Features(maps, parts[0].image_size)


def write_graphs(folder: Path, found: Exported, facts: Mapping[str, Any], *, overwrite: bool = False) -> list[Path]:
    """Writes everything, `export.json` last.

    Args:
        facts: of the model and of how its pictures are prepared.
        overwrite: replace an earlier export.

    Raises InputError: a file of that name is there, or cannot be written.
    """
    files = {f"{name}.onnx": verb.content for name, verb in found.graphs.items()}
    classes = {}
    for number, (name, (tensors, graph)) in enumerate(found.states.items()):
        classes[name] = {"state": f"states/{number}.npz", "predict": f"{graph}.onnx"}
        files[f"states/{number}.npz"] = _npz(tensors)
    record = {
        "mean": [255 * value for value in IMAGENET.mean],
        "std": [255 * value for value in IMAGENET.std],
        **facts,
        "opset": OPSET,
        "graphs": {f"{name}.onnx": [list(verb.inputs), list(verb.outputs)] for name, verb in found.graphs.items()},
        "states": classes,
        "missing": found.missing,
        "largest_deviation": found.deviations,
    }
    made = Made(folder, overwrite=overwrite)
    made.require([*files, "export.json"])
    written = [write_bytes_atomically(made.claim(name), content) for name, content in files.items()]
    return [*written, write_json(made.claim("export.json"), record)]


def _npz(tensors: Mapping[str, np.ndarray]) -> bytes:
    written = io.BytesIO()
    np.savez(written, **tensors)  # type: ignore[arg-type]  # names are those of tensors
    return written.getvalue()
