"""Static int8 quantization of a float .tflite, and what TensorFlow Lite 2.17 needs of the file."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import quantizer, recipe
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import TFLOperationName as Operation

from .dataset import DataSet, Letterbox, Size

#: Attention is the part that int8 hurts most, and XNNPACK has no int8 kernel for
#: either operation: in float they are both better and faster (see VARIANTS.md).
FLOAT_ISLANDS = (Operation.BATCH_MATMUL, Operation.SOFTMAX)

#: The converter's names of the network's outputs
OUTPUT = re.compile(r"serving_default_output_(\d+)_output")
#: Class logits outside are a sure no (confidence 0.0003) or a sure yes (0.95). A sea
#: without a face reaches -150, and a scale that has room for it leaves six steps
#: between a confidence of 0.2 and one of 0.8.
CLASS_RANGE = (-8.0, 3.0)
#: Bins this much below the largest have no weight in the distribution's softmax.
BOX_SPAN = 16.0


def calibration(data: DataSet, size: Size, count: int, seed: int = 0) -> Iterator[dict]:
    """Letterboxed training pictures, each made to contain 0 and 1.

    Else the input's scale comes out a little under 1/255, and a pixel would not
    simply be `p - 128`.
    """
    files = data.files("train")
    random.Random(seed).shuffle(files)
    pictures = itertools.islice(data.readable(files), count)
    if (first := next(pictures, None)) is None:
        raise data.unusable("train")
    for picture in itertools.chain([first], pictures):
        boxed = Letterbox.of(picture.image, size).image[:, :, ::-1]
        value = boxed.astype(np.float32) / 255
        value[0, 0, :2] = 0, 1
        yield {"args_0": value[None]}


def to_int8(model: Path, out: Path, samples: list[dict], islands=FLOAT_ISLANDS) -> None:
    """int8 weights (per channel) and activations, int8 in and out."""
    work = quantizer.Quantizer(str(model), recipe.static_wi8_ai8())
    for operation in islands:
        work.update_quantization_recipe(".*", operation, algorithm_key=AlgorithmName.NO_QUANTIZE)
    ranges = work.calibrate({"serving_default": samples})
    clip_head(ranges)
    out.write_bytes(inline_buffers(bytes(work.quantize(ranges).quantized_model)))


def clip_head(ranges: dict) -> None:
    """Spends the head's 256 levels where they decide something; outside they saturate.

    `ranges` is what the quantizer measured: {tensor: {"min": array, "max": array}}.
    """
    for name, measured in ranges.items():
        output = OUTPUT.fullmatch(name)
        if not output:
            continue
        low, high = measured["min"], measured["max"]
        if int(output[1]) % 2:  # box and class alternate
            measured["min"] = np.full_like(low, CLASS_RANGE[0])
            measured["max"] = np.maximum(high, CLASS_RANGE[1])
        else:
            measured["min"] = np.maximum(low, high - BOX_SPAN)


def inline_buffers(model: bytes) -> bytes:
    """The same model with its weights inside the flatbuffer.

    The quantizer appends them behind it (buffer offset and size), which
    TensorFlow Lite 2.17 does not read: "Input tensor lacks data".
    """
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    for buffer in tree.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())
