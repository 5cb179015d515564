"""Task-aligned assignment and the three losses of the head.

A face may be without a class (its box and its being a face are learnt, not which), have one
of several classes (that it is none of the others is learnt, not which of them), or have a
distribution over the classes; a region may be ignored (its cells count neither
as face nor as background).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .boxes import Outputs, anchors, complete_iou, decode, flatten, iou
from .labels import SEVERAL
from .network import BINS

TOP_K, ALPHA, BETA = 10, 0.5, 6.0
#: A face smaller than this many strides holds a cell's centre only by luck: the cells
#: within half of it of the face's centre are candidates, too.
LEAST_REACH = 1.5
#: What confidences that add up to more than 1 cost, for each 1.
BEYOND = 2.0
#: Share of a predicted box inside an ignored region from which its cell counts as neither.
IGNORED_SHARE = 0.5


@dataclass
class Targets:
    """Ground truth of a batch, padded to the picture with most faces and regions."""

    boxes: Tensor  # [b, g, 4] pixels
    #: [b, g, classes] distribution; all zero: a face whose class nobody knows; several ones:
    #: it has one of those classes
    shares: Tensor
    valid: Tensor  # [b, g] bool
    #: [b, r, 4] pixels; padding has no area
    ignored: Tensor

    def to(self, device: torch.device) -> Targets:
        return Targets(*(getattr(self, name).to(device) for name in ("boxes", "shares", "valid", "ignored")))

    @staticmethod
    def of(rows: list[tuple[Tensor, Tensor, Tensor]], classes: int) -> Targets:
        """From each picture's boxes [n, 4], shares [n, classes] and ignored regions [m, 4]."""
        faces = max(1, max(len(boxes) for boxes, _, _ in rows))
        regions = max(1, max(len(ignored) for _, _, ignored in rows))
        truth = Targets(
            torch.zeros(len(rows), faces, 4),
            torch.zeros(len(rows), faces, classes),
            torch.zeros(len(rows), faces, dtype=torch.bool),
            torch.zeros(len(rows), regions, 4),
        )
        for row, (boxes, shares, ignored) in enumerate(rows):
            truth.boxes[row, : len(boxes)], truth.shares[row, : len(boxes)] = boxes, shares
            truth.valid[row, : len(boxes)] = True
            truth.ignored[row, : len(ignored)] = ignored
        return truth


@dataclass(frozen=True)
class Weights:
    box: float = 7.5
    classes: float = 0.5
    distribution: float = 1.5
    #: which class a face has, apart from whether it is one
    shares: float = 0.0
    #: about 5 % of the labels are wrong: no class is ever demanded with certainty
    smoothing: float = 0.04


@dataclass(frozen=True)
class Parts:
    """What the loss consists of, and how many cells of each level had a face: detached tensors,
    so that a step on a GPU does not wait for them."""

    classes: Tensor
    box: Tensor
    distribution: Tensor
    positives: Tensor  # [levels]


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, points: Tensor, strides: Tensor, truth: Targets):
    """Task-aligned assignment (TOOD): for each face the cells whose score and box agree best.

    `scores` [b, n, classes] and `boxes` [b, n, 4] are the predictions. Returns
    which cells are positive [b, n], the face each belongs to [b, n], and how well
    it is aligned, 0 to 1 [b, n].
    """
    b, n, _ = scores.shape
    faces = truth.boxes.shape[1]
    box = truth.boxes[:, :, None]
    inside = (within(points, reachable(truth.boxes, strides)) > 1e-6) & truth.valid[:, :, None]
    score = agreement(scores, truth.shares)
    # a first box far from a small face still must be told from others further off
    overlap = iou(box, boxes[:, None]).clamp(min=1e-3) * inside
    metric = score.pow(ALPHA) * overlap.pow(BETA)
    weakest = metric.topk(min(TOP_K, n), -1).values[..., -1:]
    positive = (metric >= weakest) & inside
    # a cell that two faces want goes to the one it overlaps more
    nearest = overlap.argmax(1, keepdim=True) == torch.arange(faces, device=boxes.device)[:, None]
    contested = positive.sum(1, keepdim=True) > 1
    positive = torch.where(contested, nearest & inside, positive)
    metric = metric * positive
    best = (overlap * positive).amax(-1, keepdim=True)
    aligned = metric / metric.amax(-1, keepdim=True).clamp(min=1e-30) * best.sqrt()
    return positive.any(1), positive.float().argmax(1), aligned.amax(1)


