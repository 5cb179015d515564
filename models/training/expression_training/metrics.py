"""Precision, recall and average precision as COCO defines them, at IoU 0.5 and up.

Detections of a picture are an array [n, 6]: left, top, right, bottom, confidence, class.
Truth is an array [m, 5]: left, top, right, bottom, class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .labels import Labels

IOUS = np.arange(0.5, 0.96, 0.05)
RECALLS = np.linspace(0, 1, 101)


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    corner = np.minimum(a[:, None, 2:4], b[None, :, 2:4]) - np.maximum(a[:, None, :2], b[None, :, :2])
    inter = corner.clip(0).prod(-1)
    area_a = (a[:, 2:4] - a[:, :2]).prod(-1)[:, None]
    return inter / np.maximum(area_a + (b[:, 2:4] - b[:, :2]).prod(-1)[None] - inter, 1e-9)


def judged(detections: np.ndarray, labels: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Detections and truth without what cannot be judged.

    That are faces without a class and what was found on them, and what lies mostly in an
    ignored region.
    """
    known = labels.classes >= 0
    truth = np.hstack([labels.boxes[known], labels.classes[known][:, None]])
    doubtful = np.concatenate([labels.boxes[~known], labels.ignored])
    if not len(doubtful) or not len(detections):
        return detections, truth
    corner = np.minimum(detections[:, None, 2:4], doubtful[None, :, 2:])
    corner = corner - np.maximum(detections[:, None, :2], doubtful[None, :, :2])
    size = (detections[:, 2:4] - detections[:, :2]).clip(1e-6).prod(1)
    covered = (corner.clip(0).prod(-1) / size[:, None]).max(1) >= 0.5
    hits = pairwise_iou(detections, truth).max(1, initial=0) >= 0.5
    return detections[hits | ~covered], truth


def suppress(detections: np.ndarray, limit: float, most: int = 100) -> np.ndarray:
    """Class-aware non-maximum suppression, best first."""
    kept: list[np.ndarray] = []
    for row in detections[np.argsort(-detections[:, 4], kind="stable")]:
        same = [k for k in kept if k[5] == row[5]]
        if not same or pairwise_iou(row[None], np.array(same)).max() <= limit:
            kept.append(row)
            if len(kept) == most:
                break
    return np.array(kept).reshape(-1, 6)


def match(detections: np.ndarray, truth: np.ndarray, iou: float) -> np.ndarray:
    """For detections of one class, best first: which of them hit a face not yet hit."""
    hits = np.zeros(len(detections), bool)
    free = np.ones(len(truth), bool)
    if len(truth) and len(detections):
        overlap = pairwise_iou(detections, truth)
        for row in range(len(detections)):
            candidates = np.where(free, overlap[row], -1)
            best = int(candidates.argmax())
            if candidates[best] >= iou:
                hits[row], free[best] = True, False
    return hits


@dataclass(frozen=True)
class Curve:
    """One class at one IoU: detections over the whole set, best first."""

    confidence: np.ndarray
    hit: np.ndarray
    faces: int

    @property
    def recall(self) -> np.ndarray:
        return np.cumsum(self.hit) / max(self.faces, 1)

    @property
    def precision(self) -> np.ndarray:
        return np.cumsum(self.hit) / np.arange(1, len(self.hit) + 1)

    def average_precision(self) -> float:
        """Mean of the interpolated precision at 101 recalls."""
        if not len(self.hit):
            return 0.0
        envelope = np.maximum.accumulate(self.precision[::-1])[::-1]
        place = np.searchsorted(self.recall, RECALLS, side="left")
        return float(np.where(place < len(envelope), envelope[place.clip(max=len(envelope) - 1)], 0).mean())

    def at(self, confidence: float) -> tuple[float, float]:
        """Precision and recall with every detection of at least this confidence."""
        count = int((self.confidence >= confidence).sum())
        if count == 0:
            return 1.0, 0.0
        return float(self.precision[count - 1]), float(self.recall[count - 1])


def curve(pictures, label: int, iou: float) -> Curve:
    """`pictures`: pairs of detections and truth."""
    confidence, hit, faces = [], [], 0
    for detections, truth in pictures:
        mine = detections[detections[:, 5] == label]
        mine = mine[np.argsort(-mine[:, 4], kind="stable")]
        wanted = truth[truth[:, 4] == label]
        confidence.append(mine[:, 4])
        hit.append(match(mine, wanted, iou))
        faces += len(wanted)
    confidence, hit = np.concatenate(confidence), np.concatenate(hit)
    order = np.argsort(-confidence, kind="stable")
    return Curve(confidence[order], hit[order], faces)


def f1(precision: float, recall: float) -> float:
    return f_beta(precision, recall, 1)


def f_beta(precision: float, recall: float, beta: float) -> float:
    """van Rijsbergen's F: below 1, `beta` weighs precision more than recall."""
    weight = beta * beta
    return (1 + weight) * precision * recall / max(weight * precision + recall, 1e-9)


def summarize(pictures, names: list[str]) -> dict:
    """mAP, best F1 and per-class numbers at its confidence: the keys of `expressiond evaluate --json`.

    A class without a face in the set counts into no mean, as COCO has it.
    """
    pictures = list(pictures)
    curves = [curve(pictures, label, 0.5) for label in range(len(names))]
    present = [label for label, c in enumerate(curves) if c.faces] or list(range(len(names)))
    grid = np.arange(0.01, 1.0, 0.01)
    means = [float(np.mean([f1(*curves[label].at(t)) for label in present])) for t in grid]
    best = int(np.argmax(means))
    strict = [curve(pictures, label, iou).average_precision() for label in present for iou in IOUS]
    classes = []
    for name, c in zip(names, curves):
        precision, recall = c.at(grid[best])
        classes.append(
            {
                "name": name,
                "precision": precision,
                "recall": recall,
                "ap50": c.average_precision(),
                "f1": f1(precision, recall),
            }
        )
    return {
        "map50": float(np.mean([classes[label]["ap50"] for label in present])),
        "map50_95": float(np.mean(strict)),
        "best_f1": {"value": means[best], "confidence": float(grid[best])},
        "classes": classes,
        "images": len(pictures),
    }
