"""Classes for faces that have a box and none: a teacher looks at each, enlarged.

A face too small or too far for a class in its picture often has one when it fills a third
of the input. Faces of the classes that `data.yaml` marks as `unknown` get the teacher's
class and how sure it is (the sixth column); where it does not see a face or is in two
minds, they stay as they are. The teacher's classes may be groups of the set's. With
`--missed`, what it takes for a face and nobody labelled is marked as a region to ignore, in
pictures that have labels: it may be one. The new set links to the same pictures.

With `--blend` the training faces that have a class, or one of several, get a label between
their own and what networks of the set's classes say of them (blend.py); several --model and
--weights are asked.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from .blend import Blend, networks_of
from .dataset import ALL_HALVINGS, CLOSE, INPUT, DataError, DataSet, Picture, Size, existing, size_of
from .detect import Runner, detect, tflite_runner, torch_runner
from .faces import confidence, merge
from .labels import Row, Vocabulary, label_file, read_rows
from .linked import Entry, sources_of, unique_names, write
from .metrics import pairwise_iou
from .progress import progress
from .sidecar import Card
from .tflite import Interpreter
from .views import enlarged
from .weights import build

#: the face's longer side as shares of the input; each is looked at as it is and mirrored
SHARES = (0.3, 0.42)
#: overlap with its box and confidence from which the teacher has seen the face
SEEN_IOU, SEEN_CONFIDENCE = 0.5, 0.5
#: least share of a class that is believed
SURE = 0.75
#: no label is surer than this: the teacher errs, too
SUREST = 0.96
#: the split that is labelled unless others are named, and the only one that is blended
BLENDED = "train"
#: where unlabelled faces are looked for, pieces share so much of their sides
OVERLAP = 0.3
#: covering one another by this share of the smaller one, two boxes are of one face
SAME_PLACE = 0.3


def opinion(run: Runner, picture: Picture, box: np.ndarray, size: Size, classes: int) -> np.ndarray | None:
    """The teacher's shares of the classes; None if it sees no face there in most views."""
    shares = []
    views = [(share, flip) for share in SHARES for flip in (False, True)]
    for share, flip in views:
        tile, place = enlarged(picture, box, size, share, flip)
        faces = merge(detect(run, tile, size, 0.05), classes)
        seen = faces[confidence(faces) >= SEEN_CONFIDENCE]
        overlap = pairwise_iou(seen, place[None])[:, 0]
        if len(overlap) and overlap.max() >= SEEN_IOU:
            scores = seen[overlap.argmax(), 4:]
            shares.append(scores / scores.sum())
    return np.mean(shares, 0) if len(shares) * 2 > len(views) else None


def unlabelled(run: Runner, picture: Picture, size: Size, classes: int) -> list[np.ndarray]:
    """Boxes that the teacher takes for faces and that the labels know nothing of.

    Looks at pieces of the picture as it is and at half its size.
    """
    labels = picture.labels
    known = [*labels.boxes, *labels.ignored, *labels.negatives]
    new: list[np.ndarray] = []
    for image in picture.pyramid[:2]:
        # an odd side is halved to a little less than half
        grow = np.array([picture.image.shape[axis] / image.shape[axis] for axis in (1, 0)] * 2)
        for top, left in itertools.product(*(starts(image.shape[axis], size[1 - axis]) for axis in (0, 1))):
            piece = image[top : top + size[1], left : left + size[0]]
            faces = merge(detect(run, piece, size, 0.05), classes)
            for face in faces[confidence(faces) >= SEEN_CONFIDENCE]:
                box = (face[:4] + (left, top, left, top)) * grow
                if not any(same_place(box, other) for other in [*known, *new]):
                    new.append(box)
    return new


