"""A YOLO-format set as people have them, and letterboxing as the daemon does it."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from .description import first_there, plain_path, read_description
from .labels import DataError, Labels, Vocabulary, label_file, read_rows
from .text import text_of

__all__ = [
    "ALL_HALVINGS",
    "CLOSE",
    "INPUT",
    "PAD",
    "DataError",
    "DataSet",
    "Labels",
    "Letterbox",
    "Picture",
    "Size",
    "at_least_one",
    "existing",
    "label_file",
    "above_zero",
    "read_image",
    "size_of",
    "to_write",
    "write_image",
]

T = TypeVar("T")

cv2.setNumThreads(0)  # the loader's processes are the parallelism

PAD = 114
#: all the halvings that there are: a face of any size is shrunk by less than two from one of them
ALL_HALVINGS = 16
#: as the daemon has them (src/source/media.rs), also such as cannot be read: they are left out by name
PICTURES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    *(".heic", ".heif", ".hif", ".avif", ".jp2", ".jxl", ".mpo", ".ppm", ".pgm", ".dng"),
}
#: macOS' archives have a second tree of its own notes
NOTES = "__MACOSX"
#: a picture whose only face is at least this share of its longer side is one of that face
PORTRAIT = 0.3
#: longer side of a picture in memory, and of a face in it that it is halved to at most: the closest
#: look is drawn at faces of so many pixels (views.FILLING_PIXELS)
MOST_HELD, LEAST_HELD = 1280, 106


#: width and height of a network's input, in pixels, multiples of 32
Size = tuple[int, int]
#: of the shipped model: cameras' frames are wide, and a square would leave a third of
#: itself to the bars above and below them
INPUT: Size = (288, 192)
#: of the network for close looks
CLOSE: Size = (128, 128)


def size_of(text: str) -> Size:
    """`288x192`, or one number for a square."""
    sides = [int(side) for side in text.lower().split("x")]
    if not 1 <= len(sides) <= 2 or any(side < 32 or side % 32 for side in sides):
        raise ValueError(f"{text}: one number or widthxheight, multiples of 32")
    return sides[0], sides[-1]


def at_least_one(text: str) -> int:
    """How many of something that there must be."""
    if not text.isdecimal() or (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text}: a whole number, at least 1")
    return number


def above_zero(text: str) -> float:
    """How much of something that there must be."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: a number, more than 0")
    return number


def existing(text: str) -> Path:
    """A file to read, of a command line: missed before anything else is read."""
    if not (path := Path(text)).is_file():
        raise argparse.ArgumentTypeError(f"{text}: no such file")
    return path


