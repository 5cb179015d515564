"""YOLOv12, scales n to x, from one description.

Written from the published architecture: a C3k2 backbone whose last two stages
are attention blocks (area attention inside R-ELAN), a feature pyramid that goes
up and down again, and a decoupled head whose box branch predicts a distribution
over distances (distribution focal loss). All tensors are [batch, channel, h, w].
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

ACTIVATIONS = {"silu": nn.SiLU, "relu": nn.ReLU, "relu6": nn.ReLU6}
STRIDES = (8, 16, 32)
BINS = 16
HEAD_DIM = 32
#: Strides from a cell to each side of its box before anything is learnt: 40, 80 and 160
#: pixels wide at strides 8, 16 and 32, so that each level has faces that its boxes fit
#: best. Flat distributions make it 7.5 strides, at stride 32 more than a small input
#: holds: the assigner then never gives such a cell a face to learn from.
FIRST_DISTANCE, FIRST_SPREAD = 2.5, 1.5


@dataclass(frozen=True)
class Scale:
    """How a scale stretches the description."""

    depth: float
    width: float
    most: int  # widest stage before `width` is applied
    large: bool = False  # C3k blocks in the backbone
    residual: bool = False  # R-ELAN's scaled shortcut and a thinner MLP


SCALES = {
    "n": Scale(0.5, 0.25, 1024),
    "s": Scale(0.5, 0.5, 1024),
    "m": Scale(0.5, 1.0, 512, large=True),
    "l": Scale(1.0, 1.0, 512, large=True, residual=True),
    "x": Scale(1.0, 1.5, 512, large=True, residual=True),
}


class Conv(nn.Module):
    """Convolution, batch norm, activation (`act` None: none)."""

    def __init__(self, cin: int, cout: int, k=1, stride=1, groups=1, act: str | None = "relu"):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, k, stride, k // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.03)
        self.act = ACTIVATIONS[act](inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, c: int, act: str, expansion=0.5):
        super().__init__()
        hidden = int(c * expansion)
        self.cv1 = Conv(c, hidden, 3, act=act)
        self.cv2 = Conv(hidden, c, 3, act=act)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.cv2(self.cv1(x))


class C3k(nn.Module):
    """Cross-stage partial block of two full-width bottlenecks."""

    def __init__(self, c: int, act: str):
        super().__init__()
        hidden = c // 2
        self.cv1 = Conv(c, hidden, act=act)
        self.cv2 = Conv(c, hidden, act=act)
        self.cv3 = Conv(2 * hidden, c, act=act)
        self.m = nn.Sequential(*(Bottleneck(hidden, act, 1.0) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class C3k2(nn.Module):
    """Split, a chain of blocks on one half, concatenation of every step."""

    def __init__(self, cin: int, cout: int, n: int, act: str, large: bool, expansion=0.5):
        super().__init__()
        hidden = int(cout * expansion)
        self.cv1 = Conv(cin, 2 * hidden, act=act)
        self.cv2 = Conv((2 + n) * hidden, cout, act=act)
        block = C3k if large else Bottleneck
        self.m = nn.ModuleList(block(hidden, act) for _ in range(n))

    def forward(self, x: Tensor) -> Tensor:
        steps = list(self.cv1(x).chunk(2, 1))
        for block in self.m:
            steps.append(block(steps[-1]))
        return self.cv2(torch.cat(steps, 1))


class AreaAttention(nn.Module):
    """Attention inside `area` horizontal bands, with a 7x7 depthwise position term."""

    def __init__(self, c: int, heads: int, area: int):
        super().__init__()
        self.heads, self.area, self.d = heads, area, c // heads
        self.qkv = Conv(c, 3 * c, act=None)
        self.proj = Conv(c, c, act=None)
        self.pe = Conv(c, c, 7, groups=c, act=None)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        area = bands(h * w, self.area)

        def split(t: Tensor) -> Tensor:  # [b, area, heads, pixels, d]
            t = t.flatten(2).reshape(b, self.heads, self.d, area, h * w // area)
            return t.permute(0, 3, 1, 4, 2)

        q, k, v = self.qkv(x).chunk(3, 1)
        weights = (split(q) @ split(k).transpose(-1, -2) * self.d**-0.5).softmax(-1)
        mixed = (weights @ split(v)).permute(0, 2, 4, 1, 3).reshape(b, c, h, w)
        return self.proj(mixed + self.pe(v))


def bands(pixels: int, area: int) -> int:
    """Small inputs leave stages that do not divide into bands: one band then."""
    return area if pixels % area == 0 else 1


class AttentionBlock(nn.Module):
    def __init__(self, c: int, act: str, area: int, mlp: float):
        super().__init__()
        self.attn = AreaAttention(c, c // HEAD_DIM, area)
        hidden = int(c * mlp)
        self.mlp = nn.Sequential(Conv(c, hidden, act=act), Conv(hidden, c, act=None))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.mlp(x)


class A2C2f(nn.Module):
    """R-ELAN: a chain of pairs of attention blocks (or C3k), every step kept."""

    def __init__(self, cin, cout, n, act, area: int | None = None, scale: Scale | None = None, last=2):
        """Of the last of the `n` pairs only `last` blocks."""
        super().__init__()
        hidden = cout // 2
        residual = scale is not None and scale.residual
        mlp = 1.2 if residual else 2.0
        self.cv1 = Conv(cin, hidden, act=act)
        self.cv2 = Conv((1 + n) * hidden, cout, act=act)
        self.gamma = nn.Parameter(torch.full((cout,), 0.01)) if area and residual else None
        self.m = nn.ModuleList(
            nn.Sequential(*(AttentionBlock(hidden, act, area, mlp) for _ in range(2 if i < n - 1 else last)))
            if area
            else C3k(hidden, act)
            for i in range(n)
        )

    def forward(self, x: Tensor) -> Tensor:
        steps = [self.cv1(x)]
        for block in self.m:
            steps.append(block(steps[-1]))
        y = self.cv2(torch.cat(steps, 1))
        return y if self.gamma is None else x + self.gamma.view(1, -1, 1, 1) * y


@dataclass(frozen=True)
class Description:
    """Which network: what a checkpoint or a weights file must be read with."""

    scale: str = "n"
    act: str = "relu"
    #: strides of the head's levels: (8,), (8, 16) or (8, 16, 32). Without the coarser
    #: ones the path that leads down to them is left out as well (`reach`).
    levels: tuple[int, ...] = STRIDES
    #: box branches of depthwise and pointwise convolutions, as the class branches are
    separable_box: bool = False
    #: attention blocks at strides 16 and 32, instead of the scale's (4, 4 for n). On a
    #: small board their products and transposes cost more than what they multiply.
    attention: tuple[int, int] | None = None

    def __post_init__(self):
        if self.scale not in SCALES or self.act not in ACTIVATIONS:
            raise ValueError(f"no network of scale {self.scale} with activation {self.act}")
        if not self.levels or tuple(self.levels) != STRIDES[: len(self.levels)]:
            raise ValueError(f"levels are (8,), (8, 16) or (8, 16, 32), not {self.levels}")

    @property
    def reach(self) -> int:
        """The longest side of a box: a cell reaches 15 strides to each side, so that stride 8 alone holds
        faces of up to 240 pixels."""
        return 2 * (BINS - 1) * self.levels[-1]

    def too_near(self, size: tuple[int, int]) -> str:
        """What is wrong with an input of this size, if anything is. A face that fills it is as high as its
        shorter side: of 288x192 no more than 192 pixels."""
        if min(size) <= self.reach:
            return ""
        return (
            f"at {size[0]}x{size[1]} a near face is up to {min(size)} pixels high, and a head of levels "
            f"{' '.join(map(str, self.levels))} has boxes of {self.reach} at most: "
            f"train with --levels {' '.join(map(str, STRIDES))}, or smaller"
        )

    def to_dict(self) -> dict:
        return asdict(self)

    @staticmethod
    def from_dict(values: dict) -> Description:
        attention = values["attention"] and tuple(values["attention"])
        return Description(**{**values, "levels": tuple(values["levels"]), "attention": attention})


#: What is shipped: at inputs of up to 224 pixels stride 8 holds every face, and the rest
#: of the network pays for resolution (VARIANTS.md).
SHIPPED = Description(levels=(8,), separable_box=True, attention=(1, 2))


def separable(cin: int, cout: int, act: str) -> tuple[Conv, Conv]:
    return Conv(cin, cin, 3, groups=cin, act=act), Conv(cin, cout, act=act)


class Head(nn.Module):
    """Per level a box tensor [b, 4 x 16, h, w] and a class-logit tensor [b, classes, h, w]."""

    def __init__(self, classes: int, channels: tuple[int, ...], description: Description):
        super().__init__()
        act = description.act
        cbox = max(16, channels[0] // 4, 4 * BINS)
        ccls = max(channels[0], min(classes, 100))

        def box(c: int) -> tuple[Conv, ...]:
            if description.separable_box:
                return *separable(c, cbox, act), *separable(cbox, cbox, act)
            return Conv(c, cbox, 3, act=act), Conv(cbox, cbox, 3, act=act)

        self.box = nn.ModuleList(nn.Sequential(*box(c), nn.Conv2d(cbox, 4 * BINS, 1)) for c in channels)
        self.cls = nn.ModuleList(
            nn.Sequential(*separable(c, ccls, act), *separable(ccls, ccls, act), nn.Conv2d(ccls, classes, 1))
            for c in channels
        )
        for box, cls, stride in zip(self.box, self.cls, STRIDES):
            near = -(((torch.arange(BINS) - FIRST_DISTANCE) / FIRST_SPREAD) ** 2) / 2
            with torch.no_grad():
                box[-1].bias.copy_(near.repeat(4))
            # about five objects in a 640-pixel picture, spread over the level's cells
            nn.init.constant_(cls[-1].bias, math.log(5 / classes / (640 / stride) ** 2))

    def forward(self, levels: tuple[Tensor, ...]) -> list[tuple[Tensor, Tensor]]:
        return [(box(x), cls(x)) for x, box, cls in zip(levels, self.box, self.cls)]


class YOLO12(nn.Module):
    """Input [b, 3, h, w] RGB in 0..1, h and w multiples of 32; output: see `Head`."""

    def __init__(self, description: Description = Description(), classes: int = 2):
        super().__init__()
        self.description = description
        act, s = description.act, SCALES[description.scale]
        c1, c2, c3, c4, c5 = (math.ceil(min(c, s.most) * s.width / 8) * 8 for c in (64, 128, 256, 512, 1024))
        two, four = (max(round(n * s.depth), 1) for n in (2, 4))
        at16, at32 = description.attention or (2 * four, 2 * four)
        # backbone
        self.stem = Conv(3, c1, 3, 2, act=act)
        self.d2 = Conv(c1, c2, 3, 2, act=act)
        self.s2 = C3k2(c2, c3, two, act, s.large, 0.25)
        self.d3 = Conv(c3, c3, 3, 2, act=act)
        self.s3 = C3k2(c3, c4, two, act, s.large, 0.25)
        self.d4 = Conv(c4, c4, 3, 2, act=act)
        self.s4 = A2C2f(c4, c4, (at16 + 1) // 2, act, 4, s, 2 - at16 % 2)
        self.d5 = Conv(c4, c5, 3, 2, act=act)
        self.s5 = A2C2f(c5, c5, (at32 + 1) // 2, act, 1, s, 2 - at32 % 2)
        # neck: up to stride 8 and down again, as far as there are levels
        self.up = nn.Upsample(scale_factor=2)
        self.n4 = A2C2f(c5 + c4, c4, two, act)
        self.n3 = A2C2f(c4 + c4, c3, two, act)
        if len(description.levels) > 1:
            self.e4 = Conv(c3, c3, 3, 2, act=act)
            self.p4 = A2C2f(c3 + c4, c4, two, act)
        if len(description.levels) > 2:
            self.e5 = Conv(c4, c4, 3, 2, act=act)
            self.p5 = C3k2(c4 + c5, c5, two, act, large=True)
        self.head = Head(classes, (c3, c4, c5)[: len(description.levels)], description)

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        p3 = self.s3(self.d3(self.s2(self.d2(self.stem(x)))))
        p4 = self.s4(self.d4(p3))
        p5 = self.s5(self.d5(p4))
        n4 = self.n4(torch.cat((self.up(p5), p4), 1))
        levels = [self.n3(torch.cat((self.up(n4), p3), 1))]
        if len(self.description.levels) > 1:
            levels.append(self.p4(torch.cat((self.e4(levels[0]), n4), 1)))
        if len(self.description.levels) > 2:
            levels.append(self.p5(torch.cat((self.e5(levels[1]), p5), 1)))
        return self.head(tuple(levels))
