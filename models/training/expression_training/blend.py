"""Labels softened by what several networks say.

A label names one class of a face; many faces show more than one, and some labels are wrong.
So half of a face's label stays, and the other half is the mean answer of the networks, each
of which looks at it closely from two distances, as it is and mirrored. A label that says
"one of these classes" is told apart by that mean. A face without a class stays without one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .boxes import anchors, flatten
from .close_looks import LEAST_SIDE
from .dataset import Picture, Size
from .detect import Runner, torch_runner
from .labels import SEVERAL, Row, Vocabulary
from .sidecar import in_order_of, model_for, order_of
from .views import enlarged
from .weights import build, load_weights

#: Looks are so many times as wide as the face: what tells expressions apart needs the pixels, and the
#: network of seven is most often right from 1.5 times (README); the mean of both sides of it errs less.
LOOKS = (1.4, 1.6)
#: so far from the face's middle, as a share of its longer side, a cell still answers for it
NEAR = 0.25
#: of a mean confidence below this the networks see no face there, and what they say of it is chance
LEAST_SEEN = 0.3
#: and if a label's classes have less than this together, they contradict the label
LEAST_AMONG = 0.3
#: how much of a label that names one class stays
KEPT = 0.5
#: a smaller share has no line of its own: it is left to the rest
LEAST_SHARE = 0.01


def softened(label: np.ndarray, answer: np.ndarray, seen: float) -> np.ndarray | None:
    """The shares of a face's classes by its label (as `Labels` has them) and by the networks' mean answer,
    who see it with this confidence; None where the label stays."""
    total = label.sum()
    if total <= 0 or seen < LEAST_SEEN:
        return None
    if total < SEVERAL:
        return KEPT * label + (1 - KEPT) * answer
    among = answer * (label > 0)
    return among / among.sum() if among.sum() >= LEAST_AMONG else None


def row_of(shares: np.ndarray, row: Row, words: Vocabulary) -> Row:
    """The same face with these shares. That it has none of a class is said, not left to the rest."""
    numbers = [words.names.index(name) for name in words.classes]
    rounded = [round(float(share), 3) for share in shares]
    told = [(n, r) for n, r, share in zip(numbers, rounded, shares) if share == 0 or r >= LEAST_SHARE]
    return Row.of(told, row.box)


def answer(run: Runner, tile: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The confidence of each class, of the surest cell near the middle of the face at this place."""
    outputs = run(tile[:, :, ::-1])
    scores = flatten(outputs)[1].sigmoid()[0].numpy()
    points = anchors(outputs)[0].numpy()
    away = np.abs(points - (place[:2] + place[2:]) / 2).max(1)
    # of coarse cells none may be as near
    reach = max(NEAR * (place[2:] - place[:2]).max(), away.min())
    near = scores[away <= reach]
    return near[near.sum(1).argmax()]


@dataclass(frozen=True)
class Blend:
    """Networks of the set's classes, and what they make of its labels."""

    networks: Sequence[tuple[Runner, Size]]

    def wants(self, rows: list[Row], words: Vocabulary) -> bool:
        """Whether a face has a class, or one of several."""
        return any(self.has_class(row, words) for row in rows)

    def has_class(self, row: Row, words: Vocabulary) -> bool:
        return words.names[row.label] in words.classes or words.names[row.label] in words.groups

    def fill(self, picture: Picture, rows: list[Row], words: Vocabulary) -> list[Row]:
        return [self.blended(picture, row, words) if self.has_class(row, words) else row for row in rows]

    def blended(self, picture: Picture, row: Row, words: Vocabulary) -> Row:
        height, width = picture.image.shape[:2]
        box = row.pixels(width, height)
        if (box[2:] - box[:2]).max() < LEAST_SIDE:
            return row
        shares = softened(words.shares(row), *self.opinion(picture, box))
        return row if shares is None else row_of(shares, row, words)

    def opinion(self, picture: Picture, box: np.ndarray) -> tuple[np.ndarray, float]:
        """The classes' mean shares of all looks, and the mean confidence that there is a face."""
        shares, seen = [], []
        for (run, size), wide, flip in itertools.product(self.networks, LOOKS, (False, True)):
            scores = answer(run, *enlarged(picture, box, size, 1 / wide, flip))
            shares.append(scores / scores.sum())
            seen.append(min(float(scores.sum()), 1.0))
        return np.mean(shares, 0), float(np.mean(seen))


def networks_of(
    models: Sequence[Path], weights: Sequence[Path], size: Size, names: Sequence[str]
) -> list[tuple[Runner, Size]]:
    """Those of these files, whose classes must be the set's, in whatever order; weights have this input."""
    own = (model_for(model, names)[:2] for model in models)
    return [*own, *((runner_of(path, names), size) for path in weights)]


def runner_of(weights: Path, names: Sequence[str]) -> Runner:
    told = load_weights(weights).names or names  # where nothing says which they are, they are the set's
    order = order_of(told, names, weights)
    return in_order_of(torch_runner(build(weights, told)), order)
