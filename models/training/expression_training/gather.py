"""The set that the shipped model is trained on, from the folders it comes from.

Reads `expressions` (a YOLO-format set), `wild` (scenes: faces.jsonl) and `expressions7`
(crops: index.csv), and writes a YOLO-format set whose pictures are links:

  train    with each source as often as WEIGHTS says
  choose   scenes and portraits for thresholds: neither trained on nor reported
  val      the validation split of `expressions`
  test     scenes and crops that nothing is chosen on
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import cv2

from .dataset import DataSet
from .duplicates import Groups, near_pairs, perceptual_hash
from .labels import Row, Vocabulary, label_file, read_rows
from .linked import Entry, read_index, write

HAPPY, NOT_HAPPY, FACE, UNSURE = range(4)
WORDS = Vocabulary(
    ["happy", "not_happy", "face", "unsure"], frozenset({"face"}), frozenset({"unsure"}), share=True
)
#: How often a picture of each kind is drawn. Smiles are rare in scenes and one of seven
#: expressions: drawn as often as the rest, the network calls most of them none.
WEIGHTS = {"expressions": 2, "scene": 10, "smiles": 20, "empty": 4, "happy": 4, "other": 1}
#: shares of the scenes, and of the pictures without a face, that are set aside
TEST, CHOOSE = {"scene": 0.15, "empty": 0.1}, {"scene": 0.07, "empty": 0.06}
#: share of the portraits of `expressions` that thresholds are chosen on
CHOOSE_PORTRAITS = 0.03
#: the class of `expressions7` that smiles
SMILES = "1"
#: the teacher's shares between these are guesses
SURE = (0.25, 0.75)
#: no soft label is surer than this: the teacher errs, too
SUREST = 0.96


def position(text: str) -> float:
    """A number from 0 to 1 that depends on nothing but the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def from_expressions(folder: Path, doubled: set[str]) -> Iterator[Entry]:
    data = DataSet.open(folder / "data.yaml")
    index = read_index(folder)
    for split in ("train", "val"):
        for file in data.files(split):
            if split == "train" and file.name in doubled:
                continue
            rows = read_rows(label_file(file), data.vocabulary)
            chosen = split == "train" and position(file.stem) < CHOOSE_PORTRAITS
            source, licence = index.get(file.name, (folder.name, ""))
            side = "choose" if chosen else split
            weight = WEIGHTS["expressions"] if side == "train" else 1
            yield Entry(side, file, file.name, rows, weight, source, licence)


def from_wild(folder: Path, labels: Path | None) -> Iterator[Entry]:
    lines = [json.loads(line) for line in (labels or folder / "faces.jsonl").read_text().splitlines()]
    files, index = [folder / line["file"] for line in lines], read_index(folder)
    hashes = [perceptual_hash(cv2.imread(str(file))) for file in files]
    groups = Groups(len(files))
    for a, b in near_pairs(hashes, 6):
        groups.join(a, b)
    for number, (line, file) in enumerate(zip(lines, files)):
        kind = "scene" if line["faces"] or line["unsure"] else "empty"
        place = position(files[groups.find(number)].stem)
        split = "train"
        if place < TEST[kind] + CHOOSE[kind]:
            split = "test" if place < TEST[kind] else "choose"
        rows = wild_rows(line)
        drawn = "smiles" if any(row.label == HAPPY for row in rows) else kind
        weight = WEIGHTS[drawn] if split == "train" else 1
        yield Entry(split, file, f"wild_{file.name}", rows, weight, *index[file.name])


def wild_rows(line: dict) -> list[Row]:
    rows = []
    for face in line["faces"]:
        happy = face["happy"]
        box = shares_of(face["box"], line["size"])
        if happy is None or SURE[0] <= happy <= SURE[1]:
            rows.append(Row(FACE, box))
        elif happy > SURE[1]:
            rows.append(Row(HAPPY, box, min(happy, SUREST)))
        else:
            rows.append(Row(NOT_HAPPY, box, min(1 - happy, SUREST)))
    return rows + [Row(UNSURE, shares_of(box, line["size"])) for box in line["unsure"]]


def from_seven(folder: Path) -> Iterator[Entry]:
    with (folder / "index.csv").open() as file:
        for line in csv.DictReader(file):
            path = folder / line["file"]
            height, width = cv2.imread(str(path)).shape[:2]
            box = [float(line[f"face_{side}"] or -1) for side in ("x0", "y0", "x1", "y1")]
            if box == [-1.0] * 4:
                box = [0, 0, width, height]
            happy = line["class_id"] == SMILES
            row = Row(HAPPY if happy else NOT_HAPPY, shares_of(box, (width, height)))
            split = "train" if line["split"] == "train" else "test"
            weight = WEIGHTS["happy" if happy else "other"] if split == "train" else 1
            terms = line["source_repo"], line["licence"]
            yield Entry(split, path, f"seven_{path.name}", [row], weight, *terms)


def shares_of(box, size) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in pixels, cut to the picture, as centre and size in shares."""
    x0, x1 = (min(max(box[i] / size[0], 0), 1) for i in (0, 2))
    y0, y1 = (min(max(box[i] / size[1], 0), 1) for i in (1, 3))
    return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--expressions", type=Path, required=True, help="folder with data.yaml")
    parser.add_argument("--wild", type=Path, help="folder with faces.jsonl")
    parser.add_argument("--wild-labels", type=Path, help="instead of that faces.jsonl")
    parser.add_argument("--seven", type=Path, help="folder with index.csv")
    parser.add_argument("--out", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    doubled: set[str] = set()
    entries: list[Entry] = []
    if args.seven:
        with (args.seven / "index.csv").open() as file:
            doubled = {Path(line["also_in_expressions"]).name for line in csv.DictReader(file)}
        entries += from_seven(args.seven)
    entries += from_expressions(args.expressions, doubled)
    if args.wild:
        entries += from_wild(args.wild, args.wild_labels)
    args.out.mkdir(parents=True, exist_ok=True)
    count = write(args.out, entries, WORDS)
    print(", ".join(f"{split}: {number}" for split, number in count.items()))
