"""A network of the next scale that starts from what a narrower one has learnt (Net2Net, Chen et al. 2016).

Each channel of the narrower network becomes two of the wider one, which answers as it did.
What a pair gets from a channel is shared out between the two at random, so that the two
learn different things from the first step on.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from .labels import DataError
from .network import (
    SCALES,
    YOLO12,
    A2C2f,
    AreaAttention,
    AttentionBlock,
    Bottleneck,
    C3k,
    C3k2,
    Conv,
    Description,
    Head,
)
from .weights import Stored

#: how unevenly a channel's part is shared out between its two, as standard deviation from a half
UNEVEN = 0.25

#: for each channel of the wider network, which one of the narrower it comes from
Origins = Tensor


def widened(stored: Stored, description: Description) -> dict[str, Tensor]:
    """The weights of `stored` for a network of this `description`: as they are, but where that is of
    another scale. Then they are those of a network that answers alike and differs in nothing else."""
    if stored.description.scale == description.scale:
        return stored.weights
    classes = len(stored.weights["head.cls.0.4.bias"])
    narrow = YOLO12(stored.description, classes)
    narrow.load_state_dict(stored.weights)
    wide = YOLO12(replace(stored.description, scale=description.scale), classes)
    widen(narrow, wide)
    return wide.state_dict()


@torch.no_grad()
def widen(narrow: YOLO12, wide: YOLO12) -> None:
    """Fills `wide`, which is of a scale with whole times as many channels, so that it answers as
    `narrow` does.

    Raises `DataError` where the scales differ in more than their width.
    """
    before, after = SCALES[narrow.description.scale], SCALES[wide.description.scale]
    if replace(before, width=after.width) != after or after.width % before.width:
        raise DataError(
            f"a network of scale {wide.description.scale} cannot start from one of scale "
            f"{narrow.description.scale}: s starts from n, others from nothing or their own"
        )
    widen_parts(narrow, wide)


def widen_parts(narrow: YOLO12, wide: YOLO12) -> None:
    """As `YOLO12.forward` goes through them."""

    def through(name: str, origins: Origins) -> Origins:
        return widen_block(getattr(narrow, name), getattr(wide, name), origins)

    p3 = torch.arange(3)
    for name in ("stem", "d2", "s2", "d3", "s3"):
        p3 = through(name, p3)
    p4 = through("s4", through("d4", p3))
    p5 = through("s5", through("d5", p4))
    n4 = through("n4", joined(p5, p4))
    levels = [through("n3", joined(n4, p3))]
    if len(wide.description.levels) > 1:
        levels.append(through("p4", joined(through("e4", levels[0]), n4)))
    if len(wide.description.levels) > 2:
        levels.append(through("p5", joined(through("e5", levels[1]), p5)))
    widen_head(narrow.head, wide.head, levels)


def widen_block(narrow: nn.Module, wide: nn.Module, origins: Origins) -> Origins:
    """Fills `wide`, whose input channels have these `origins`; those of its output channels."""
    match wide:
        case Conv():
            return widen_conv(narrow, wide, origins)
        case nn.Sequential():
            for one, other in zip(narrow, wide):
                origins = widen_block(one, other, origins)
            return origins
        case Bottleneck():
            return widen_conv(narrow.cv2, wide.cv2, widen_conv(narrow.cv1, wide.cv1, origins))
        case C3k():
            first = widen_block(narrow.m, wide.m, widen_conv(narrow.cv1, wide.cv1, origins))
            second = widen_conv(narrow.cv2, wide.cv2, origins)
            return widen_conv(narrow.cv3, wide.cv3, joined(first, second))
        case C3k2():
            pair = widen_conv(narrow.cv1, wide.cv1, origins, parts=2)
            half = len(pair) // 2
            steps = [pair[:half], pair[half:] - (int(pair.max()) + 1) // 2]
        case A2C2f():
            steps = [widen_conv(narrow.cv1, wide.cv1, origins)]
        case AttentionBlock():
            widen_attention(narrow.attn, wide.attn, origins)
            return widen_block(narrow.mlp, wide.mlp, origins)
        case _:
            raise TypeError(f"no way to widen {type(wide).__name__}")
    for one, other in zip(narrow.m, wide.m):
        steps.append(widen_block(one, other, steps[-1]))
    return widen_conv(narrow.cv2, wide.cv2, joined(*steps))


def widen_attention(narrow: AreaAttention, wide: AreaAttention, origins: Origins) -> None:
    """Twice as many heads, each as wide as before."""
    third = widen_conv(narrow.qkv, wide.qkv, origins, parts=3)[: len(origins)]
    widen_conv(narrow.pe, wide.pe, third)
    widen_conv(narrow.proj, wide.proj, third)


def widen_head(narrow: Head, wide: Head, levels: list[Origins]) -> None:
    for branch in ("box", "cls"):
        for one, other, origins in zip(getattr(narrow, branch), getattr(wide, branch), levels):
            for conv, wider in zip(one[:-1], other[:-1]):
                origins = widen_conv(conv, wider, origins)
            other[-1].weight.copy_(shared_out(one[-1].weight, origins))
            other[-1].bias.copy_(one[-1].bias)


def widen_conv(narrow: Conv, wide: Conv, origins: Origins, parts: int = 1) -> Origins:
    """The output is cut into `parts` later, each of which is to have pairs of its own."""
    if wide.conv.groups > 1:
        outputs = origins
        wide.conv.weight.copy_(narrow.conv.weight[outputs])
    else:
        outputs = repeated(narrow.conv.out_channels, wide.conv.out_channels, parts)
        wide.conv.weight.copy_(shared_out(narrow.conv.weight, origins)[outputs])
    for name, value in narrow.bn.state_dict().items():
        wide.bn.state_dict()[name].copy_(value[outputs] if value.ndim else value)
    return outputs


def shared_out(weight: Tensor, origins: Origins) -> Tensor:
    """`weight` [out, in, ...] for inputs that come from these: together as much as the one had."""
    counts = torch.bincount(origins, minlength=weight.shape[1])
    part = torch.empty(weight.shape[0], len(origins))
    first = (torch.randn(weight.shape[0], weight.shape[1]) * UNEVEN + 0.5).clamp(0, 1)
    seen: set[int] = set()
    for column, origin in enumerate(origins.tolist()):
        if counts[origin] == 1:
            part[:, column] = 1
        else:
            part[:, column] = 1 - first[:, origin] if origin in seen else first[:, origin]
        seen.add(origin)
    return weight[:, origins] * part[(..., *(None,) * (weight.ndim - 2))]


def repeated(narrow: int, wide: int, parts: int) -> Origins:
    """The narrower's channels, part after part, each twice where there are twice as many."""
    one, times = narrow // parts, wide // narrow
    return torch.cat([(torch.arange(one) + part * one).repeat(times) for part in range(parts)])


def joined(*origins: Origins) -> Origins:
    """Of what is concatenated."""
    offsets, all_of = 0, []
    for part in origins:
        all_of.append(part + offsets)
        offsets += int(part.max()) + 1
    return torch.cat(all_of)
