"""Weights on disk: checkpoints and `.safetensors` files, and the networks they belong to."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .labels import DataError
from .network import YOLO12, Description

#: what reading a file raises that holds no weights
UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    RuntimeError,
    pickle.PickleError,
    SafetensorError,
)


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict:
    try:
        return torch.load(path, weights_only=True, map_location=device)
    except UNREADABLE as error:
        raise DataError(f"{path}: not a checkpoint that can be read: {error}") from error


def load_weights(path: Path) -> tuple[dict[str, Tensor], Description]:
    """The averaged weights of a checkpoint of one network, or a `.safetensors` file's, and which
    network has them."""
    try:
        return from_safetensors(path) if path.suffix == ".safetensors" else from_checkpoint(path)
    except UNREADABLE as error:
        raise DataError(f"{path}: no weights of ours: {error!r}") from error


def from_safetensors(path: Path) -> tuple[dict[str, Tensor], Description]:
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        weights = {name: file.get_tensor(name) for name in names}
        text = (file.metadata() or {}).get("description")
    description = Description.from_dict(json.loads(text)) if text else Description()
    return {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}, description


def from_checkpoint(path: Path) -> tuple[dict[str, Tensor], Description]:
    members = read_checkpoint(path)["members"]
    if len(members) > 1:
        files = ", ".join(str(path.with_name(f"{name}.safetensors")) for name in members)
        raise DataError(f"{path} has several networks; name one of {files}")
    (state,) = members.values()
    return state["average"], Description.from_dict(state["description"])


def save_weights(path: Path, network: YOLO12) -> None:
    """As float16, with the description of the network."""
    from safetensors.torch import save_file

    weights = {
        key: value.half().contiguous() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    save_file(weights, path, {"description": json.dumps(network.description.to_dict())})


def build(path: Path, classes: int) -> YOLO12:
    """The network that a file has the weights of."""
    weights, description = load_weights(path)
    network = YOLO12(description, classes)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise DataError(f"{path}: not the weights of a network for {classes} classes: {reason}") from error
    return network.eval()


@torch.no_grad()
def adopt(network: YOLO12, weights: dict[str, Tensor]) -> list[str]:
    """Takes over what fits by name and shape; returns the layers that found nothing.

    A stage with fewer blocks joins fewer steps: its last convolution takes the columns
    of those it has.
    """
    missing = []
    for name, value in network.state_dict().items():
        other = weights.get(name)
        joins = name.endswith("cv2.conv.weight")
        if other is not None and other.shape == value.shape:
            value.copy_(other)
        elif (
            other is not None
            and joins
            and other.shape[0] == value.shape[0]
            and other.shape[1] > value.shape[1]
        ):
            value.copy_(other[:, : value.shape[1]])
        else:
            missing.append(name.rpartition(".")[0])
    return list(dict.fromkeys(missing))
