"""Weights on disk: checkpoints and `.safetensors` files, and the networks they belong to."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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


class Stored(NamedTuple):
    """What a file has of a network."""

    weights: dict[str, Tensor]
    description: Description
    #: what it tells apart, in the order of its channels; files of 0.5.0 and before do not say
    names: tuple[str, ...]


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict:
    try:
        return torch.load(path, weights_only=True, map_location=device)
    except UNREADABLE as error:
        raise DataError(f"{path}: not a checkpoint that can be read: {error}") from error


def load_weights(path: Path) -> Stored:
    """The averaged weights of a checkpoint of one network, or a `.safetensors` file's."""
    try:
        return from_safetensors(path) if path.suffix == ".safetensors" else from_checkpoint(path)
    except UNREADABLE as error:
        raise DataError(f"{path}: no weights of ours: {error!r}") from error


def from_safetensors(path: Path) -> Stored:
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        weights = {name: file.get_tensor(name) for name in names}
        said = file.metadata() or {}
    description = said.get("description")
    return Stored(
        {k: v.float() if v.is_floating_point() else v for k, v in weights.items()},
        Description.from_dict(json.loads(description)) if description else Description(),
        tuple(json.loads(said.get("classes", "[]"))),
    )


def from_checkpoint(path: Path) -> Stored:
    members = read_checkpoint(path)["members"]
    if len(members) > 1:
        files = ", ".join(str(path.with_name(f"{name}.safetensors")) for name in members)
        raise DataError(f"{path} has several networks; name one of {files}")
    (state,) = members.values()
    description = Description.from_dict(state["description"])
    return Stored(state["average"], description, tuple(state.get("classes", ())))


def save_weights(path: Path, network: YOLO12, names: Sequence[str] = ()) -> None:
    """As float16, with the description of the network and what it tells apart."""
    from safetensors.torch import save_file

    weights = {
        key: value.half().contiguous() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    said = {"description": network.description.to_dict()} | ({"classes": list(names)} if names else {})
    save_file(weights, path, {key: json.dumps(value) for key, value in said.items()})


def build(path: Path, names: Sequence[str]) -> YOLO12:
    """The network that a file has the weights of, if it tells these classes apart."""
    weights, description, told = load_weights(path)
    if told and told != tuple(names):
        raise DataError(
            f"{path} tells {', '.join(told)} apart, and the set {', '.join(names)}: another set's"
        )
    network = YOLO12(description, len(names))
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise DataError(f"{path}: not the weights of a network for {len(names)} classes: {reason}") from error
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
