"""What each choice of the export costs and brings: the table of VARIANTS.md.

Every variant is exported from the same weights, so that only the choice differs. One
whose network is another than the one that was trained sees nothing: its row has times
alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import torch

from .dataset import INPUT, DataSet, Size, at_least_one, existing
from .detect import tflite_runner, torch_runner
from .equalize import equalized
from .evaluate import as_is, measure
from .export import to_float
from .network import SHIPPED, YOLO12, Description
from .quantize import FLOAT_ISLANDS, calibration, to_int8
from .tflite import Interpreter, milliseconds
from .weights import build, load_weights


@dataclass(frozen=True)
class Variant:
    name: str
    size: Size = INPUT
    network: Description = field(default_factory=lambda: SHIPPED)
    islands: bool = True


#: The first is what all times are ratios to.
VARIANTS = (
    Variant("plain: YOLOv12n, SiLU, all int8", (320, 320), Description(act="silu"), islands=False),
    Variant("SiLU", network=Description(act="silu")),
    Variant("ReLU", network=Description()),
    Variant("one level", network=Description(levels=(8,))),
    Variant("and a separable box branch", network=Description(levels=(8,), separable_box=True)),
    Variant("**default**: and three attention blocks of eight"),
    Variant("all int8", islands=False),
    Variant("square", (224, 224)),
    Variant("less wide", (256, 192)),
    Variant("**lite**", (192, 128)),
    Variant("**close**", (128, 128)),
    Variant("96 pixels", (96, 96)),
)


def network_of(variant: Variant, weights: Path, names: list[str]) -> tuple[YOLO12, bool]:
    """The network, and whether the weights are its."""
    if load_weights(weights).description == variant.network:
        return build(weights, names), True
    torch.manual_seed(0)
    return YOLO12(variant.network, len(names)).eval(), False


def measured(variant: Variant, network: YOLO12, data: DataSet, model: Path) -> list[str]:
    """mAP@0.5 of the float network and of the int8 file."""
    runners = torch_runner(network), tflite_runner(Interpreter(model))
    results = (measure(run, variant.size, data, "val", as_is) for run in runners)
    return [f"{result['map50']:.4f}" for result in results]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=existing, help="checkpoint (.pt) or .safetensors")
    parser.add_argument("data", type=Path, help="data.yaml")
    parser.add_argument("--out", type=Path, required=True, help="folder for the table and the models")
    parser.add_argument(
        "--samples", type=at_least_one, default=400, help="calibration pictures (default 400)"
    )


def run(args: argparse.Namespace) -> None:
    data = DataSet.open(args.data)
    args.out.mkdir(parents=True, exist_ok=True)
    models = {}
    for number, variant in enumerate(VARIANTS):
        plain, models[variant] = (args.out / f"{number}-{kind}.tflite" for kind in ("float", "int8"))
        samples = list(calibration(data, variant.size, args.samples))
        network = network_of(variant, args.weights, data.names)[0]
        to_float(equalized(network, samples), variant.size, plain)
        to_int8(plain, models[variant], samples, FLOAT_ISLANDS if variant.islands else ())
    # before anything else of ours runs
    times = [milliseconds(list(models.values()), threads) for threads in (1, 2)]
    base = times[0][models[VARIANTS[0]]]
    rows = [
        "| variant | pixels | mAP float | mAP int8 | ms, 1 thread | ratio | ms, 2 threads | ratio | MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for variant, model in models.items():
        network, trained = network_of(variant, args.weights, data.names)
        cells = [variant.name, "x".join(map(str, variant.size))]
        cells += measured(variant, network, data, model) if trained else ["", ""]
        cells += [text for t in times for text in (f"{t[model]:.2f}", f"{t[model] / base:.2f}")]
        rows.append(f"| {' | '.join(cells)} | {model.stat().st_size / 1e6:.1f} |")
        (args.out / "table.md").write_text("\n".join(rows) + "\n")
        print(rows[-1], flush=True)
