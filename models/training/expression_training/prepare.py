"""From pictures to a clean set: duplicates out, blurred out, groups kept together, split 80:20.

SOURCE is either a folder per class (pictures whose faces fill them, or with
--find-faces any) or the data.yaml of a YOLO-format set, as people have them (`labels`,
`dataset`). The result is a YOLO-format set in --out with `contact-sheet.jpg` to look at
and `report.json`, which says what was left out and why.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import yaml

from .dataset import DataError, DataSet, is_picture, read_image
from .duplicates import Groups, near_pairs, perceptual_hash
from .gabor import enhance, sharpness
from .labels import Row, Vocabulary, label_file, read_rows
from .progress import progress


@dataclass
class Item:
    """A picture on its way into the set."""

    path: Path
    rows: list[Row]
    image: np.ndarray | None = None
    hash: int = 0
    group: int = -1
    person: str = ""


@dataclass
class Report:
    """What was left out, and why."""

    read: int = 0
    kept: int = 0
    dropped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    groups: int = 0


def from_folders(source: Path, names: list[str]) -> list[Item]:
    """A folder per class; each picture is one face that fills it."""
    items = []
    for label, name in enumerate(names):
        for path in sorted((source / name).rglob("*")):
            if is_picture(path):
                items.append(Item(path, [Row(label, (0.5, 0.5, 1.0, 1.0))]))
    return items


def from_yolo(source: Path, report: Report) -> tuple[Vocabulary, list[Item]]:
    data = DataSet.open(source)
    items = []
    for path in pictures_of(data, report):
        try:
            items.append(Item(path, read_rows(label_file(path), data.vocabulary)))
        except DataError as error:
            report.read += 1
            report.dropped["labels that cannot be read"].append(str(error))
    return data.vocabulary, items


def pictures_of(data: DataSet, report: Report) -> list[Path]:
    """Of all splits. That `data.yaml` names one which is not there is usual, and no error."""
    found: set[Path] = set()
    for split in data.splits:
        try:
            found.update(data.files(split))
        except DataError as error:
            report.dropped["splits that are not there"].append(str(error))
    return sorted(found)


def map_classes(vocabulary: Vocabulary, items: list[Item], mapping: dict[str, str]) -> Vocabulary:
    """Renames and merges classes (nine expressions to two); unmapped ones are dropped."""
    unmapped = [name for name in mapping if name not in vocabulary.names]
    if unmapped:
        raise DataError(
            f"--map: the set has no class {', '.join(unmapped)}, only {', '.join(vocabulary.names)}"
        )
    others = {name: name for name in vocabulary.names if special(vocabulary, name)}
    kept = mapping | {name: word for name, word in others.items() if name not in mapping}
    targets = list(dict.fromkeys(kept.values()))
    number = {i: targets.index(kept[name]) for i, name in enumerate(vocabulary.names) if name in kept}
    for item in items:
        item.rows = [replace(row, label=number[row.label]) for row in item.rows if row.label in number]
    return replace(vocabulary, names=targets)


def special(vocabulary: Vocabulary, name: str) -> bool:
    return name in vocabulary.unknown | vocabulary.ignored


class FaceFinder:
    """Boxes for pictures that have none, by OpenCV's frontal-face cascade."""

    def __init__(self):
        folder = Path(cv2.data.haarcascades)
        self.cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))

    def largest(self, image: np.ndarray) -> np.ndarray | None:
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
        side = min(image.shape[:2]) // 5
        found = self.cascade.detectMultiScale(grey, 1.1, 5, minSize=(side, side))
        if not len(found):
            return None
        x, y, w, h = max(found, key=lambda box: box[2] * box[3])
        height, width = image.shape[:2]
        return np.array([(x + w / 2) / width, (y + h / 2) / height, w / width, h / height])


def examine(items: list[Item], report: Report, find_faces: bool, least_sharp: float) -> list[Item]:
    """Reads every picture; leaves out what is broken, blurred or (asked to find faces) faceless."""
    finder = FaceFinder() if find_faces else None
    good = []
    for item in progress(items, "reading"):
        report.read += 1
        try:
            item.image = read_image(item.path)
        except DataError:
            report.dropped["unreadable"].append(str(item.path))
            continue
        if item.rows and sharpness(item.image) < least_sharp:
            report.dropped["blurred"].append(str(item.path))
            continue
        if finder is not None and item.rows:
            box = finder.largest(item.image)
            if box is None:
                report.dropped["no face found"].append(str(item.path))
                continue
            item.rows = [replace(item.rows[0], box=tuple(box))]
        item.hash = perceptual_hash(item.image)
        good.append(item)
    return good


def without_duplicates(items: list[Item], report: Report, exact: int, near: int) -> list[Item]:
    """Of pictures that are the same (up to `exact` bits) the first stays; similar ones
    (up to `near` bits) and those of one person become a group."""
    pairs = near_pairs([item.hash for item in items], near)
    gone: set[int] = set()
    groups = Groups(len(items))
    for a, b in pairs:
        if (items[a].hash ^ items[b].hash).bit_count() <= exact and a not in gone:
            if b not in gone:
                report.dropped["duplicate"].append(f"{items[b].path} of {items[a].path}")
            gone.add(b)
        groups.join(a, b)
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        item.person = person_of(item.path)
        if item.person:
            groups.join(index, first.setdefault(item.person, index))
    for index, item in enumerate(items):
        item.group = groups.find(index)
    kept = [item for index, item in enumerate(items) if index not in gone]
    report.groups = len({item.group for item in kept})
    return kept


