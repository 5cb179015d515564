"""Static int8 quantization of a float .tflite, and what TensorFlow Lite 2.17 needs of the file."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import quantizer, recipe
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import TFLOperationName as Operation

from .close_looks import LEAST_SIDE
from .dataset import ALL_HALVINGS, DataSet, Letterbox, Picture, Size
from .ranges import spreads
from .views import enlarged

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
#: how far from a face single pictures are looked at, in nearest looks (src/attention/look.rs); from the
#: nearest twice, as that is mirrored as well
DISTANCES = (1, 1, 4 / 3, 2, 8 / 3)


def calibration(
    data: DataSet, size: Size, count: int, close_look: float | None = None, seed: int = 0
) -> Iterator[dict]:
    """What the network will be shown, of training pictures: the whole of each, or of a network for single
    faces one of its places. Each is made to contain 0 and 1.

    Else the input's scale comes out a little under 1/255, and a pixel would not
    simply be `p - 128`.
    """
    r = random.Random(seed)
    files = data.files("train")
    r.shuffle(files)
    pictures = data.readable(files, ALL_HALVINGS)
    whole = (fitted_in(picture, size) for picture in pictures)
    tiles = itertools.islice(closely(pictures, size, close_look, r) if close_look else whole, count)
    if (first := next(tiles, None)) is None:
        raise data.unusable("train")
    for tile in itertools.chain([first], tiles):
        value = tile[:, :, ::-1].astype(np.float32) / 255
        value[0, 0, :2] = 0, 1
        yield {"args_0": value[None]}


def fitted_in(picture: Picture, size: Size) -> np.ndarray:
    """The whole of it, as the daemon shows it."""
    return Letterbox.of(picture.image, size).image


def closely(
    pictures: Iterable[Picture], size: Size, close_look: float, r: random.Random
) -> Iterator[np.ndarray]:
    """A face of each, or a place that is none, as a look at it alone shows it; or the whole, without any."""
    for picture in pictures:
        places = [box for box in picture.labels.places if (box[2:] - box[:2]).max() >= LEAST_SIDE]
        if places:
            wide = close_look * r.choice(DISTANCES)
            yield enlarged(picture, r.choice(places), size, 1 / wide, r.random() < 0.5)[0]
        else:
            yield fitted_in(picture, size)


def to_int8(model: Path, out: Path, samples: list[dict], islands=FLOAT_ISLANDS) -> None:
    """int8 weights (per channel) and activations, int8 in and out."""
    work = quantizer.Quantizer(str(model), recipe.static_wi8_ai8())
    for operation in islands:
        work.update_quantization_recipe(".*", operation, algorithm_key=AlgorithmName.NO_QUANTIZE)
    ranges = work.calibrate({"serving_default": samples[:1]})  # of the weights: the rest is set below
    for name, spread in spreads(model, samples).items():
        if name in ranges:
            low, high = spread.best()
            set_range(ranges[name], low, high)
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
        low, high = float(measured["min"].item()), float(measured["max"].item())
        if int(output[1]) % 2:  # box and class alternate
            set_range(measured, CLASS_RANGE[0], max(high, CLASS_RANGE[1]))
        else:
            set_range(measured, max(low, high - BOX_SPAN), high)


def set_range(measured: dict, low: float, high: float) -> None:
    """What the quantizer takes for a tensor's smallest and largest value."""
    measured["min"], measured["max"] = (
        np.full_like(measured[key], v) for key, v in (("min", low), ("max", high))
    )


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
