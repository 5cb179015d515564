"""Boxes: anchors, the head's distances to boxes, intersection over union.

A box is [left, top, right, bottom] in pixels of the network's input.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .network import BINS, STRIDES

Outputs = list[tuple[Tensor, Tensor]]


def anchors(outputs: Outputs) -> tuple[Tensor, Tensor]:
    """Cell centres [n, 2] in pixels and strides [n, 1], level after level."""
    points, strides = [], []
    for (box, _), stride in zip(outputs, STRIDES):
        h, w = box.shape[-2:]
        rows, columns = (torch.arange(n, device=box.device) + 0.5 for n in (h, w))
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        points.append(torch.stack((x, y), -1).reshape(-1, 2) * stride)
        strides.append(torch.full((h * w, 1), float(stride), device=box.device))
    return torch.cat(points), torch.cat(strides)


def flatten(outputs: Outputs) -> tuple[Tensor, Tensor]:
    """Raw head to box logits [b, n, 4 x 16] and class logits [b, n, classes], float32."""
    box = torch.cat([box.float().flatten(2) for box, _ in outputs], 2).transpose(1, 2)
    cls = torch.cat([cls.float().flatten(2) for _, cls in outputs], 2).transpose(1, 2)
    return box, cls


def decode(box: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Box logits [b, n, 4 x 16] to boxes [b, n, 4]: expected distance to each side."""
    b, n, _ = box.shape
    bins = torch.arange(BINS, dtype=torch.float32, device=box.device)
    distance = box.reshape(b, n, 4, BINS).softmax(-1) @ bins * strides
    return torch.cat((points - distance[..., :2], points + distance[..., 2:]), -1)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes that broadcast, 0 to 1."""
    inter, union = _overlap(a, b)
    return inter / union


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """CIoU: the overlap less the distance of centres and the difference in shape."""
    inter, union = _overlap(a, b)
    overlap = inter / union
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    centres = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]).pow(2).sum(-1) / 4
    shape = 4 / math.pi**2 * (_slope(b) - _slope(a)).pow(2)
    with torch.no_grad():
        weight = shape / (shape - overlap + 1 + 1e-7)
    return overlap - centres / (hull.pow(2).sum(-1) + 1e-7) - weight * shape


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    corner = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    inter = _area(corner.clamp(min=0))
    return inter, _area(_size(a)) + _area(_size(b)) - inter + 1e-7


def _area(size: Tensor) -> Tensor:
    # Not `prod`: its gradient asks the GPU whether a factor is zero, and waits for the answer.
    return size[..., 0] * size[..., 1]


def _size(box: Tensor) -> Tensor:
    return (box[..., 2:] - box[..., :2]).clamp(min=1e-6)


def _slope(box: Tensor) -> Tensor:
    size = _size(box)
    return torch.atan(size[..., 0] / size[..., 1])
