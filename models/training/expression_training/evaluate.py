"""Float against int8 on the validation set: daylight, low light, small faces, skin tones, false alarms."""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from . import tones
from .dataset import INPUT, PAD, DataError, DataSet, Labels, Picture, Size, existing, size_of, to_write
from .detect import Runner, detect, torch_runner
from .light import low_light
from .metrics import judged, summarize
from .progress import progress
from .sidecar import Card, model_for, name_among
from .weights import build

LIGHTS = {"weak": 0.25, "middle": 0.5, "strong": 1.0}
#: longer side of the frame around a picture with a small face, for which the picture is halved if need be: no
#: input is as large, and a telephone's picture of 12 megapixels would have a frame of gigabytes
MOST_FRAME = 5120
Change = Callable[[Picture], tuple[np.ndarray, Labels]]


def as_is(picture: Picture) -> tuple[np.ndarray, Labels]:
    return picture.image, picture.labels


def dimmed(strength: float) -> Change:
    def change(picture: Picture):
        r = random.Random(picture.path.name)
        return low_light(picture.image, r, strength), picture.labels

    return change


def another_camera(strength: float) -> Change:
    """Darkness as no training picture has it, so that the rows above do not praise the
    simulation that was trained with: no gain, blacks crushed to few levels, rows and
    blotches of colour instead of grains, strong compression."""

    def change(picture: Picture):
        r = np.random.default_rng(sum(picture.path.name.encode()))
        h, w = picture.image.shape[:2]
        exposed = picture.image.astype(np.float32) * (1 - 0.8 * strength)
        blotches = r.normal(0, 14 * strength, (h // 12 + 2, w // 12 + 2, 3)).astype(np.float32)
        rows = r.normal(0, 5 * strength, (h, 1, 1)).astype(np.float32)
        noisy = exposed + cv2.resize(blotches, (w, h)) + rows - 6 * strength
        step = 1 + round(7 * strength)
        crushed = (noisy.clip(0, 255) // step * step).astype(np.uint8)
        quality = [cv2.IMWRITE_JPEG_QUALITY, round(80 - 40 * strength)]
        return cv2.imdecode(cv2.imencode(".jpg", crushed, quality)[1], cv2.IMREAD_COLOR), picture.labels

    return change


def small_faces(share: float = 0.1) -> Change:
    """Padded to a frame of 16:9, of whose height the tallest face is `share`."""

    def change(picture: Picture):
        if not len(picture.labels.boxes):
            return as_is(picture)
        while max(frame_around(picture, share)) > MOST_FRAME:
            picture = picture.half()
        width, height = frame_around(picture, share)
        h, w = picture.image.shape[:2]
        frame = np.full((height, width, 3), PAD, np.uint8)
        top, left = (height - h) // 2, (width - w) // 2
        frame[top : top + h, left : left + w] = picture.image
        return frame, picture.labels.shifted(left, top)

    return change


def frame_around(picture: Picture, share: float) -> Size:
    tallest = (picture.labels.boxes[:, 3] - picture.labels.boxes[:, 1]).max()
    h, w = picture.image.shape[:2]
    # upwards: a frame that is cut to whole pixels may be too narrow for the picture
    height = math.ceil(max(tallest / share, h, w * 9 / 16))
    return max(height * 16 // 9, w), height


def pictures_of(data: DataSet, split: str, only: str, levels: int = 0) -> Iterator[Picture]:
    """Those whose name starts with `only`; `levels` as `DataSet.readable` has them."""
    files = [path for path in data.files(split) if path.name.startswith(only)]
    if not files:
        raise DataError(f"no picture of split '{split}' has a name that starts with '{only}'")
    return data.readable(progress(files, "looking"), levels)


def measure(run: Runner, size: Size, data: DataSet, split: str, change: Change, only: str = "") -> dict:
    seen = [compared(run, size, picture, change) for picture in pictures_of(data, split, only)]
    if not seen:
        raise data.unusable(split)
    return summarize(seen, data.names)


def compared(run: Runner, size: Size, picture: Picture, change: Change) -> tuple[np.ndarray, np.ndarray]:
    """What is found and what is there."""
    image, labels = change(picture)
    return judged(detect(run, image, size), labels)


def by_tone(run: Runner, size: Size, data: DataSet, split: str, only: str = "") -> dict[str, dict]:
    """Of colour pictures with one face, by how light that face is."""
    groups: dict[str, list] = {}
    for picture in pictures_of(data, split, only):
        if name := tones.group(picture):
            groups.setdefault(name, []).append(compared(run, size, picture, as_is))
    ordered = [name for _, name in tones.GROUPS if name in groups]
    return {name: summarize(groups[name], data.names) | {"faces": len(groups[name])} for name in ordered}


def false_alarms(
    run: Runner, size: Size, data: DataSet, split: str, limits: dict[str, float], only: str = ""
) -> dict:
    """Boxes at the shipped thresholds on pictures without a face."""
    boxes = pictures = 0
    for picture in pictures_of(data, split, only):
        if picture.labels.shows_faces:
            continue
        pictures += 1
        for row in detect(run, picture.image, size, min(limits.values())):
            boxes += row[4] >= limits[data.names[int(row[5])]]
    return {"pictures": pictures, "boxes": int(boxes)}


def add_measured(parser: argparse.ArgumentParser, split: str) -> None:
    """What is measured, and on which pictures; of `split` unless it is said."""
    parser.add_argument("data", type=Path, help="data.yaml")
    parser.add_argument("--model", type=existing, action="append", default=[], help=".tflite (repeatable)")
    parser.add_argument("--weights", type=existing, help="checkpoint or .safetensors, as the float reference")
    parser.add_argument("--size", type=size_of, default=INPUT, help="input for --weights, as 288x192 or 160")
    parser.add_argument("--split", default=split)
    parser.add_argument("--group", default="", help="only files whose name starts with this")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_measured(parser, "val")
    parser.add_argument("--quick", action="store_true", help="daylight only")
    parser.add_argument("--json", type=to_write, help="write all results here")


def check_asked(args: argparse.Namespace) -> None:
    """Without a network there is nothing to measure, and no table would say so."""
    if not args.model and not args.weights:
        raise DataError("nothing to measure: --model or --weights names it")


def run(args: argparse.Namespace) -> None:
    check_asked(args)
    data = DataSet.open(args.data)
    runners: dict[str, tuple[Runner, Size, Card | None]] = {}
    if args.weights:
        network = build(args.weights, data.names)
        runners["float"] = (torch_runner(network), args.size, None)
    for model in args.model:
        runners[name_among(runners, model)] = model_for(model, data.names)
    changes: dict[str, Change] = {"daylight": as_is}
    if not args.quick:
        changes |= {f"low light, {name}": dimmed(strength) for name, strength in LIGHTS.items()}
        changes |= {f"another camera, {name}": another_camera(s) for name, s in LIGHTS.items()}
        changes["small faces"] = small_faces()
    results: dict[str, dict] = {}
    for name, (runner, size, card) in runners.items():
        results[name] = {}
        for label, change in changes.items():
            result = measure(runner, size, data, args.split, change, args.group)
            results[name][label] = result
            print_row(name, label, result)
        if not args.quick:
            for tone, result in by_tone(runner, size, data, args.split, args.group).items():
                results[name][f"tone, {tone}"] = result
                print_row(name, f"{tone} ({result['faces']})", result)
        if card is not None:
            limits = card.limits(data.names)
            alarms = false_alarms(runner, size, data, args.split, limits, args.group)
            results[name]["false alarms"] = alarms
            print(f"{name:24} {alarms['boxes']} false alarms in {alarms['pictures']} pictures without a face")
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


def print_row(name: str, label: str, result: dict) -> None:
    best = result["best_f1"]
    classes = "  ".join(
        f"{c['name']} AP {c['ap50']:.4f} P {c['precision']:.3f} R {c['recall']:.3f}"
        for c in result["classes"]
    )
    print(
        f"{name:24} {label:20} mAP@0.5 {result['map50']:.4f}  mAP@0.5:0.95 {result['map50_95']:.4f}  "
        f"F1 {best['value']:.4f} at {best['confidence']:.2f}  {classes}",
        flush=True,
    )
