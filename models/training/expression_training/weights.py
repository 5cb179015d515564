"""Weights on disk: checkpoints and `.safetensors` files, and the networks they belong to."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .labels import DataError
from .network import YOLO12, Description
from .sidecar import Card

#: the layers that have a channel for each class
OF_CLASSES = re.compile(r"head\.cls\.\d+\.4\.(weight|bias)")
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
    #: what it tells apart, in the order of its channels; none: nothing says it
    names: tuple[str, ...]


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict:
    try:
        return torch.load(path, weights_only=True, map_location=device)
    except UNREADABLE as error:
        raise DataError(f"{path}: not a checkpoint that can be read: {error}") from error


def load_weights(path: Path) -> Stored:
    """The averaged weights of a checkpoint of one network, or a `.safetensors` file's."""
    try:
        stored = from_safetensors(path) if path.suffix == ".safetensors" else from_checkpoint(path)
    except UNREADABLE as error:
        raise DataError(f"{path}: no weights of ours: {error!r}") from error
    return stored if stored.names else stored._replace(names=names_beside(path, stored))


def names_beside(path: Path, stored: Stored) -> tuple[str, ...]:
    """What the model of that name tells apart, by its side-car: files of 0.5.0 and before do not say.
    `weights/NAME.safetensors` are those of the model beside their folder, as the shipped ones are."""
    there = path.resolve()
    models = [there, *([there.parent.parent / there.name] if there.parent.name == "weights" else [])]
    for model in models:
        try:
            names = tuple(Card.beside(model).classes)
        except DataError:
            continue
        if len(names) == len(stored.weights.get("head.cls.0.4.bias", ())):
            return names
    return ()


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
    part = path.with_suffix(".part")
    save_file(weights, part, {key: json.dumps(value) for key, value in said.items()})
    os.replace(part, path)  # who is killed here leaves what there was


def build(path: Path, names: Sequence[str]) -> YOLO12:
    """The network that a file has the weights of, if it tells these classes apart."""
    weights, description, told = load_weights(path)
    if told and not alike(told, names):
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


def alike(told: Sequence[str], names: Sequence[str]) -> bool:
    """Whether these are the same classes in the same order, in whatever letters."""
    return [name.lower() for name in told] == [name.lower() for name in names]


def in_order(weights: dict[str, Tensor], told: Sequence[str], names: Sequence[str]) -> dict[str, Tensor]:
    """The weights for these classes: those that are `told`, in another order. Of others the channels would
    say what they do not mean, so that they are left out."""
    if alike(told, names):
        return weights
    of_classes = [key for key in weights if OF_CLASSES.fullmatch(key)]
    own, wanted = ([name.lower() for name in some] for some in (told, names))
    if sorted(own) == sorted(wanted):
        order = [own.index(name) for name in wanted]
        return weights | {key: weights[key][order] for key in of_classes}
    return {key: value for key, value in weights.items() if key not in of_classes}


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
