"""The set that the shipped model is trained on, from the folders it comes from.

Reads `expressions` (a YOLO-format set), `wild` (scenes: faces.jsonl) and `expressions7`
(crops: index.csv), and writes a YOLO-format set whose pictures are links:

  train    with each source as often as WEIGHTS says
  choose   scenes and portraits for thresholds: neither trained on nor reported
  val      the validation split of `expressions`
  test     scenes and crops that nothing is chosen on

`--classes` names what the network is to tell apart: happy,not_happy, or any of the seven of
`expressions7`, and then `other` for those that are not named. What a source does not tell
apart is a partial label: its not_happy is "one of the others".
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from .dataset import DataSet, read_image
from .duplicates import Groups, near_pairs, perceptual_hash
from .labels import DataError, Row, Vocabulary, label_file, read_rows
from .linked import Entry, named_apart, sources_of, write
from .metrics import pairwise_iou

HAPPY, NOT_HAPPY, OTHER = "happy", "not_happy", "other"
FACE, UNSURE, NOTHING = "face", "unsure", "nothing"
#: what the network of the shipped model tells apart
CLASSES = (HAPPY, NOT_HAPPY)
#: the classes of `expressions7`, in the order of its numbers
SEVEN = ("neutral", HAPPY, "sad", "surprise", "fear", "disgust", "anger")
#: How often a picture of each kind is drawn. Smiles are rare in scenes and one of seven
#: expressions: drawn as often as the rest, the network calls most of them none.
WEIGHTS = {"expressions": 2, "scene": 10, "smiles": 20, "empty": 4, "happy": 4, "other": 1}
#: shares of the scenes, and of the pictures without a face, that are set aside
TEST, CHOOSE = {"scene": 0.15, "empty": 0.1}, {"scene": 0.07, "empty": 0.06}
#: other labels of a face have it a little beside: boxes that overlap by this much (IoU) are of the same one
SAME_FACE = 0.8
#: share of the portraits of `expressions` that thresholds are chosen on
CHOOSE_PORTRAITS = 0.03
#: and of the validation crops of `expressions7`, which no network is trained on
CHOOSE_CROPS = 0.3
#: a rare class is drawn at most so many times as often as its number says
MOST_REPEATED = 6
#: the teacher's shares between these are guesses
SURE = (0.25, 0.75)
#: no soft label is surer than this: the teacher errs, too
SUREST = 0.96


def vocabulary(classes: list[str]) -> Vocabulary:
    """The classes, then what the sources also say: one of several, any face, unsure."""
    unknown = [name for name in classes if name not in (*SEVEN, NOT_HAPPY)]
    if unknown or HAPPY not in classes or len(set(classes)) != len(classes) or len(classes) < 2:
        raise DataError(
            f"--classes {','.join(classes)}: happy and others of not_happy, {', '.join(SEVEN)}, each once"
        )
    if NOT_HAPPY in classes and len(classes) > 2:
        raise DataError("--classes: not_happy is all but happy, it stands with happy alone")
    if NOT_HAPPY not in classes and len(classes) < len(SEVEN):
        # with sad alone beside happy, every neutral portrait would be taught as sad
        classes = [*classes, OTHER]
    groups = {} if NOT_HAPPY in classes else {NOT_HAPPY: tuple(c for c in classes if c != HAPPY)}
    names = [*classes, *groups, FACE, UNSURE, NOTHING]
    words = Vocabulary(names, frozenset({FACE}), frozenset({UNSURE}), share=True, groups=groups)
    return replace(words, negative=frozenset({NOTHING}))


def position(text: str) -> float:
    """A number from 0 to 1 that depends on nothing but the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def from_expressions(folder: Path, doubled: set[str], words: Vocabulary) -> Iterator[Entry]:
    data = DataSet.open(folder / "data.yaml")
    number = [words.names.index(name) for name in data.vocabulary.names]
    source_of = sources_of(folder)
    for split in ("train", "val"):
        for file in data.files(split):
            if split == "train" and file.name in doubled:
                continue
            rows = read_rows(label_file(file), data.vocabulary, share=True)  # the new set has shares
            rows = [Row.of(((number[label], share) for label, share in row.told), row.box) for row in rows]
            chosen = split == "train" and position(file.stem) < CHOOSE_PORTRAITS
            side = "choose" if chosen else split
            weight = WEIGHTS["expressions"] if side == "train" else 1
            yield Entry(side, file, file.name, rows, weight, *source_of(file))


def from_wild(
    folder: Path, labels: Path | None, negatives: Path | None, words: Vocabulary
) -> Iterator[Entry]:
    judged = judged_places(negatives) if negatives else {}
    lines = [json.loads(line) for line in (labels or folder / "faces.jsonl").read_text().splitlines()]
    files, source_of = [folder / line["file"] for line in lines], sources_of(folder)
    hashes = [perceptual_hash(read_image(file)) for file in files]
    groups = Groups(len(files))
    for a, b in near_pairs(hashes, 6):
        groups.join(a, b)
    for number, (line, file) in enumerate(zip(lines, files)):
        kind = "scene" if line["faces"] or line["unsure"] else "empty"
        place = position(files[groups.find(number)].stem)
        split = "train"
        if place < TEST[kind] + CHOOSE[kind]:
            split = "test" if place < TEST[kind] else "choose"
        if split == "train":
            line, nothing = judged_anew(line, judged.get(file.name, {}))
        else:
            nothing = []
        rows = wild_rows(line, words)
        rows += [Row(words.names.index(NOTHING), shares_of(box, line["size"])) for box in nothing]
        happy = words.names.index(HAPPY)
        drawn = "smiles" if any(row.label == happy for row in rows) else kind
        weight = WEIGHTS[drawn] if split == "train" else 1
        yield Entry(split, file, f"wild_{file.name}", rows, weight, *source_of(file))


