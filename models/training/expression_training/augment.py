"""What a camera at home does to a picture: distance, tilt, light, noise, compression.

Every function takes its own `random.Random`, so a sample depends on nothing but
the seed, the epoch and its index. `views` has the geometry, `light` the rest.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .dataset import Picture, Size
from .light import photometric
from .loss import Targets
from .views import collage, mosaic, occlude, place


@dataclass(frozen=True)
class Mix:
    """How often a sample is what. Shares of all samples, 0 to 1."""

    #: four pictures around a random centre
    mosaic: float = 0.6
    #: faces that fill their pictures, pasted into a scene without one
    collage: float = 0.0
    #: of the rest: the whole picture, fitted in as the daemon does
    letterboxed: float = 0.1


class Augmented(torch.utils.data.Dataset):
    """An epoch of augmented pictures: RGB uint8 [h, w, 3], boxes, shares, ignored regions.

    Indexed by (place in the epoch, picture, size), as `Batches` draws them. `seed` names the
    run and the epoch.
    """

    def __init__(self, pictures: Sequence[Picture], mix: Mix, seed: str):
        self.pictures, self.mix, self.seed = pictures, mix, seed
        self.portraits = [index for index, p in enumerate(pictures) if p.portrait]
        self.empty = [index for index, p in enumerate(pictures) if not len(p.labels.boxes)]

    def __getitem__(self, key: tuple[int, int, Size]):
        number, index, size = key
        r = random.Random(f"{self.seed}/{number}")
        kind = r.random()
        if kind < self.mix.mosaic:
            others = [self.pictures[r.randrange(len(self.pictures))] for _ in range(3)]
            image, labels = mosaic([self.pictures[index], *others], size, r)
        elif kind < self.mix.mosaic + self.mix.collage and self.portraits and self.empty:
            image, labels = self.pasted(index, size, r)
        else:
            image, labels = place(self.pictures[index], size, r, 1.0, self.mix.letterboxed)
        image, labels = occlude(image, labels, r)
        image = np.ascontiguousarray(photometric(image, r)[:, :, ::-1])
        parts = (image, labels.boxes, labels.shares, labels.ignored)
        return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)

    def pasted(self, index: int, size: Size, r: random.Random):
        ground = self.pictures[self.empty[r.randrange(len(self.empty))]]
        count = r.choice((1, 1, 2, 2, 3, 4, 6))
        faces = [self.pictures[r.choice(self.portraits)] for _ in range(count)]
        if self.pictures[index].portrait:
            faces[0] = self.pictures[index]
        return collage(ground, faces, size, r)


class Batches:
    """Random batches of an epoch, each at one of `sizes`.

    `draws` names pictures, one that is named several times is drawn as often; `samples`
    of them make an epoch (all if it is 0). `part` (which, of how many) is what a process
    among several has of each batch.
    """

    def __init__(
        self,
        draws: Sequence[int],
        batch: int,
        sizes: Sequence[Size],
        seed: str,
        samples: int = 0,
        part: tuple[int, int] = (0, 1),
    ):
        self.draws, self.batch, self.sizes, self.seed, self.part = draws, batch, sizes, seed, part
        self.samples = min(samples, len(draws)) or len(draws)

    def __len__(self) -> int:
        return max(1, self.samples // self.batch)

    def __iter__(self):
        r = random.Random(self.seed)
        order = list(self.draws)
        r.shuffle(order)
        for number in range(len(self)):
            size = r.choice(self.sizes)
            first = number * self.batch
            chosen = order[first : min(first + self.batch, self.samples)]
            which, parts = self.part
            yield [(first + place, index, size) for place, index in enumerate(chosen)][which::parts]


def collate(samples) -> tuple[torch.Tensor, Targets]:
    images, boxes, shares, ignored = zip(*samples)
    rows = list(zip(boxes, shares, ignored))
    return torch.stack(images), Targets.of(rows, shares[0].shape[-1])
