"""Train a network on a YOLO-format set.

A run lives in a folder: `last.pt` (everything needed to go on), `log.csv`,
`curves.png`, `options.json`. Start the same command again to resume.
"""

from __future__ import annotations

import argparse
import copy
import csv
import hashlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch

from .augment import Augmented, Batches, Mix, collate
from .dataset import DataError, DataSet, Picture
from .detect import detect, torch_runner
from .loss import Parts, Targets, Weights, detection_loss
from .metrics import judged, summarize
from .network import SCALES, SHIPPED, STRIDES, YOLO12, Description
from .parallel import ALONE, Peers, run_in
from .progress import progress
from .weights import adopt, load_weights


@dataclass(frozen=True)
class Options:
    """What a preset fixes. Shares are of the whole run, 0 to 1."""

    network: Description = SHIPPED
    size: int = 224
    epochs: int = 100
    #: pictures drawn in an epoch, 0: all
    samples: int = 0
    batch: int = 32
    lr: float = 2e-3
    weight_decay: float = 0.02
    #: (share of the run, size): training starts small, where a picture costs a quarter
    growing: tuple[tuple[float, int], ...] = ((0.42, 128), (0.62, 160))
    #: smaller sizes that a share of the batches is drawn at once grown, so that the
    #: same weights can be exported at any of them; named several times, drawn as often
    also: tuple[int, ...] = ()
    mosaic: float = 0.6
    mosaic_until: float = 0.8
    collage: float = 0.0
    #: share of the other pictures that fill the square as a letterboxed camera frame does
    letterboxed: float = 0.1
    #: weight of the class loss against the box losses
    class_weight: float = 0.5
    warmup_steps: int = 300
    ema: float = 0.9992
    seed: int = 1

    def sizes_at(self, share: float) -> tuple[int, ...]:
        """The sizes that batches are drawn at, each as often as it is named."""
        growing = next((size for until, size in self.growing if share < until), None)
        return (growing,) if growing else (self.size, self.size, *self.also)

    def mix_at(self, share: float) -> Mix:
        late = self.mosaic / 4 if share < (1 + self.mosaic_until) / 2 else 0.0
        return Mix(self.mosaic if share < self.mosaic_until else late, self.collage, self.letterboxed)

    def lr_at(self, share: float, step: int) -> float:
        """Linear warm-up, cosine to a hundredth."""
        cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(share, 1)))
        return self.lr * min(1, (step + 1) / self.warmup_steps) * cosine


PRESETS = {
    # exactly the published study's recipe
    "paper": Options(
        network=Description(act="silu"),
        size=640,
        epochs=100,
        batch=4,
        lr=1e-3,
        weight_decay=5e-4,
        growing=(),
        mosaic=1.0,
        mosaic_until=0.9,
    ),
    # from nothing to good boxes
    "best": Options(),
    # boxes are learnt long before smiles are: less mosaic, near faces as the camera
    # shows them, and a class loss that counts
    "refine": Options(
        epochs=60,
        lr=1.2e-3,
        growing=(),
        also=(160, 192),
        mosaic=0.35,
        letterboxed=0.4,
        class_weight=1.5,
    ),
    # the shipped model: scenes, from weights that know faces
    "scenes": Options(
        epochs=120,
        samples=6400,
        lr=1.5e-3,
        growing=((0.25, 160),),
        also=(160, 128),
        mosaic=0.25,
        collage=0.2,
        letterboxed=0.4,
        class_weight=1.2,
        warmup_steps=150,
        ema=0.998,
    ),
}


