"""Labels follow their faces through every view, and what cannot be judged is ignored."""

import random
from dataclasses import replace

import cv2
import numpy as np
import pytest

from expression_training import views
from expression_training.dataset import CLOSE, INPUT, PAD, PORTRAIT, Labels, Letterbox, Picture, pyramid
from expression_training.light import photometric


def scene(boxes, size=(320, 240), shares=None, ignored=()):
    """White ellipses, the faces, on black."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for left, top, right, bottom in boxes:
        centre = ((left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5)  # OpenCV counts from a pixel's middle
        cv2.ellipse(image, (centre, (right - left, bottom - top), 0), (255, 255, 255), -1)
    shares = np.array(shares or [[1, 0]] * len(boxes), np.float32)
    shares = shares.reshape(len(boxes), -1) if len(boxes) else shares.reshape(0, 2)
    regions = np.array(ignored, np.float32).reshape(-1, 4)
    return Picture(
        None, pyramid(image, 3), Labels(np.array(boxes, np.float32).reshape(-1, 4), shares, regions)
    )


def white(tile):
    rows, columns = np.nonzero(tile[..., 0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("seed", range(60))
def test_a_box_fits_its_face_however_it_is_turned_and_tilted(seed):
    r = random.Random(seed)
    picture = scene([(130, 90, 190, 170)])
    size, scale = (200, 200), r.uniform(0.3, 1.0)
    matrix = views.homography((160, 130), (100, 100), scale, r, r.random() < 0.5, size)
    tile, labels = views.warp(picture, size, matrix, scale, 0)
    assert labels.boxes[0] == pytest.approx(white(tile), abs=2.5)


def square(box, size, soft=0):
    """A white box on black, to the pixel."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    left, top, right, bottom = box
    image[top:bottom, left:right] = 255
    if soft:
        image = cv2.GaussianBlur(image, (0, 0), soft)
    labels = Labels(np.array([box], np.float32), np.array([[1, 0]], np.float32), np.zeros((0, 4), np.float32))
    return Picture(None, pyramid(image, 4), labels)


def middle_of_mass(tile):
    """Across and down, from the outer edge of the first pixel, as labels count."""
    light = tile.astype(float)
    return [
        (light.sum(axis) * (np.arange(light.shape[1 - axis]) + 0.5)).sum() / light.sum() for axis in (0, 1)
    ]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scale", [0.11, 0.23, 0.3, 0.5, 0.8, 1.0, 1.37, 2.2])
@pytest.mark.parametrize("size", [(640, 480), (637, 475)])
def test_a_label_is_where_its_face_is_to_a_tenth_of_a_pixel(size, scale, flip):
    box = (203, 118, 203 + 111, 118 + 140)
    turn = np.diag([-scale if flip else scale, scale, 1])
    focus = views.translation(-(box[0] + box[2]) / 2, -(box[1] + box[3]) / 2)
    # soft, as pictures are: of a sharp edge bilinear sampling loses a tenth of a pixel to either side
    picture = square(box, size, soft=3)
    tile, labels = views.warp(picture, (401, 399), views.translation(200.5, 200) @ turn @ focus, scale, 0)
    (place,) = labels.boxes
    assert middle_of_mass(tile[..., 0]) == pytest.approx((place[:2] + place[2:]) / 2, abs=0.1)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("share", "box"), [(0.34, (20, 20, 40, 40)), (0.5, (160, 160, 240, 240))])
def test_so_it_is_enlarged(share, box, flip):
    picture = square(box, (400, 400))
    tile, place = views.enlarged(picture, np.array(box, float), (128, 128), share, flip)
    tile = np.where(tile == PAD, 0, tile)[..., 0]
    assert middle_of_mass(tile) == pytest.approx((place[:2] + place[2:]) / 2, abs=0.1)


@pytest.mark.parametrize("flip", [False, True])
def test_so_it_is_pasted(flip):
    picture = square((30, 40, 90, 110), (120, 160))
    matrix = views.translation(60, 60) @ np.diag([-0.71 if flip else 0.71, 0.71, 1])
    matrix = matrix @ views.translation(-60, -75)
    for seed in range(12):
        mask = views.edge_mask(picture, matrix, 120, 50, random.Random(seed))
        # the ellipse around the face, or the whole picture; of whole pixels: one side may have one more
        assert middle_of_mass(mask)[0] == pytest.approx(60, abs=0.25)


@pytest.mark.parametrize("shape", [(640, 480), (641, 479), (333, 500), (96, 64), (50, 31)])
def test_a_letterbox_has_its_face_where_it_was(shape):
    left, top, right, bottom = (int(side * share) for share in (0.7, 0.85) for side in shape)
    picture = square((left, top, right, bottom), shape)
    boxed = Letterbox.of(picture.image, INPUT)
    light = np.where(boxed.image == PAD, 0, boxed.image)[..., 0]
    x, y = middle_of_mass(light)
    found = boxed.back(np.array([[x, y, x, y]], np.float32))[0, :2] * boxed.scale[:2]
    assert found == pytest.approx(np.array([left + right, top + bottom]) / 2 * boxed.scale[:2], abs=0.1)
    rows, columns = np.nonzero((boxed.image != PAD).any(2))
    whole = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert boxed.back(np.array([whole], np.float32))[0] == pytest.approx([0, 0, *shape], abs=0.01)


