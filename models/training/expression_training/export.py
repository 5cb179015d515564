"""From a checkpoint to `<name>.tflite` (int8), `<name>.json` and, on request, a float model.

The confidences are calibrated: the class logits are moved so far that the daemon's
`tracking.start_confidence` is the confidence from which, on pictures that were not
trained on, false alarms are as rare as `--alarms` says.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import hashlib
import json
import math
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from .dataset import (
    ALL_HALVINGS,
    INPUT,
    DataError,
    DataSet,
    Labels,
    Picture,
    Size,
    above_zero,
    at_least_one,
    existing,
    read_image,
    size_of,
    to_write,
)
from .detect import Runner, detect, tflite_runner
from .device import DeviceNetwork
from .equalize import equalized
from .faces import look, tally
from .linked import index_rows
from .metrics import Curve, curve, f_beta, judged
from .network import BINS, YOLO12
from .quantize import FLOAT_ISLANDS, calibration, to_int8
from .sidecar import MODELS
from .tflite import Interpreter
from .views import enlarged
from .weights import build

SELF_TEST = "self-test.jpg"
#: https://semver.org without what follows a `+`, which a side-car may not have
NUMBER = "(0|[1-9][0-9]*)"
WORD = rf"({NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
SEMANTIC = rf"{NUMBER}\.{NUMBER}\.{NUMBER}(-{WORD}(\.{WORD})*)?"
#: what a board takes as a model's name
PLAIN = r"[a-zA-Z0-9._-]{1,64}"
#: the face of that picture as a close look shows it: a network for single faces may see no smaller one
CLOSE_SELF_TEST = "self-test-close.jpg"
#: boxes of one class that overlap by more are one face
NMS_IOU = 0.5
#: the daemon's tracking.start_confidence, which the calibration aims at
START = 0.7
#: below this confidence nothing is looked at when levels are chosen
FLOOR = 0.05
#: so many hundredths without a face between them are what int8 and chance leave
MANY = 5
#: a look at one face is so many times as wide where a side-car says nothing (src/detector/sidecar.rs)
USUAL_CLOSE_LOOK = 3.0
#: Classes are balanced on faces from this confidence on, if there are so many of each,
BALANCED_FROM, LEAST_FACES = 0.3, 50
#: in so many steps of such a size, and no logit moves further than this: with few faces it would be noise.
BALANCING_STEPS, BALANCING_RATE, MOST_MOVED = 12, 0.4, 0.75
#: the operating point is searched for up to so far from where it is, to a hundredth
MOST_SHIFTED, SHIFTING_STEPS = 4.0, 10


def to_float(network: YOLO12, size: Size, out: Path) -> None:
    import litert_torch  # slow to import, needed by this command alone

    device = DeviceNetwork(network).eval()
    litert_torch.convert(device, (torch.rand(1, size[1], size[0], 3),)).export(str(out))


def describe_outputs(interpreter: Interpreter) -> list[dict]:
    rows = []
    for index, tensor in enumerate(interpreter.outputs):
        rows.append(
            {
                "role": "box" if index % 2 == 0 else "class",
                "stride": interpreter.size[1] // tensor.shape[1],
                "tensor_index": index,
                "name": tensor.name,
                "shape": list(tensor.shape),
                "dtype": np.dtype(tensor.dtype).name,
                "scale": tensor.scale,
                "zero_point": tensor.zero_point,
            }
        )
    return rows


def selection(data: DataSet) -> str:
    """The split that levels are chosen on: neither trained on nor reported, where there is one."""
    return "choose" if "choose" in data.splits else "train"


def with_offsets(network: YOLO12, offsets: np.ndarray) -> YOLO12:
    """A copy whose class logits are higher by `offsets` [classes]."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        for branch in network.head.cls:
            branch[-1].bias += torch.tensor(offsets, dtype=torch.float32)
    return network


def shifted(run: Runner, offsets: np.ndarray) -> Runner:
    """The same of a network that is exported already."""
    by = torch.tensor(offsets, dtype=torch.float32)[None, :, None, None]
    return lambda boxed: [(box, cls + by) for box, cls in run(boxed)]


