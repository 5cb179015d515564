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
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import yaml

from .dataset import DataSet
from .duplicates import Groups, near_pairs, perceptual_hash
from .labels import Row, Vocabulary, label_file, read_rows

HAPPY, NOT_HAPPY, FACE, UNSURE = range(4)
WORDS = Vocabulary(
    ["happy", "not_happy", "face", "unsure"], frozenset({"face"}), frozenset({"unsure"}), share=True
)
#: how often a picture of each kind is drawn
WEIGHTS = {"expressions": 2, "scene": 12, "empty": 4, "happy": 2, "other": 1}
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


@dataclass(frozen=True)
class Entry:
    """A picture of the new set."""

    split: str
    file: Path
    name: str
    rows: list[Row]
    weight: int
    source: str
    licence: str


def position(text: str) -> float:
    """A number from 0 to 1 that depends on nothing but the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def index_of(folder: Path) -> dict[str, tuple[str, str]]:
    """Source and terms of each picture, as `index.csv` states them."""
    if not (folder / "index.csv").exists():
        return {}
    with (folder / "index.csv").open() as file:
        return {Path(r["file"]).name: (r["source"], r.get("licence", "")) for r in csv.DictReader(file)}


def from_expressions(folder: Path, doubled: set[str]) -> Iterator[Entry]:
    data = DataSet.open(folder / "data.yaml")
    index = index_of(folder)
    for split in ("train", "val"):
        for file in data.files(split):
            if split == "train" and file.name in doubled:
                continue
            rows = read_rows(label_file(file), data.vocabulary)
            chosen = split == "train" and position(file.stem) < CHOOSE_PORTRAITS
            source, licence = index.get(file.name, (folder.name, ""))
            side = "choose" if chosen else split
            yield Entry(side, file, file.name, rows, WEIGHTS["expressions"], source, licence)


def from_wild(folder: Path, labels: Path | None) -> Iterator[Entry]:
    lines = [json.loads(line) for line in (labels or folder / "faces.jsonl").read_text().splitlines()]
    files, index = [folder / line["file"] for line in lines], index_of(folder)
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
        yield Entry(split, file, f"wild_{file.name}", wild_rows(line), WEIGHTS[kind], *index[file.name])


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
            weight = WEIGHTS["happy" if happy else "other"]
            terms = line["source_repo"], line["licence"]
            yield Entry(split, path, f"seven_{path.name}", [row], weight, *terms)


def shares_of(box, size) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in pixels, cut to the picture, as centre and size in shares."""
    x0, x1 = (min(max(box[i] / size[0], 0), 1) for i in (0, 2))
    y0, y1 = (min(max(box[i] / size[1], 0), 1) for i in (1, 3))
    return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0


def write(out: Path, entries: list[Entry]) -> Counter:
    lists: dict[str, list[str]] = {split: [] for split in ("train", "choose", "val", "test")}
    count: Counter = Counter()
    for entry in entries:
        picture = out / "images" / entry.split / entry.name
        labels = label_file(picture)
        for file in (picture, labels):
            file.parent.mkdir(parents=True, exist_ok=True)
        picture.unlink(missing_ok=True)
        os.symlink(entry.file.resolve(), picture)
        labels.write_text("".join(row.text(share=True) + "\n" for row in entry.rows))
        lists[entry.split] += [f"./images/{entry.split}/{entry.name}"] * entry.weight
        count[entry.split] += 1
    with (out / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "split", "source", "licence"])
        for entry in entries:
            writer.writerow([f"images/{entry.split}/{entry.name}", entry.split, entry.source, entry.licence])
    text = {"path": ".", **{split: f"{split}.txt" for split in lists}}
    for split, lines in lists.items():
        once = lines if split == "train" else dict.fromkeys(lines)
        (out / f"{split}.txt").write_text("".join(line + "\n" for line in once))
    (out / "data.yaml").write_text(yaml.safe_dump(text | WORDS.to_dict(), sort_keys=False))
    return count


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
    count = write(args.out, entries)
    print(", ".join(f"{split}: {number}" for split, number in count.items()))
