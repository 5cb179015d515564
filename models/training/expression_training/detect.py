"""From a picture to detections, with a PyTorch network or a TensorFlow Lite file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from .boxes import anchors, decode, flatten
from .dataset import Letterbox, Size
from .metrics import suppress
from .network import YOLO12
from .tflite import Interpreter

#: letterboxed RGB uint8 [h, w, 3] to the raw head, NCHW
Runner = Callable[[np.ndarray], list[tuple[torch.Tensor, torch.Tensor]]]


def torch_runner(network: YOLO12) -> Runner:
    network.eval()

    @torch.no_grad()
    def run(boxed: np.ndarray):
        x = torch.from_numpy(boxed.copy()).permute(2, 0, 1)[None].float() / 255
        x = x.to(next(network.parameters()).device).contiguous(memory_format=torch.channels_last)
        return [(box.cpu(), cls.cpu()) for box, cls in network(x)]

    return run


def tflite_runner(model: Path | Interpreter, threads: int = 1) -> Runner:
    interpreter = model if isinstance(model, Interpreter) else Interpreter(model, threads)

    def run(boxed: np.ndarray):
        tensor = interpreter.input
        value = boxed.astype(np.float32) / 255
        if tensor.dtype == np.int8:
            value = np.clip(np.rint(value / tensor.scale) + tensor.zero_point, -128, 127)
        interpreter.run(value[None].astype(tensor.dtype))
        raw = [torch.from_numpy(t.real()).permute(0, 3, 1, 2) for t in interpreter.outputs]
        return list(zip(raw[0::2], raw[1::2]))

    return run


def detect(run: Runner, image: np.ndarray, size: Size, floor=0.005, nms=0.6) -> np.ndarray:
    """Detections [n, 6] of a BGR picture, in its pixels, clipped to it."""
    letterbox = Letterbox.of(image, size)
    outputs = run(letterbox.image[:, :, ::-1])
    box, cls = flatten(outputs)
    points, strides = anchors(outputs)
    scores = cls.sigmoid()[0].numpy()
    cells, labels = np.nonzero(scores > floor)
    boxes = decode(box[:, cells], points[cells], strides[cells])[0].numpy()
    boxes = letterbox.back(boxes)
    h, w = image.shape[:2]
    boxes = boxes.clip(0, [w, h, w, h])
    rows = np.hstack([boxes, scores[cells, labels][:, None], labels[:, None]])
    return suppress(rows, nms)
