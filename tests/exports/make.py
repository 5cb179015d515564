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


def model(outputs: list[np.ndarray]) -> bytes:
    graph = schema.SubGraphT()
    buffers = [schema.BufferT()]

    def tensor(name: str, shape: tuple[int, ...], data: bytes | None, kind: int) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type = name, list(shape), kind
        made.quantization = schema.QuantizationParametersT()
        made.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8)
            buffers.append(buffer)
            made.buffer = len(buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    floats, integers = schema.TensorType.FLOAT32, schema.TensorType.INT32
    graph.tensors, graph.operators, graph.outputs = [], [], []
    graph.inputs = [tensor("input", (1, SIDE, SIDE, 3), None, floats)]
    for number, output in enumerate(outputs):
        shape = np.array(output.shape, np.int32)
        fixed = tensor(f"fixed{number}", (output.size,), output.astype("<f4").tobytes(), floats)
        wanted = tensor(f"shape{number}", shape.shape, shape.tobytes(), integers)
        reshape = schema.OperatorT()
        reshape.opcodeIndex = 0
        reshape.inputs = [fixed, wanted]
        reshape.outputs = [tensor(f"output{number}", output.shape, None, floats)]
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


if __name__ == "__main__":
    main()
