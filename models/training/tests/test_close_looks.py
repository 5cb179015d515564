"""Close looks are at every class of every source, at faces of scenes and at places that are none."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_views import scene

from expression_training import views
from expression_training.close_looks import (
    FEW,
    CloseLooks,
    Place,
    Shares,
    kinds_of,
    places_of,
)
from expression_training.dataset import CLOSE

FACE = (100, 50, 220, 200)
SMALL, TINY = (10, 10, 40, 50), (100, 100, 112, 115)
SHARES = Shares(of_scenes=0.3, hard=0.1, nothing=0.2)
HAPPY, NOT_HAPPY, EITHER, UNKNOWN = [1, 0], [0, 1], [1, 1], [0, 0]
#: the network tells the set's own classes apart
SAME = np.eye(2, dtype=np.float32)


def portrait(source, shares):
    return replace(scene([FACE], shares=[shares]), path=Path(source))


def with_nothing(picture, *places):
    negatives = np.array(places, np.float32).reshape(-1, 4)
    return replace(picture, labels=replace(picture.labels, negatives=negatives))


def drawn(pictures, roles=SAME, count=20000, hard=()):
    """How often each place comes, as a share."""
    kinds = kinds_of(pictures, range(len(pictures)), str, SHARES, roles, hard)
    places = places_of(kinds, random.Random(1))
    counts = Counter(next(places) for _ in range(count))
    return {place: number / count for place, number in counts.items()}


def test_each_class_of_each_source_is_looked_at_as_often():
    kinds = [("a", HAPPY, 900), ("a", NOT_HAPPY, 300), ("b", HAPPY, 300), ("b", EITHER, 300)]
    pictures = [portrait(source, shares) for source, shares, count in kinds for _ in range(count)]
    shares, first = drawn(pictures), 0
    assert sum(shares.values()) == pytest.approx(1)
    for *_, count in kinds:
        of_it = sum(share for place, share in shares.items() if first <= place.picture < first + count)
        assert of_it == pytest.approx(1 / len(kinds), abs=0.02)
        first += count


def test_what_is_no_smile_is_looked_at_as_often_as_smiles_and_each_kind_of_it_alike():
    """Where a network tells happy from the rest, a rare open mouth is what it errs on."""
    happy, sad, fear, one_of_both = [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]
    kinds = [("a", happy, 600), ("a", sad, 900), ("a", fear, 300), ("b", happy, 300), ("b", one_of_both, 400)]
    pictures = [portrait(source, shares) for source, shares, count in kinds for _ in range(count)]
    shares, first = drawn(pictures, np.array([HAPPY, NOT_HAPPY, NOT_HAPPY], np.float32)), 0
    for (*_, count), expected in zip(kinds, (1 / 4, 1 / 8, 1 / 8, 1 / 4, 1 / 4)):
        of_it = sum(share for place, share in shares.items() if first <= place.picture < first + count)
        assert of_it == pytest.approx(expected, abs=0.02)
        first += count


def test_a_class_of_few_pictures_is_not_learnt_by_heart():
    pictures = [portrait("a", HAPPY)] * FEW + [portrait("a", UNKNOWN)] * (FEW // 10)
    shares = drawn(pictures)
    few = sum(share for place, share in shares.items() if place.picture >= FEW)
    assert few == pytest.approx(1 / 11, abs=0.02)


def test_faces_of_scenes_and_places_that_are_none_have_their_share():
    group = scene([SMALL, TINY, (150, 10, 180, 50)])
    pictures = [portrait("a", HAPPY)] * 5 + [with_nothing(group, SMALL, TINY), with_nothing(scene([]), FACE)]
    shares = drawn(pictures)
    of_faces = [shares.pop(Place(5, number)) for number in (0, 2)]
    assert of_faces == pytest.approx([SHARES.of_scenes / 2] * 2, abs=0.01), "of twenty pixels and more"
    of_nothing = [shares.pop(place) for place in (Place(5, 3), Place(5, 4), Place(6, 0))]
    assert of_nothing == pytest.approx([SHARES.nothing / 3] * 3, abs=0.01)
    assert {place.picture for place in shares} == set(range(5))


def test_faces_that_are_hard_to_see_have_a_share_of_their_own_of_those_of_scenes():
    hard = Place(5, 1)
    pictures = [portrait("a", HAPPY)] * 5 + [scene([SMALL, (150, 10, 180, 50)])]
    shares = drawn(pictures, hard=[hard])
    of_scenes = [shares[place] for place in (Place(5, 0), hard)]
    assert sum(of_scenes) == pytest.approx(SHARES.of_scenes / (1 - SHARES.nothing), abs=0.01)
    of_all = (SHARES.of_scenes - SHARES.hard) / 2
    assert of_scenes[1] / of_scenes[0] == pytest.approx((of_all + SHARES.hard) / of_all, abs=0.1)


def test_only_what_is_used_is_looked_at_and_all_of_it_before_anything_twice():
    pictures = [portrait("a", HAPPY) for _ in range(6)]
    kinds = kinds_of(pictures, [0, 2, 2, 4], str, SHARES, SAME)
    places = places_of(kinds, random.Random(1))
    for _ in range(4):
        assert {next(places).picture for _ in range(3)} == {0, 2, 4}
    assert not kinds_of(pictures, [], str, SHARES, SAME) and not list(places_of([], random.Random(1)))
    assert not CloseLooks().kinds


def test_a_place_that_only_looks_like_a_face_is_shown_as_closely():
    picture = with_nothing(scene([SMALL]), (200, 120, 240, 160))
    for seed in range(40):
        _, labels = views.close_look(picture, 1, scene([]), CLOSE, random.Random(seed))
        assert not len(labels.boxes) and not len(labels.negatives)


def test_such_a_place_of_a_portrait_is_shown_and_not_its_face():
    picture = with_nothing(scene([(20, 20, 120, 140)]), (250, 180, 290, 220))
    assert picture.portrait
    for seed in range(40):
        _, labels = views.close_look(picture, 1, scene([]), CLOSE, random.Random(seed))
        middles = (labels.boxes[:, :2] + labels.boxes[:, 2:]) / 2
        assert (np.abs(middles - 64).max(1, initial=0) > 30).all(), seed


def test_a_face_of_a_scene_is_shown_as_closely_with_its_neighbours():
    picture = scene([(100, 100, 140, 150), (150, 100, 190, 150)])
    neighbours = 0
    for seed in range(40):
        _, labels = views.close_look(picture, 0, scene([]), CLOSE, random.Random(seed))
        middles = (labels.boxes[:, :2] + labels.boxes[:, 2:]) / 2
        nearest = np.abs(middles - 64).max(1).argmin()
        left, top, right, bottom = labels.boxes[nearest]
        assert 0.15 * 128 < max(right - left, bottom - top) < 0.85 * 128
        neighbours += len(labels.boxes) - 1
    assert neighbours > 10
