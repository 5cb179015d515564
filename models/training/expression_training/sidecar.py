"""The side-car of a model that is there already: what its numbers mean."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from .dataset import Size
from .detect import Runner, tflite_runner
from .labels import DataError
from .tflite import Interpreter

#: the program's own models
MODELS = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Card:
    """What this code reads of docs/ref/model.md."""

    path: Path
    classes: list[str]
    #: by class, in small letters
    thresholds: dict[str, float]
    nms_iou: float

    @staticmethod
    def beside(model: Path) -> Card:
        path = model.with_suffix(".json")
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            limits = {name.lower(): float(limit) for name, limit in said["thresholds"].items()}
            return Card(path, [str(name) for name in said["classes"]], limits, float(said["nms_iou"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: not the side-car of {model.name}: {error!r}") from error

    def order(self, names: Sequence[str]) -> list[int]:
        """Where each of these classes is among the model's."""
        return order_of(self.classes, names, self.path)

    def limits(self, names: Sequence[str]) -> dict[str, float]:
        """The thresholds of these classes."""
        if missing := [name for name in names if name.lower() not in self.thresholds]:
            raise DataError(f"{self.path}: no threshold for {', '.join(missing)}")
        return {name: self.thresholds[name.lower()] for name in names}


def order_of(told: Sequence[str], names: Sequence[str], path: Path) -> list[int]:
    """Where each of these classes is among those that a model tells apart, as `path` says."""
    own, wanted = ([name.lower() for name in some] for some in (told, names))
    if sorted(own) != sorted(wanted):
        raise DataError(
            f"{path}: the model tells {', '.join(told)} and the set has "
            f"{', '.join(names)}: prepare --map makes a set of the model's classes"
        )
    return [own.index(name) for name in wanted]


def in_order_of(run: Runner, order: Sequence[int]) -> Runner:
    """The same network, its classes in this order."""
    return lambda boxed: [(box, cls[:, order]) for box, cls in run(boxed)]


def model_for(model: Path, names: Sequence[str]) -> tuple[Runner, Size, Card | None]:
    """A model whose classes come in the order of these names.

    One without a side-car (a float model that export was told to keep) has the set's.
    """
    interpreter = Interpreter(model)
    run, size = tflite_runner(interpreter), interpreter.size
    if not model.with_suffix(".json").exists():
        if (told := interpreter.outputs[1].shape[-1]) != len(names):
            raise DataError(f"{model}: tells {told} classes, the set has {len(names)}")
        return run, size, None
    card = Card.beside(model)
    order = card.order(names)
    return in_order_of(run, order), size, card


def name_among(others: Container[str], model: Path) -> str:
    """What a model is called beside others: as its file, or by its path where one of them is called so."""
    return str(model) if model.stem in others else model.stem
