"""Faces as the daemon makes them of boxes, and how many of a set's are found.

Where `evaluate` counts boxes of classes, this counts what a household would see: a face
found or not, with the right class or not, and things taken for faces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from .dataset import Picture, Size
from .detect import Runner, detect
from .labels import Labels
from .metrics import pairwise_iou

#: src/tracks/face.rs: boxes of different classes that overlap by this much are one face
SAME_FACE_IOU = 0.45
#: from which overlap a face counts as found
FOUND_IOU = 0.5
#: smaller faces, in pixels of the picture, are often without a label: they do not count
LEAST_SIDE = 20
#: share of a found face in an ignored region, or overlap with a face too small to count,
#: from which it is no false alarm
EXCUSED, EXCUSED_IOU = 0.5, 0.3
#: upper bounds of the groups by height, as shares of the picture's longer side
HEIGHTS = (0.04, 0.08, 0.16, 1.0)


def merge(detections: np.ndarray, classes: int) -> np.ndarray:
    """Detections [n, 6], best first, to faces [m, 4 + classes]: box and confidence per class."""
    faces: list[np.ndarray] = []
    for row in detections:
        label = 4 + int(row[5])
        for face in faces:
            same = pairwise_iou(face[None, :4], row[None, :4])[0, 0] >= SAME_FACE_IOU
            if face[label] == 0 and same:
                face[label] = row[4]
                break
        else:
            face = np.zeros(4 + classes)
            face[:4], face[label] = row[:4], row[4]
            faces.append(face)
    return np.array(faces).reshape(-1, 4 + classes)


def confidence(faces: np.ndarray) -> np.ndarray:
    """That each is a face: its classes' confidences added up."""
    return faces[:, 4:].sum(1).clip(max=1)


@dataclass
class Sheet:
    """One picture: its faces, what was found of each, and what else was found."""

    heights: np.ndarray  # [n] shares of the picture's longer side
    classes: np.ndarray  # [n] true, -1 unknown
    confidence: np.ndarray  # [n] of the face that was found there, 0: none
    found: np.ndarray  # [n] class found
    alarms: np.ndarray  # [m] confidences of things taken for faces
    doubles: np.ndarray  # [k] confidences of second boxes on a face

    @staticmethod
    def of(faces: np.ndarray, labels: Labels, shape: tuple[int, int]) -> Sheet:
        sides = labels.boxes[:, 2:] - labels.boxes[:, :2]
        counts = sides.max(1, initial=0) >= LEAST_SIDE
        boxes = labels.boxes[counts]
        sure = confidence(faces)
        order = np.argsort(-sure, kind="stable")
        overlap = (
            pairwise_iou(faces, boxes) if len(boxes) and len(faces) else np.zeros((len(faces), len(boxes)))
        )
        taken, label = np.zeros(len(boxes)), np.full(len(boxes), -1)
        alarms, doubles = [], []
        for index in order:
            free = np.where(taken == 0, overlap[index], 0)
            if len(free) and free.max() >= FOUND_IOU:
                taken[free.argmax()] = sure[index]
                label[free.argmax()] = faces[index, 4:].argmax()
            elif len(boxes) and overlap[index].max() >= EXCUSED_IOU:
                doubles.append(sure[index])
            elif not excused(faces[index], labels, boxes_too_small=labels.boxes[~counts]):
                alarms.append(sure[index])
        heights = sides[counts].max(1, initial=0) / max(shape)
        return Sheet(heights, labels.classes[counts], taken, label, np.array(alarms), np.array(doubles))


def excused(face: np.ndarray, labels: Labels, boxes_too_small: np.ndarray) -> bool:
    if len(boxes_too_small) and pairwise_iou(face[None], boxes_too_small).max() >= EXCUSED_IOU:
        return True
    regions = labels.ignored
    if not len(regions):
        return False
    corner = np.minimum(face[2:4], regions[:, 2:]) - np.maximum(face[:2], regions[:, :2])
    area = max(float((face[2:4] - face[:2]).prod()), 1e-6)
    return bool((corner.clip(0).prod(1) / area).max() >= EXCUSED)


@dataclass
class Tally:
    """Counts at one confidence."""

    faces: int = 0
    found: int = 0
    known: int = 0  # of those found, whose class is known
    right: int = 0
    #: of the known: [true class, found class]
    confused: np.ndarray = field(default_factory=lambda: np.zeros((2, 2), int))
    alarms: int = 0
    doubles: int = 0
    pictures: int = 0

    @property
    def recall(self) -> float:
        return self.found / max(self.faces, 1)

    @property
    def precision(self) -> float:
        return self.found / max(self.found + self.alarms + self.doubles, 1)

    @property
    def class_right(self) -> float:
        return self.right / max(self.known, 1)


def tally(sheets: Iterable[Sheet], least: float, heights=(0.0, 1.1), classes: int = 2) -> Tally:
    """What counts from confidence `least`, of faces whose height is in the interval `heights`."""
    result = Tally(confused=np.zeros((classes, classes), int))
    for sheet in sheets:
        among = (sheet.heights >= heights[0]) & (sheet.heights < heights[1])
        found = among & (sheet.confidence >= least) & (sheet.confidence > 0)
        known = found & (sheet.classes >= 0)
        result.faces += int(among.sum())
        result.found += int(found.sum())
        result.known += int(known.sum())
        result.right += int((sheet.found == sheet.classes)[known].sum())
        np.add.at(result.confused, (sheet.classes[known], sheet.found[known]), 1)
        result.alarms += int((sheet.alarms >= least).sum())
        result.doubles += int((sheet.doubles >= least).sum())
        result.pictures += 1
    return result


def look(
    run: Runner, size: Size, pictures: Iterable[Picture], classes: int, nms: float, floor: float
) -> list[Sheet]:
    sheets = []
    for picture in pictures:
        faces = merge(detect(run, picture.image, size, floor, nms), classes)
        sheets.append(Sheet.of(faces, picture.labels, picture.image.shape[:2]))
    return sheets
