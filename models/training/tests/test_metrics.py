"""Average precision against pycocotools."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from expression_training.metrics import summarize, suppress


def pictures(count=60, seed=3):
    """Faces, and detections of them that are shifted, missed, doubled and invented."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(count):
        low = rng.uniform(0, 200, (rng.integers(0, 5), 2))
        truth = np.hstack([low, low + rng.uniform(20, 90, low.shape), rng.integers(0, 2, (len(low), 1))])
        rows = []
        for box in truth:
            for _ in range(rng.integers(0, 3)):
                label = box[4] if rng.random() < 0.85 else 1 - box[4]
                rows.append([*(box[:4] + rng.normal(0, 6, 4)), rng.random(), label])
        for _ in range(rng.integers(0, 3)):
            x, y = rng.uniform(0, 200, 2)
            rows.append([x, y, x + 50, y + 50, rng.random() * 0.6, rng.integers(0, 2)])
        rows = sorted(rows, key=lambda row: -row[4])
        result.append((np.array(rows).reshape(-1, 6), truth))
    return result


def coco_map(pictures):
    box = lambda r: [r[0], r[1], r[2] - r[0], r[3] - r[1]]  # noqa: E731
    faces = [(i, t) for i, (_, truth) in enumerate(pictures) for t in truth]
    annotations = [
        {"id": n + 1, "image_id": i, "category_id": int(t[4]), "bbox": box(t), "area": 1, "iscrowd": 0}
        for n, (i, t) in enumerate(faces)
    ]
    for a in annotations:
        a["area"] = a["bbox"][2] * a["bbox"][3]
    found = [
        {"image_id": i, "category_id": int(d[5]), "bbox": box(d), "score": d[4]}
        for i, (detections, _) in enumerate(pictures)
        for d in detections
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i} for i in range(len(pictures))],
            "categories": [{"id": 0}, {"id": 1}],
            "annotations": annotations,
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[1], evaluation.stats[0]


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_agrees_with_pycocotools(seed):
    result = summarize(pictures(seed=seed), ["a", "b"])
    map50, map50_95 = coco_map(pictures(seed=seed))
    assert result["map50"] == pytest.approx(map50, abs=0.002)
    assert result["map50_95"] == pytest.approx(map50_95, abs=0.002)


def test_a_class_without_a_face_counts_into_no_mean():
    one_class = [(np.array([[0, 0, 10, 10, 0.9, 0]]), np.array([[0, 0, 10, 10, 0]]))] * 3
    result = summarize(one_class, ["a", "b"])
    assert result["map50"] == result["map50_95"] == 1.0 and result["best_f1"]["value"] == 1.0
    mistaken = [(np.array([[0, 0, 10, 10, 0.9, 0], [0, 0, 10, 10, 0.8, 1]]), one_class[0][1])]
    assert summarize(mistaken, ["a", "b"])["map50"] == 1.0


def test_suppression_keeps_the_best_of_each_class():
    rows = np.array([[0, 0, 10, 10, 0.9, 0], [1, 0, 11, 10, 0.8, 0], [0, 0, 10, 10, 0.7, 1]], float)
    assert suppress(rows, 0.5)[:, 4].tolist() == [0.9, 0.7]
