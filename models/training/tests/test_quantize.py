"""What the export does so that int8 says what the network says."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from expression_training import quantize
from expression_training.dataset import ALL_HALVINGS, DataSet, Labels, Picture, pyramid
from expression_training.equalize import equalized, largest_outputs, pairs
from expression_training.network import YOLO12, Description
from expression_training.ranges import Spread

SIZE = (96, 64)


def network(act="relu"):
    torch.manual_seed(5)
    return YOLO12(Description(levels=(8,), separable_box=True, attention=(1, 2), act=act), 2).eval()


@pytest.fixture
def samples():
    rng = np.random.default_rng(1)
    return [{"args_0": rng.random((1, SIZE[1], SIZE[0], 3), np.float32)} for _ in range(4)]


def outputs(model, samples):
    with torch.no_grad():
        results = [model(torch.from_numpy(s["args_0"]).permute(0, 3, 1, 2)) for s in samples]
    return [tensor for levels in results for level in levels for tensor in level]


def unevenness(model, samples):
    """By how much the loudest channel of a convolution in the head exceeds the middle one."""
    largest = largest_outputs(model, [first for first, _ in pairs(model)], samples)
    return [float(seen.max() / seen.median()) for seen in largest.values()]


def test_an_equalized_network_answers_alike_with_channels_of_like_range(samples):
    uneven = network()
    with torch.no_grad():
        for first, _ in pairs(uneven):
            first.bn.bias += 0.1  # every channel says something
            first.bn.weight[3] *= 50
    even = equalized(uneven, samples)
    for one, other in zip(outputs(uneven, samples), outputs(even, samples), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(one.abs().max()))
    before, after = unevenness(uneven, samples), unevenness(even, samples)
    assert max(after) < max(before) / 4
    assert uneven.head.cls[0][0].bn.weight[3].item() == pytest.approx(50), "the given one is left alone"


def test_a_channel_that_says_nothing_is_not_made_loud(samples):
    silent = network()
    with torch.no_grad():
        for first, _ in pairs(silent):
            first.bn.weight[2], first.bn.bias[2] = 1e-4, -1.0
    even = equalized(silent, samples)
    for first, _ in pairs(even):
        assert abs(float(first.bn.weight[2])) < 1e-2


def test_only_what_a_relu_leaves_can_be_divided(samples):
    smooth = network("silu")
    copied = equalized(smooth, samples)
    for one, other in zip(smooth.parameters(), copied.parameters(), strict=True):
        assert torch.equal(one, other)


def spread(*batches):
    found = Spread()
    for step in (Spread.widen, Spread.count):
        for values in batches:
            step(found, np.asarray(values, np.float32))
    return found


def test_the_range_has_room_for_all_pictures_and_not_for_what_is_rarest():
    rng = np.random.default_rng(2)
    usual = rng.random(100_000) * 4
    low, high = spread(usual).best()
    assert (low, high) == (0.0, pytest.approx(4, abs=0.01))
    # the first picture counts as much as the last
    assert spread([7.0] * 5_000, usual).best()[1] == pytest.approx(7, abs=0.2)
    # one value in two millions is not worth nine tenths of the steps
    assert spread(np.tile(usual, 20), [40.0]).best()[1] < 20


@pytest.mark.parametrize("values", ([0.0, 0.0], [2.0, 3.0], [-3.0, -1.0], [-1.0, 5.0]))
def test_zero_is_in_every_range(values):
    low, high = spread(values).best()
    assert low <= 0 <= high and low <= high


def test_a_network_for_single_faces_is_calibrated_on_single_faces(dataset):
    data = DataSet.open(dataset)
    closely = [sample["args_0"] for sample in quantize.calibration(data, (64, 64), 20, 1.5)]
    whole = [sample["args_0"] for sample in quantize.calibration(data, (64, 64), 20)]
    assert len(closely) == len(whole) == 20
    for tile in closely + whole:
        assert tile.shape == (1, 64, 64, 3) and tile.dtype == np.float32
        assert tile.min() == 0 and tile.max() == 1
    # one picture in four has no face, and is shown as a whole
    same = [any(np.array_equal(one, other) for other in whole) for one in closely]
    assert any(same) and not all(same)


def test_a_large_face_is_calibrated_on_without_speckles():
    noise = np.random.default_rng(1).integers(0, 256, (1600, 1600, 3)).astype(np.uint8)
    face = np.array([[200, 200, 1400, 1400]], np.float32)
    labels = Labels(face, np.eye(2, dtype=np.float32)[:1], np.zeros((0, 4)))
    spreads = []
    for levels in (1, ALL_HALVINGS):
        picture = Picture(Path("a.png"), pyramid(noise, levels), labels)
        (tile,) = quantize.closely([picture], (128, 128), 1.5, random.Random(1))
        spreads.append(tile.std())
    assert spreads[1] < spreads[0] / 4
