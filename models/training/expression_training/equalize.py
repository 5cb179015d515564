"""Channels of like range in the head, so that int8 has steps for all of them.

A tensor of activations has one scale. In the head a few channels that say "nothing here" reach
fifty times what the others do, and leave those a handful of steps. A ReLU lets a channel be
divided by any positive number if the next convolution multiplies it again, so the network stays
what it is (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
Correction", section 4.1). Weights of a depthwise convolution have a scale for each channel and
can take all of it; others share theirs among the channels that they read, and take half.

Only the head: done to the backbone as well, the network of the whole picture erred more (VARIANTS.md).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from .network import YOLO12, Conv

#: each round finds the ranges that the one before has left
ROUNDS = 3
#: a channel that says no more than this in all samples stays as it is: made as loud as the others, its
#: weights would be more than XNNPACK can scale back
LEAST_RANGE = 1e-3
#: nothing is divided or multiplied by more
MOST = 64.0


def equalized(network: YOLO12, samples: Sequence[dict[str, np.ndarray]]) -> YOLO12:
    """A copy that answers alike and whose head's channels have like ranges for these samples
    (`quantize.calibration`). A network with another activation than ReLU is only copied."""
    network = copy.deepcopy(network).eval()
    if network.description.act != "relu":
        return network
    for _ in range(ROUNDS):
        neighbours = list(pairs(network))
        largest = largest_outputs(network, [first for first, _ in neighbours], samples)
        for first, second in neighbours:
            move(first, second, divisors(largest[first], weight_of(second)))
    return network


def pairs(network: YOLO12) -> Iterator[tuple[Conv, nn.Module]]:
    """Convolutions of the head whose output only the next one reads."""
    for branches in (network.head.cls, network.head.box):
        for branch in branches:
            yield from itertools.pairwise(branch)


def weight_of(module: nn.Module) -> Tensor:
    return module.conv.weight if isinstance(module, Conv) else module.weight


@torch.no_grad()
def largest_outputs(
    network: YOLO12, modules: Sequence[nn.Module], samples: Sequence[dict[str, np.ndarray]]
) -> dict[nn.Module, Tensor]:
    """The largest output of each of their channels, which a ReLU leaves positive."""
    largest: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, _, output: Tensor) -> None:
        seen = output.amax((0, 2, 3))
        largest[module] = torch.maximum(largest[module], seen) if module in largest else seen

    hooks = [module.register_forward_hook(note) for module in modules]
    for value in itertools.chain.from_iterable(sample.values() for sample in samples):
        network(torch.from_numpy(value).permute(0, 3, 1, 2))
    for hook in hooks:
        hook.remove()
    return largest


def divisors(largest: Tensor, weight: Tensor) -> Tensor:
    """By what each channel is to be divided, 1 for the one in the middle."""
    own = torch.where(largest < LEAST_RANGE, largest.median(), largest).clamp(min=LEAST_RANGE)
    own = own / own.median()
    if weight.shape[1] == 1:  # depthwise
        return own.clamp(1 / MOST, MOST)
    # of each channel that is read, the largest share of the range that an output's weights have
    read = weight.abs() / weight.abs().amax((1, 2, 3), keepdim=True)
    read = read.amax((0, 2, 3)).clamp(min=LEAST_RANGE)
    return (own / (read / read.median())).sqrt().clamp(1 / MOST, MOST)


@torch.no_grad()
def move(first: Conv, second: nn.Module, by: Tensor) -> None:
    first.bn.weight /= by
    first.bn.bias /= by
    weight = weight_of(second)
    weight *= by[:, None, None, None] if weight.shape[1] == 1 else by[None, :, None, None]
