"""Classes for faces that have a box and none: a teacher looks at each, enlarged.

A face too small or too far for a class in its picture often has one when it fills a third
of the input. Faces of the classes that `data.yaml` marks as `unknown` get the teacher's
class and how sure it is (the sixth column); where it does not see a face or is in two
minds, they stay as they are. The new set links to the same pictures.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from .dataset import PAD, DataError, DataSet, Picture
from .detect import Runner, detect, tflite_runner, torch_runner
from .faces import confidence, merge
from .labels import Row, label_file, read_rows
from .linked import Entry, read_index, write
from .metrics import pairwise_iou
from .progress import progress
from .tflite import Interpreter
from .views import translation, warp
from .weights import build

#: the face's longer side as shares of the input; each is looked at as it is and mirrored
SHARES = (0.3, 0.42)
#: overlap with its box and confidence from which the teacher has seen the face
SEEN_IOU, SEEN_CONFIDENCE = 0.5, 0.5
#: no label is surer than this: the teacher errs, too
SUREST = 0.96


def enlarged(picture: Picture, box: np.ndarray, size: int, share: float, flip: bool):
    """A square with the face in its middle, and its box there."""
    side = float((box[2:] - box[:2]).max())
    scale = share * size / max(side, 1e-3)
    centre = (box[:2] + box[2:]) / 2
    grow = np.diag([-scale if flip else scale, scale, 1.0])
    matrix = translation(size / 2, size / 2) @ grow @ translation(-centre[0], -centre[1])
    tile, _ = warp(picture, (size, size), matrix, scale, PAD)
    half = (box[2:] - box[:2]) * scale / 2
    return tile, np.concatenate([size / 2 - half, size / 2 + half])


def opinion(run: Runner, picture: Picture, box: np.ndarray, size: int, classes: int) -> np.ndarray | None:
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


class Teacher:
    """Fills rows; counts what they became."""

    def __init__(self, data: DataSet, run: Runner, size: int, sure: float):
        self.data, self.run, self.size, self.sure = data, run, size, sure
        self.count: Counter[str] = Counter()

    def fill(self, path: Path, rows: list[Row]) -> list[Row]:
        words = self.data.vocabulary
        unknown = [words.names[row.label] in words.unknown for row in rows]
        if not any(unknown):
            return rows
        picture = self.data.read(path, levels=4)
        height, width = picture.image.shape[:2]
        filled = [
            self.judge(picture, row, width, height) if doubtful else row
            for row, doubtful in zip(rows, unknown)
        ]
        self.count.update(words.names[row.label] for row, doubtful in zip(filled, unknown) if doubtful)
        return filled

    def judge(self, picture: Picture, row: Row, width: int, height: int) -> Row:
        x, y, w, h = np.array(row.box) * (width, height, width, height)
        box = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
        return labelled(row, opinion(self.run, picture, box, self.size, len(self.data.names)), self)


def labelled(row: Row, shares: np.ndarray | None, teacher: Teacher) -> Row:
    if shares is None or shares.max() < teacher.sure:
        return row
    name = teacher.data.names[int(shares.argmax())]
    share = round(min(float(shares.max()), SUREST), 3)
    return replace(row, label=teacher.data.vocabulary.names.index(name), share=share)


def label(teacher: Teacher, splits: list[str]) -> Iterator[Entry]:
    """The pictures of every split; in `splits` with classes."""
    data, index = teacher.data, read_index(teacher.data.root)
    for split in data.splits:
        drawn = Counter(data.draws(split))
        for number, path in enumerate(progress(data.files(split), split)):
            rows = read_rows(label_file(path), data.vocabulary)
            if split in splits:
                rows = teacher.fill(path, rows)
            # pictures of several folders may have one name
            name = path.name if path.is_symlink() else f"{number:06}_{path.name}"
            yield Entry(split, path, name, rows, drawn[path], *index.get(path.name, ("", "")))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="data.yaml, with `unknown` classes")
    parser.add_argument("--model", type=Path, help="the teacher, a .tflite")
    parser.add_argument("--weights", type=Path, help="or its weights (.pt or .safetensors)")
    parser.add_argument("--size", type=int, default=224, help="input size for --weights")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new set")
    parser.add_argument("--splits", nargs="+", default=["train"], help="which to label (default: train)")
    parser.add_argument("--sure", type=float, default=0.75, help="least share of a class (default 0.75)")


def run(args: argparse.Namespace) -> None:
    data = DataSet.open(args.data)
    if not data.vocabulary.unknown:
        raise DataError(f"{args.data}: no class is marked as unknown; nothing to label")
    if args.model:
        interpreter = Interpreter(args.model)
        look, size = tflite_runner(interpreter), interpreter.input.shape[1]
    elif args.weights:
        look, size = torch_runner(build(args.weights, len(data.names))), args.size
    else:
        raise DataError("a teacher is needed: --model or --weights")
    teacher = Teacher(data, look, size, args.sure)
    entries = list(label(teacher, args.splits))
    args.out.mkdir(parents=True, exist_ok=True)
    write(args.out, entries, replace(data.vocabulary, share=True))
    print(", ".join(f"{number} {name}" for name, number in teacher.count.most_common()))
