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
import hashlib
import json
import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .dataset import NOTES, DataError, DataSet, pictures_below, read_image, write_image
from .duplicates import Face, perceptual_hash
from .gabor import enhance, sharpness
from .grouping import MOST_OF_ONE, without_duplicates
from .items import GIVEN, Item, Report
from .labels import Row, Vocabulary, label_file, read_rows
from .linked import Entry, sources_of, unique_names, write
from .mapping import map_classes, mapping_of
from .progress import progress
from .shown import miniature

if TYPE_CHECKING:
    from .find_faces import FaceFinder


def class_folders(source: Path) -> list[str]:
    """Those that have pictures; what programs and archives leave beside them is no class."""
    folders = (path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(path.name for path in folders if path.name != NOTES and pictures_below(path))


def from_folders(source: Path, names: list[str]) -> list[Item]:
    """A folder per class; each picture is one face that fills it."""
    items = []
    for label, name in enumerate(names):
        if not (source / name).is_dir():
            raise DataError(f"{source / name}: no such folder")
        items += (Item(path, [Row(label, (0.5, 0.5, 1.0, 1.0))]) for path in pictures_below(source / name))
    return items


def from_yolo(data: DataSet, report: Report) -> list[Item]:
    """Those of GIVEN first."""
    splits = sorted(data.present(), key=lambda split: split not in GIVEN)
    if data.left_out:
        report.dropped["splits that are not there"] = list(data.left_out)
    given: dict[Path, str] = {}
    drawn = Counter(data.draws("train") if "train" in splits else ())
    for split in splits:
        for path in data.files(split):
            given.setdefault(path, split if split in GIVEN else "")
    items = []
    for path, split in sorted(given.items(), key=lambda pair: (not pair[1], pair[0])):
        try:
            rows = read_rows(label_file(path), data.vocabulary)
        except DataError as error:
            report.read += 1
            report.dropped["labels that cannot be read"].append(str(error))
            continue
        if any(row.others for row in rows):
            # what is split anew would be measured by what the networks themselves said
            raise DataError(
                f"{label_file(path)}: lines of the same box give one face several classes (label --blend): "
                "prepare the set that it was made of, and blend what comes of it"
            )
        items.append(Item(path, rows, split, weight=max(drawn[path], 1)))
    return items


def examine(
    items: list[Item], words: Vocabulary, report: Report, finder: FaceFinder | None, least_sharp: float
) -> list[Item]:
    """Reads every picture; leaves out what is broken, blurred or (asked to find faces) faceless."""
    no_face = words.ignored | words.negative
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
            item.rows = [replace(item.rows[0], box=box)]
        item.hash, item.miniature = perceptual_hash(image), miniature(image)
        item.digest = hashlib.sha256(item.path.read_bytes()).digest()
        boxes = (row.box for row in item.rows if words.names[row.label] not in no_face)
        item.faces = [Face.of(image, box) for box in boxes]
        good.append(item)
    return good


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
            weight = item.weight if side == "train" else 1
            yield Entry(side, item.path, name, item.rows, weight, *source_of(item.path))


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
        names = args.classes or class_folders(args.source)
        folder, words, items = args.source, Vocabulary(names), from_folders(args.source, names)
    elif args.find_faces or args.classes:
        raise DataError(
            f"{args.source}: {'--find-faces' if args.find_faces else '--classes'} is for a folder per class: "
            "this set has boxes and classes of its own (--map picks among these)"
        )
    else:
        data = DataSet.open(args.source)
        folder, words, items = data.root, data.vocabulary, from_yolo(data, report)
    if args.map:
        words, items = map_classes(words, items, mapping_of(args.map), report)
    words.check_words()
    if not items:
        raise DataError(f"{args.source}: no pictures; it must be a folder per class or a data.yaml")
    return folder, words, items


def chosen(
    args: argparse.Namespace, words: Vocabulary, items: list[Item], report: Report
) -> dict[str, list[Item]]:
    """What of the pictures is good, by split."""
    finder = None
    if args.find_faces:
        from .find_faces import FaceFinder  # slow to import, needed by this option alone

        finder = FaceFinder()
    items = examine(items, words, report, finder, args.least_sharp)
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
    sides = chosen(args, words, items, report)
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
    parser.add_argument(
        "--find-faces", action="store_true", help="boxes for a folder per class, by the shipped model"
    )
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
    if report.taken_apart:
        print(f"  {report.taken_apart} are alike, one after the other: only the most alike stay together")
    for name in report.no_person:
        print(f"  '{name}' is no person: its pictures are more than {MOST_OF_ONE:.0%}; they are split alone")
    for side, counts in report.splits.items():
        print(f"  {side}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    print(f"look at {args.out / 'contact-sheet.jpg'}; details in {args.out / 'report.json'}")