class Trainer:
    """Network, its moving average, optimizer and progress: what a checkpoint holds."""

    def __init__(self, options: Options, classes: int, peers: Peers = ALONE):
        torch.manual_seed(options.seed)
        self.options, self.peers = options, peers
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network = YOLO12(options.network, classes)
        self.network = network.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [
            {"params": weights, "weight_decay": options.weight_decay},
            {"params": others, "weight_decay": 0.0},  # biases and norms are not decayed
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=options.lr, betas=(0.9, 0.99))
        self.epoch = self.step = 0
        self.seconds = 0.0
        #: of the weights it started from: a run that refines another draws other samples
        self.origin = ""

    def save(self, path: Path) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": (self.epoch, self.step, self.seconds),
            "rng": torch.get_rng_state(),
            "origin": self.origin,
            "options": asdict(self.options),
            "description": self.options.network.to_dict(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)  # a run that is killed here keeps the old checkpoint

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True, map_location=self.device)
        check_options(path, state["options"], asdict(self.options))
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.seconds = state["progress"]
        torch.set_rng_state(state["rng"].cpu())
        self.origin = state["origin"]

    def start_from(self, path: Path) -> None:
        """Other weights' values, as far as they fit: a network with less parts takes what it has."""
        weights, _ = load_weights(path)
        self.origin = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        for network in (self.network, self.average):
            missing = adopt(network, weights)
        if missing:
            print(f"{path} has nothing for {', '.join(missing)}", flush=True)

    def train_step(self, images: torch.Tensor, truth: Targets, share: float, started: float | None = None):
        """One step; returns its `Parts`. `seconds` is then how long ago `started` was, if given."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr_at(share, self.step)
        x = images.to(self.device).permute(0, 3, 1, 2).float().div_(255)
        with torch.autocast(self.device.type, torch.bfloat16):
            outputs = self.network(x.contiguous(memory_format=torch.channels_last))
        weights = Weights(classes=self.options.class_weight)
        loss, parts = detection_loss(outputs, truth.to(self.device), weights)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        elapsed = self.seconds if started is None else time.time() - started
        self.seconds = self.peers.average(self.network, elapsed)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10)
        self.optimizer.step()
        self.step += 1
        self.update_average()
        return parts

    def done(self, minutes: float | None) -> float:
        """The share of the run that lies behind, 0 to 1."""
        return self.seconds / (minutes * 60) if minutes else self.epoch / self.options.epochs

    @torch.no_grad()
    def update_average(self) -> None:
        keep = self.options.ema * (1 - math.exp(-self.step / 800))
        pairs = zip(self.average.state_dict().values(), self.network.state_dict().values())
        for mean, value in pairs:
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - keep)
            else:
                mean.copy_(value)


def check_options(path: Path, old: dict, new: dict) -> None:
    """A run goes on as it began: everything but its length must be the same."""
    changed = [
        f"{key} was {old.get(key)} and is {new[key]}"
        for key in new
        if key != "epochs" and json.dumps(old.get(key)) != json.dumps(new[key])
    ]
    if changed:
        raise DataError(
            f"{path} is of another run: {'; '.join(changed)}. "
            "Give its options, or another --out (with --init to start from its weights)"
        )


def validate(network: YOLO12, data: DataSet, size: int, every: int = 1) -> dict:
    run = torch_runner(network)
    pictures = []
    for picture in data.pictures("val", every=every):
        pictures.append(judged(detect(run, picture.image, size), picture.labels))
    return summarize(pictures, data.names)


@dataclass(frozen=True)
class Run:
    """What a run is given: it may be in several processes, the pictures are in memory once."""

    data: DataSet
    folder: Path
    options: Options
    #: length of the schedule, instead of the options' epochs
    minutes: float | None
    init: Path | None
    pictures: list[Picture]
    #: indices of pictures; one that is drawn twice as often is there twice
    draws: list[int]

    def train(self, peers: Peers) -> Trainer:
        trainer = Trainer(self.options, len(self.data.names), peers)
        last = self.folder / "last.pt"
        if last.exists():
            trainer.load(last)
        elif self.init is not None:
            trainer.start_from(self.init)
        done = trainer.done(self.minutes)
        while done < 1:
            parts = train_epoch(trainer, self.pictures, self.draws, self.minutes)
            done = trainer.done(self.minutes)
            if peers.leads:
                trainer.save(last)
                log_epoch(self.folder, trainer, self.data, parts, final=done >= 1)
        if peers.leads:
            plot(self.folder)
        return trainer


def train(
    data: DataSet,
    folder: Path,
    options: Options,
    minutes: float | None = None,
    init: Path | None = None,
    processes: int = 1,
) -> Trainer | None:
    """Trains to the end of `options.epochs`, or of `minutes` if given; returns the only process's trainer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "options.json").write_text(json.dumps(asdict(options), indent=2) + "\n")
    pictures = data.load("train", levels=4)
    number = {picture.path: index for index, picture in enumerate(pictures)}
    draws = [number[path] for path in data.draws("train") if path in number]
    return run_in(processes, Run(data, folder, options, minutes, init, pictures, draws).train)