def starts(length: int, side: int) -> list[int]:
    """Where pieces of `side` begin that cover `length`."""
    beyond = max(length - side, 0)
    count = math.ceil(beyond / (side * (1 - OVERLAP)))
    return [beyond * number // max(count, 1) for number in range(count + 1)]


def same_place(a: np.ndarray, b: np.ndarray) -> bool:
    corner = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0)
    smaller = min((a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod())
    return bool(corner.prod() > SAME_PLACE * smaller)


@dataclass(frozen=True)
class Teacher:
    """A network that knows faces, and what it is asked."""

    run: Runner
    size: Size
    #: its classes, each a class or a group of the set
    names: list[str]
    #: least share of a class that is believed
    sure: float
    #: whether what nobody labelled is looked for
    missed: bool = False

    def wants(self, rows: list[Row], words: Vocabulary) -> bool:
        """Whether there is something to fill in."""
        return bool(rows) and (self.missed or any(words.names[row.label] in words.unknown for row in rows))

    def judge(self, picture: Picture, row: Row, words: Vocabulary) -> Row:
        """The row with a class, if the teacher has one for it."""
        height, width = picture.image.shape[:2]
        shares = opinion(self.run, picture, row.pixels(width, height), self.size, len(self.names))
        return self.labelled(row, shares, words)

    def labelled(self, row: Row, shares: np.ndarray | None, words: Vocabulary) -> Row:
        if shares is None or shares.max() < self.sure:
            return row
        name = self.names[int(shares.argmax())]
        share = round(min(float(shares.max()), SUREST), 3)
        return replace(row, label=words.names.index(name), share=share)

    def fill(self, picture: Picture, rows: list[Row], words: Vocabulary) -> list[Row]:
        """The rows with the classes and the regions that they lacked."""
        result = [
            self.judge(picture, row, words) if words.names[row.label] in words.unknown else row
            for row in rows
        ]
        if self.missed and rows:
            height, width = picture.image.shape[:2]
            number = words.names.index(sorted(words.ignored)[0])
            for left, top, right, bottom in unlabelled(self.run, picture, self.size, len(self.names)):
                box = ((left + right) / 2 / width, (top + bottom) / 2 / height)
                sides = ((right - left) / width, (bottom - top) / height)
                result.append(Row(number, (*box, *sides)))
        return result


def label(data: DataSet, teacher: Teacher | Blend, splits: list[str], count: Counter[str]) -> Iterator[Entry]:
    """The pictures of every split that is there; in `splits` with classes, which are counted."""
    source_of = sources_of(data.root)
    for split in data.present():
        files = data.files(split)
        drawn, names = Counter(data.draws(split)), dict(zip(files, unique_names(files)))
        read = partial(labelled, data, teacher if split in splits else None, count)
        for path, rows in data.usable(progress(files, split), read):
            yield Entry(split, path, names[path], rows, drawn[path], *source_of(path))


def labelled(
    data: DataSet, teacher: Teacher | Blend | None, count: Counter[str], path: Path
) -> tuple[Path, list[Row]]:
    """A picture and its rows, with what the teacher has for them."""
    words = data.vocabulary
    rows = read_rows(label_file(path), words, share=True)  # the new set has shares
    if not teacher or not teacher.wants(rows, words):
        return path, rows
    filled = teacher.fill(data.read(path, ALL_HALVINGS), rows, words)
    count.update(words.names[new.label] for old, new in zip(rows, filled) if old is not new)
    count.update(words.names[new.label] for new in filled[len(rows) :])
    return path, filled


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="data.yaml, with `unknown` classes or for --blend")
    several = {"type": existing, "action": "append", "default": []}
    parser.add_argument("--model", **several, help="the teacher, a .tflite (with --blend repeatable)")
    parser.add_argument("--weights", **several, help="or its weights (.pt or .safetensors)")
    sizes = f"{INPUT[0]}x{INPUT[1]}, with --blend {CLOSE[0]}x{CLOSE[1]}"
    parser.add_argument("--size", type=size_of, help=f"input for --weights (default {sizes})")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new set")
    parser.add_argument("--splits", nargs="+", default=[BLENDED], help="which to label (default: train)")
    parser.add_argument("--missed", action="store_true", help="mark what nobody labelled as to be ignored")
    parser.add_argument("--sure", type=float, help=f"least share of a class (default {SURE})")
    parser.add_argument(
        "--blend", action="store_true", help="training faces: half the label, half what the networks say"
    )


def teacher_of(args: argparse.Namespace, data: DataSet) -> Teacher:
    if len(args.model) + len(args.weights) != 1:
        raise DataError("one teacher is needed: --model or --weights (several are for --blend)")
    if args.model:
        interpreter = Interpreter(args.model[0])
        names = Card.beside(args.model[0]).classes
        look, size = tflite_runner(interpreter), interpreter.size
    else:
        look, size = torch_runner(build(args.weights[0], data.names)), args.size or INPUT
        names = data.names
    words = data.vocabulary
    if strange := [name for name in names if name not in words.classes and name not in words.groups]:
        raise DataError(
            f"{args.data}: the teacher tells {', '.join(strange)}, which is no class and no group"
        )
    return Teacher(look, size, names, SURE if args.sure is None else args.sure, args.missed)


def blend_of(args: argparse.Namespace, data: DataSet) -> Blend:
    if args.missed or args.sure is not None or args.splits != [BLENDED]:
        raise DataError(
            f"--blend is of faces that have a label, of '{BLENDED}' alone, as the others are measured on: "
            "without --missed, --sure and --splits"
        )
    networks = networks_of(args.model, args.weights, args.size or CLOSE, data.names)
    if not networks:
        raise DataError("--blend asks networks: --model or --weights, each as often as there are some")
    return Blend(networks)


def check_teaching(args: argparse.Namespace, data: DataSet) -> None:
    """Refuses a set in which a teacher has nothing to do."""
    if not data.vocabulary.unknown:
        raise DataError(f"{args.data}: no class is marked as unknown; nothing to label")
    if args.missed and not data.vocabulary.ignored:
        raise DataError(f"{args.data}: no class is marked as ignore; --missed has no name for what it finds")


def run(args: argparse.Namespace) -> None:
    if args.size and not args.weights:
        raise DataError("--size is the input of --weights, and a --model has its own: leave --size out")
    data = DataSet.open(args.data)
    if not args.blend:
        check_teaching(args, data)
    for split in args.splits:
        data.files(split)  # what is asked for and not there is no split to skip
    count: Counter[str] = Counter()
    teacher = (blend_of if args.blend else teacher_of)(args, data)
    entries = list(label(data, teacher, args.splits, count))
    write(args.out, entries, replace(data.vocabulary, share=True))
    print(", ".join(f"{number} {name}" for name, number in count.most_common()))
