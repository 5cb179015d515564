"""A YOLO-format set in memory, and letterboxing as the daemon does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

cv2.setNumThreads(0)  # the loader's processes are the parallelism

PAD = 114


class DataError(Exception):
    """A set that cannot be used: names the file, the line and the remedy."""


@dataclass(frozen=True)
class Picture:
    """A picture with its halvings (for cheap, clean shrinking) and its labels."""

    path: Path
    pyramid: list[np.ndarray]  # BGR uint8, each half the one before
    classes: np.ndarray  # [n] int64
    boxes: np.ndarray  # [n, 4] float32: left, top, right, bottom in pixels

    @property
    def image(self) -> np.ndarray:
        return self.pyramid[0]


@dataclass(frozen=True)
class DataSet:
    """What `data.yaml` says."""

    root: Path
    names: list[str]
    splits: dict[str, Path]

    @staticmethod
    def open(path: Path) -> DataSet:
        try:
            text = yaml.safe_load(path.read_text())
            names = text["names"]
            names = [names[i] for i in sorted(names)] if isinstance(names, dict) else list(names)
            root = (path.parent / text.get("path", ".")).resolve()
            splits = {split: root / text[split] for split in ("train", "val", "test") if split in text}
        except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
            raise DataError(
                f"{path}: not a YOLO data.yaml (needs path, train, val, names): {error}"
            ) from error
        return DataSet(root, [str(name) for name in names], splits)

    def files(self, split: str) -> list[Path]:
        folder = self.splits.get(split)
        if folder is None or not folder.is_dir():
            raise DataError(f"{self.root}: no folder for split '{split}'")
        kinds = {".jpg", ".jpeg", ".png"}
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in kinds)

    def load(self, split: str, levels: int = 1) -> list[Picture]:
        return [self.read(path, levels) for path in self.files(split)]

    def read(self, path: Path, levels: int = 1) -> Picture:
        image = cv2.imread(str(path))
        if image is None:
            raise DataError(f"{path}: not a picture that can be read; remove it or run `prepare`")
        h, w = image.shape[:2]
        rows = read_labels(label_file(path), len(self.names))
        centre, half = rows[:, 1:3] * (w, h), rows[:, 3:5] * (w, h) / 2
        boxes = np.concatenate((centre - half, centre + half), 1).astype(np.float32)
        return Picture(path, pyramid(image, levels), rows[:, 0].astype(np.int64), boxes)


def label_file(picture: Path) -> Path:
    """`images/val/a.jpg` has its labels in `labels/val/a.txt`."""
    parts = list(picture.parts)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def read_labels(path: Path, classes: int) -> np.ndarray:
    """Rows of class, centre x, centre y, width, height (0..1); no file: no face."""
    rows = []
    if path.exists():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line.strip():
                continue
            try:
                row = [float(word) for word in line.split()]
                fits = len(row) == 5 and 0 <= row[0] < classes and row[0] == int(row[0])
                if not fits or not all(-0.01 <= value <= 1.01 for value in row[1:]):
                    raise ValueError(f"want a class below {classes} and four numbers from 0 to 1")
            except ValueError as error:
                raise DataError(f"{path}:{number}: {error}") from error
            rows.append(row)
    return np.array(rows, np.float64).reshape(-1, 5)


def pyramid(image: np.ndarray, levels: int) -> list[np.ndarray]:
    result = [image]
    while len(result) < levels and min(result[-1].shape[:2]) > 40:
        h, w = result[-1].shape[:2]
        result.append(cv2.resize(result[-1], (w // 2, h // 2), interpolation=cv2.INTER_AREA))
    return result


@dataclass(frozen=True)
class Letterbox:
    """A picture fitted into a square, and the way back."""

    image: np.ndarray  # [size, size, 3]
    scale: float
    left: int
    top: int

    @staticmethod
    def of(image: np.ndarray, size: int) -> Letterbox:
        h, w = image.shape[:2]
        scale = min(size / w, size / h)
        width, height = max(1, round(w * scale)), max(1, round(h * scale))
        left, top = (size - width) // 2, (size - height) // 2
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        square = np.full((size, size, 3), PAD, np.uint8)
        square[top : top + height, left : left + width] = cv2.resize(
            image, (width, height), interpolation=kind
        )
        return Letterbox(square, scale, left, top)

    def back(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes of the square, in pixels of the picture."""
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        return (boxes - offset) / self.scale
