"""Compares two outputs of `expressiond detect --json`, a reference and another processor's.

Kernels of different processors may round a quantized output to its neighbour, which
moves an edge by a fraction of a pixel and a confidence by a few hundredths. A face
near the threshold can come or go by that; every other one must be in both.
"""

import json
import sys
from pathlib import Path

EDGE = 4.0  # pixels of the picture: one step of the box head, on the coarsest level
CONFIDENCE = 0.06  # one step of the class logits, around the middle
THRESHOLD_MARGIN = 0.1  # this close to the least confidence found, a face may be missing


def read(name):
    lines = Path(name).read_text(encoding="utf-8").splitlines()
    found = map(json.loads, filter(None, lines))
    return {(line["model"], line["picture"]): line["faces"] for line in found}


def same(one, other):
    edges = all(abs(one["box"][key] - other["box"][key]) <= EDGE for key in one["box"])
    close = abs(one["confidence"] - other["confidence"]) <= CONFIDENCE
    return edges and close and one["class"] == other["class"]


def missing(faces, others, least):
    """Faces without a counterpart, but for those at the threshold."""
    sure = [face for face in faces if face["confidence"] > least + THRESHOLD_MARGIN]
    return [face for face in sure if not any(same(face, other) for other in others)]


def main():
    reference, measured = read(sys.argv[1]), read(sys.argv[2])
    if reference.keys() != measured.keys():
        sys.exit("the two looked at different pictures or with different models")
    found = [face["confidence"] for faces in reference.values() for face in faces]
    if not found:
        sys.exit("no face in any picture: nothing was compared")
    for (model, picture), faces in reference.items():
        others = measured[model, picture]
        strays = missing(faces, others, min(found)) + missing(others, faces, min(found))
        if strays:
            sys.exit(f"{picture}, {model}: not in both: {json.dumps(strays)}\n{faces}\n{others}")
    apart = sum(faces != measured[key] for key, faces in reference.items())
    print(f"same faces in {len(reference)} looks ({len(found)} faces), {apart} not to the last digit")


if __name__ == "__main__":
    main()
