"""The network against the published table; the losses against slow references."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from expression_training.boxes import anchors, complete_iou, decode, flatten, iou
from expression_training.loss import (
    LEAST_REACH,
    Targets,
    Weights,
    assign,
    detection_loss,
    distillation_loss,
    distribution_focal_loss,
    face_loss,
    ignored_cells,
    shares_loss,
    spread_over,
)
from expression_training.network import BINS, SHIPPED, STRIDES, YOLO12, Description
from expression_training.options import PRESETS
from expression_training.weights import adopt, build, load_weights, save_weights

# millions of parameters and GFLOPs with 80 classes at 640 pixels
PUBLISHED = {"n": (2.6, 6.5), "s": (9.3, 21.4), "m": (20.2, 67.5), "l": (26.4, 88.9), "x": (59.1, 199.0)}


@pytest.mark.parametrize("scale", PUBLISHED)
def test_size_is_within_three_percent_of_the_published_table(scale):
    with torch.device("meta"):
        network = YOLO12(Description(scale, "silu"), 80).eval()
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            network(torch.empty(1, 3, 640, 640))
    parameters, gflops = PUBLISHED[scale]
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(parameters, rel=0.03)
    # the usual counters, the published table's too, see modules: convolutions, not the
    # products inside the attention
    convolutions = counter.get_flop_counts()["Global"][torch.ops.aten.convolution]
    assert convolutions / 1e9 == pytest.approx(gflops, rel=0.03)


def a_batch(count=2, size=64, boxes=((8.0, 8.0, 40.0, 48.0),), shares=None, ignored=()):
    """The same faces in every picture of noise; of the first class unless `shares` says another."""
    torch.manual_seed(0)
    boxes = torch.tensor(boxes)
    shares = torch.tensor([[1.0, 0.0]] * len(boxes) if shares is None else shares)
    regions = torch.tensor(ignored).reshape(-1, 4)
    return torch.rand(count, 3, size, size), Targets.of([(boxes, shares, regions)] * count, shares.shape[-1])


LEVELS = [(8,), (8, 16), (8, 16, 32)]


@pytest.mark.parametrize("scale", ["n", "l"])
@pytest.mark.parametrize("levels", LEVELS)
def test_gradients_reach_every_parameter(scale, levels):
    network = YOLO12(Description(scale, levels=levels), 2)
    # one face for each level: of a few cells of its own
    images, truth = a_batch(
        size=128, boxes=[(4.0, 4.0, 30.0, 36.0), (20.0, 40.0, 76.0, 104.0), (0.0, 2.0, 128.0, 126.0)]
    )
    loss, parts = detection_loss(network(images), truth)
    loss.backward()
    assert all(parts.positives), parts.positives
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


@pytest.mark.parametrize("size", [128, 224])
def test_before_any_training_faces_of_every_size_have_cells_and_every_level_has_faces(size):
    network = YOLO12(Description(), 2)
    total = np.zeros(3, int)
    for side in (4.0, 6.0, 10.0, 20.0, 40.0, 80.0, 120.0):
        low = size * 0.45 - side / 2
        images, truth = a_batch(1, size, boxes=[(low, low, low + side, low + side * 1.2)])
        with torch.no_grad():
            _, parts = detection_loss(network(images), truth)
        assert sum(parts.positives) > 0, side
        total += parts.positives.numpy()
    assert (total > 0).all(), total


@pytest.mark.parametrize("levels", LEVELS)
def test_fewer_levels_give_what_the_whole_network_gives_at_them(levels):
    torch.manual_seed(1)
    whole = YOLO12(Description(), 2).eval()
    part = YOLO12(Description(levels=levels), 2).eval()
    assert adopt(part, whole.state_dict()) == []
    images = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        pairs = zip(whole(images)[: len(levels)], part(images), strict=True)
        assert all(torch.equal(a, b) for wanted, got in pairs for a, b in zip(wanted, got, strict=True))


@pytest.mark.parametrize(
    ("size", "levels", "told"),
    [
        ((288, 192), (8,), False),
        ((640, 224), (8,), False),
        ((256, 256), (8,), True),
        ((320, 320), (8,), True),
        ((480, 480), (8, 16), False),
        ((640, 640), (8, 16), True),
        ((640, 640), (8, 16, 32), False),
    ],
)
def test_an_input_in_which_near_faces_are_larger_than_any_box_is_told(size, levels, told):
    words = replace(SHIPPED, levels=levels).too_near(size)
    assert bool(words) == told
    if told:
        assert f"up to {min(size)} pixels" in words and "--levels 8 16 32" in words
    for preset in PRESETS.values():
        assert not any(plan.network.too_near(preset.size) for plan in preset.networks)


def test_the_reach_of_a_level_is_that_of_its_boxes():
    logits = torch.full((1, 1, 4 * BINS), -50.0)
    logits[..., BINS - 1 :: BINS] = 50.0
    box = decode(logits, torch.tensor([[500.0, 500.0]]), torch.tensor([[8.0]]))[0, 0]
    assert (box[2] - box[0]).item() == pytest.approx(SHIPPED.reach)


def test_impossible_networks_are_refused():
    for wrong in ({"levels": (16,)}, {"levels": ()}, {"scale": "z"}, {"act": "tanh"}):
        with pytest.raises(ValueError):
            Description(**wrong)


def test_a_network_with_less_takes_what_fits_and_names_the_rest():
    torch.manual_seed(1)
    weights = YOLO12(Description(), 2).state_dict()
    small = YOLO12(Description(levels=(8,), attention=(1, 2), separable_box=True), 2)
    missing = adopt(small, weights)
    assert missing and all(name.startswith("head.box") for name in missing)
    joined = small.s4.cv2.conv.weight
    assert torch.equal(joined, weights["s4.cv2.conv.weight"][:, : joined.shape[1]])
    assert torch.equal(small.s4.m[0][0].attn.qkv.conv.weight, weights["s4.m.0.0.attn.qkv.conv.weight"])


def test_weights_on_disk_say_which_network_they_belong_to(tmp_path):
    description = Description(levels=(8,), attention=(1, 1))
    network = YOLO12(description, 2).eval()
    save_weights(tmp_path / "w.safetensors", network)
    assert load_weights(tmp_path / "w.safetensors")[1] == description
    again = build(tmp_path / "w.safetensors", ["a", "b"])
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(network(images)[0][0], again(images)[0][0], atol=0.05)


def test_a_face_without_overlap_and_an_empty_picture_have_finite_losses():
    network = YOLO12(Description(), 2)
    images, truth = a_batch()
    truth.valid[:] = False
    loss, parts = detection_loss(network(images), truth)
    assert torch.isfinite(loss) and parts.box == 0


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
                overlap = max(slow_iou(box, boxes[n]), 1e-3)
                rated.append((scores[n][label] ** 0.5 * overlap**6, overlap, n))
        for _, overlap, n in sorted(rated, reverse=True)[:10]:
            if n not in owner or overlap > owner[n][1]:
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
    truth = Targets.of([(torch.tensor(faces), torch.eye(2)[classes], torch.zeros(0, 4))], 2)
    strides = torch.full((len(points), 1), 8.0)
    positive, owner, aligned = assign(
        torch.tensor(scores)[None], torch.tensor(boxes)[None], torch.tensor(points), strides, truth
    )
    found = {n: owner[0, n].item() for n in positive[0].nonzero().flatten().tolist()}
    assert found == slow_assign(scores, boxes, points, faces, classes)
    assert aligned[positive].max() <= 1 and (aligned[~positive] == 0).all()


def outputs_of(size=64, logit=-3.0, classes=2):
    """A head of one level that everywhere says the same, as a leaf to ask for gradients."""
    cells = size // STRIDES[0]
    box = torch.zeros(1, 64, cells, cells)
    cls = torch.full((1, classes, cells, cells), logit, requires_grad=True)
    return [(box, cls)]


def class_gradient(truth, logit=-3.0, weights=None):
    outputs = outputs_of(logit=logit, classes=truth.shares.shape[-1])
    loss, _ = detection_loss(outputs, truth, weights or Weights(box=0, distribution=0))
    loss.backward()
    return outputs[0][1].grad[0]


def test_an_ignored_region_counts_neither_as_face_nor_as_background():
    _, without = a_batch(1, boxes=[(4.0, 4.0, 24.0, 24.0)])
    _, ignoring = a_batch(1, boxes=[(4.0, 4.0, 24.0, 24.0)], ignored=[(32.0, 32.0, 64.0, 64.0)])
    plain, spared = class_gradient(without), class_gradient(ignoring)
    assert (plain[:, 4:, 4:] > 0).all() and (spared[:, 4:, 4:] == 0).all()
    assert torch.equal(plain[:, :4], spared[:, :4])


def test_a_cell_whose_box_mostly_is_in_an_ignored_region_is_spared_too():
    points = torch.tensor([[12.0, 12.0], [12.0, 60.0]])
    boxes = torch.tensor([[[16.0, 0.0, 40.0, 24.0], [0.0, 50.0, 24.0, 70.0]]])
    ignored = ignored_cells(boxes, points, torch.tensor([[[16.0, 0.0, 60.0, 30.0]]]))
    assert ignored.tolist() == [[True, False]]


def test_a_face_without_a_class_teaches_that_it_is_a_face_and_no_class():
    box = (16.0, 16.0, 48.0, 48.0)
    known, unknown = (
        class_gradient(a_batch(1, boxes=[box], shares=[s])[1]) for s in ([1.0, 0.0], [0.0, 0.0])
    )
    cells = (known[0] < 0).nonzero()
    assert len(cells) > 0
    for row, column in cells.tolist():
        happy, other = unknown[:, row, column]
        # both classes are pulled up alike, where a known class pulls up its own alone
        assert happy < 0 and happy == pytest.approx(other.item())
        assert known[1, row, column] > known[0, row, column]


def test_the_loss_of_a_face_is_least_where_its_confidences_add_up_to_what_is_wanted():
    wanted = torch.tensor(0.8)
    at = lambda a, b: face_loss(torch.tensor([a, b]).logit(), wanted).item()  # noqa: E731
    assert at(0.4, 0.4) == pytest.approx(at(0.7, 0.1), abs=1e-5)
    assert at(0.4, 0.4) < min(at(0.5, 0.5), at(0.3, 0.3))


@pytest.mark.parametrize("shares", [(1, 0), (1, 0, 0, 0, 0), (1, 1, 0, 0, 0), (0, 0, 0, 0, 0)])
def test_confidences_of_a_face_are_asked_to_add_up_to_one_however_many_classes_there_are(shares):
    """At what is asked for of the best cell of a face nothing pulls at its confidences."""
    count, known = len(shares), sum(shares)
    smoothing = Weights().smoothing
    other = 2 * smoothing / count
    own = (1 - other * (count - known)) / known if known else 1 / count
    asked = torch.tensor([own if share or not known else other for share in shares])
    assert asked.sum() == pytest.approx(1)
    share, logits = torch.tensor(shares, dtype=torch.float), asked.logit()
    if known == 1:
        wanted = share * (1 - 2 * smoothing) + spread_over(logits, smoothing)
        assert wanted.sum() == pytest.approx(1) and wanted == pytest.approx(asked)
    else:
        among = share if known else torch.ones_like(share)
        low = (asked * 0.95).logit().requires_grad_()
        face_loss(low, torch.tensor(0.95), among, smoothing).backward()
        assert low.grad.abs().max() < 1e-3


def test_confidences_of_a_face_are_pulled_back_where_they_add_up_to_more_than_one():
    for among in (None, torch.tensor([1.0, 1.0, 0.0])):
        logits = torch.tensor([0.7, 0.7, 0.01]).logit().requires_grad_()
        face_loss(logits, torch.tensor(0.95), among).backward()
        assert logits.grad[0] == pytest.approx(logits.grad[1].item()) and logits.grad[0] > 0.1


def test_a_face_with_one_of_several_classes_teaches_that_it_is_none_of_the_others():
    box = (16.0, 16.0, 48.0, 48.0)
    gradient = lambda share: class_gradient(a_batch(1, boxes=[box], shares=[share])[1])  # noqa: E731
    either, known = gradient([0.0, 1.0, 1.0]), gradient([0.0, 1.0, 0.0])
    cells = (known[1] < 0).nonzero()
    assert len(cells) > 0
    for row, column in cells.tolist():
        happy, sad, anger = either[:, row, column]
        # the two are pulled up alike; the third is pushed down as by a known class
        assert sad < 0 and sad == pytest.approx(anger.item())
        assert happy > 0 and happy == pytest.approx(known[0, row, column].item(), rel=1e-3)


def test_the_loss_of_one_of_several_is_least_where_they_add_up_and_the_rest_is_silent():
    among, wanted = torch.tensor([0.0, 1.0, 1.0]), torch.tensor(0.8)
    at = lambda *c: face_loss(torch.tensor(c).logit(), wanted, among).item()  # noqa: E731
    assert at(0.01, 0.4, 0.4) == pytest.approx(at(0.01, 0.7, 0.1), abs=1e-5)
    assert at(0.01, 0.4, 0.4) < min(at(0.3, 0.4, 0.4), at(0.01, 0.5, 0.5), at(0.01, 0.3, 0.3))


def test_a_share_is_what_its_class_s_confidence_is_drawn_to():
    box = (16.0, 16.0, 48.0, 48.0)
    sharp = Weights(box=0, distribution=0, smoothing=0)
    soft = class_gradient(a_batch(1, boxes=[box], shares=[[0.7, 0.3]])[1], weights=sharp)
    row, column = divmod(int(soft[0].argmin()), 8)
    assert soft[0, row, column] < soft[1, row, column] < 0


def test_a_label_without_a_single_class_makes_no_class_lead_more():
    logits = torch.tensor([[0.7, 0.1, 0.02]]).logit()
    for loss in (
        lambda x: face_loss(x, torch.tensor([0.95])),
        lambda x: face_loss(x, torch.tensor([0.2])),
        lambda x: face_loss(x, torch.tensor([0.95]), torch.tensor([[0.0, 1, 1]])),
        lambda x: shares_loss(x, torch.tensor([[0.0, 1, 1]])),
    ):
        x = logits.clone().requires_grad_()
        loss(x).sum().backward()
        assert x.grad[0, 1] == pytest.approx(x.grad[0, 2].item(), rel=1e-5) and x.grad[0, 1] != 0


def test_shares_are_asked_for_whatever_the_confidences_add_up_to():
    def at(confidences, wanted):
        logits = torch.tensor(confidences).logit()
        return shares_loss(logits[None], torch.tensor(wanted)[None]).item()

    sure, half, of_two = [1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1.0, 1.0, 0.0]
    assert at([0.6, 0.1, 0.1], sure) == pytest.approx(-math.log(0.75), abs=1e-4)
    assert at([0.06, 0.01, 0.01], sure) == pytest.approx(at([0.6, 0.1, 0.1], sure), abs=1e-4)
    assert at([0.3, 0.3, 0.1], half) < at([0.5, 0.1, 0.1], half)
    # one of two: which of them is not asked
    assert at([0.6, 0.1, 0.1], of_two) == pytest.approx(-math.log(0.875), abs=1e-4)
    assert at([0.6, 0.1, 0.1], of_two) == pytest.approx(at([0.1, 0.6, 0.1], of_two), abs=1e-5)
    logits = torch.zeros(1, 3, requires_grad=True)
    shares_loss(logits, torch.zeros(1, 3)).sum().backward()
    assert logits.grad.abs().sum() == 0, "nothing is asked of a face without a class"


def test_the_loss_of_shares_counts_for_as_much_as_there_are_faces():
    torch.manual_seed(1)
    network = YOLO12(Description(levels=(8,), attention=(1, 1)), 2)
    network.head.cls[0][-1].weight.data.zero_()
    truth = Targets.of([(torch.tensor([[16.0, 16, 48, 48]]), torch.tensor([[1.0, 0]]), torch.zeros(0, 4))], 2)
    outputs = network(torch.rand(1, 3, 64, 64))
    without, _ = detection_loss(outputs, truth)
    with_shares, _ = detection_loss(outputs, truth, Weights(shares=1.0))
    # both classes have the same confidence everywhere
    assert (with_shares - without).item() == pytest.approx(math.log(2), rel=1e-3)


def test_every_small_face_has_a_cell_wherever_it_lies():
    points, strides = anchors(outputs_of())
    box, cls = flatten(outputs_of())
    predicted = decode(box, points, strides)
    for side in (2.0, 5.0, LEAST_REACH * 8 - 1):
        for x, y in [(16.0, 16.0), (20.0, 20.0), (17.5, 30.9), (40.0, 12.3)]:
            _, truth = a_batch(1, boxes=[(x - side / 2, y - side / 2, x + side / 2, y + side / 2)])
            positive, _, aligned = assign(cls.sigmoid(), predicted, points, strides, truth)
            assert positive.any() and aligned.max() > 0, (side, x, y)


def test_distillation_asks_for_what_the_teacher_says_and_for_nothing_where_it_is_said():
    torch.manual_seed(2)
    answers = [(torch.randn(2, 4 * BINS, 4, 6), torch.randn(2, 3, 4, 6) - 3)]
    roles = torch.tensor([[1.0, 0], [0, 1], [0, 1]])
    confidence = answers[0][1].sigmoid()
    told = torch.stack((confidence[:, 0], confidence[:, 1] + confidence[:, 2]), 1)
    same = (answers[0][0].clone().requires_grad_(), told.logit().requires_grad_())
    distillation_loss([same], answers, roles).backward()
    assert same[0].grad.abs().max() < 1e-6 and same[1].grad.abs().max() < 1e-5
    off = (answers[0][0] + torch.randn(2, 4 * BINS, 4, 6), (told.logit() + 1).requires_grad_())
    off[0].requires_grad_()
    distillation_loss([off], answers, roles).backward()
    # too sure everywhere: less is asked for everywhere; and the boxes are not right
    assert (off[1].grad > 0).all() and off[0].grad.abs().max() > 1e-3