def judged_places(file: Path) -> dict[str, dict]:
    """What was judged by eye, by the name of its picture: lines are objects with `file`, `boxes` (places that
    look like faces and are none) and `unsure` (may be faces, or heads that turn away), in pixels."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {Path(line["file"]).name: line for line in lines}


def judged_anew(line: dict, judged: dict) -> tuple[dict, list]:
    """A line of `faces.jsonl` in which a face that was judged `unsure` is a region to ignore, and the places
    that are no faces."""
    unsure = judged.get("unsure", [])
    overlaps = pairwise_iou(as_boxes([face["box"] for face in line["faces"]]), as_boxes(unsure))
    turned = overlaps.max(1, initial=0) >= SAME_FACE
    faces = [face for face, away in zip(line["faces"], turned) if not away]
    return line | {"faces": faces, "unsure": [*line["unsure"], *unsure]}, judged.get("boxes", [])


def as_boxes(rows: list) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def wild_rows(line: dict, words: Vocabulary) -> list[Row]:
    rows, number = [], words.names.index
    for face in line["faces"]:
        happy = face["happy"]
        box = shares_of(face["box"], line["size"])
        if happy is None or SURE[0] <= happy <= SURE[1]:
            rows.append(Row(number(FACE), box))
        elif happy > SURE[1]:
            rows.append(Row(number(HAPPY), box, min(happy, SUREST)))
        else:
            rows.append(Row(number(NOT_HAPPY), box, min(1 - happy, SUREST)))
    return rows + [Row(number(UNSURE), shares_of(box, line["size"])) for box in line["unsure"]]


def from_seven(folder: Path, words: Vocabulary) -> Iterator[Entry]:
    with (folder / "index.csv").open() as file:
        lines = list(csv.DictReader(file))
    kinds = Counter(kind(line, words) for line in lines if line["split"] == "train")
    for line in lines:
        path = folder / line["file"]
        height, width = read_image(path).shape[:2]
        box = [float(line[f"face_{side}"] or -1) for side in ("x0", "y0", "x1", "y1")]
        if box == [-1.0] * 4:
            box = [0, 0, width, height]
        row = Row(words.names.index(class_of(line, words)), shares_of(box, (width, height)))
        chosen = "choose" if position(path.stem) < CHOOSE_CROPS else "test"
        split = "train" if line["split"] == "train" else chosen
        weight = weight_of(line, kinds, words) if split == "train" else 1
        terms = line["source_repo"], line["licence"]
        yield Entry(split, path, f"seven_{path.name}", [row], weight, *terms)


def class_of(line: dict, words: Vocabulary) -> str:
    """The class of a crop, of those that the network tells apart."""
    own = SEVEN[int(line["class_id"])]
    return next(name for name in (own, OTHER, NOT_HAPPY) if name in words.classes)


def kind(line: dict, words: Vocabulary) -> tuple[str, str]:
    return class_of(line, words), line["source_repo"]


def weight_of(line: dict, kinds: Counter, words: Vocabulary) -> int:
    """How often a crop is drawn.

    For two classes, smiles against the rest. For more, every class of every source as
    often as the most frequent one: fear is a sixth of the others there, and a source that
    has most of a class would teach the source.
    """
    if NOT_HAPPY in words.classes:
        return WEIGHTS["happy" if SEVEN[int(line["class_id"])] == HAPPY else "other"]
    return min(MOST_REPEATED, round(max(kinds.values()) / kinds[kind(line, words)]))


def shares_of(box, size) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in pixels, cut to the picture, as centre and size in shares."""
    x0, x1 = (min(max(box[i] / size[0], 0), 1) for i in (0, 2))
    y0, y1 = (min(max(box[i] / size[1], 0), 1) for i in (1, 3))
    return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--expressions", type=Path, required=True, help="folder with data.yaml")
    parser.add_argument("--wild", type=Path, help="folder with faces.jsonl")
    parser.add_argument("--wild-labels", type=Path, help="instead of that faces.jsonl")
    parser.add_argument(
        "--negatives", type=Path, help="places of `wild` that look like faces and are none, or may be some"
    )
    parser.add_argument("--seven", type=Path, help="folder with index.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--classes",
        type=lambda text: [name.strip() for name in text.split(",")],
        default=list(CLASSES),
        metavar="A,B,...",
        help=f"what the network tells apart: {','.join(CLASSES)} (default) or {','.join(SEVEN)}",
    )


def run(args: argparse.Namespace) -> None:
    words = vocabulary(args.classes)
    doubled: set[str] = set()
    entries: list[Entry] = []
    if args.seven:
        with (args.seven / "index.csv").open() as file:
            doubled = {Path(line["also_in_expressions"]).name for line in csv.DictReader(file)}
        entries += from_seven(args.seven, words)
    entries += from_expressions(args.expressions, doubled, words)
    if args.wild:
        entries += from_wild(args.wild, args.wild_labels, args.negatives, words)
    count = write(args.out, named_apart(entries), words)
    print(", ".join(f"{split}: {number}" for split, number in count.items()))
