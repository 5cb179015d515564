"""A picture's labels, and the text files that people keep them in.

A line is `class cx cy w h` in shares of the picture (YOLO). Polygons and oriented boxes
(`class x y x y x y ...`) and key points (`class cx cy w h x y v ...`) become the box around
them; a number more is some detector's confidence and is left out, unless `data.yaml`
says `share: true`: then that behind a box is how sure the class is, lines of the same box are one face,
and what they leave of 1 is spread evenly over the classes that none of them names. A name
may stand for several classes (`groups` in `data.yaml`): the face has one of them, and the
label does not say which.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import category

import numpy as np

from .text import text_of

#: labels may lie this far outside the picture, by rounding
TOLERANCE = 0.01
VISIBILITIES = (0.0, 1.0, 2.0)
#: key points may lie this far outside their box
NEAR = 0.1
#: no side of a box is shorter, as a share of the picture: label files have six decimals
LEAST_SIDE = 1e-6
#: by rounding, the shares of a face's classes may add up to so much more than 1
ROUNDING = 0.01
#: a distribution sums to 1, a label that names several classes to their number
SEVERAL = 1.5


#: Words that a class cannot be called (src/detector/classes.rs): with them the state of an
#: expression says that there is none.
RESERVED = ("none", "unknown", "unavailable")


class DataError(Exception):
    """A set that cannot be used: names the file, the line and the remedy."""


@dataclass(frozen=True)
class Labels:
    """Faces, and regions that count neither as faces nor as background; in pixels."""

    boxes: np.ndarray  # [n, 4] float32: left, top, right, bottom
    #: [n, classes] float32 distribution; all zero: a face whose class nobody knows; several
    #: ones: it has one of those classes
    shares: np.ndarray
    ignored: np.ndarray  # [m, 4] float32
    #: [k, 4] float32, places that look like faces and are none: background, to be shown as
    #: closely as faces are. Of pictures alone; a view of one has none.
    negatives: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))

    @property
    def shows_faces(self) -> bool:
        """Whether the picture has any, or what may be one."""
        return bool(len(self.boxes) or len(self.ignored))

    @property
    def classes(self) -> np.ndarray:
        """[n] int64, the likeliest; -1: nobody knows which."""
        total = self.shares.sum(1)
        known = (total > 0) & (total < SEVERAL)
        return np.where(known, self.shares.argmax(1), -1)

    @property
    def places(self) -> np.ndarray:
        """What close looks are at: the faces, then the places that are none."""
        return np.concatenate([self.boxes, self.negatives])

    @property
    def smallest(self) -> float:
        """The longer side of the smallest of these places; of none, without end."""
        return float((self.places[:, 2:] - self.places[:, :2]).max(1, initial=0).min(initial=np.inf))

    def shifted(self, x: float, y: float) -> Labels:
        offset = np.array([x, y, x, y], np.float32)
        return Labels(self.boxes + offset, self.shares, self.ignored + offset)

    def scaled(self, x: float, y: float) -> Labels:
        factor = np.array([x, y, x, y], np.float32)
        return Labels(self.boxes * factor, self.shares, self.ignored * factor, self.negatives * factor)

    @staticmethod
    def joined(parts: list[Labels]) -> Labels:
        columns = ([getattr(p, name) for p in parts] for name in ("boxes", "shares", "ignored"))
        return Labels(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True)
class Vocabulary:
    """What the numbers in label files mean."""

    #: every name that `data.yaml` lists
    names: list[str]
    #: those of them that say "a face" and no more
    unknown: frozenset[str] = frozenset()
    #: those that mark a region as neither face nor background
    ignored: frozenset[str] = frozenset()
    #: the sixth column is how sure the class is
    share: bool = False
    #: how many key points and the numbers of each, if `data.yaml` declares some (`kpt_shape`)
    key_points: tuple[int, int] | None = None
    #: those of the names that say "one of these classes"
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: those that mark a place as no face, whatever it looks like
    negative: frozenset[str] = frozenset()

    @property
    def classes(self) -> list[str]:
        """What the network tells apart."""
        special = self.unknown | self.ignored | self.negative | self.groups.keys()
        return [name for name in self.names if name not in special]

    def check(self) -> None:
        """Raises ValueError, in words, where it contradicts itself."""
        for name in self.unknown | self.ignored | self.negative:
            if name not in self.names:
                raise ValueError(f"'{name}' is marked as unknown, ignore or negative but is not in names")
        for name, members in self.groups.items():
            if name not in self.names:
                raise ValueError(f"'{name}' is a group but is not in names")
            for member in members or ("nothing",):
                if member not in self.classes:
                    raise ValueError(f"group '{name}' has '{member}', which is no class")
                if members.count(member) > 1:  # no board would load it (src/detector/classes.rs)
                    raise ValueError(f"group '{name}' has '{member}' twice")
        if not self.classes:
            raise ValueError("names has no class")

    def check_words(self) -> None:
        """Refuses what the daemon would refuse in a side-car, before a network has learnt it."""
        words = [*self.classes, *self.groups]
        lower = [word.strip().lower() for word in words]
        for number, word in enumerate(words):
            remedy = "give it another name (prepare --map, which names every class that stays)"
            if not lower[number] or len(word.encode()) > 64 or any(category(c) == "Cc" for c in word):
                raise DataError(f"class '{word}' is not 1 to 64 bytes without control characters: {remedy}")
            if lower[number] in RESERVED:
                raise DataError(f"class '{word}' would say that there is no expression: {remedy}")
            if lower[number] in lower[:number]:
                raise DataError(f"class '{word}' is there for the second time: {remedy}")

    def to_dict(self) -> dict:
        """As `data.yaml` has it."""
        words = {"nc": len(self.names), "names": list(self.names)}
        if self.unknown:
            words["unknown"] = sorted(self.unknown)
        if self.ignored:
            words["ignore"] = sorted(self.ignored)
        if self.negative:
            words["negative"] = sorted(self.negative)
        if self.groups:
            words["groups"] = {name: list(classes) for name, classes in self.groups.items()}
        return words | ({"share": True} if self.share else {})

    def labels(self, rows: list[Row], width: int, height: int) -> Labels:
        classes = self.classes
        boxes, shares, ignored, negatives = [], [], [], []
        for row in rows:
            box, name = row.pixels(width, height), self.names[row.label]
            if name in self.ignored or name in self.negative:
                (ignored if name in self.ignored else negatives).append(box)
                continue
            boxes.append(box)
            shares.append(self.shares(row))
        return Labels(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(shares, np.float32).reshape(-1, len(classes)),
            np.array(ignored, np.float32).reshape(-1, 4),
            np.array(negatives, np.float32).reshape(-1, 4),
        )

    def shares(self, row: Row) -> np.ndarray:
        """Of a face, as `Labels` has them."""
        classes, name = self.classes, self.names[row.label]
        shares = np.zeros(len(classes))
        if name in self.groups:
            shares[[classes.index(member) for member in self.groups[name]]] = 1
        elif name not in self.unknown:
            told = {classes.index(self.names[label]): share for label, share in row.told}
            shares[:] = max(1 - sum(told.values()), 0) / max(len(classes) - len(told), 1)
            shares[list(told)] = list(told.values())
        return shares

    def one_face(self, lines: Sequence[Row]) -> Row:
        """What all rows of the same box say; raises ValueError, in words, where that is not one face."""
        if len(lines) == 1:
            return lines[0]
        box = lines[0].box
        place = f"box {' '.join(f'{value:g}' for value in box)}"
        told = [(row.label, row.share) for row in lines]
        for number, (label, _) in enumerate(told):
            if (name := self.names[label]) not in self.classes:
                raise ValueError(f"{place}: '{name}' is no class and stands with another line of that box")
            if label in dict(told[:number]):
                raise ValueError(f"{place}: '{name}' stands there twice")
        if (total := sum(share for _, share in told)) <= 1 + ROUNDING:
            return Row.of(told, box)
        names = [self.names[label] for label, _ in told]
        if not self.share and (name := self.one_of(names)):
            return Row(self.names.index(name), box)
        remedy = (
            "" if self.share else ": keep one of the lines, or name them as one of `groups`, or an `unknown`"
        )
        raise ValueError(
            f"{place}: {', '.join(names)} have {total:g} of one face together, more than 1{remedy}"
        )

    def one_of(self, classes: Sequence[str]) -> str | None:
        """The name for "one of these", or, where there is none, for a face whose class nobody knows."""
        groups = (name for name, members in self.groups.items() if set(members) == set(classes))
        return next(groups, min(self.unknown, default=None))


@dataclass(frozen=True)
class Row:
    """A face, or a place that is none: class number, box (cx, cy, w, h in shares of the picture), how sure
    the class is. One line, or with `others` several of the same box."""

    label: int
    box: tuple[float, float, float, float]
    share: float = 1.0
    #: less likely classes that lines of this box name, and their shares
    others: tuple[tuple[int, float], ...] = ()

    @staticmethod
    def of(told: Iterable[tuple[int, float]], box: tuple[float, float, float, float]) -> Row:
        """A face that has several classes: it counts as one of the likeliest."""
        (label, share), *others = sorted(told, key=lambda pair: -pair[1])
        return Row(label, box, share, tuple(others))

    @property
    def told(self) -> tuple[tuple[int, float], ...]:
        """Every class that is named, and its share."""
        return ((self.label, self.share), *self.others)

    def pixels(self, width: int, height: int) -> np.ndarray:
        """Left, top, right, bottom in a picture of this size."""
        x, y, w, h = np.array(self.box) * (width, height, width, height)
        return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])

    def text(self, share: bool = False) -> str:
        """The line, or the lines."""
        box = " ".join(f"{value:.6f}".rstrip("0").rstrip(".") for value in self.box)
        return "\n".join(f"{label} {box}" + (f" {own:g}" if share else "") for label, own in self.told)


def read_rows(path: Path, vocabulary: Vocabulary, share: bool | None = None) -> list[Row]:
    """No file: no face, as YOLO has it. With `share` lines of the same box are one face, as in a set that
    they are written to with shares; by default where the set has them."""
    share = vocabulary.share if share is None else share
    try:
        text = text_of(path)
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error
    faces: dict[object, dict[Row, int]] = {}
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line:
            continue
        try:
            row = parse(line, vocabulary)
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}") from error
        # one that was written twice is one face, as the daemon takes it where the digits are the same, too
        # (src/evaluate/labels.rs)
        faces.setdefault(row.box if share else row, {}).setdefault(row, number)
    return [face_of(path, lines, vocabulary) for lines in faces.values()]


def face_of(path: Path, lines: dict[Row, int], vocabulary: Vocabulary) -> Row:
    """What lines of one face say together, each with its number."""
    try:
        return vocabulary.one_face(list(lines))
    except ValueError as error:
        raise DataError(f"{path}:{max(lines.values())}: {error}") from error


def parse(line: str, vocabulary: Vocabulary) -> Row:
    try:
        label, *numbers = (float(word) for word in line.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"'{line}' is not made of numbers") from None
    if not all(map(math.isfinite, (label, *numbers))):
        raise ValueError(f"'{line}' has a number without a value")
    if label != int(label) or not 0 <= label < len(vocabulary.names):
        raise ValueError(f"class {label:g} is not one of the {len(vocabulary.names)} in names")
    share = 1.0
    if len(numbers) == 5:
        *numbers, sixth = numbers
        share = sixth if vocabulary.share else 1.0
        if not 0 <= share <= 1:
            raise ValueError(f"share {share:g} is not from 0 to 1")
    if len(numbers) != 4:
        numbers = box_of(numbers, vocabulary.key_points, line)
    if not all(-TOLERANCE <= value <= 1 + TOLERANCE for value in numbers):
        raise ValueError(f"'{line}' has a number outside 0 to 1: pixels instead of shares of the picture?")
    if min(numbers[2:]) < LEAST_SIDE:
        raise ValueError(f"'{line}' is a box without a width or a height")
    return Row(int(label), tuple(numbers), share)


def box_of(numbers: list[float], key_points: tuple[int, int] | None, line: str) -> list[float]:
    """The box around a polygon, or the one before key points; behind either there may be a confidence."""
    if len(numbers) < 6:
        raise ValueError(f"'{line}' is neither a class and a box nor a polygon nor key points")
    declared = key_points is not None and len(numbers) - 4 - math.prod(key_points) in (0, 1)
    if declared or are_key_points(numbers):
        return numbers[:4]
    corners = numbers[: len(numbers) // 2 * 2]
    x, y = corners[0::2], corners[1::2]
    low, high = (min(x), min(y)), (max(x), max(y))
    return [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, high[0] - low[0], high[1] - low[1]]


def are_key_points(numbers: list[float]) -> bool:
    """Whether a box and points with visibilities fit together, where `data.yaml` does not say so: the guess
    of the daemon (src/evaluate/labels.rs), which says why it is made so."""
    (x, y, width, height), more = numbers[:4], numbers[4:]
    across, down = (x - width / 2, x + width / 2), (y - height / 2, y + height / 2)
    if len(more) % 3 or min(width, height) < LEAST_SIDE:
        return False
    if not all(-TOLERANCE <= edge <= 1 + TOLERANCE for edge in across + down):
        return False
    points = list(zip(more[0::3], more[1::3], more[2::3], strict=True))
    if not all(seen in VISIBILITIES for _, _, seen in points):
        return False
    labelled = [(x, y) for x, y, seen in points if seen]
    near = all(near_to(x, across) and near_to(y, down) for x, y in labelled)
    return near and (bool(labelled) or not any(more))


def near_to(share: float, edges: tuple[float, float]) -> bool:
    return edges[0] - NEAR <= share <= edges[1] + NEAR


def label_file(picture: Path) -> Path:
    """`images/val/a.jpg` has its labels in `labels/val/a.txt`, or, where that is not there, beside itself,
    as the daemon reads it (src/evaluate/dataset.rs)."""
    file, beside = labels_of(picture), picture.with_suffix(".txt")
    return beside if not file.exists() and beside.exists() else file


def labels_of(picture: Path) -> Path:
    """Where its labels belong."""
    parts = list(picture.parts)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")
