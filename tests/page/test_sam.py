"""Boxes fitted by a pair of ONNX files: a tiny one with the inputs and outputs of SAM, that knows brightness alone."""

from pathlib import Path

import numpy as np
import pytest

from sccan.errors import InputError
from sccan.page.fitting import Box
from tests.predict.made_up import disc

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from sccan.page.sam import SIDE, Sam  # noqa: E402

GRID = 64
"""Side of the embedding."""


def _save(path: Path, nodes: list, inputs: dict, outputs: dict, constants: dict | None = None) -> Path:  # type: ignore[type-arg]
    def described(values: dict) -> list:  # type: ignore[type-arg]
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]

    made = [numpy_helper.from_array(np.array(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "tiny", described(inputs), described(outputs), made)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def _encoder(path: Path) -> Path:
    """Mean brightness in squares of 16 pixels."""
    side = SIDE // GRID
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1]),
        helper.make_node("AveragePool", ["grey"], ["embedding"], kernel_shape=[side, side], strides=[side, side]),
    ]
    return _save(path, nodes, {"image": [1, 3, SIDE, SIDE]}, {"embedding": [1, 1, GRID, GRID]})


def _decoder(path: Path) -> Path:
    """What is as bright as the middle of the box; nothing where the labels are not those of a box's corners."""
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["point_coords"], ["middle"], axes=[0, 1], keepdims=0),  # x, y at the encoder's scale
        node("Div", ["middle", "pixels"], ["cell"]),
        node("Cast", ["cell"], ["whole"], to=TensorProto.INT64),
        node("Split", ["whole"], ["column", "row"], axis=0),
        node("Concat", ["zero", "zero", "row", "column"], ["place"], axis=0),
        node("GatherND", ["image_embeddings", "place"], ["bright"]),
        node("Sub", ["image_embeddings", "bright"], ["off"]),
        node("Abs", ["off"], ["far"]),
        node("Sub", ["near", "far"], ["likeness"]),
        # From the square with its empty rows or columns to the picture.
        node("ReduceMax", ["orig_im_size"], ["longer"], keepdims=0),
        node("Div", ["orig_im_size", "longer"], ["shares"]),
        node("Mul", ["shares", "side"], ["rows_and_columns"]),
        node("Cast", ["rows_and_columns"], ["content"], to=TensorProto.INT64),
        node("Resize", ["likeness", "", "", "square"], ["large"], mode="linear"),
        node("Slice", ["large", "origin", "content", "axes"], ["cut"]),
        node("Cast", ["orig_im_size"], ["size"], to=TensorProto.INT64),
        node("Concat", ["ones", "size"], ["whole_size"], axis=0),
        node("Resize", ["cut", "", "", "whole_size"], ["found"], mode="linear"),
        node("Sub", ["point_labels", "corners"], ["wrong"]),
        node("Abs", ["wrong"], ["how_wrong"]),
        node("ReduceMax", ["how_wrong"], ["most_wrong"], keepdims=0),
        node("Mul", ["most_wrong", "much"], ["penalty"]),
        node("Sub", ["found", "penalty"], ["masks"]),
    ]
    constants = {
        "pixels": np.float32(SIDE // GRID), "zero": np.int64([0]), "near": np.float32(0.5), "side": np.float32(SIDE),
        "square": np.int64([1, 1, SIDE, SIDE]), "origin": np.int64([0, 0]), "axes": np.int64([2, 3]),
        "ones": np.int64([1, 1]), "corners": np.float32([[2, 3]]), "much": np.float32(1000),
    }  # fmt: skip
    inputs = {
        "image_embeddings": [1, 1, GRID, GRID], "point_coords": [1, 2, 2], "point_labels": [1, 2],
        "mask_input": [1, 1, 256, 256], "has_mask_input": [1], "orig_im_size": [2],
    }  # fmt: skip
    return _save(path, nodes, inputs, {"masks": [1, 1, None, None]}, constants)


@pytest.fixture
def pair(tmp_path: Path) -> Sam:
    return Sam(_encoder(tmp_path / "encoder.onnx"), _decoder(tmp_path / "decoder.onnx"))


def _around(mask: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]) - 4, int(rows[0]) - 4, int(columns[-1]) + 5, int(rows[-1]) + 5


@pytest.mark.parametrize("size", [(120, 180), (210, 130)])
def test_a_box_around_a_disc_becomes_the_disc(pair: Sam, size: tuple[int, int]) -> None:
    for seed in (3, 4):
        image, mask = disc(*size, seed=seed)
        found = pair.fit(image, _around(mask))
        assert found.shape == size
        assert (found & mask).sum() / (found | mask).sum() > 0.8


def test_a_picture_is_looked_at_once_and_another_anew(pair: Sam) -> None:
    (first, mask), (second, other) = disc(90, 120, seed=1), disc(90, 120, seed=2)
    for image, own in ((first, mask), (first.copy(), mask), (second, other), (first, mask)):
        pair.fit(image, _around(own))
    assert len(pair._known) == 2


def test_files_that_are_no_pair_are_refused(tmp_path: Path) -> None:
    (tmp_path / "nonsense.onnx").write_bytes(b"nonsense")
    encoder, decoder = _encoder(tmp_path / "encoder.onnx"), _decoder(tmp_path / "decoder.onnx")
    with pytest.raises(InputError, match=r"there is no file .*nothing\.onnx"):
        Sam(tmp_path / "nothing.onnx", decoder)
    with pytest.raises(InputError, match=r"nonsense\.onnx cannot be loaded as ONNX"):
        Sam(tmp_path / "nonsense.onnx", decoder)
    with pytest.raises(InputError, match=r"decoder\.onnx is no encoder of SAM's kind: expected one input"):
        Sam(decoder, encoder)
    with pytest.raises(InputError, match=r"encoder\.onnx is no decoder of SAM's kind: it has no input has_mask_input"):
        Sam(encoder, encoder)
