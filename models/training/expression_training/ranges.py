"""What range of a tensor's values int8 is to have steps for.

The quantizer's own calibration is a moving average of each picture's extremes, in which the last
twenty pictures count and what is beyond it saturates. Here all of them count: the range is the one
with the least error, of what is cut off and of the steps in between together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

STEPS = 255
BINS = 2048
#: of the whole range, what is tried
SHARES = np.linspace(0.2, 1, 41)


@dataclass
class Spread:
    """How the values of a tensor are spread over what it had in all pictures, and zero: padding and what
    a ReLU cuts off are exactly that."""

    low: float = 0.0
    high: float = 0.0
    counts: np.ndarray | None = None

    def widen(self, values: np.ndarray) -> None:
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))

    def count(self, values: np.ndarray) -> None:
        counts = np.histogram(values, BINS, self.reach)[0]
        self.counts = counts if self.counts is None else self.counts + counts

    @property
    def reach(self) -> tuple[float, float]:
        return self.low, max(self.high, self.low + 1e-6)

    def best(self) -> tuple[float, float]:
        """The range with the least mean squared error."""
        edges = np.linspace(*self.reach, BINS + 1)
        values = (edges[1:] + edges[:-1]) / 2

        def error(bounds: tuple[float, float]) -> float:
            step = (bounds[1] - bounds[0]) / STEPS
            cut = (self.counts * (values - values.clip(*bounds)) ** 2).sum()
            return float(cut + self.counts.sum() * step**2 / 12)

        return min(candidates(*self.reach), key=error)


def candidates(low: float, high: float) -> list[tuple[float, float]]:
    tried = [(low * share, high * share) for share in SHARES]
    if low < 0 < high:
        tried += [(low, high * share) for share in SHARES] + [(low * share, high) for share in SHARES]
    return tried


def spreads(model: Path, samples: Sequence[dict[str, np.ndarray]]) -> dict[str, Spread]:
    """Of each tensor that an operation of a float model makes, by its name."""
    interpreter = Interpreter(str(model), experimental_preserve_all_tensors=True, num_threads=1)
    interpreter.allocate_tensors()
    [entry] = interpreter.get_input_details()
    made = made_in(model)
    tensors = {t["name"]: t["index"] for t in interpreter.get_tensor_details() if t["name"] in made}
    found = {name: Spread() for name in tensors}
    for step in (Spread.widen, Spread.count):
        for sample in samples:
            [value] = sample.values()
            interpreter.set_tensor(entry["index"], value)
            interpreter.invoke()
            for name, index in tensors.items():
                step(found[name], interpreter.get_tensor(index))
    return found


def made_in(model: Path) -> set[str]:
    """The names of what operations make: inputs and weights are not among them."""
    graph = schema.ModelT.InitFromPackedBuf(model.read_bytes(), 0).subgraphs[0]
    return {graph.tensors[index].name.decode() for op in graph.operators for index in op.outputs}
