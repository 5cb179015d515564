"""What each choice of the export costs and brings: the table of VARIANTS.md.

Every variant is exported from the same weights, so that only the choice differs. A
network with another activation than the one it was trained with sees nothing: its
row has times alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch

from .dataset import DataSet
from .detect import tflite_runner, torch_runner
from .evaluate import as_is, measure
from .export import build, to_float
from .network import YOLO12
from .quantize import FLOAT_ISLANDS, calibration, to_int8
from .tflite import Interpreter, milliseconds


@dataclass(frozen=True)
class Variant:
    name: str
    size: int = 224
    act: str = "relu"
    scale: str = "n"
    islands: bool = True

    def trained(self, args: argparse.Namespace) -> bool:
        return (self.act, self.scale) == (args.act, args.scale)


#: The first is what all times are ratios to.
VARIANTS = (
    Variant("plain: SiLU, all int8", 320, "silu", islands=False),
    Variant("SiLU", act="silu"),
    Variant("all int8", islands=False),
    Variant("**default**"),
    Variant("320 pixels", 320),
    Variant("256 pixels", 256),
    Variant("192 pixels", 192),
    Variant("**lite**, 160 pixels", 160),
    Variant("128 pixels", 128),
    Variant("scale s, 160 pixels", 160, scale="s"),
)


def network_of(variant: Variant, args: argparse.Namespace, classes: int) -> YOLO12:
    if variant.trained(args):
        return build(args.weights, args.scale, classes, args.act)
    torch.manual_seed(0)
    return YOLO12(variant.scale, classes, variant.act).eval()


def measured(variant: Variant, args: argparse.Namespace, data: DataSet, model: Path) -> list[str]:
    """mAP@0.5 of the float network and of the int8 file."""
    if not variant.trained(args):
        return ["", ""]
    runners = torch_runner(network_of(variant, args, len(data.names))), tflite_runner(Interpreter(model))
    results = (measure(run, variant.size, data, "val", as_is) for run in runners)
    return [f"{result['map50']:.4f}" for result in results]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, help="checkpoint (.pt) or .safetensors")
    parser.add_argument("data", type=Path, help="data.yaml")
    parser.add_argument("--act", default="relu", help="the activation it was trained with")
    parser.add_argument("--scale", default="n", help="the scale it was trained in")
    parser.add_argument("--out", type=Path, required=True, help="folder for the table and the models")
    parser.add_argument("--samples", type=int, default=400, help="calibration pictures (default 400)")


def run(args: argparse.Namespace) -> None:
    data = DataSet.open(args.data)
    args.out.mkdir(parents=True, exist_ok=True)
    models = {}
    for number, variant in enumerate(VARIANTS):
        plain, models[variant] = (args.out / f"{number}-{kind}.tflite" for kind in ("float", "int8"))
        to_float(network_of(variant, args, len(data.names)), variant.size, plain)
        samples = list(calibration(data, variant.size, args.samples))
        to_int8(plain, models[variant], samples, FLOAT_ISLANDS if variant.islands else ())
    # before anything else of ours runs
    times = [milliseconds(list(models.values()), threads) for threads in (1, 2)]
    base = times[0][models[VARIANTS[0]]]
    rows = [
        "| variant | pixels | mAP float | mAP int8 | ms, 1 thread | ratio | ms, 2 threads | ratio | MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for variant, model in models.items():
        cells = [variant.name, str(variant.size), *measured(variant, args, data, model)]
        cells += [text for t in times for text in (f"{t[model]:.2f}", f"{t[model] / base:.2f}")]
        rows.append(f"| {' | '.join(cells)} | {model.stat().st_size / 1e6:.1f} |")
        (args.out / "table.md").write_text("\n".join(rows) + "\n")
        print(rows[-1], flush=True)
