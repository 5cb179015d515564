"""What pictures show at one and the same box, whatever their labels say.

Two label files of one photograph may disagree: boxes of another program, or none at all. Faces that
are cut at their own boxes then have other hashes, and nothing else says that the picture is the same.
So every picture is kept small, and what it shows where another has a face is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import cv2
import numpy as np

from .duplicates import Box
from .items import Item

#: a kept picture has so many pixels to each side: 16 kB
SIDE = 128
#: so many of the lowest frequencies to each side make a hash, as in `duplicates.perceptual_hash`; a box of
#: fewer pixels has none of its own
WAVES = 8
#: so many pictures are looked at at once: a box that fills them takes 64 kB of each
TOGETHER = 256


def miniature(image: np.ndarray) -> np.ndarray:
    """Grey, and square whatever the picture is: boxes are shares of its sides."""
    return cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


class Shown:
    """All pictures, small, and which of them are the same file."""

    def __init__(self, items: Sequence[Item]):
        self.items = items
        number: dict[bytes, int] = {}
        self.files = np.array([number.setdefault(item.digest, len(number)) for item in items])

    def again(self, index: int, others: Sequence[int], bits: int) -> Iterator[int]:
        """Those of the others that show the same as this one (up to `bits`) where it has a face, or are
        the same file."""
        for start in range(0, len(others), TOGETHER):
            some = np.array(others[start : start + TOGETHER])
            pictures = [self.items[one].miniature for one in (*some, index)]
            alike = self.files[some] == self.files[index]
            for face in self.items[index].faces:
                alike |= differing(pictures, face.box) <= bits
            yield from some[alike].tolist()


def differing(pictures: Sequence[np.ndarray], box: Box) -> np.ndarray:
    """In how many bits each of them differs from the last at this box; where it is too small to tell, in
    more than there are."""
    x, y, w, h = (side * SIDE for side in box)
    rows, columns = span(y, h), span(x, w)
    if min(rows.stop - rows.start, columns.stop - columns.start) < WAVES:
        return np.full(len(pictures) - 1, WAVES**2 + 1)
    parts = np.stack([picture[rows, columns] for picture in pictures]).astype(np.float32)
    low = waves(rows.stop - rows.start) @ parts @ waves(columns.stop - columns.start).T
    low = low.reshape(len(low), -1)
    signs = low > np.median(low[:, 1:], axis=1, keepdims=True)
    return (signs[:-1] != signs[-1]).sum(1)


def span(middle: float, length: float) -> slice:
    return slice(max(round(middle - length / 2), 0), min(round(middle + length / 2), SIDE))


@lru_cache(None)
def waves(length: int) -> np.ndarray:
    """The lowest frequencies of a cosine transform [WAVES, length]."""
    places = (np.arange(length) + 0.5) / length
    table = np.cos(np.pi * np.arange(WAVES)[:, None] * places)
    table[0] *= 0.5**0.5
    return table.astype(np.float32)