def calibration_offset(
    run: Runner, size: Size, pictures: list[Picture], classes: int, alarms: float
) -> float:
    """How far the logits must move for the operating point to be START.

    A face is as sure as its classes together, and of many small confidences the sum moves further
    than the logit of one: so it is searched for, not computed.
    Fewer pictures than one alarm is allowed in show no rate: that none had one would move the
    logits as far as it goes.
    """
    if alarms * len(pictures) < 1:
        print(
            f"{len(pictures)} pictures are too few to show {alarms:g} false alarms each, which takes "
            f"{math.ceil(1 / alarms)}: confidences stay as the network has them",
            flush=True,
        )
        return 0.0

    def quiet(offset: float) -> bool:
        moved = shifted(run, np.full(classes, offset))
        sheets = look(moved, size, pictures, classes, NMS_IOU, FLOOR)
        return tally(sheets, START, classes=classes).alarms <= alarms * len(sheets)

    low, high = -MOST_SHIFTED, MOST_SHIFTED
    for _ in range(SHIFTING_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if quiet(middle) else (low, middle)
    return low


def balance(run: Runner, size: Size, pictures: list[Picture], classes: int) -> np.ndarray:
    """How far each class's logits must move for it to be told as often as it is there [classes].

    A class that is rare in training is told too seldom: of two, one is taken for the other
    more often than the reverse. Nothing moves where the pictures do not show every class.
    """
    offsets = np.zeros(classes)
    for _ in range(BALANCING_STEPS):
        sheets = look(shifted(run, offsets), size, pictures, classes, NMS_IOU, BALANCED_FROM)
        confused = tally(sheets, BALANCED_FROM, classes=classes).confused
        there, told = confused.sum(1), confused.sum(0)
        if there.min() < LEAST_FACES:
            return np.zeros(classes)
        offsets += BALANCING_RATE * np.log(there / np.maximum(told, 1))
        offsets = (offsets - offsets.mean()).clip(-MOST_MOVED, MOST_MOVED)
    return offsets


def faces_in(pictures: list[Picture], args: argparse.Namespace) -> list[Picture]:
    """What classes are balanced on. A portrait is shown as a camera would see the face: enlarged
    to fill the input it is nothing that a camera shows."""
    close = args.close_look is not None
    portraits = [picture for picture in pictures if close or picture.portrait]
    scenes = [picture for picture in pictures if not (close or picture.portrait)]
    return scenes + close_views(portraits, args.size, args.close_look or USUAL_CLOSE_LOOK)


def close_views(pictures: list[Picture], size: Size, close_look: float) -> list[Picture]:
    """Each face whose class is known, as large as a look at it alone shows it."""
    views = []
    for picture in pictures:
        for box, shares, known in zip(
            picture.labels.boxes, picture.labels.shares, picture.labels.classes >= 0, strict=True
        ):
            if known:
                tile, place = enlarged(picture, box, size, 1 / close_look, flip=False)
                labels = Labels(place[None].astype(np.float32), shares[None], np.zeros((0, 4), np.float32))
                views.append(Picture(picture.path, [tile], labels))
    return views


def thresholds(run: Runner, pictures: list[Picture], names: list[str], size: Size) -> dict[str, float]:
    """Per class the confidence of the best F0.5, chosen on the int8 model itself.

    Precision counts more than recall: a face missed in one frame is found in the next
    and its track bridges the gap, but a false face becomes an event. A class without a face in
    the pictures has the highest of the others, or START.
    """
    compared = [judged(detect(run, p.image, size, FLOOR, NMS_IOU), p.labels) for p in pictures]
    curves = {name: curve(compared, label, 0.5) for label, name in enumerate(names)}
    chosen = {name: best_threshold(c) for name, c in curves.items() if c.faces}
    highest = max(chosen.values(), default=START)
    for name in names:
        if name not in chosen:
            print(f"no picture has a face of '{name}': its threshold is {highest}, which nothing tells")
    return {name: chosen.get(name, highest) for name in names}


def best_threshold(c: Curve) -> float:
    """The lowest, but of many that are as good the middle: with few faces nothing lies between what is one
    and what is none, and the lowest would let all of it in. A class that is found at none has the lowest."""
    grid = np.arange(0.2, 0.9, 0.01)
    values = np.array([f_beta(*c.at(t), 0.5) for t in grid])
    best = np.flatnonzero(values == values.max())
    together = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)[-1]
    middle = (len(together) - 1) // 2 if values.any() and len(together) > MANY else 0
    return round(float(grid[together[middle]]), 2)


