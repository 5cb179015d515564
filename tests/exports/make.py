#!/usr/bin/env python3
"""Makes the models of this folder: `.deps/venv/bin/python tests/exports/make.py`.

Each has an input [1, 32, 32, 3] that it ignores and always gives the same outputs, shaped
as one kind of exporter shapes them. All that have a face have one of the first class with
confidence 0.9, from a quarter of the width to a half and from a quarter of the height to
three quarters.
"""

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

SIDE = 32
ANCHORS = 16 + 4 + 1  # cells of strides 8, 16 and 32


FLOATS, BYTES, SHORTS = (getattr(schema.TensorType, kind) for kind in ("FLOAT32", "INT8", "INT16"))
PICTURE = (1, SIDE, SIDE, 3)


def model(
    outputs: list[np.ndarray],
    shape: tuple[int, ...] = PICTURE,
    kind: int = FLOATS,
    step: float | None = None,
) -> bytes:
    """An input of this shape and kind; outputs of bytes from 0 on where there is a step."""
    graph = schema.SubGraphT()
    buffers = [schema.BufferT()]

    def tensor(name: str, shape: tuple[int, ...], data: bytes | None, kind: int) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type = name, list(shape), kind
        made.quantization = schema.QuantizationParametersT()
        if kind == BYTES:
            made.quantization.scale, made.quantization.zeroPoint = [step], [-128]
        made.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8)
            buffers.append(buffer)
            made.buffer = len(buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    integers = schema.TensorType.INT32
    graph.tensors, graph.operators, graph.outputs = [], [], []
    graph.inputs = [tensor("input", shape, None, kind)]
    for number, output in enumerate(outputs):
        shape = np.array(output.shape, np.int32)
        stored, numbers = FLOATS, output.astype("<f4")
        if step is not None:
            stored, numbers = BYTES, np.clip(np.round(output / step) - 128, -128, 127).astype("i1")
        fixed = tensor(f"fixed{number}", (output.size,), numbers.tobytes(), stored)
        wanted = tensor(f"shape{number}", shape.shape, shape.tobytes(), integers)
        reshape = schema.OperatorT()
        reshape.opcodeIndex = 0
        reshape.inputs = [fixed, wanted]
        reshape.outputs = [tensor(f"output{number}", output.shape, None, stored)]
        graph.operators.append(reshape)
        graph.outputs += reshape.outputs
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    code.version = 1
    whole = schema.ModelT()
    whole.version, whole.operatorCodes, whole.subgraphs, whole.buffers = 3, [code], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def rows(unit: int) -> np.ndarray:
    """[1, 30, 6] with one box: left, top, right, bottom, confidence, class."""
    made = np.zeros((1, 30, 6))
    made[0, 0] = [0.25 * unit, 0.25 * unit, 0.5 * unit, 0.75 * unit, 0.9, 0]
    return made


def flat(unit: int, classes: int = 2) -> np.ndarray:
    """[1, 4 + classes, anchors]: centre, width, height, confidences."""
    made = np.zeros((1, 4 + classes, ANCHORS))
    made[0, :4] = [[0.5 * unit], [0.5 * unit], [0.2 * unit], [0.2 * unit]]
    made[0, :5, 3] = [0.375 * unit, 0.5 * unit, 0.25 * unit, 0.5 * unit, 0.9]
    return made


def one_level() -> list[np.ndarray]:
    """Boxes and class logits of stride 8 alone; the face's centre is in row 1, column 1."""
    boxes, classes = np.zeros((1, 4, 4, 64)), np.full((1, 4, 4, 2), -9.0)
    # The cell's centre is at 12, 12; sides are 8 to 16 and 8 to 24: half a stride or 1.5.
    for side, distance in enumerate([0.5, 0.5, 0.5, 1.5]):
        low = int(distance)
        boxes[0, 1, 1, 16 * side + low : 16 * side + low + 2] = 30.0
    classes[0, 1, 1, 0] = np.log(0.9 / 0.1)
    return [boxes, classes]


def logits(confidences: np.ndarray) -> np.ndarray:
    kept = np.clip(confidences, 0.0001, 0.9999)
    return np.log(kept / (1 - kept))


def wrong() -> dict[str, bytes]:
    """What is like one of the layouts, but is none."""
    without_sigmoid, (boxes, classes) = flat(1), one_level()
    without_sigmoid[0, 4:] = logits(without_sigmoid[0, 4:])
    return {
        "logits": model([without_sigmoid]),
        "confidences": model([boxes, 1 / (1 + np.exp(-classes))]),
        "rows-bytes": model([rows(1)], step=1 / 255),
        "no-rows": model([rows(1)[:, :0]]),
        "channels-first": model([flat(1)], shape=(1, 3, SIDE, SIDE)),
        "shorts": model([flat(1)], kind=SHORTS),
    }


def main() -> None:
    folder = Path(__file__).parent
    boxes = np.zeros((1, 10, 4))
    for name, outputs in {
        "rows": [rows(1)],
        "rows-pixels": [rows(SIDE).transpose(0, 2, 1)],
        "flat": [flat(1)],
        "flat-pixels": [flat(SIDE)],
        "one-level": one_level(),
        "post-process": [boxes, boxes[:, :, 0], boxes[:, :, 0], boxes[0, 0, :1]],
    }.items():
        (folder / f"{name}.tflite").write_bytes(model(outputs))
    for name, made in wrong().items():
        (folder / f"{name}.tflite").write_bytes(made)


if __name__ == "__main__":
    main()