def reachable(boxes: Tensor, strides: Tensor) -> Tensor:
    """Faces [b, g, 4], the small ones widened so that every one holds a cell's centre."""
    least = LEAST_REACH * strides.min()
    centre, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    half = size.clamp(min=least) / 2
    return torch.cat((centre - half, centre + half), -1)


def within(points: Tensor, boxes: Tensor) -> Tensor:
    """How far inside each box [b, g, 4] each point [n, 2] is, negative outside: [b, g, n]."""
    box = boxes[:, :, None]
    return torch.cat((points - box[..., :2], box[..., 2:] - points), -1).amin(-1)


def agreement(scores: Tensor, shares: Tensor) -> Tensor:
    """How much each cell's scores [b, n, classes] speak for each face [b, g]: [b, g, n]."""
    known = shares.sum(-1, keepdim=True) > 0
    weights = torch.where(known, shares, 1.0)
    return torch.einsum("bgc,bnc->bgn", weights, scores).clamp(max=1)


@torch.no_grad()
def ignored_cells(boxes: Tensor, points: Tensor, regions: Tensor) -> Tensor:
    """Cells [b, n] in an ignored region, or whose predicted box [b, n, 4] mostly is."""
    inside = within(points, regions) > 0
    region = regions[:, :, None]
    corner = torch.minimum(boxes[:, None, :, 2:], region[..., 2:])
    corner = corner - torch.maximum(boxes[:, None, :, :2], region[..., :2])
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-6).prod(-1)
    covered = corner.clamp(min=0).prod(-1) / size[:, None] > IGNORED_SHARE
    return (inside | covered).any(1)


def detection_loss(outputs: Outputs, truth: Targets, weights: Weights = Weights()):
    """The loss to minimise, and its parts to print."""
    points, strides = anchors(outputs)
    box, cls = flatten(outputs)
    predicted = decode(box, points, strides)
    positive, face, aligned = assign(cls.detach().sigmoid(), predicted.detach(), points, strides, truth)
    ignored = ignored_cells(predicted.detach(), points, truth.ignored) & ~positive
    share = truth.shares.gather(1, face[..., None].expand(-1, -1, cls.shape[-1]))
    total_share = share.sum(-1)
    known = ~positive | ((total_share > 0) & (total_share < SEVERAL))
    wanted = share * (1 - 2 * weights.smoothing) + spread_over(cls, weights.smoothing)
    wanted = wanted * (aligned * positive)[..., None]
    total = (aligned * positive).sum().clamp(min=1)
    classes = F.binary_cross_entropy_with_logits(cls, wanted, reduction="none").sum(-1)
    # a face whose class nobody knows has one of all
    among = torch.where((total_share < SEVERAL)[..., None], torch.ones_like(share), share)
    classes = torch.where(known, classes, face_loss(cls, aligned, among, weights.smoothing))
    classes = (classes * ~ignored).sum() / total
    # Every cell has a face here, those of the others without any weight: no shape depends on
    # how many there are.
    weight = aligned * positive
    true_box = truth.boxes.gather(1, face[..., None].expand(-1, -1, 4))
    shape = ((1 - complete_iou(predicted, true_box)) * weight).sum() / total
    distance = torch.cat((points - true_box[..., :2], true_box[..., 2:] - points), -1) / strides
    spread = distribution_focal_loss(box.unflatten(-1, (4, BINS)), distance)
    spread = (spread.mean(-1) * weight).sum() / total
    loss = weights.box * shape + weights.classes * classes + weights.distribution * spread
    if weights.shares:
        which = (shares_loss(cls, share, weights.smoothing) * weight).sum() / total
        loss = loss + weights.shares * which
    counts = [h.shape[-2] * h.shape[-1] for h, _ in outputs]
    positives = torch.stack([level.sum() for level in positive.detach().split(counts, 1)])
    return loss, Parts(classes.detach(), shape.detach(), spread.detach(), positives)


@dataclass(frozen=True)
class Lesson:
    """How much of a teacher's answers is learnt."""

    classes: float = 1.0
    distribution: float = 1.0