def person_of(path: Path) -> str:
    """`Name_Surname_0012.jpg`: sets of people name their files so."""
    stem, _, number = path.stem.rpartition("_")
    return stem if number.isdigit() and stem.count("_") >= 1 else ""


def split(items: list[Item], share: float, seed: int) -> dict[str, list[Item]]:
    """Whole groups to either side, so that each class comes near to its share."""
    groups: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.group].append(item)
    wanted = Counter(kind_of(item) for item in items)
    room = {kind: share * count for kind, count in wanted.items()}
    order = list(groups.values())
    random.Random(seed).shuffle(order)
    sides: dict[str, list[Item]] = {"train": [], "val": []}
    for group in order:
        kinds = Counter(kind_of(item) for item in group)
        fits = all(room[kind] >= count for kind, count in kinds.items())
        sides["val" if fits else "train"] += group
        if fits:
            for kind, count in kinds.items():
                room[kind] -= count
    return sides


def kind_of(item: Item) -> int:
    """What is balanced: the first face's class, or none."""
    return item.rows[0].label if item.rows else -1


def write(out: Path, words: Vocabulary, sides: dict[str, list[Item]], report: Report, gabor: bool) -> None:
    for side, items in sides.items():
        for kind in ("images", "labels"):
            (out / kind / side).mkdir(parents=True, exist_ok=True)
        count: Counter[str] = Counter()
        for number, item in enumerate(progress(items, f"writing {side}")):
            name = f"{item.path.stem}_{number:05}"
            if gabor:
                cv2.imwrite(str(out / "images" / side / f"{name}.png"), enhance(item.image))
            else:
                shutil.copy(item.path, out / "images" / side / (name + item.path.suffix.lower()))
            text = "".join(row.text(words.share) + "\n" for row in item.rows)
            (out / "labels" / side / f"{name}.txt").write_text(text)
            count[words.names[kind_of(item)] if item.rows else "no face"] += 1
        report.splits[side] = dict(count)
    splits = {"path": ".", "train": "images/train", "val": "images/val"}
    (out / "data.yaml").write_text(yaml.safe_dump(splits | words.to_dict(), sort_keys=False))
    report.kept = sum(len(items) for items in sides.values())
    (out / "report.json").write_text(json.dumps(vars(report), indent=2, default=dict) + "\n")


def contact_sheet(out: Path, sides: dict[str, list[Item]], names: list[str], seed: int) -> None:
    """Some of each side with their boxes, to be looked at."""
    tiles = []
    for items in sides.values():
        for item in random.Random(seed).sample(items, min(24, len(items))):
            tile = cv2.resize(item.image, (120, 120), interpolation=cv2.INTER_AREA)
            for row in item.rows:
                x, y, w, h = row.box
                low = (int((x - w / 2) * 120), int((y - h / 2) * 120))
                high = (int((x + w / 2) * 120), int((y + h / 2) * 120))
                cv2.rectangle(tile, low, high, (0, 160, 230) if row.label == 0 else (200, 120, 0), 2)
                cv2.putText(tile, names[row.label], (3, 114), 0, 0.4, (255, 255, 255), 1)
            tiles.append(tile)
    while len(tiles) % 8:
        tiles.append(np.zeros((120, 120, 3), np.uint8))
    rows = [np.hstack(tiles[i : i + 8]) for i in range(0, len(tiles), 8)]
    cv2.imwrite(str(out / "contact-sheet.jpg"), np.vstack(rows))


def prepare(args: argparse.Namespace) -> Report:
    report = Report()
    if args.source.is_dir():
        names = args.classes or sorted(p.name for p in args.source.iterdir() if p.is_dir())
        words, items = Vocabulary(names), from_folders(args.source, names)
    else:
        words, items = from_yolo(args.source, report)
    if args.map:
        words = map_classes(words, items, dict(pair.split("=", 1) for pair in args.map))
    if not items:
        raise DataError(f"{args.source}: no pictures; it must be a folder per class or a data.yaml")
    items = examine(items, report, args.find_faces, args.least_sharp)
    items = without_duplicates(items, report, args.duplicate_bits, args.near_bits)
    sides = split(items, args.val, args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    write(args.out, words, sides, report, args.gabor)
    contact_sheet(args.out, sides, words.names, args.seed)
    return report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="folder with a folder per class, or a data.yaml")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--classes", nargs="+", help="folders to read, in this order (default: all)")
    parser.add_argument("--map", nargs="+", metavar="OLD=NEW", help="rename or merge classes, drop the rest")
    parser.add_argument("--find-faces", action="store_true", help="boxes by a face detector")
    parser.add_argument("--gabor", action="store_true", help="emphasise oriented edges, as the study does")
    parser.add_argument("--val", type=float, default=0.2, help="share of the validation split")
    parser.add_argument("--least-sharp", type=float, default=0.08, help="drop blurrier pictures")
    parser.add_argument(
        "--duplicate-bits", type=int, default=2, help="hash bits up to which two are the same"
    )
    parser.add_argument("--near-bits", type=int, default=6, help="hash bits up to which two stay together")
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> None:
    report = prepare(args)
    print(f"{report.kept} of {report.read} pictures kept in {report.groups} groups")
    for reason, paths in report.dropped.items():
        print(f"  {len(paths)} dropped: {reason}")
    for side, counts in report.splits.items():
        print(f"  {side}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    print(f"look at {args.out / 'contact-sheet.jpg'}; details in {args.out / 'report.json'}")
