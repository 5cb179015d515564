"""The network against the published table; the losses against slow references."""

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from expression_training.boxes import complete_iou, decode, iou
from expression_training.loss import Targets, assign, detection_loss, distribution_focal_loss
from expression_training.network import YOLO12

# millions of parameters and GFLOPs with 80 classes at 640 pixels
PUBLISHED = {"n": (2.6, 6.5), "s": (9.3, 21.4), "m": (20.2, 67.5), "l": (26.4, 88.9), "x": (59.1, 199.0)}


@pytest.mark.parametrize("scale", PUBLISHED)
def test_size_is_within_three_percent_of_the_published_table(scale):
    with torch.device("meta"):
        network = YOLO12(scale, 80, "silu").eval()
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            network(torch.empty(1, 3, 640, 640))
    parameters, gflops = PUBLISHED[scale]
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(parameters, rel=0.03)
    # the usual counters, the published table's too, see modules: convolutions, not the
    # products inside the attention
    convolutions = counter.get_flop_counts()["Global"][torch.ops.aten.convolution]
    assert convolutions / 1e9 == pytest.approx(gflops, rel=0.03)


def a_batch(count=2, size=64):
    torch.manual_seed(0)
    images = torch.rand(count, 3, size, size)
    boxes = torch.tensor([[[8.0, 8.0, 40.0, 48.0]]]).repeat(count, 1, 1)
    return images, Targets(boxes, torch.zeros(count, 1, dtype=torch.long), torch.ones(count, 1).bool())


@pytest.mark.parametrize("scale", ["n", "l"])
def test_gradients_reach_every_parameter(scale):
    network = YOLO12(scale, 2)
    images, truth = a_batch()
    # every bin and class must be wanted somewhere for its bias to move
    loss, _ = detection_loss(network(images), truth)
    loss.backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # of the three levels, those no face was assigned to teach their box branch nothing
    assert not [name for name in still if not name.startswith("head.box")], still


def test_a_face_without_overlap_and_an_empty_picture_have_finite_losses():
    network = YOLO12("n", 2)
    images, truth = a_batch()
    truth.valid[:] = False
    loss, parts = detection_loss(network(images), truth)
    assert torch.isfinite(loss) and parts[1] == 0


def slow_iou(a, b):
    w = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])  # noqa: E731
    return w * h / (area(a) + area(b) - w * h)


def test_overlaps_equal_the_definition():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 50, (200, 2, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 50, (200, 2, 2))], -1).astype(np.float32)
    a, b = torch.from_numpy(boxes[:, 0]), torch.from_numpy(boxes[:, 1])
    for x, y, plain, complete in zip(boxes[:, 0], boxes[:, 1], iou(a, b), complete_iou(a, b), strict=True):
        wanted = slow_iou(x, y)
        assert plain.item() == pytest.approx(wanted, abs=1e-5)
        hull = math.hypot(max(x[2], y[2]) - min(x[0], y[0]), max(x[3], y[3]) - min(x[1], y[1]))
        d = math.hypot((x[0] + x[2] - y[0] - y[2]) / 2, (x[1] + x[3] - y[1] - y[3]) / 2)
        angle = lambda r: math.atan((r[2] - r[0]) / (r[3] - r[1]))  # noqa: E731
        v = 4 / math.pi**2 * (angle(y) - angle(x)) ** 2
        assert complete.item() == pytest.approx(wanted - d**2 / hull**2 - v * v / (v - wanted + 1), abs=1e-3)


def test_distribution_focal_loss_is_least_at_the_true_distance():
    distance = torch.tensor([3.25])
    logits = torch.full((1, 16), -20.0)
    logits[0, 3], logits[0, 4] = math.log(0.75), math.log(0.25)
    exact = distribution_focal_loss(logits, distance)
    assert exact.item() == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)), abs=1e-4)
    assert distribution_focal_loss(torch.zeros(1, 16), distance) > exact
    box = decode(logits.repeat(1, 4)[None], torch.tensor([[100.0, 100.0]]), torch.tensor([[8.0]]))
    assert box[0, 0].tolist() == pytest.approx([74.0, 74.0, 126.0, 126.0], abs=1e-2)


def slow_assign(scores, boxes, points, truth_boxes, truth_classes):
    """One picture: the ten best-aligned cells inside each face; doubles to the larger overlap."""
    owner = {}
    for g, (box, label) in enumerate(zip(truth_boxes, truth_classes, strict=True)):
        rated = []
        for n, (x, y) in enumerate(points):
            if box[0] < x < box[2] and box[1] < y < box[3]:
                overlap = slow_iou(box, boxes[n])
                rated.append((scores[n][label] ** 0.5 * overlap**6, overlap, n))
        for metric, overlap, n in sorted(rated, reverse=True)[:10]:
            if metric > 1e-9 and (n not in owner or overlap > owner[n][1]):
                owner[n] = (g, overlap)
    return {n: g for n, (g, _) in owner.items()}


def test_assignment_equals_a_slow_reference():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[4:128:8, 4:128:8]
    points = np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)
    faces = np.array([[10, 10, 70, 80], [50, 40, 120, 120]], np.float32)
    classes = [0, 1]
    near = faces[rng.integers(0, 2, len(points))]
    boxes = (near + rng.uniform(-12, 12, near.shape)).astype(np.float32)
    scores = rng.uniform(0.05, 0.95, (len(points), 2)).astype(np.float32)
    truth = Targets(torch.tensor(faces)[None], torch.tensor([classes]), torch.ones(1, 2).bool())
    positive, owner, aligned = assign(
        torch.tensor(scores)[None], torch.tensor(boxes)[None], torch.tensor(points), truth
    )
    found = {n: owner[0, n].item() for n in positive[0].nonzero().flatten().tolist()}
    assert found == slow_assign(scores, boxes, points, faces, classes)
    assert aligned[positive].max() <= 1 and (aligned[~positive] == 0).all()