def distillation_loss(outputs: Outputs, answers: Outputs, roles: Tensor, lesson: Lesson = Lesson()) -> Tensor:
    """How far a network is from a teacher that sees the same pictures.

    `answers` are the teacher's outputs, at the same strides; `roles` [teacher's classes, classes]
    says which classes of the teacher a class stands for. The teacher's confidences are what
    every cell is to say, and its distributions where it sees a face.
    """
    box, cls = flatten(outputs)
    other_box, other_cls = flatten(answers)
    wanted = (other_cls.detach().sigmoid() @ roles).clamp(max=1)
    face = wanted.sum(-1).clamp(max=1)
    total = face.sum().clamp(min=1)
    classes = F.binary_cross_entropy_with_logits(cls, wanted, reduction="none").sum() / total
    bins = (4, BINS)
    known = other_box.detach().unflatten(-1, bins).log_softmax(-1)
    own = box.unflatten(-1, bins).log_softmax(-1)
    spread = (known.exp() * (known - own)).sum(-1).mean(-1)
    return lesson.classes * classes + lesson.distribution * (spread * face).sum() / total


def spread_over(logits: Tensor, smoothing: float) -> float:
    """What smoothing gives each class: they exclude each other, so that with a share of 1 - 2 x `smoothing`
    for the one that is known all of them, however many, add up to 1."""
    return 2 * smoothing / logits.shape[-1]


def face_loss(logits: Tensor, wanted: Tensor, among: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """For a face that has one of the classes `among` (ones; none: of all): their confidences
    together are to be `wanted`, less what smoothing gives the others.

    That sum is what the daemon takes for the confidence that there is a face. It is
    also what the losses of the single classes add up to, so that faces with and without a
    class ask for the same confidence. Classes exclude each other: more than 1 together is
    pulled back, which the logarithm, cut there, would not do.
    """
    among = torch.ones_like(logits) if among is None else among
    together = (moved_alike(logits, among).sigmoid() * among).sum(-1)
    face, beyond = together.clamp(1e-6, 1 - 1e-4), (together - 1).clamp(min=0)
    other = spread_over(logits, smoothing) * wanted
    others = other[..., None].expand_as(logits)
    others = F.binary_cross_entropy_with_logits(logits, others, reduction="none") * (1 - among)
    wanted = wanted - other * (1 - among).sum(-1)
    return -(wanted * face.log() + (1 - wanted) * (1 - face).log()) + BEYOND * beyond + others.sum(-1)


def moved_alike(logits: Tensor, among: Tensor) -> Tensor:
    """The same values; what is learnt from them moves all logits `among` (ones) by as much.

    A label that names no single class says nothing of their shares. Without this the class that
    leads already would be moved most, would lead more, and in the end be told of every such face.
    """
    count = among.sum(-1, keepdim=True).clamp(min=1)
    mean = (logits * among).sum(-1, keepdim=True) / count
    return torch.where(among > 0, logits.detach() + mean - mean.detach(), logits)


def shares_loss(logits: Tensor, wanted: Tensor, smoothing: float = 0.0) -> Tensor:
    """How far the classes' shares [..., classes] of a face's confidence are from those `wanted`.

    The daemon tells an expression by these shares. `face_loss` asks for their sum and binary
    cross entropy for each confidence alone, which is learnt long before the classes are told
    apart. Of a face that has one of several classes the shares of these together
    are to be one; of a face without a class nothing is asked.
    """
    count = wanted.sum(-1)
    alike = moved_alike(logits, (wanted > 0).float())
    confidence = F.logsigmoid(torch.where((count >= SEVERAL)[..., None], alike, logits))
    log = confidence - confidence.logsumexp(-1, keepdim=True)
    one = -((wanted * (1 - smoothing) + smoothing / logits.shape[-1]) * log).sum(-1)
    several = -log.masked_fill(wanted == 0, -30.0).logsumexp(-1)
    return torch.where(count >= SEVERAL, several, one) * (count > 0)


def distribution_focal_loss(logits: Tensor, distance: Tensor) -> Tensor:
    """Cross entropy with the two bins beside the true distance (in strides)."""
    distance = distance.clamp(0, BINS - 1.01)
    low = distance.long()
    share = distance - low
    log = logits.log_softmax(-1)
    left = log.gather(-1, low[..., None])[..., 0]
    right = log.gather(-1, low[..., None] + 1)[..., 0]
    return -(left * (1 - share) + right * share)