def train_epoch(trainer: Trainer, pictures: list[Picture], draws: list[int], minutes: float | None):
    options, peers, share = trainer.options, trainer.peers, trainer.done(minutes)
    sizes = options.sizes_at(share)
    seed = f"{options.seed}/{trainer.origin}/{trainer.epoch}"
    loader = torch.utils.data.DataLoader(
        Augmented(pictures, options.mix_at(share), seed),
        batch_sampler=Batches(draws, options.batch, sizes, seed, options.samples, (peers.rank, peers.count)),
        num_workers=max(1, min(8, os.cpu_count() or 1) // peers.count),
        collate_fn=collate,
    )
    trainer.network.train()
    parts: list[Parts] = []
    started = time.time() - trainer.seconds
    title = f"epoch {trainer.epoch + 1} at {max(sizes)}"
    for images, truth in progress(loader, title):
        within = len(parts) / len(loader) / options.epochs
        now = trainer.done(minutes) if minutes else share + within
        parts.append(trainer.train_step(images, truth, now, started))
        if minutes and trainer.done(minutes) >= 1:
            break
    trainer.epoch += 1
    return parts


def log_epoch(folder: Path, trainer: Trainer, data: DataSet, parts: list[Parts], final: bool) -> None:
    mean = {f.name: np.mean([getattr(p, f.name) for p in parts], 0) for f in fields(Parts)}
    row = {
        "epoch": trainer.epoch,
        "minutes": round(trainer.seconds / 60, 2),
        "loss_class": round(float(mean["classes"]), 4),
        "loss_box": round(float(mean["box"]), 4),
        "loss_distribution": round(float(mean["distribution"]), 4),
        # of a batch, level after level: a level without any does not learn
        "positives": "/".join(f"{n:.0f}" for n in mean["positives"]),
        "map50": "",
    }
    if final or trainer.epoch % 10 == 0:
        result = validate(trainer.average, data, trainer.options.size, 1 if final else 4)
        row["map50"] = round(result["map50"], 4)
    path = folder / "log.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(" ".join(f"{key}={value}" for key, value in row.items() if value != ""), flush=True)


def plot(folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    epochs = [int(row["epoch"]) for row in rows]
    for key in ("loss_class", "loss_box", "loss_distribution"):
        left.plot(epochs, [float(row[key]) for row in rows], label=key)
    left.set(xlabel="epoch", ylabel="loss")
    left.legend()
    known = [(int(row["epoch"]), float(row["map50"])) for row in rows if row["map50"]]
    if known:
        right.plot(*zip(*known), marker="o")
    right.set(xlabel="epoch", ylabel="mAP@0.5 (validation)", ylim=(0, 1))
    figure.tight_layout()
    figure.savefig(folder / "curves.png", dpi=120)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="data.yaml of a YOLO-format set")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; resumed if it exists")
    parser.add_argument("--preset", choices=PRESETS, default="best")
    parser.add_argument("--scale", choices=SCALES, help="network scale (default: the preset's, n)")
    parser.add_argument(
        "--levels", type=int, nargs="+", choices=STRIDES, help="strides of the head (default: the preset's)"
    )
    parser.add_argument("--size", type=int, help="input size in pixels, a multiple of 32")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--minutes", type=float, help="end the schedule after this time instead of epochs")
    parser.add_argument("--init", type=Path, help="start from these weights (.pt or .safetensors)")
    parser.add_argument(
        "--processes", type=int, default=1, help="share each batch; as many as there are cores is fastest"
    )
    parser.add_argument("--seed", type=int, help="of order and augmentation; another one for another run")


def run(args: argparse.Namespace) -> None:
    options = PRESETS[args.preset]
    named = {"scale": args.scale, "levels": args.levels and tuple(args.levels)}
    try:
        network = replace(options.network, **{key: value for key, value in named.items() if value})
    except ValueError as error:
        raise DataError(str(error)) from error
    options = replace(options, network=network)
    given = {key: getattr(args, key) for key in ("size", "epochs", "batch", "lr", "seed")}
    options = replace(options, **{key: value for key, value in given.items() if value is not None})
    train(DataSet.open(args.data), args.out, options, args.minutes, args.init, args.processes)
