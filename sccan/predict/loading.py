"""One function for every kind of trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sccan.builders.released.trained import load_trained
from sccan.errors import InputError
from sccan.predict.classifier import Classifier
from sccan.predict.segmenter import Segmenter


def load(
    source: str | Path = "segment",
    *,
    device: str = "auto",
    precision: str = "float32",
    size: int = 0,
    tile: int = 0,
    batch: int = 0,
    engine: str = "auto",
    maps: str | Path | None = None,
    opts: Sequence[str] = (),
) -> Segmenter | Classifier:
    """A model, ready for one's own pictures; without a name the one that finds things without any training.

    >>> segmenter = sccan.load()  # doctest: +SKIP
    >>> result = segmenter(sccan.Supports.from_folder("examples"), "photo.jpg")  # doctest: +SKIP
    >>> result.save("mask.png")  # doctest: +SKIP

    Args:
        source: a run folder, a ``.safetensors`` file of ours, a published checkpoint, ``hf://OWNER/NAME[@REVISION]``,
            or a name: ``segment`` and ``classify`` need nothing but the package, ``sccan models`` lists others.
        device: auto (CUDA where there is one, else CPU) | cpu | cuda | cuda:N.
        precision: float32 | bf16 | fp16.
        size: segmentation: longer side of the network's input, in pixels; 0: that of the method's own tests.
        tile: segmentation: pictures larger than this are cut into overlapping tiles of this side; 0: never.
        batch: pictures or tiles computed together; 0: as many as suit the device.
        engine: what computes a frozen backbone: torch, or onnx (float32 on a CPU, sccan[onnx]); auto: the quicker one.
        maps: segmentation: folder of `Segmenter.keep_maps` or `sccan embed --maps`, where the maps of all pictures are;
            None: pictures are encoded as they come.
        opts: KEY VALUE pairs that replace settings of the model, such as METHOD.CAN.TRANSDUCTIVE True.

    Raises InputError: it is no such model, does not fit, or an option is unfit; one line says what it is.
    """
    trained = load_trained(source, opts)
    if not trained.is_classifier:
        return Segmenter(
            trained, device=device, precision=precision, size=size, tile=tile, batch=batch, engine=engine, maps=maps
        )
    if size or tile or maps is not None:
        raise InputError(
            f"{source} is a classifier, which has a picture size of its own; leave out size, tile and maps"
        )
    return Classifier(trained, device=device, precision=precision, batch=batch, engine=engine)
