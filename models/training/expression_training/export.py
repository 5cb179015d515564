"""From a checkpoint to `<name>.tflite` (int8), `<name>.json` and, on request, a float model."""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from .dataset import DataSet
from .detect import detect, tflite_runner
from .device import DeviceNetwork
from .metrics import curve, f_beta
from .network import BINS, STRIDES, YOLO12
from .quantize import FLOAT_ISLANDS, calibration, to_int8
from .tflite import Interpreter
from .train import load_weights

SELF_TEST = "self-test.jpg"
NMS_IOU = 0.6


def build(weights: Path, scale: str, classes: int, act: str) -> YOLO12:
    network = YOLO12(scale, classes, act)
    network.load_state_dict(load_weights(weights))
    return network.eval()


def to_float(network: YOLO12, size: int, out: Path) -> None:
    import litert_torch  # slow to import, needed by this command alone

    device = DeviceNetwork(network).eval()
    litert_torch.convert(device, (torch.rand(1, size, size, 3),)).export(str(out))


def describe_outputs(interpreter: Interpreter, size: int) -> list[dict]:
    rows = []
    for index, tensor in enumerate(interpreter.outputs):
        rows.append(
            {
                "role": "box" if index % 2 == 0 else "class",
                "stride": size // tensor.shape[1],
                "tensor_index": index,
                "name": tensor.name,
                "shape": list(tensor.shape),
                "dtype": np.dtype(tensor.dtype).name,
                "scale": tensor.scale,
                "zero_point": tensor.zero_point,
            }
        )
    return rows


def thresholds(model: Path, data: DataSet, size: int, every: int = 1) -> dict[str, float]:
    """Per class the confidence of the best F0.5, chosen on the int8 model itself.

    Precision counts more than recall: a face missed in one frame is found in the next
    and its track bridges the gap, but a false face becomes an event. On the training
    split: the validation split must stay unseen by every choice.
    """
    run = tflite_runner(model)
    pictures = []
    for path in data.files("train")[::every]:
        picture = data.read(path)
        truth = np.hstack([picture.boxes, picture.classes[:, None]])
        pictures.append((detect(run, picture.image, size, 0.05, NMS_IOU), truth))
    chosen = {}
    for label, name in enumerate(data.names):
        c = curve(pictures, label, 0.5)
        grid = np.arange(0.2, 0.9, 0.01)
        chosen[name] = round(float(max(grid, key=lambda t: f_beta(*c.at(t), 0.5))), 2)
    return chosen


def self_test(model: Path, folder: Path, names: list[str], size: int) -> dict:
    """What the model sees in the known picture: the daemon checks it at every start."""
    import cv2

    image = cv2.imread(str(folder / SELF_TEST))
    found = detect(tflite_runner(model), image, size, 0.2, NMS_IOU)
    if not len(found):
        raise SystemExit(f"the model finds no face in {folder / SELF_TEST}: not fit to ship")
    best = found[0]
    expect = {
        "class": names[int(best[5])],
        "box": [round(float(v), 1) for v in best[:4]],
        "min_confidence": round(float(best[4]) * 0.7, 2),
    }
    return {"picture": SELF_TEST, "expect": [expect]}


def sources(data: DataSet) -> list[dict]:
    """Where the pictures came from, as the set's `index.csv` states it."""
    index = data.root / "index.csv"
    if not index.exists():
        return [{"source": str(data.root.name), "pictures": len(data.files("train"))}]
    with index.open() as file:
        count = Counter(row["source"] for row in csv.DictReader(file))
    return [{"source": source, "pictures": n} for source, n in count.most_common()]


def side_car(model: Path, data: DataSet, size: int, version: str, training: dict, every: int) -> dict:
    interpreter = Interpreter(model)
    return {
        "schema": 1,
        "name": model.stem,
        "version": version,
        "task": "detect",
        "layout": "raw_dfl",
        "classes": data.names,
        "input": {
            "width": size,
            "height": size,
            "dtype": np.dtype(interpreter.input.dtype).name,
            "scale": interpreter.input.scale,
            "zero_point": interpreter.input.zero_point,
            "color": "RGB",
        },
        "strides": list(STRIDES),
        "reg_max": BINS,
        "thresholds": thresholds(model, data, size, every),
        "nms_iou": NMS_IOU,
        "outputs": describe_outputs(interpreter, size),
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "self_test": self_test(model, model.parent, data.names, size),
        "training": training,
        "data": sources(data),
        "license": "MIT OR Apache-2.0",
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, help="checkpoint (.pt) or .safetensors")
    parser.add_argument("data", type=Path, help="data.yaml: calibration, class names, thresholds")
    parser.add_argument("--out", type=Path, required=True, help="the .tflite to write; .json beside it")
    parser.add_argument("--scale", default="n")
    parser.add_argument("--act", default="relu", help="the activation it was trained with")
    parser.add_argument("--size", type=int, default=224, help="input size in pixels (default 224)")
    parser.add_argument("--samples", type=int, default=400, help="calibration pictures (default 400)")
    parser.add_argument("--version", default="0.1.0")
    parser.add_argument("--all-int8", action="store_true", help="attention in int8 too")
    parser.add_argument("--float", type=Path, help="keep the float model here")
    parser.add_argument("--every", type=int, default=3, help="choose thresholds on every Nth picture")


def run(args: argparse.Namespace) -> None:
    data = DataSet.open(args.data)
    network = build(args.weights, args.scale, len(data.names), args.act)
    with tempfile.TemporaryDirectory() as folder:
        model = args.float or Path(folder) / "float.tflite"
        to_float(network, args.size, model)
        samples = list(calibration(data, args.size, args.samples))
        to_int8(model, args.out, samples, () if args.all_int8 else FLOAT_ISLANDS)
    training = {
        "architecture": f"YOLOv12{args.scale}",
        "activation": args.act,
        "exported": datetime.date.today().isoformat(),
        "calibration_pictures": len(samples),
    }
    card = side_car(args.out, data, args.size, args.version, training, args.every)
    args.out.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    print(f"{args.out}: {args.out.stat().st_size} bytes, thresholds {card['thresholds']}")
