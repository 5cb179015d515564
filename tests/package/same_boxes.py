"""Compares two outputs of `expressiond detect --whole --json`, a reference and another
processor's, with the models' side-cars in a folder: same_boxes.py REFERENCE MEASURED MODELS.

Kernels of different processors may round a quantized output to its neighbour, which
moves an edge by a fraction of a pixel and a confidence by a few hundredths. A face
near the threshold can come or go by that; every other one must be in both.
"""

import json
import sys
from pathlib import Path

EDGE = 1.8  # pixels of the network's input: some steps of the box head
CONFIDENCE = 0.06  # one step of the class logits, around the middle
THRESHOLD_MARGIN = 0.1  # this close to the least confidence found, a face may be missing


def read(name):
    lines = Path(name).read_text(encoding="utf-8").splitlines()
    found = map(json.loads, filter(None, lines))
    return {(line["model"], line["picture"]): line for line in found}


def shrunk(line, models):
    """Pixels of the picture for each of the network's input."""
    name = line["model"].partition("@")[0]
    size = json.loads((models / f"{name}.json").read_text(encoding="utf-8"))["input"]
    return max(line["frame"][side] / size[side] for side in ("width", "height"))


def same(one, other, edge):
    edges = all(abs(one["box"][key] - other["box"][key]) <= edge for key in one["box"])
    close = abs(one["confidence"] - other["confidence"]) <= CONFIDENCE
    return edges and close and one["class"] == other["class"]


def missing(faces, others, least, edge):
    """Faces without a counterpart, but for those at the threshold."""
    sure = [face for face in faces if face["confidence"] > least + THRESHOLD_MARGIN]
    return [face for face in sure if not any(same(face, other, edge) for other in others)]


def main():
    reference, measured = read(sys.argv[1]), read(sys.argv[2])
    if reference.keys() != measured.keys():
        sys.exit("the two looked at different pictures or with different models")
    found = [face["confidence"] for line in reference.values() for face in line["faces"]]
    if not found:
        sys.exit("no face in any picture: nothing was compared")
    for (model, picture), line in reference.items():
        faces, others = line["faces"], measured[model, picture]["faces"]
        limits = min(found), EDGE * shrunk(line, Path(sys.argv[3]))
        strays = missing(faces, others, *limits) + missing(others, faces, *limits)
        if strays:
            sys.exit(f"{picture}, {model}: not in both: {json.dumps(strays)}\n{faces}\n{others}")
    apart = sum(line != measured[key] for key, line in reference.items())
    print(f"same faces in {len(reference)} looks ({len(found)} faces), {apart} not to the last digit")


if __name__ == "__main__":
    main()
