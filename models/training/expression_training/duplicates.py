"""Near-duplicates by perceptual hash, and groups that must stay on one side of a split."""

from __future__ import annotations

import cv2
import numpy as np

#: bits of 64 that two pictures of the same scene may differ in
NEAR = 6


def perceptual_hash(image: np.ndarray) -> int:
    """64 bits: the signs of the lowest frequencies, so that size, compression and
    light do not matter."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].flatten()
    bits = low > np.median(low[1:])
    return int("".join("1" if bit else "0" for bit in bits), 2)


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


def near_pairs(hashes: list[int], limit: int = NEAR) -> list[tuple[int, int]]:
    """Pairs whose hashes differ in at most `limit` bits."""
    values = np.array(hashes, np.uint64)
    pairs = []
    for index in range(len(values)):
        differing = np.bitwise_count(values[index + 1 :] ^ values[index])
        pairs += [(index, index + 1 + int(other)) for other in np.flatnonzero(differing <= limit)]
    return pairs
