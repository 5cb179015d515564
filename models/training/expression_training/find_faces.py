"""Boxes for pictures that have none, by the shipped model."""

from __future__ import annotations

import numpy as np

from .detect import detect, tflite_runner
from .duplicates import Box
from .faces import confidence, merge
from .scenes import FLOOR
from .sidecar import MODELS, Card
from .tflite import Interpreter

#: from this confidence on it is a face, in a picture that is said to have one
LEAST_SURE = 0.5


class FaceFinder:
    def __init__(self):
        model = MODELS / "expression-yolo12n.tflite"
        interpreter, self.card = Interpreter(model), Card.beside(model)
        self.run, self.size = tflite_runner(interpreter), interpreter.size

    def largest(self, image: np.ndarray) -> Box | None:
        """In shares of the picture: centre, width and height."""
        found = detect(self.run, image, self.size, FLOOR, self.card.nms_iou)
        faces = merge(found, len(self.card.classes))
        faces = faces[confidence(faces) >= LEAST_SURE]
        if not len(faces):
            return None
        height, width = image.shape[:2]
        boxes = faces[:, :4] / (width, height, width, height)
        left, top, right, bottom = max(boxes.tolist(), key=lambda b: (b[2] - b[0]) * (b[3] - b[1]))
        return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