def test_a_face_cut_off_or_too_small_is_neither_face_nor_background():
    picture = scene(
        [(10, 10, 50, 60), (100, 100, 104, 104), (200, 50, 240, 100)], ignored=[(0, 200, 40, 240)]
    )
    shift = views.translation(-40, 0)
    labels = views.moved(picture.labels, shift, (320, 240))
    assert labels.boxes.tolist() == pytest.approx(np.array([[160, 50, 200, 100]]), abs=0.5)
    assert {tuple(np.rint(box)) for box in labels.ignored} == {(0, 10, 10, 60), (60, 100, 64, 104)}


def test_what_leaves_the_tile_altogether_leaves_nothing():
    picture = scene([(10, 10, 50, 60)], ignored=[(0, 0, 40, 40)])
    labels = views.moved(picture.labels, views.translation(-400, 0), (320, 240))
    assert not len(labels.boxes) and not len(labels.ignored)


@pytest.mark.parametrize("size", [(96, 96), (224, 224), (288, 192), (128, 192)])
def test_crops_hold_faces_of_every_size_up_to_half_the_input(size):
    picture = scene([(130, 90, 190, 170)])
    heights = []
    for seed in range(400):
        _, labels = views.place(picture, size, random.Random(seed), 1.0)
        heights += [box[3] - box[1] for box in labels.boxes]
    assert len(heights) > 300
    assert min(heights) < 0.3 * min(size) and max(heights) > 0.45 * min(size)


def test_only_a_picture_of_one_big_face_is_a_portrait():
    assert scene([(100, 50, 100 + 320 * PORTRAIT, 150)]).portrait
    assert not scene([(100, 50, 150, 100)]).portrait
    assert not scene([(100, 50, 220, 200), (10, 10, 40, 40)]).portrait
    assert not scene([(100, 50, 220, 200)], ignored=[(10, 10, 40, 40)]).portrait


def test_a_mosaic_fills_a_wide_input():
    pictures = [scene([(130, 90, 190, 170)])] * 4
    for seed in range(20):
        tile, labels = views.mosaic(pictures, (288, 192), random.Random(seed))
        assert tile.shape == (192, 288, 3)
        assert (labels.boxes >= 0).all() and (labels.boxes[:, 2:] <= (288, 192)).all()


def test_pasted_faces_have_boxes_where_they_are():
    face, ground = scene([(60, 40, 260, 220)]), scene([])
    count = 0
    for seed in range(40):
        tile, labels = views.collage(ground, [face] * 3, (288, 192), random.Random(seed))
        assert tile.shape == (192, 288, 3)
        for left, top, right, bottom in labels.boxes:
            middle = tile[int((top + bottom) / 2), int((left + right) / 2)]
            count += 1
            assert middle.mean() > 60, seed
        overlaps = views.is_free
        assert overlaps((0, 0), 10, [(100, 100, 10)]) and not overlaps((0, 0), 10, [(15, 5, 10)])
    assert count > 60


def test_a_close_look_has_the_face_near_its_middle_large_enough_to_read():
    picture = scene([(20, 16, 76, 84)], size=(96, 96))
    for ground in (None, scene([])):
        for seed in range(40):
            image, labels = views.close_look(picture, 0, ground, CLOSE, random.Random(seed))
            assert image.shape == (128, 128, 3) and len(labels.boxes) == 1
            (left, top, right, bottom), middle = labels.boxes[0], 64
            assert 0.15 * 128 < max(right - left, bottom - top) < 0.85 * 128
            assert abs((left + right) / 2 - middle) < 40 and abs((top + bottom) / 2 - middle) < 40


def test_a_face_fills_a_small_tile_with_as_many_pixels():
    picture = scene([(20, 16, 76, 84)], size=(96, 96))
    sides = []
    for seed in range(60):
        _, labels = views.close_look(picture, 0, None, (64, 64), random.Random(seed))
        left, top, right, bottom = labels.boxes[0]
        sides.append(max(right - left, bottom - top))
    assert 18 < min(sides) < 40 and 55 < max(sides) <= 64


def test_a_face_fills_most_of_a_look_as_often_as_is_asked():
    picture = scene([(20, 16, 76, 84)], size=(96, 96))
    for filling, expected in ((0.0, 0.25), (0.7, 0.75), (1.0, 1.0)):
        large = 0
        for seed in range(200):
            _, labels = views.close_look(picture, 0, None, CLOSE, random.Random(seed), filling)
            left, top, right, bottom = labels.boxes[0]
            large += max(right - left, bottom - top) > 68
        assert abs(large / 200 - expected) < 0.15, filling


def test_a_covered_mouth_has_no_class_and_a_covered_face_is_ignored():
    seen, hidden, unknown = 0, 0, 0
    face = scene([(60, 40, 160, 180)])
    # no cover is of the colour of all that it covers
    grain = np.random.default_rng(1).integers(0, 255, face.image.shape).astype(np.uint8)
    picture, before = replace(face, pyramid=[grain]), face.labels
    for seed in range(300):
        image, labels = views.occlude(picture.image, before, random.Random(seed), often=1)
        assert len(labels.boxes) + len(labels.ignored) == 1
        hidden += len(labels.ignored)
        unknown += int((labels.classes == -1).sum())
        seen += int((labels.classes == 0).sum())
        assert not np.array_equal(image, picture.image), seed
        assert before.classes.tolist() == [0]  # the picture's own labels stay
    assert seen and unknown and hidden < unknown


@pytest.mark.parametrize("seed", range(40))
def test_light_and_noise_leave_a_picture_of_the_same_size(seed):
    image = np.random.default_rng(seed).integers(0, 255, (96, 96, 3)).astype(np.uint8)
    changed = photometric(image, random.Random(seed))
    assert changed.shape == image.shape and changed.dtype == np.uint8