def known_picture(out: Path, close: bool) -> Path:
    """The picture of the self-test beside `out`, where a daemon looks for it: one's own, if there is
    one, or the program's."""
    name = CLOSE_SELF_TEST if close else SELF_TEST
    picture = out.with_name(name)
    if not picture.exists():
        read_image(MODELS / name)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(MODELS / name, picture)
    read_image(picture)
    return picture


def self_test(model: Path, picture: Path, names: list[str], size: Size) -> dict:
    """What the model sees in the known picture: the daemon checks it at every start."""
    found = detect(tflite_runner(model), read_image(picture), size, 0.2, NMS_IOU)
    if not len(found):
        raise DataError(f"the model finds no face in {picture}: not fit to ship")
    best = found[0]
    expect = {
        "class": names[int(best[5])],
        "box": [round(float(v), 1) for v in best[:4]],
        "min_confidence": round(float(best[4]) * 0.7, 2),
    }
    return {"picture": picture.name, "expect": [expect]}


def version_of(text: str) -> str:
    """A semantic version: boards compare them, and refuse a side-car with another."""
    if not re.fullmatch(SEMANTIC, text):
        raise argparse.ArgumentTypeError(f"{text}: three numbers, as 1.2.3, or 1.2.3-rc.1 before it")
    return text


def model_file(text: str) -> Path:
    """Its name is the model's, a part of file names and of the id in events (src/detector/sidecar.rs)."""
    if not re.fullmatch(PLAIN, (path := Path(text)).stem):
        raise argparse.ArgumentTypeError(
            f"{text}: the name must be 1 to 64 of letters, digits, '.', '_', '-'"
        )
    return path


def times_as_wide(text: str) -> float:
    if not 1.5 <= (times := float(text)) <= 4:
        raise argparse.ArgumentTypeError(f"{text}: from 1.5 to 4")
    return times


def next_version() -> str:
    """The patch after the program's own: of equal versions a board takes the program's."""
    own = json.loads((MODELS / "expression-yolo12n.json").read_text(encoding="utf-8"))["version"]
    major, minor, patch = own.partition("-")[0].split(".")
    return f"{major}.{minor}.{int(patch) + 1}"


def sources(data: DataSet) -> list[dict]:
    """Where the pictures of the training split came from, as the set's `index.csv` states it."""
    rows = [row for row in index_rows(data.root) if row.get("split", "train") == "train"]
    if not rows:
        return [{"source": str(data.root.name), "pictures": len(data.files("train"))}]
    terms = {row["source"]: row.get("licence", "") for row in rows}
    count = Counter(row["source"] for row in rows)
    return [
        {"source": source, "pictures": number} | ({"terms": terms[source]} if terms[source] else {})
        for source, number in count.most_common()
    ]


