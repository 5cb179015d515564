"""Faces of boxes, what is found in scenes, levels of confidence, and the teacher."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from expression_training import export, label
from expression_training.dataset import DataError, DataSet, Picture, pyramid
from expression_training.faces import Sheet, confidence, merge, tally
from expression_training.labels import Labels, Vocabulary
from expression_training.metrics import judged
from expression_training.network import BINS, YOLO12, Description


def test_two_classes_on_one_face_are_one_face_whose_confidences_add_up():
    rows = np.array([[0, 0, 10, 10, 0.5, 0], [50, 0, 60, 10, 0.4, 1], [1, 0, 11, 10, 0.3, 1]], float)
    faces = merge(rows, 2)
    assert faces[:, 4:].tolist() == [[0.5, 0.3], [0, 0.4]]
    assert confidence(faces).tolist() == pytest.approx([0.8, 0.4])


def face(left, top, side, happy, other):
    return [left, top, left + side, top + side, happy, other]


LABELS = Labels(
    np.array([[0, 0, 40, 40], [100, 0, 140, 40], [200, 0, 240, 40], [300, 0, 310, 10]], np.float32),
    np.array([[1, 0], [0, 1], [0, 0], [1, 0]], np.float32),
    np.array([[0, 100, 100, 200]], np.float32),
)
NOTHING = Labels(*(np.zeros((0, columns), np.float32) for columns in (4, 2, 4)))


def test_what_is_found_missed_doubled_and_invented():
    faces = np.array(
        [
            face(1, 0, 40, 0.9, 0),  # found
            face(12, 0, 40, 0.5, 0),  # the same face again
            face(100, 1, 40, 0.6, 0.1),  # found, with the wrong class
            face(205, 0, 40, 0, 0.4),  # found; nobody knows its class
            face(300, 0, 11, 0.8, 0),  # too small to count
            face(10, 120, 30, 0.8, 0),  # in the ignored region
            face(300, 150, 40, 0.7, 0),  # nothing there
        ]
    )
    sheet = Sheet.of(faces, LABELS, (200, 400))
    whole = tally([sheet], 0.3)
    assert (whole.faces, whole.found, whole.known, whole.right) == (3, 3, 2, 1)
    assert (whole.alarms, whole.doubles) == (1, 1)
    assert whole.confused.tolist() == [[1, 0], [1, 0]]
    sure = tally([sheet], 0.75)
    assert (sure.found, sure.alarms, sure.doubles) == (1, 0, 0)
    assert tally([sheet], 0.3, heights=(0.2, 1.1)).faces == 0


def test_a_picture_without_faces_and_one_without_finds():
    alarm = Sheet.of(np.array([face(0, 0, 9, 0.9, 0)]), NOTHING, (50, 50))
    missed = Sheet.of(np.zeros((0, 6)), LABELS, (200, 400))
    both = tally([alarm, missed], 0.5)
    assert (both.pictures, both.faces, both.found, both.alarms) == (2, 3, 0, 1)


def test_average_precision_leaves_out_what_cannot_be_judged():
    places = [(0, 0, 40, 40), (200, 0, 240, 40), (10, 120, 30, 140), (350, 0, 390, 40)]
    detections = np.array([(*place, 0.9 - number / 10, 0) for number, place in enumerate(places)])
    kept, truth = judged(detections, LABELS)
    assert kept[:, 4].tolist() == pytest.approx([0.9, 0.6]) and truth[:, 4].tolist() == [0, 1, 0]


def test_logits_move_until_few_enough_alarms_are_as_sure_as_a_start(monkeypatch):
    """Of seven classes with a tenth each, the face is surer than each of them: half a step is enough."""

    def seen(offsets, *_):
        def sheet(*alarms):
            rows = [
                [50 * number, 0, 50 * number + 30, 30, *1 / (1 + np.exp(-np.log(p / (1 - p)) - offsets))]
                for number, p in enumerate(alarms)
            ]
            return Sheet.of(np.array(rows).reshape(-1, 4 + len(offsets)), NOTHING, (200, 400))

        return [sheet(0.1, 0.05), sheet(0.08)] + [sheet()] * 48

    monkeypatch.setattr(export, "look", seen)
    monkeypatch.setattr(export, "shifted", lambda _, offsets: offsets)
    offset = lambda alarms, classes: export.calibration_offset(None, (96, 96), [None] * 50, classes, alarms)  # noqa: E731
    logit = lambda p: np.log(p / (1 - p))  # noqa: E731
    for classes in (1, 7):
        assert offset(0.02, classes) == pytest.approx(logit(0.7 / classes) - logit(0.08), abs=0.01)
        assert offset(0.04, classes) == pytest.approx(logit(0.7 / classes) - logit(0.05), abs=0.01)


def test_the_offset_moves_every_confidence_alike():
    network = YOLO12(Description(levels=(8,)), 2).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        moved = export.with_offsets(network, np.array([0.5, -0.25]))
        before, after = network(images)[0], moved(images)[0]
        run = export.shifted(lambda _: [before], np.array([0.5, -0.25]))
    by = torch.tensor([0.5, -0.25])[None, :, None, None]
    assert torch.equal(before[0], after[0])
    assert torch.allclose(before[1] + by, after[1], atol=1e-5)
    assert torch.allclose(run(None)[0][1], after[1], atol=1e-5)


def shades(levels, classes, size=(64, 64)):
    """Pictures of one face each, as bright as `levels`, and a network that takes the brighter
    ones for the first class."""
    box = np.array([[16, 16, 48, 48]], np.float32)
    pictures = []
    for level, own in zip(levels, classes, strict=True):
        image = np.full((*size, 3), level, np.uint8)
        labels = Labels(box, np.eye(2, dtype=np.float32)[[own]], np.zeros((0, 4), np.float32))
        pictures.append(Picture(Path("a.png"), [image], labels))

    def run(boxed):
        outputs = torch.full((1, 4, BINS, 8, 8), -9.0)
        outputs[0, :, 2, 4, 4] = outputs[0, :2, 3, 4, 4] = 9.0
        cls = torch.full((1, 2, 8, 8), -9.0)
        belief = (float(boxed.mean()) - 128) / 40
        cls[0, :, 4, 4] = torch.tensor([belief, -belief]) + 1
        return [(outputs.flatten(1, 2), cls)]

    return pictures, run


def test_classes_are_told_as_often_as_they_are_there():
    rng = np.random.default_rng(4)
    own = [0] * 80 + [1] * 80
    # the first class is not as bright as the network believes
    levels = np.concatenate([rng.normal(124, 14, 80), rng.normal(100, 14, 80)])
    pictures, run = shades(levels, own)
    told = lambda by: tally(  # noqa: E731
        export.look(export.shifted(run, by), (64, 64), pictures, 2, 0.5, 0.3), 0.3
    ).confused.sum(0)
    before = told(np.zeros(2))
    by = export.balance(run, (64, 64), pictures, 2)
    assert before[0] < 50 and abs(told(by)[0] - 80) <= 8 and by.sum() == pytest.approx(0)
    # of too few faces nothing is learnt
    assert not export.balance(run, (64, 64), pictures[:90], 2).any()


def teacher(square):
    """Sees a bright face in the middle: happy where it is red, in two minds where it is green."""
    cells = square.shape[0] // 8
    box = torch.full((1, 4, BINS, cells, cells), -9.0)
    cls = torch.full((1, 2, cells, cells), -9.0)
    rows, columns = np.nonzero(square.max(-1) > 200)
    if len(rows):
        middle = cells // 2
        centre = (middle + 0.5) * 8
        low, high = (columns.min(), rows.min()), (columns.max(), rows.max())
        reaches = [centre - low[0], centre - low[1], high[0] - centre, high[1] - centre]
        for side, reach in enumerate(reaches):
            first = min(int(reach / 8), BINS - 2)
            share = reach / 8 - first
            box[0, side, first, middle, middle] = math.log(max(1 - share, 1e-4))
            box[0, side, first + 1, middle, middle] = math.log(max(share, 1e-4))
        red, green, _ = square[square.shape[0] // 2, square.shape[1] // 2]
        logits = (2.0, 2.0) if green > 200 else (3.0, -6.0) if red > 200 else (-6.0, 3.0)
        cls[0, :, middle, middle] = torch.tensor(logits)
    return [(box.flatten(1, 2), cls)]


def test_the_teacher_fills_classes_where_it_is_sure(tmp_path):
    words = Vocabulary(["happy", "not_happy", "face"], frozenset({"face"}))
    (tmp_path / "images/train").mkdir(parents=True)
    (tmp_path / "labels/train").mkdir(parents=True)
    image = np.zeros((200, 400, 3), np.uint8)
    spots = {40: (0, 0, 255), 130: (255, 0, 0), 220: (0, 255, 0), 320: (60, 60, 60)}  # BGR
    rows = []
    for x, colour in spots.items():
        cv2.rectangle(image, (x - 6, 94), (x + 6, 106), colour, -1)
        rows.append(f"2 {x / 400 + 0.00125} 0.5025 {13 / 400} {13 / 200}")
    rows.append("1 0.5 0.1 0.05 0.1")
    cv2.imwrite(str(tmp_path / "images/train/a.png"), image)
    (tmp_path / "labels/train/a.txt").write_text("\n".join(rows))
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"train": "images/train"} | words.to_dict()))
    looking, count = label.Teacher(teacher, (224, 224), ["happy", "not_happy"], 0.75), Counter()
    entries = list(label.label(DataSet.open(tmp_path / "data.yaml"), looking, ["train"], count))
    found = entries[0].rows
    assert [row.label for row in found] == [0, 1, 2, 2, 1]
    assert 0.9 < found[0].share <= label.SUREST and found[4].share == 1
    assert count == {"happy": 1, "not_happy": 1}
    out = tmp_path / "out"
    label.write(out, entries, label.replace(words, share=True))
    (again,) = DataSet.open(out / "data.yaml").load("train")
    assert again.labels.classes.tolist() == [0, 1, -1, -1, 1]


def test_what_nobody_labelled_is_neither_face_nor_background():
    image = np.zeros((300, 500, 3), np.uint8)
    for x, y in ((60, 30), (400, 220)):
        cv2.rectangle(image, (x - 20, y - 20), (x + 20, y + 20), (0, 0, 255), -1)
    labels = Labels(np.array([[40, 10, 81, 51]], np.float32), np.zeros((1, 2), np.float32), NOTHING.ignored)
    picture = Picture(Path("a.png"), pyramid(image, 2), labels)
    words = Vocabulary(["happy", "not_happy", "face", "unsure"], frozenset({"face"}), frozenset({"unsure"}))

    def sees_all(boxed):
        """Every bright region of the piece."""
        height, width = boxed.shape[0] // 8, boxed.shape[1] // 8
        box, cls = torch.full((1, 4, BINS, height, width), -9.0), torch.full((1, 2, height, width), -9.0)
        bright = (boxed.max(-1) > 200).astype(np.uint8)
        for x, y in cv2.connectedComponentsWithStats(bright)[3][1:]:
            box[0, :, 2, int(y / 8), int(x / 8)], cls[0, 0, int(y / 8), int(x / 8)] = 9.0, 3.0
        return [(box.flatten(1, 2), cls)]

    looking = label.Teacher(sees_all, (224, 224), ["happy", "not_happy"], 0.99, missed=True)
    rows = [label.Row(2, (0.12, 0.1, 0.08, 0.13))]
    filled = looking.fill(picture, rows, words)
    assert [row.label for row in filled] == [2, 3], filled
    x, y = np.array(filled[1].box[:2]) * (500, 300)
    assert (x, y) == pytest.approx((400, 220), abs=12)
    # what somebody looked at and found to be no face is not one that nobody labelled
    clock = replace(labels, negatives=np.array([[380, 200, 421, 241]], np.float32))
    assert looking.fill(replace(picture, labels=clock), rows, words) == rows
    # a picture without a face was looked at by whoever said so
    assert looking.fill(picture, [], words) == []


def test_what_is_found_at_half_the_size_is_where_it_was(monkeypatch):
    """481 lines are halved to 240."""
    sizes, found = [(481, 640, 3), (240, 320, 3)], [[], [[300, 180, 320, 240, 0.9, 0]]]
    picture = Picture(Path("a.png"), [np.zeros(size, np.uint8) for size in sizes], NOTHING)
    monkeypatch.setattr(label, "detect", lambda *_: np.array(found.pop(0), float).reshape(-1, 6))
    (box,) = label.unlabelled(None, picture, (640, 512), 2)
    assert box.tolist() == pytest.approx([600, 180 * 481 / 240, 640, 481])


def test_a_set_that_knows_every_class_has_nothing_to_label(dataset, tmp_path):
    parser = label.argparse.ArgumentParser()
    label.add_arguments(parser)
    with pytest.raises(DataError, match="nothing to label"):
        label.run(parser.parse_args([str(dataset), "--out", str(tmp_path / "o")]))
