"""From pictures to a clean set: duplicates out, blurred out, groups kept together, split.

SOURCE is either a folder per class (pictures whose faces fill them, or with
--find-faces any) or the data.yaml of a YOLO-format set, as people have them (`labels`,
`dataset`). The result is a YOLO-format set in --out with `contact-sheet.jpg` to look at
and `report.json`, which says what was left out and why.

A `test` or `choose` that the set has stays as it is; the rest is split anew: `val`, `choose`
for the export's thresholds (unless the set has one) and `train`.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from .dataset import DataError, DataSet, is_picture, read_image, write_image
from .duplicates import Groups, near_pairs, perceptual_hash
from .gabor import enhance, sharpness
from .labels import Row, Vocabulary, label_file, read_rows
from .linked import Entry, sources_of, unique_names, write
from .progress import progress

#: of splits that are no part of the training: a picture that is also in another stays in these
GIVEN = ("test", "choose")
#: a "person" with a larger share of the set is a camera or a folder's name
MOST_OF_ONE = 0.1


@dataclass
class Item:
    """A picture on its way into the set."""

    path: Path
    rows: list[Row]
    #: the split that it stays in, of GIVEN
    given: str = ""
    hash: int = 0
    group: int = -1


@dataclass
class Report:
    """What was left out, and why."""

    read: int = 0
    kept: int = 0
    dropped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    groups: int = 0
    #: names of files that look like people's, and are too many
    no_person: list[str] = field(default_factory=list)


def from_folders(source: Path, names: list[str]) -> list[Item]:
    """A folder per class; each picture is one face that fills it."""
    items = []
    for label, name in enumerate(names):
        if not (source / name).is_dir():
            raise DataError(f"{source / name}: no such folder")
        for path in sorted((source / name).rglob("*")):
            if is_picture(path):
                items.append(Item(path, [Row(label, (0.5, 0.5, 1.0, 1.0))]))
    return items


def from_yolo(data: DataSet, report: Report) -> list[Item]:
    """Those of GIVEN first."""
    splits = sorted(data.present(), key=lambda split: split not in GIVEN)
    if data.left_out:
        report.dropped["splits that are not there"] = list(data.left_out)
    given: dict[Path, str] = {}
    for split in splits:
        for path in data.files(split):
            given.setdefault(path, split if split in GIVEN else "")
    items = []
    for path, split in sorted(given.items(), key=lambda pair: (not pair[1], pair[0])):
        try:
            items.append(Item(path, read_rows(label_file(path), data.vocabulary), split))
        except DataError as error:
            report.read += 1
            report.dropped["labels that cannot be read"].append(str(error))
    return items


def map_classes(
    words: Vocabulary, items: list[Item], mapping: dict[str, str], report: Report
) -> tuple[Vocabulary, list[Item]]:
    """Renames and merges classes (nine expressions to two). A picture with a face of a class that
    is not named is dropped: without its box the face would be background."""
    if unmapped := [name for name in mapping if name not in words.classes]:
        raise DataError(f"--map: the set has no class {', '.join(unmapped)}, only {', '.join(words.classes)}")
    kept = mapping | {name: name for name in words.names if name not in words.classes}
    groups = {}
    for name, members in words.groups.items():
        if lost := [member for member in members if member not in mapping]:
            raise DataError(f"--map: group '{name}' has '{lost[0]}', which is dropped: map it, too")
        groups[name] = tuple(dict.fromkeys(mapping[member] for member in members))
        if len(groups[name]) == 1:  # a name for one class is that class
            (kept[name],) = groups.pop(name)
    targets = list(dict.fromkeys(kept.values()))
    mapped = replace(words, names=targets, groups=groups)
    try:
        mapped.check()
    except ValueError as error:
        raise DataError(f"--map: {error}") from error
    number = {i: targets.index(kept[name]) for i, name in enumerate(words.names) if name in kept}
    good = []
    for item in items:
        if all(row.label in number for row in item.rows):
            item.rows = [replace(row, label=number[row.label]) for row in item.rows]
            good.append(item)
        else:
            report.read += 1
            report.dropped["a class that --map leaves out"].append(str(item.path))
    return mapped, good


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
            image = read_image(item.path)
        except DataError:
            report.dropped["unreadable"].append(str(item.path))
            continue
        if item.rows and not item.given and sharpness(image) < least_sharp:
            report.dropped["blurred"].append(str(item.path))
            continue
        if finder is not None and item.rows:
            box = finder.largest(image)
            if box is None:
                report.dropped["no face found"].append(str(item.path))
                continue
            item.rows = [replace(item.rows[0], box=tuple(box))]
        item.hash = perceptual_hash(image)
        good.append(item)
    return good


def without_duplicates(items: list[Item], report: Report, exact: int, near: int) -> list[Item]:
    """Of pictures that are the same (up to `exact` bits) the first stays, and all that are given;
    similar ones (up to `near` bits) and those of one person become a group."""
    gone: set[int] = set()
    groups = Groups(len(items))
    for a, b in near_pairs([item.hash for item in items], near):
        if items[b].given:
            continue  # and so is the one before it
        if (items[a].hash ^ items[b].hash).bit_count() <= exact and a not in gone:
            if b not in gone:
                report.dropped["duplicate"].append(f"{items[b].path} of {items[a].path}")
            gone.add(b)
        if not items[a].given:
            groups.join(a, b)
    for members in people(items, report).values():
        for index in members:
            groups.join(index, members[0])
    for index, item in enumerate(items):
        item.group = groups.find(index)
    kept = [item for index, item in enumerate(items) if index not in gone]
    report.groups = len({item.group for item in kept})
    return kept


def people(items: list[Item], report: Report) -> dict[str, list[int]]:
    """Indices of each person's pictures."""
    named: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        if not item.given and (person := person_of(item.path)):
            named[person].append(index)
    report.no_person = [name for name, own in named.items() if len(own) > MOST_OF_ONE * len(items)]
    return {name: own for name, own in named.items() if name not in report.no_person}