def side_car(
    model: Path,
    data: DataSet,
    chosen: dict[str, float],
    version: str,
    training: dict,
    close_look: float | None = None,
) -> dict:
    interpreter = Interpreter(model)
    outputs = describe_outputs(interpreter)
    return {
        "schema": 1,
        "name": model.stem,
        "version": version,
        "task": "detect",
        "layout": "raw_dfl",
        "classes": data.names,
        **({"groups": dict(data.vocabulary.groups)} if data.vocabulary.groups else {}),
        "input": {
            "width": interpreter.size[0],
            "height": interpreter.size[1],
            "dtype": np.dtype(interpreter.input.dtype).name,
            "scale": interpreter.input.scale,
            "zero_point": interpreter.input.zero_point,
            "color": "RGB",
        },
        "strides": [row["stride"] for row in outputs if row["role"] == "box"],
        "reg_max": BINS,
        "thresholds": chosen,
        "nms_iou": NMS_IOU,
        **({"close_look": close_look} if close_look else {}),
        "outputs": outputs,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "self_test": self_test(
            model, known_picture(model, close_look is not None), data.names, interpreter.size
        ),
        "training": training,
        "data": sources(data),
        "license": "MIT OR Apache-2.0",
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=existing, help="checkpoint (.pt) or .safetensors")
    parser.add_argument("data", type=Path, help="data.yaml: calibration, class names, thresholds")
    parser.add_argument("--out", type=model_file, required=True, help="the .tflite to write; .json beside it")
    parser.add_argument(
        "--size", type=size_of, default=INPUT, help="input in pixels: 160, or 288x192 (default)"
    )
    parser.add_argument(
        "--samples", type=at_least_one, default=400, help="calibration pictures (default 400)"
    )
    parser.add_argument(
        "--version", type=version_of, help="of the side-car (default: the patch after the program's own)"
    )
    parser.add_argument("--all-int8", action="store_true", help="attention in int8 too")
    parser.add_argument("--float", type=to_write, help="keep the float model here")
    parser.add_argument(
        "--close-look",
        type=times_as_wide,
        metavar="TIMES",
        help="it will be shown single faces (model.close), in looks so many times as wide, 1.5 to 4",
    )
    parser.add_argument(
        "--alarms", type=above_zero, default=0.03, help="false alarms per scene (default 0.03)"
    )
    parser.add_argument("--every", type=at_least_one, default=1, help="choose levels on every Nth picture")


def export(weights: Path, data: DataSet, args: argparse.Namespace) -> dict:
    """Writes the int8 model at `args.out`; returns what the side-car says of its training."""
    # first what would refuse the result
    known_picture(args.out, args.close_look is not None)
    data.vocabulary.check_words()
    network = build(weights, data.names)
    if words := network.description.too_near(args.size):
        print(words, flush=True)
    samples = list(calibration(data, args.size, args.samples, args.close_look))
    network = equalized(network, samples)
    pictures = data.load(selection(data), ALL_HALVINGS, every=args.every)
    islands = () if args.all_int8 else FLOAT_ISLANDS
    with tempfile.TemporaryDirectory() as folder:
        model = args.float or Path(folder) / "float.tflite"
        to_float(network, args.size, model)
        to_int8(model, args.out, samples, islands)
        run = tflite_runner(args.out)
        offsets = balance(run, args.size, faces_in(pictures, args), len(data.names))
        # portraits hold nothing else that could be taken for a face
        scenes = [picture for picture in pictures if not picture.portrait] or pictures
        moved = shifted(run, offsets), args.size, scenes, len(data.names)
        offsets += calibration_offset(*moved, args.alarms)
        to_float(with_offsets(network, offsets), args.size, model)
        to_int8(model, args.out, samples, islands)
    chosen = thresholds(tflite_runner(args.out), pictures, data.names, args.size)
    description = network.description
    training = {
        "architecture": f"YOLOv12{description.scale}",
        "network": description.to_dict(),
        "exported": datetime.date.today().isoformat(),
        "calibration_pictures": len(samples),
        "logit_offsets": [round(float(offset), 3) for offset in offsets],
    }
    version = args.version or next_version()
    return side_car(args.out, data, chosen, version, training, args.close_look)


def run(args: argparse.Namespace) -> None:
    data = DataSet.open(args.data)
    if selection(data) == "train":
        print(f"{args.data} has no split `choose`: levels are chosen on pictures that were trained on")
    card = export(args.weights, data, args)
    args.out.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    print(f"{args.out}: {args.out.stat().st_size} bytes, thresholds {card['thresholds']}")