def to_write(text: str) -> Path:
    """A file to write at the end: that it cannot be is told before the work."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        wrong = "a folder, and no file" if path.is_dir() else f"there is no folder {path.parent}"
        raise argparse.ArgumentTypeError(f"{text}: {wrong}")
    return path


@dataclass(frozen=True)
class Picture:
    """A picture with its halvings (for cheap, clean shrinking) and its labels."""

    path: Path
    pyramid: list[np.ndarray]  # BGR uint8, each half the one before
    labels: Labels

    @property
    def image(self) -> np.ndarray:
        return self.pyramid[0]

    def half(self) -> Picture:
        """The same at half the size, without its halvings."""
        image, (h, w) = halved(self.image), self.image.shape[:2]
        labels = self.labels.scaled(image.shape[1] / w, image.shape[0] / h)
        return Picture(self.path, [image], labels)

    @cached_property
    def portrait(self) -> bool:
        """One face, and hardly more than it."""
        if len(self.labels.boxes) != 1 or len(self.labels.ignored):
            return False
        left, top, right, bottom = self.labels.boxes[0]
        return max(right - left, bottom - top) >= PORTRAIT * max(self.image.shape[:2])


@dataclass(frozen=True)
class DataSet:
    """What `data.yaml` says."""

    root: Path
    vocabulary: Vocabulary
    #: where the pictures of each are; nowhere, where data.yaml names no place
    splits: dict[str, list[Path]]
    #: why pictures were left out, filled by reading
    left_out: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return self.vocabulary.classes

    @staticmethod
    def open(path: Path) -> DataSet:
        return DataSet(*read_description(path))

    def draws(self, split: str) -> list[Path]:
        """The pictures of a split; one that a list names several times is drawn as often."""
        if split not in self.splits:
            raise DataError(f"{self.root}: data.yaml has no split '{split}'")
        if not self.splits[split]:
            what = f"split '{split}' names no place: its folder, or a list of its pictures"
            raise DataError(f"{self.root}: data.yaml: {what}")
        return [file for place in self.splits[split] for file in pictures_at(place, self.root)]

    def files(self, split: str) -> list[Path]:
        """Every picture of a split once, in order of name."""
        files = sorted(set(self.draws(split)))
        if not files:
            raise DataError(f"{', '.join(map(str, self.splits[split]))}: no pictures for split '{split}'")
        if not any(label_file(file).exists() for file in files):
            raise DataError(
                f"no label file for any picture of '{split}': {label_file(files[0])} is looked for"
            )
        return files

    def pictures(self, split: str, levels: int = 0, every: int = 1) -> Iterator[Picture]:
        yield from self.readable(self.files(split)[::every], levels)

    def readable(self, files: Iterable[Path], levels: int = 0) -> Iterator[Picture]:
        """With `levels`, to be kept in memory: no larger than there is a use for."""
        return self.usable(files, lambda path: self.held(path, levels) if levels else self.read(path))

    def usable(self, files: Iterable[Path], read: Callable[[Path], T]) -> Iterator[T]:
        """What is read of those that can be; the others are named on standard error and counted."""
        before = len(self.left_out)
        try:
            for path in files:
                try:
                    yield read(path)
                except DataError as error:
                    self.leave_out(error)
        finally:
            if new := len(self.left_out) - before:
                print(f"{new} left out", file=sys.stderr)

    def leave_out(self, error: DataError) -> None:
        """Says once why something is not used."""
        if str(error) not in self.left_out:
            self.left_out.append(str(error))
            print(f"left out: {error}", file=sys.stderr)

    def present(self) -> list[str]:
        """The splits that have pictures. That `data.yaml` names one which is not there is usual,
        and no error."""
        found = []
        for split in self.splits:
            try:
                self.files(split)
                found.append(split)
            except DataError as error:
                self.leave_out(error)
        return found

    def load(self, split: str, levels: int = 0, every: int = 1) -> list[Picture]:
        """All of a split, or every so many of it, in memory."""
        pictures = list(self.pictures(split, levels, every))
        if not pictures:
            raise self.unusable(split)
        return pictures

    def unusable(self, split: str) -> DataError:
        """What there is to say where nothing of a split could be read."""
        return DataError(f"no picture of '{split}' can be used; the first: {self.left_out[0]}")

    def read(self, path: Path, levels: int = 1) -> Picture:
        image = read_image(path)
        h, w = image.shape[:2]
        rows = read_rows(label_file(path), self.vocabulary)
        return Picture(path, pyramid(image, levels), self.vocabulary.labels(rows, w, h))

    def held(self, path: Path, levels: int) -> Picture:
        """Halved until it is no larger than `MOST_HELD`, as long as its smallest face stays as large as the
        closest look shows one: with its halvings a picture of 12 megapixels takes 48 MB."""
        picture = self.read(path)
        while max(picture.image.shape[:2]) > MOST_HELD and picture.labels.smallest >= 2 * LEAST_HELD:
            picture = picture.half()
        return replace(picture, pyramid=pyramid(picture.image, levels))


def pictures_at(place: Path, root: Path) -> list[Path]:
    """Of a folder and those below it, of a list of paths, or the one picture."""
    if place.is_dir():
        return pictures_below(place)
    if is_picture(place):
        return [place]
    try:
        lines = text_of(place).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{place}: neither a folder of pictures nor a list of them: {error}") from error
    # relative to the list, as most programs write, or to the set
    return [first_there(place.parent / line, root / line) for line in map(plain_path, lines) if line]


def pictures_below(folder: Path) -> list[Path]:
    """Links to folders are followed, as the daemon does (src/evaluate/dataset.rs). They may lead in a
    circle: no folder is entered twice, and by a link only after those that are none."""
    found, walked, waiting, links = [], set(), [folder], []
    while waiting or links:
        place = waiting.pop() if waiting else links.pop(0)
        if (real := place.resolve()) in walked:
            continue
        walked.add(real)
        try:
            inner = sorted(place.iterdir())
        except OSError as error:
            print(f"left out: {place}: {error}", file=sys.stderr)
            continue
        for path in inner:
            if path.is_dir():
                if path.name != NOTES:
                    (links if path.is_symlink() else waiting).append(path)
            elif is_picture(path):
                found.append(path)
    return sorted(found)


def is_picture(path: Path) -> bool:
    """macOS's `._` files are none."""
    return path.suffix.lower() in PICTURES and not path.name.startswith("._")


def read_image(path: Path) -> np.ndarray:
    """Of bytes that Python read: OpenCV ends the process where a path is not UTF-8."""
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, ValueError, cv2.error) as error:
        raise DataError(f"{path}: not a picture that can be read: {error}") from error
    if image is None:
        raise DataError(f"{path}: not a picture that can be read; remove it or run `prepare`")
    return image


def write_image(path: Path, image: np.ndarray) -> None:
    """In the format that the suffix names."""
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


def pyramid(image: np.ndarray, levels: int) -> list[np.ndarray]:
    result = [image]
    while len(result) < levels and min(result[-1].shape[:2]) > 40:
        result.append(halved(result[-1]))
    return result


def halved(image: np.ndarray) -> np.ndarray:
    h, w = image.shape[:2]
    return cv2.resize(image, (max(1, w // 2), max(1, h // 2)), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Letterbox:
    """A picture fitted into a network's input, and the way back."""

    image: np.ndarray  # [height, width, 3] of the input
    #: across, down, across, down: whole pixels are covered, so that one may be a little more than the other
    scale: np.ndarray
    left: int
    top: int

    @staticmethod
    def of(image: np.ndarray, size: Size) -> Letterbox:
        h, w = image.shape[:2]
        scale = min(size[0] / w, size[1] / h)
        width, height = (max(1, int(side * scale + 0.5)) for side in (w, h))  # halves upwards, as the daemon
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        boxed = np.full((size[1], size[0], 3), PAD, np.uint8)
        boxed[top : top + height, left : left + width] = cv2.resize(
            image, (width, height), interpolation=kind
        )
        scales = np.array([width / w, height / h] * 2, np.float32)
        return Letterbox(boxed, scales, left, top)

    def back(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes of the input, in pixels of the picture."""
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        return (boxes - offset) / self.scale