def person_of(path: Path) -> str:
    """`Name_Surname_0012.jpg`: sets of people name their files so."""
    stem, _, number = path.stem.rpartition("_")
    return stem if number.isdigit() and stem.count("_") >= 1 else ""


def split(items: list[Item], shares: dict[str, float], seed: int) -> dict[str, list[Item]]:
    """What is given stays. Of the others whole groups go to each side of `shares`, so that each
    class comes near to its share, and the rest to train."""
    sides: dict[str, list[Item]] = {"train": [], **{side: [] for side in shares}}
    groups: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        (sides.setdefault(item.given, []) if item.given else groups[item.group]).append(item)
    wanted = Counter(kind_of(item) for item in items if not item.given)
    room = {side: {kind: share * count for kind, count in wanted.items()} for side, share in shares.items()}
    order = list(groups.values())
    random.Random(seed).shuffle(order)
    for group in order:
        kinds = Counter(kind_of(item) for item in group)
        fits = (side for side in shares if all(room[side][kind] >= count for kind, count in kinds.items()))
        side = next(fits, "train")
        sides[side] += group
        for kind, count in kinds.items() if side in room else ():
            room[side][kind] -= count
    return {side: members for side, members in sides.items() if members or side in ("train", "val")}


def kind_of(item: Item) -> int:
    """What is balanced: the first face's class, or none."""
    return item.rows[0].label if item.rows else -1


def entries_of(sides: dict[str, list[Item]], folder: Path) -> Iterator[Entry]:
    source_of = sources_of(folder)
    for side, items in sides.items():
        for item, name in zip(items, unique_names([item.path for item in items])):
            yield Entry(side, item.path, name, item.rows, 1, *source_of(item.path))


def with_edges(file: Path, picture: Path) -> None:
    write_image(picture, enhance(read_image(file)))


