"""A trained network, laid out for the device.

Batch norms are folded into the convolutions. The attention's one convolution for
q, k and v becomes one per head, so that in TensorFlow Lite's NHWC order each head
is a plain reshape of its convolution's output: no transposes, and the same result
to about 1e-6.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .network import YOLO12, AreaAttention, AttentionBlock, Conv, bands


def fold(network: YOLO12) -> YOLO12:
    """A copy without batch norms."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        if isinstance(module, Conv):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    return network


class DeviceAttention(nn.Module):
    """`AreaAttention` with a 1x1 convolution per head and role; batch size 1."""

    def __init__(self, source: AreaAttention):
        super().__init__()
        self.area, self.d = source.area, source.d
        self.pe, self.proj = source.pe, source.proj
        weight, bias = source.qkv.conv.weight.data, source.qkv.conv.bias.data
        width = source.heads * source.d

        def role(first: int, factor: float = 1.0) -> nn.ModuleList:
            convs = nn.ModuleList()
            for head in range(source.heads):
                rows = slice(first + head * source.d, first + (head + 1) * source.d)
                conv = nn.Conv2d(width, source.d, 1)
                conv.weight.data, conv.bias.data = weight[rows] * factor, bias[rows] * factor
                convs.append(conv)
            return convs

        self.q = role(0, source.d**-0.5)
        self.k, self.v = role(width), role(2 * width)

    def forward(self, x: Tensor) -> Tensor:
        _, _, h, w = x.shape
        area = bands(h * w, self.area)

        def sequence(t: Tensor) -> Tensor:
            return t.permute(0, 2, 3, 1).reshape(area, h * w // area, self.d)

        mixed, values = [], []
        for q, k, v in zip(self.q, self.k, self.v):
            value = v(x)
            weights = torch.matmul(sequence(q(x)), sequence(k(x)).transpose(1, 2)).softmax(-1)
            mixed.append(torch.matmul(weights, sequence(value)).reshape(1, h, w, self.d))
            values.append(value)
        y = torch.cat(mixed, -1).permute(0, 3, 1, 2)
        return self.proj(y + self.pe(torch.cat(values, 1)))


class DeviceNetwork(nn.Module):
    """[1, h, w, 3] in 0..1 to box and class tensors per level, NHWC at both ends."""

    def __init__(self, network: YOLO12, per_head: bool = True):
        super().__init__()
        self.network = fold(network)
        for block in self.network.modules():
            if per_head and isinstance(block, AttentionBlock):
                block.attn = DeviceAttention(block.attn)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        levels = self.network(x.permute(0, 3, 1, 2))
        return tuple(t.permute(0, 2, 3, 1) for level in levels for t in level)
