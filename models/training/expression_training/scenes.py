"""What a detector finds in whole scenes: faces by size, their classes, false alarms.

The daemon's rule: the confidences of all classes together, from `--at` on. `--group`
takes the pictures whose name starts so.
"""

from __future__ import annotations

import argparse

from .dataset import DataSet
from .detect import torch_runner
from .evaluate import add_measured, check_asked, pictures_of
from .faces import HEIGHTS, Sheet, look, tally
from .sidecar import model_for, name_among
from .weights import build

#: below it the daemon does not look (src/detector)
FLOOR = 0.05


def table(name: str, sheets: list[Sheet], levels: list[float], classes: int) -> list[str]:
    rows = []
    for level in levels:
        whole = tally(sheets, level, classes=classes)
        sizes = []
        for low, high in zip((0.0, *HEIGHTS), HEIGHTS):
            part = tally(sheets, level, (low, high + (high == 1)), classes)
            sizes.append(f"{part.recall:.3f}/{part.class_right:.3f} ({part.faces})")
        rows.append(
            f"{name} at {level:.2f}: {whole.pictures} pictures, {whole.faces} faces, "
            f"found {whole.recall:.3f}, "
            f"class right {whole.class_right:.3f} of {whole.known} {whole.confused.tolist()}, "
            f"precision {whole.precision:.3f}, false alarms {whole.alarms}, doubles {whole.doubles}; "
            f"by height {', '.join(sizes)}"
        )
    return rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_measured(parser, "test")
    parser.add_argument("--at", type=float, nargs="+", default=[0.3, 0.4, 0.5, 0.6, 0.7])
    parser.add_argument("--nms", type=float, default=0.6)


def run(args: argparse.Namespace) -> None:
    check_asked(args)
    data = DataSet.open(args.data)
    pictures = list(pictures_of(data, args.split, args.group, levels=1))
    runners = {}
    if args.weights:
        runners["float"] = (torch_runner(build(args.weights, data.names)), args.size, args.nms)
    for model in args.model:
        runner, size, card = model_for(model, data.names)
        runners[name_among(runners, model)] = (runner, size, card.nms_iou if card else args.nms)
    for name, (runner, size, nms) in runners.items():
        for kind, some in (
            ("scenes", [p for p in pictures if p.labels.shows_faces]),
            ("without a face", [p for p in pictures if not p.labels.shows_faces]),
        ):
            sheets = look(runner, size, some, len(data.names), nms, FLOOR)
            print("\n".join(table(f"{name}, {kind}", sheets, args.at, len(data.names))), flush=True)
