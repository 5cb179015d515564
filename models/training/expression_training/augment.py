"""What a camera at home does to a picture: distance, tilt, light, noise, compression.

Every function takes its own `random.Random`, so a sample depends on nothing but
the seed, the epoch and its index. `views` has the geometry, `light` the rest.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from .close_looks import NO_CLOSE_LOOKS, CloseLooks, places_of, shuffled
from .dataset import Picture, Size
from .light import photometric
from .loss import Targets
from .views import close_look, collage, mosaic, occlude, place


@dataclass(frozen=True)
class Mix:
    """How often a sample is what. Shares of all samples, 0 to 1."""

    #: four pictures around a random centre
    mosaic: float = 0.6
    #: faces that fill their pictures, pasted into a scene without one
    collage: float = 0.0
    #: of the rest: the whole picture, fitted in as the daemon does
    letterboxed: float = 0.1
    #: of close looks: a face that fills most of the look
    filling: float = 0.0


#: share of the close looks whose light, optics and sensor are the picture's own: seven expressions are told
#: apart by little, and were not learnt where all of it was always changed
UNCHANGED = 0.4


class Draw(NamedTuple):
    """What a sample is to be made of."""

    #: its number in the epoch, on which its random numbers depend
    number: int
    picture: int
    size: Size
    #: what of the picture is looked at closely, in `Labels.places`
    place: int | None = None


class Augmented(torch.utils.data.Dataset):
    """An epoch of augmented pictures: RGB uint8 [h, w, 3], boxes, shares, ignored regions.

    Indexed by what `Batches` draws. `seed` names the run and the epoch.
    """

    def __init__(self, pictures: Sequence[Picture], mix: Mix, seed: str):
        self.pictures, self.mix, self.seed = pictures, mix, seed
        self.portraits = [index for index, p in enumerate(pictures) if p.portrait]
        self.empty = [index for index, p in enumerate(pictures) if not len(p.labels.boxes)]

    def __getitem__(self, draw: Draw):
        number, index, size, near = draw
        r = random.Random(f"{self.seed}/{number}")
        kind = r.random()
        if near is not None:
            image, labels = close_look(self.pictures[index], near, self.ground(r), size, r, self.mix.filling)
        elif kind < self.mix.mosaic:
            others = [self.pictures[r.randrange(len(self.pictures))] for _ in range(3)]
            image, labels = mosaic([self.pictures[index], *others], size, r)
        elif kind < self.mix.mosaic + self.mix.collage and self.portraits and self.empty:
            image, labels = self.pasted(index, size, r)
        else:
            image, labels = place(self.pictures[index], size, r, 1.0, self.mix.letterboxed)
        image, labels = occlude(image, labels, r)
        if near is None or r.random() >= UNCHANGED:
            image = photometric(image, r)
        image = np.ascontiguousarray(image[:, :, ::-1])
        parts = (image, labels.boxes, labels.shares, labels.ignored)
        return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)

    def ground(self, r: random.Random) -> Picture | None:
        return self.pictures[r.choice(self.empty)] if self.empty else None

    def pasted(self, index: int, size: Size, r: random.Random):
        ground = self.ground(r)
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
        close: CloseLooks = NO_CLOSE_LOOKS,
    ):
        self.draws, self.batch, self.sizes, self.seed, self.part = draws, batch, sizes, seed, part
        self.close = close
        self.samples = min(samples, len(draws)) or len(draws)

    def __len__(self) -> int:
        return max(1, self.samples // self.batch)

    def __iter__(self):
        r = random.Random(self.seed)
        whole = ((index, None) for index in shuffled(self.draws, r))
        near, share = places_of(self.close.kinds, r), self.close.share if self.close.kinds else 0.0
        for step in range(len(self)):
            size, close = r.choice(self.sizes), r.random() < share
            first = step * self.batch
            chosen = itertools.islice(near if close else whole, min(self.batch, self.samples - first))
            which, parts = self.part
            yield [
                Draw(first + number, index, self.close.size if close else size, place)
                for number, (index, place) in enumerate(chosen)
            ][which::parts]


def collate(samples) -> tuple[torch.Tensor, Targets]:
    images, boxes, shares, ignored = zip(*samples)
    rows = list(zip(boxes, shares, ignored))
    return torch.stack(images), Targets.of(rows, shares[0].shape[-1])
