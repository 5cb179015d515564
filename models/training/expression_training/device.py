"""A trained network, laid out for the device: batch norms folded, NHWC at both ends."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .network import YOLO12, Conv


def fold(network: YOLO12) -> YOLO12:
    """A copy without batch norms."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        if isinstance(module, Conv):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    return network


class DeviceNetwork(nn.Module):
    """[1, h, w, 3] in 0..1 to box and class tensors per level.

    Attention stays as it was trained. One convolution per head and role would save
    its transposes, and 2 % of the time on one thread; but the converter then makes
    matrix products that XNNPACK leaves to TensorFlow Lite's own kernels, whose threads
    beside XNNPACK's make two threads three times slower than one (VARIANTS.md).
    """

    def __init__(self, network: YOLO12):
        super().__init__()
        self.network = fold(network)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        levels = self.network(x.permute(0, 3, 1, 2))
        return tuple(t.permute(0, 2, 3, 1) for level in levels for t in level)
