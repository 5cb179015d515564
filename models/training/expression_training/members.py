"""The networks of a run: one, or several that learn from the same pictures.

A teacher may be among them: a larger network whose answers the others learn beside the
labels, while it learns itself. Each tells apart the set's classes, or groups of them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .labels import DataError, Vocabulary
from .loss import Targets
from .network import SHIPPED, YOLO12, Description
from .weights import Stored, adopt, in_order
from .widen import widened


@dataclass(frozen=True)
class Plan:
    """What a network of a run is to be."""

    name: str = "model"
    network: Description = SHIPPED
    #: what it tells apart: classes or groups of the set, none: all classes
    classes: tuple[str, ...] = ()
    #: its share of the run's learning rate
    rate: float = 1.0
    #: whether the others learn its answers
    teaches: bool = False

    def names(self, words: Vocabulary) -> list[str]:
        return list(self.classes or words.classes)


def roles(words: Vocabulary, names: Sequence[str]) -> Tensor:
    """[classes of the set, names]: which classes each name stands for."""
    for name in names:
        if name not in words.classes and name not in words.groups:
            raise DataError(f"'{name}' is neither a class nor a group of the set")
    columns = [words.groups.get(name, (name,)) for name in names]
    return torch.tensor([[float(c in column) for column in columns] for c in words.classes])


def translated(truth: Targets, by: Tensor) -> Targets:
    """Labels in the words of a network that tells groups apart: one of several classes is one
    of the groups that they are in."""
    return replace(truth, shares=(truth.shares @ by).clamp(max=1))


class Member:
    """A network, its moving average and its optimizer."""

    def __init__(self, plan: Plan, words: Vocabulary, lr: float, weight_decay: float, device: torch.device):
        self.plan, self.device = plan, device
        self.names = plan.names(words)
        self.roles = roles(words, self.names).to(device)
        network = YOLO12(plan.network, len(self.names))
        self.network = network.to(device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [
            {"params": weights, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},  # biases and norms are not decayed
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99))

    def state(self) -> dict:
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "description": self.plan.network.to_dict(),
            "classes": self.names,
        }

    def load(self, state: dict) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])

    def start_from(self, stored: Stored) -> list[str]:
        """Other weights' values, as far as they fit; the layers that found nothing."""
        weights = in_order(widened(stored, self.plan.network), stored.names, self.names)
        for network in (self.network, self.average):
            missing = adopt(network, weights)
        return missing

    def step(self, lr: float) -> None:
        """With the gradients that there are."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr * self.plan.rate
        nn.utils.clip_grad_norm_(self.network.parameters(), 10)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def update_average(self, ema: float, step: int) -> None:
        keep = ema * (1 - math.exp(-step / 800))
        pairs = zip(self.average.state_dict().values(), self.network.state_dict().values())
        for mean, value in pairs:
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - keep)
            else:
                mean.copy_(value)
