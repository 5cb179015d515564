"""A small generated set: drawn faces that smile or do not."""

import cv2
import numpy as np
import pytest
import yaml


def draw_face(image, x, y, r, happy):
    cv2.ellipse(image, (x, y), (r, int(r * 1.25)), 0, 0, 360, (140, 170, 220), -1)
    for side in (-1, 1):
        cv2.circle(image, (x + side * r // 2, y - r // 3), max(2, r // 7), (40, 30, 20), -1)
    if happy:
        cv2.ellipse(image, (x, y + r // 4), (r // 2, r // 3), 0, 10, 170, (40, 30, 120), max(2, r // 8))
    else:
        cv2.line(image, (x - r // 3, y + r // 2), (x + r // 3, y + r // 2), (40, 30, 120), max(2, r // 8))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """data.yaml of 24 training and 8 validation pictures, one in four without a face."""
    root = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(7)
    for split, count in (("train", 24), ("val", 8)):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            image = rng.integers(60, 200, (3, 3, 3)).astype(np.uint8)
            image = cv2.resize(image, (160, 160), interpolation=cv2.INTER_CUBIC)
            text = ""
            if number % 4 != 3:
                happy = number % 2 == 0
                r = int(rng.integers(28, 48))
                x, y = rng.integers(60, 100, 2)
                draw_face(image, int(x), int(y), r, happy)
                text = f"{int(not happy)} {x / 160} {y / 160} {2 * r / 160} {2.5 * r / 160}\n"
            cv2.imwrite(str(root / "images" / split / f"p_{number:03}.jpg"), image)
            (root / "labels" / split / f"p_{number:03}.txt").write_text(text)
    text = {"path": ".", "train": "images/train", "val": "images/val", "names": ["happy", "not_happy"]}
    (root / "data.yaml").write_text(yaml.safe_dump(text))
    return root / "data.yaml"
