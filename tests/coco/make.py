"""Makes coco.json: faces, detections and what pycocotools says of them.

Run with the training environment (needs pycocotools):
    .deps/venv/bin/python tests/coco/make.py
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parents[1] / "models/training"), str(HERE.parents[1] / "models/training/tests")]

from test_metrics import coco_map, pictures  # noqa: E402


def rows(table):
    return [[round(float(v), 3) for v in row] for row in table]


cases = []
for seed in (1, 2, 3):
    # pycocotools must see the rounded numbers that are written
    import numpy as np

    made = [
        (np.array(rows(found)).reshape(-1, 6), np.array(rows(truth)).reshape(-1, 5))
        for found, truth in pictures(seed=seed)
    ]
    map50, map50_95 = coco_map(made)
    sheets = [{"found": found.tolist(), "truth": truth.tolist()} for found, truth in made]
    cases.append({"map50": map50, "map50_95": map50_95, "sheets": sheets})
(HERE / "coco.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
