"""Near-duplicates by perceptual hash, and groups that must stay on one side of a split.

The hash of a picture sees what fills it. A camera that stands still has one background for all of
its pictures: whether two of them show the same is then said by their faces, each hashed alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

#: bits of 64 that two pictures of the same scene may differ in
NEAR = 6
#: Faces may differ in so many times as many: a box drawn a little elsewhere moves the whole of them. Of
#: 1.1 million pairs of unlike faces of `expressions7` none differ in 6 bits or fewer, 1 in 10,000 in 12.
FACE_SLACK = 2
#: smaller faces, in pixels, have no hash of their own that survives another compression
LEAST_FACE = 16
#: boxes that overlap by more are one
SAME_BOX = 0.8

Box = tuple[float, float, float, float]


def perceptual_hash(image: np.ndarray) -> int:
    """64 bits: the signs of the lowest frequencies, so that size, compression and
    light do not matter."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].flatten()
    bits = low > np.median(low[1:])
    return int("".join("1" if bit else "0" for bit in bits), 2)


class Face(NamedTuple):
    """A face in a picture: where (cx, cy, w, h in shares of it), and its hash if it is large enough."""

    box: Box
    hash: int | None

    @staticmethod
    def of(image: np.ndarray, box: Box) -> Face:
        height, width = image.shape[:2]
        x, y, w, h = box
        columns = slice(max(round((x - w / 2) * width), 0), round((x + w / 2) * width))
        rows = slice(max(round((y - h / 2) * height), 0), round((y + h / 2) * height))
        part = image[rows, columns]
        return Face(box, perceptual_hash(part) if min(part.shape[:2]) >= LEAST_FACE else None)

    def like(self, other: Face, bits: int) -> bool:
        """Whether both show the same; of faces too small to tell, whether they are at the same place."""
        if self.hash is None or other.hash is None:
            return same_box(self.box, other.box)
        return (self.hash ^ other.hash).bit_count() <= bits


def same_box(a: Box, b: Box) -> bool:
    both = 1.0
    for axis in (0, 1):
        low = max(box[axis] - box[axis + 2] / 2 for box in (a, b))
        high = min(box[axis] + box[axis + 2] / 2 for box in (a, b))
        both *= max(high - low, 0.0)
    return both > SAME_BOX * (a[2] * a[3] + b[2] * b[3] - both)


class Groups:
    """Sets that are merged when two of their members belong together (union-find)."""

    def __init__(self, count: int):
        self.parent = list(range(count))

    def find(self, member: int) -> int:
        while self.parent[member] != member:
            self.parent[member] = self.parent[self.parent[member]]
            member = self.parent[member]
        return member

    def join(self, a: int, b: int) -> None:
        self.parent[self.find(a)] = self.find(b)

    def members(self, of: Iterable[int]) -> list[list[int]]:
        """These, by the set that they are in."""
        sets: dict[int, list[int]] = {}
        for member in of:
            sets.setdefault(self.find(member), []).append(member)
        return list(sets.values())


def near_pairs(hashes: Sequence[int], limit: int = NEAR) -> Iterator[tuple[int, int]]:
    """Pairs whose hashes differ in at most `limit` bits."""
    for index, others in neighbours(hashes, limit):
        yield from ((index, int(other)) for other in others[others > index])


def neighbours(hashes: Sequence[int], limit: int) -> Iterator[tuple[int, np.ndarray]]:
    """Of each hash the others that differ from it in at most `limit` bits."""
    values = np.array(hashes, np.uint64)
    for index, value in enumerate(values):
        near = np.bitwise_count(values ^ value) <= limit
        near[index] = False
        yield index, np.flatnonzero(near)
