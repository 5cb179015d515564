"""What close looks are at: faces of every class and source, faces of scenes, places that are none."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .dataset import CLOSE, Picture, Size
from .labels import Labels

#: of fewer pictures than this, a class of a source is drawn less often than the others
FEW = 200
#: a smaller face of a scene, in pixels, has nothing to show closely
LEAST_SIDE = 20


class Place(NamedTuple):
    """A face or a place that is none."""

    picture: int
    #: in `Labels.places` of the picture
    number: int


class Kind(NamedTuple):
    """Places that are looked at as often as those of any other kind with the same weight."""

    weight: float
    places: Sequence[Place]


class Shares(NamedTuple):
    """Of all close looks, 0 to 1; the others are at portraits."""

    #: at faces of scenes
    of_scenes: float
    #: the part of that which is at those that are hard to see: no more than `of_scenes`
    hard: float
    #: at places that are no faces
    nothing: float


class CloseLooks(NamedTuple):
    """The part of an epoch that is close looks."""

    #: of the batches, 0 to 1
    share: float = 0.0
    kinds: Sequence[Kind] = ()
    size: Size = CLOSE


NO_CLOSE_LOOKS = CloseLooks()


def kinds_of(
    pictures: Sequence[Picture],
    used: Sequence[int],
    source_of: Callable[[Path], str],
    shares: Shares,
    roles: np.ndarray,
    hard: Sequence[Place] = (),
) -> list[Kind]:
    """Of the pictures that are `used`, by what share of the looks is at what.

    Every class that the network tells apart is looked at as often in every source: where a source
    has most of a class, the network would learn the source instead. And where such a class is
    several of the set's (`roles`: which, [classes of the set, of the network]), each of those as
    often: what is rare among what is no smile is what is taken for one.
    """
    of_hard = shares.hard if hard else 0.0
    portraits: dict[tuple[str, int], dict[int, list[Place]]] = {}
    scenes, nothing = [], []
    for index in sorted(set(used)):
        picture, labels = pictures[index], pictures[index].labels
        faces = len(labels.boxes)
        if picture.portrait:
            told = replace(labels, shares=(labels.shares @ roles).clip(max=1))
            key = source_of(picture.path), int(told.classes[0])
            of_class = portraits.setdefault(key, {}).setdefault(int(labels.classes[0]), [])
            of_class.append(Place(index, 0))
        else:
            scenes += [Place(index, number) for number in large(labels)]
        nothing += [Place(index, faces + number) for number in range(len(labels.negatives))]
    kinds = [
        *shared_out(1 - shares.nothing - shares.of_scenes, list(portraits.values())),
        Kind(shares.of_scenes - of_hard, scenes),
        Kind(of_hard, hard),
        Kind(shares.nothing, nothing),
    ]
    return [kind for kind in kinds if kind.places]


def large(labels: Labels) -> list[int]:
    """The numbers of the faces that have something to show closely."""
    sides = (labels.boxes[:, 2:] - labels.boxes[:, :2]).max(1, initial=0)
    return np.flatnonzero(sides >= LEAST_SIDE).tolist()


def shared_out(weight: float, groups: Sequence[dict[int, list[Place]]]) -> Iterator[Kind]:
    """The same for each group, and in a group for each class; less for what has few pictures."""
    totals = [often(chain(*group.values())) for group in groups]
    for group, total in zip(groups, totals):
        classes = [often(places) for places in group.values()]
        for places, own in zip(group.values(), classes):
            yield Kind(weight * total / sum(totals) * own / sum(classes), places)


def often(places: Iterable[Place]) -> float:
    return min(1.0, len(list(places)) / FEW)


def places_of(kinds: Sequence[Kind], r: random.Random) -> Iterator[Place]:
    """Without end; of a kind, every place comes before one comes again."""
    streams = [shuffled(kind.places, r) for kind in kinds]
    while streams:
        [stream] = r.choices(streams, [kind.weight for kind in kinds])
        yield next(stream)


def shuffled(items: Sequence, r: random.Random) -> Iterator:
    """All of them in a random order, and then again in another."""
    while items:
        yield from r.sample(items, len(items))
