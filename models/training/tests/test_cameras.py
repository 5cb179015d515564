"""prepare on the pictures of a camera that stands still, whose faces are small in its frame."""

from collections import Counter

import cv2
import numpy as np
import pytest
from conftest import draw_face
from test_prepare import run

from expression_training import duplicates
from expression_training.dataset import DataError
from expression_training.find_faces import FaceFinder
from expression_training.grouping import seen_again
from expression_training.items import Item
from expression_training.labels import Row
from expression_training.metrics import pairwise_iou
from expression_training.shown import miniature
from expression_training.sidecar import MODELS

SIZE = (320, 240)


def background(seed):
    noise = np.random.default_rng(seed).integers(40, 200, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(noise, SIZE, interpolation=cv2.INTER_CUBIC)


def save(root, name, image, rows, quality=95):
    for kind in ("images", "labels"):
        (root / kind / "train").mkdir(parents=True, exist_ok=True)
    picture = root / "images/train" / f"{name}.jpg"
    picture.write_bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
    (root / "labels/train" / f"{name}.txt").write_text("".join(row.text() + "\n" for row in rows))
    root.joinpath("data.yaml").write_text("names: [happy, not_happy]\ntrain: images/train\n")


def frame(seed, happy, x, y, r, skin=0):
    """A face of its own (blotches) before the same wall."""
    image = background(1)
    draw_face(image, x, y, r, happy)
    blotches = np.random.default_rng(seed).normal(0, 40, (6, 6, 1))
    part = image[y - r : y + r, x - r : x + r].astype(np.float32)
    part += cv2.resize(blotches, (2 * r, 2 * r), interpolation=cv2.INTER_CUBIC)[..., None] + skin
    image[y - r : y + r, x - r : x + r] = part.clip(0, 255).astype(np.uint8)
    return image, [Row(int(not happy), (x / SIZE[0], y / SIZE[1], 2 * r / SIZE[0], 2.5 * r / SIZE[1]))]


def camera(root, count=100):
    """Faces of 12 to 30 % of the frame's height; one in ten pictures is empty."""
    rng = np.random.default_rng(3)
    for number in range(count):
        r = int(rng.integers(12, 29))
        x, y = int(rng.integers(50, 270)), int(rng.integers(60, 180))
        image, rows = frame(number, number % 2 == 0, x, y, r)
        if number % 10 == 9:
            image, rows = background(1) + rng.integers(0, 2, (SIZE[1], SIZE[0], 3)).astype(np.uint8), []
        save(root, f"f{number:03}", image, rows)


def test_pictures_of_one_camera_are_not_one_picture(tmp_path):
    camera(tmp_path / "set")
    report, _, files = run(tmp_path / "set/data.yaml", tmp_path / "out")
    doubled = [line for line in report.dropped["duplicate"] if (tmp_path / "set").as_posix() in line]
    assert len(doubled) <= 9, "of the empty ones one is enough"
    assert report.kept >= 90 and 12 <= len(files["val"]) <= 20 and files["choose"], Counter(report.splits)


def test_a_face_that_is_there_again_is_on_one_side(tmp_path):
    """The same picture under another class stays, beside the first; under the same one it goes."""
    camera(tmp_path / "set", 60)
    for number in range(0, 60, 3):
        image, rows = frame(1000 + number, True, 160, 120, 25)
        for name, label, quality in (("a", 0, 95), ("b", 1, 95), ("again", 0, 50)):
            save(tmp_path / "set", f"{name}{number}", image, [Row(label, rows[0].box)], quality)
    report, _, files = run(tmp_path / "set/data.yaml", tmp_path / "out")
    again = [line for line in report.dropped["duplicate"] if "again" in line]
    assert len(again) == 20
    for number in range(0, 60, 3):
        sides = {
            side for side, names in files.items() for name in ("a", "b") if f"{name}{number}.jpg" in names
        }
        assert len(sides) == 1, (number, sides)


def test_a_chain_of_pictures_that_are_alike_leaves_something_to_validate_with(tmp_path):
    """As a recording is: each frame like the one before it."""
    rng = np.random.default_rng(5)
    low = rng.normal(0, 1, (8, 8))
    for number in range(80):
        low = 0.99 * low + rng.normal(0, 0.15, (8, 8))
        image = cv2.resize((128 + 40 * low).clip(0, 255).astype(np.uint8), (64, 64))
        save(tmp_path / "set", f"v{number:02}", np.repeat(image[..., None], 3, 2), [Row(0, (0.5, 0.5, 1, 1))])
    report, _, files = run(tmp_path / "set/data.yaml", tmp_path / "out", "--least-sharp", 0)
    assert report.taken_apart > 20
    assert len(files["val"]) >= 0.1 * report.kept, report.splits


def test_what_is_set_aside_is_known_again_whatever_the_labels_say():
    image, rows = frame(1, True, 100, 100, 25)
    items = [Item("test.jpg", rows, "test"), Item("train.jpg", [Row(1, rows[0].box)])]
    other, rows = frame(2, True, 200, 100, 25)
    items.append(Item("other.jpg", rows))
    for item, picture in zip(items, (image, image, other), strict=True):
        item.hash, item.digest, item.miniature = 7, str(item.path).encode(), miniature(picture)
        item.faces = [duplicates.Face.of(picture, row.box) for row in item.rows]
    assert seen_again(items, 2, 6) == {1: 0}


def test_faces_too_small_for_a_hash_are_known_by_their_place():
    image, _ = frame(1, True, 100, 100, 25)
    small = [duplicates.Face.of(image, (x, 0.4, 0.03, 0.04)) for x in (0.3, 0.302, 0.33)]
    assert all(face.hash is None for face in small)
    assert small[0].like(small[1], 0) and not small[0].like(small[2], 64)


def folder_of_faces(root):
    """The program's own picture in different lights, and one that has no face."""
    image = cv2.imread(str(MODELS / "self-test.jpg"))
    for number in range(12):
        folder = root / ("happy" if number % 2 else "not_happy")
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.convertScaleAbs(image, alpha=1 - number / 40))
    cv2.imwrite(str(root / "happy/wall.png"), background(4))
    return image


def test_faces_are_found_in_a_folder_per_class(tmp_path):
    image = folder_of_faces(tmp_path / "set")
    split = "--duplicate-bits", -1, "--near-bits", -1, "--least-sharp", 0
    report, data, _ = run(tmp_path / "set", tmp_path / "out", "--find-faces", *split)
    assert report.kept == 12 and [line[-8:] for line in report.dropped["no face found"]] == ["wall.png"]
    x, y, w, h = np.array(FaceFinder().largest(image)) * np.tile(image.shape[1::-1], 2)
    found = np.array([[x - w / 2, y - h / 2, x + w / 2, y + h / 2]])
    for picture in data.load("train"):
        assert len(picture.labels.boxes) == 1
        assert pairwise_iou(picture.labels.boxes, found)[0, 0] > 0.7


def test_boxes_that_a_set_has_are_not_replaced(tmp_path):
    camera(tmp_path / "set", 2)
    with pytest.raises(DataError, match="--find-faces is for a folder per class"):
        run(tmp_path / "set/data.yaml", tmp_path / "out", "--find-faces")