def contact_sheet(out: Path, sides: dict[str, list[Item]], names: list[str], seed: int) -> None:
    """Some of each side with their boxes, to be looked at."""
    tiles = []
    for items in sides.values():
        for item in random.Random(seed).sample(items, min(24, len(items))):
            tile = cv2.resize(read_image(item.path), (120, 120), interpolation=cv2.INTER_AREA)
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
    write_image(out / "contact-sheet.jpg", np.vstack(rows))


def read(args: argparse.Namespace, report: Report) -> tuple[Path, Vocabulary, list[Item]]:
    """The set's folder, what its labels mean, its pictures."""
    if args.source.is_dir():
        names = args.classes or sorted(p.name for p in args.source.iterdir() if p.is_dir())
        folder, words, items = args.source, Vocabulary(names), from_folders(args.source, names)
    else:
        data = DataSet.open(args.source)
        folder, words, items = data.root, data.vocabulary, from_yolo(data, report)
    if args.map:
        words, items = map_classes(words, items, dict(args.map), report)
    words.check_words()
    if not items:
        raise DataError(f"{args.source}: no pictures; it must be a folder per class or a data.yaml")
    return folder, words, items


def chosen(args: argparse.Namespace, items: list[Item], report: Report) -> dict[str, list[Item]]:
    """What of the pictures is good, by split."""
    items = examine(items, report, args.find_faces, args.least_sharp)
    items = without_duplicates(items, report, args.duplicate_bits, args.near_bits)
    shares = {"val": args.val}
    if not any(item.given == "choose" for item in items):
        shares["choose"] = args.choose
    sides = split(items, shares, args.seed)
    for side in ("train", "val"):
        if not sides[side]:
            raise DataError(
                f"{args.source}: nothing is left for '{side}' of {len(items)} pictures in "
                f"{report.groups} groups that must stay together: more of them, or a smaller --near-bits"
            )
    return sides


def prepare(args: argparse.Namespace) -> Report:
    report = Report()
    folder, words, items = read(args, report)
    sides = chosen(args, items, report)
    entries = list(entries_of(sides, folder))
    if args.gabor:
        entries = [replace(entry, name=str(Path(entry.name).with_suffix(".png"))) for entry in entries]
    write(args.out, entries, words, with_edges if args.gabor else shutil.copy)
    contact_sheet(args.out, sides, words.names, args.seed)
    report.kept = len(entries)
    for side, members in sides.items():
        kinds = Counter(kind_of(item) for item in members)
        report.splits[side] = {words.names[k] if k >= 0 else "no face": n for k, n in kinds.items()}
    (args.out / "report.json").write_text(json.dumps(vars(report), indent=2) + "\n")
    return report


def pair(text: str) -> tuple[str, str]:
    old, _, new = (part.strip() for part in text.partition("="))
    if not old or not new:
        raise argparse.ArgumentTypeError(f"{text}: not OLD=NEW")
    return old, new


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="folder with a folder per class, or a data.yaml")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--classes", nargs="+", help="folders to read, in this order (default: all)")
    parser.add_argument(
        "--map", nargs="+", type=pair, metavar="OLD=NEW", help="rename or merge classes, drop the rest"
    )
    parser.add_argument("--find-faces", action="store_true", help="boxes by a face detector")
    parser.add_argument("--gabor", action="store_true", help="emphasise oriented edges, as the study does")
    parser.add_argument("--val", type=float, default=0.2, help="share of the validation split")
    parser.add_argument("--choose", type=float, default=0.05, help="share that thresholds are chosen on")
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
    for name in report.no_person:
        print(f"  '{name}' is no person: its pictures are more than {MOST_OF_ONE:.0%}; they are split alone")
    for side, counts in report.splits.items():
        print(f"  {side}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    print(f"look at {args.out / 'contact-sheet.jpg'}; details in {args.out / 'report.json'}")
