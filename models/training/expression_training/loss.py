"""Task-aligned assignment and the three losses of the head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .boxes import Outputs, anchors, complete_iou, decode, flatten, iou
from .network import BINS

TOP_K, ALPHA, BETA = 10, 0.5, 6.0


@dataclass
class Targets:
    """Ground truth of a batch, padded to the picture with most faces."""

    boxes: Tensor  # [b, g, 4] pixels
    classes: Tensor  # [b, g] int64
    valid: Tensor  # [b, g] bool


@dataclass(frozen=True)
class Weights:
    box: float = 7.5
    classes: float = 0.5
    distribution: float = 1.5
    #: about 5 % of the labels are wrong: no class is ever demanded with certainty
    smoothing: float = 0.04


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, points: Tensor, truth: Targets):
    """Task-aligned assignment (TOOD): for each face the cells whose score and box agree best.

    `scores` [b, n, classes] and `boxes` [b, n, 4] are the predictions. Returns
    which cells are positive [b, n], the face each belongs to [b, n], and how well
    it is aligned, 0 to 1 [b, n].
    """
    b, n, _ = scores.shape
    faces = truth.boxes.shape[1]
    box = truth.boxes[:, :, None]
    margin = torch.cat((points - box[..., :2], box[..., 2:] - points), -1).amin(-1)
    inside = (margin > 1e-6) & truth.valid[:, :, None]
    score = scores.transpose(1, 2).gather(1, truth.classes[:, :, None].expand(b, faces, n))
    overlap = iou(box, boxes[:, None]) * inside
    metric = score.pow(ALPHA) * overlap.pow(BETA)
    weakest = metric.topk(min(TOP_K, n), -1).values[..., -1:]
    positive = (metric >= weakest) & inside & (metric > 1e-9)
    # a cell that two faces want goes to the one it overlaps more
    nearest = F.one_hot(overlap.argmax(1), faces).transpose(1, 2).bool()
    contested = positive.sum(1, keepdim=True) > 1
    positive = torch.where(contested, nearest & inside, positive)
    metric = metric * positive
    best = (overlap * positive).amax(-1, keepdim=True)
    aligned = metric / (metric.amax(-1, keepdim=True) + 1e-9) * best
    return positive.any(1), positive.float().argmax(1), aligned.amax(1)


def detection_loss(outputs: Outputs, truth: Targets, weights: Weights = Weights()):
    """The loss to minimise, and its parts (classes, box, distribution) to print."""
    points, strides = anchors(outputs)
    box, cls = flatten(outputs)
    predicted = decode(box, points, strides)
    positive, face, aligned = assign(cls.detach().sigmoid(), predicted.detach(), points, truth)
    wanted = F.one_hot(truth.classes.gather(1, face), cls.shape[-1]).float()
    wanted = wanted * (1 - 2 * weights.smoothing) + weights.smoothing
    wanted = wanted * (aligned * positive)[..., None]
    total = wanted.sum().clamp(min=1)
    classes = F.binary_cross_entropy_with_logits(cls, wanted, reduction="sum") / total
    if not positive.any():
        return weights.classes * classes + 0 * box.sum(), (classes.item(), 0.0, 0.0)
    true_box = truth.boxes.gather(1, face[..., None].expand(-1, -1, 4))[positive]
    weight = aligned[positive]
    shape = ((1 - complete_iou(predicted[positive], true_box)) * weight).sum() / total
    centre = points.expand(len(box), -1, 2)[positive]
    stride = strides.expand(len(box), -1, 1)[positive]
    distance = torch.cat((centre - true_box[:, :2], true_box[:, 2:] - centre), -1) / stride
    spread = distribution_focal_loss(box[positive].reshape(-1, 4, BINS), distance)
    spread = (spread.mean(-1) * weight).sum() / total
    loss = weights.box * shape + weights.classes * classes + weights.distribution * spread
    return loss, (classes.item(), shape.item(), spread.item())


def distribution_focal_loss(logits: Tensor, distance: Tensor) -> Tensor:
    """Cross entropy with the two bins beside the true distance (in strides)."""
    distance = distance.clamp(0, BINS - 1.01)
    low = distance.long()
    share = distance - low
    log = logits.log_softmax(-1)
    left = log.gather(-1, low[..., None])[..., 0]
    right = log.gather(-1, low[..., None] + 1)[..., 0]
    return -(left * (1 - share) + right * share)
