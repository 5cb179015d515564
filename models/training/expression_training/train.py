"""Train a network on a YOLO-format set.

A run lives in a folder: `last.pt` (everything needed to go on), `log.csv`,
`curves.png`, `options.json`. Start the same command again to resume.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import math
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from .augment import Augmented, Batches, collate
from .dataset import DataSet
from .detect import detect, torch_runner
from .loss import Weights, detection_loss
from .metrics import summarize
from .network import SCALES, YOLO12


@dataclass(frozen=True)
class Options:
    """What a preset fixes. Shares are of the whole run, 0 to 1."""

    scale: str = "n"
    act: str = "relu"
    size: int = 224
    epochs: int = 100
    batch: int = 32
    lr: float = 2e-3
    weight_decay: float = 0.02
    #: (share of the run, size): training starts small, where a picture costs a quarter
    growing: tuple[tuple[float, int], ...] = ((0.42, 128), (0.62, 160))
    #: smaller sizes that a share of the batches is drawn at once grown, so that the
    #: same weights can be exported at any of them
    also: tuple[int, ...] = ()
    mosaic: float = 0.6
    mosaic_until: float = 0.8
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

    def mosaic_at(self, share: float) -> float:
        if share < self.mosaic_until:
            return self.mosaic
        return self.mosaic / 4 if share < (1 + self.mosaic_until) / 2 else 0.0

    def lr_at(self, share: float, step: int) -> float:
        """Linear warm-up, cosine to a hundredth."""
        cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(share, 1)))
        return self.lr * min(1, (step + 1) / self.warmup_steps) * cosine


PRESETS = {
    # exactly the published study's recipe
    "paper": Options(
        act="silu",
        size=640,
        epochs=100,
        batch=4,
        lr=1e-3,
        weight_decay=5e-4,
        growing=(),
        mosaic=1.0,
        mosaic_until=0.9,
    ),
    # what gave the highest validation result here: this, and `refine` from its weights
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
}


class Trainer:
    """Network, its moving average, optimizer and progress: what a checkpoint holds."""

    def __init__(self, options: Options, classes: int):
        torch.manual_seed(options.seed)
        self.options = options
        self.network = YOLO12(options.scale, classes, options.act).to(memory_format=torch.channels_last)
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

    def save(self, path: Path) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": (self.epoch, self.step, self.seconds),
            "rng": torch.get_rng_state(),
            "options": asdict(self.options),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)  # a run that is killed here keeps the old checkpoint

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.seconds = state["progress"]
        torch.set_rng_state(state["rng"])

    def train_step(self, images: torch.Tensor, truth, share: float):
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr_at(share, self.step)
        x = images.permute(0, 3, 1, 2).float().div_(255)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = self.network(x.contiguous(memory_format=torch.channels_last))
        loss, parts = detection_loss(outputs, truth, Weights(classes=self.options.class_weight))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10)
        self.optimizer.step()
        self.step += 1
        self.update_average()
        return parts

    @torch.no_grad()
    def update_average(self) -> None:
        keep = self.options.ema * (1 - math.exp(-self.step / 800))
        pairs = zip(self.average.state_dict().values(), self.network.state_dict().values())
        for mean, value in pairs:
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - keep)
            else:
                mean.copy_(value)


def validate(network: YOLO12, data: DataSet, size: int, every: int = 1) -> dict:
    run = torch_runner(network)
    pictures = []
    for path in data.files("val")[::every]:
        picture = data.read(path)
        truth = np.hstack([picture.boxes, picture.classes[:, None]])
        pictures.append((detect(run, picture.image, size), truth))
    return summarize(pictures, data.names)


def train(data: DataSet, folder: Path, options: Options, minutes: float | None, init: Path | None):
    """Trains to the end of `options.epochs`, or of `minutes` if given."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "options.json").write_text(json.dumps(asdict(options), indent=2) + "\n")
    pictures = data.load("train", levels=4)
    trainer = Trainer(options, len(data.names))
    last = folder / "last.pt"
    if last.exists():
        trainer.load(last)
    elif init is not None:
        weights = load_weights(init)
        trainer.network.load_state_dict(weights)
        trainer.average.load_state_dict(weights)

    def share() -> float:
        return trainer.seconds / (minutes * 60) if minutes else trainer.epoch / options.epochs

    while share() < 1:
        sizes = options.sizes_at(share())
        samples = Augmented(pictures, options.mosaic_at(share()), options.letterboxed, trainer.epoch)
        loader = torch.utils.data.DataLoader(
            samples,
            batch_sampler=Batches(len(pictures), options.batch, sizes, trainer.epoch),
            num_workers=min(2, os.cpu_count() or 1),
            collate_fn=collate,
        )
        trainer.network.train()
        parts, start, begun = [], time.time(), trainer.seconds
        epoch_share, steps = share(), len(loader)
        for images, truth in tqdm(loader, f"epoch {trainer.epoch + 1} at {max(sizes)}", leave=False):
            within = len(parts) / steps / options.epochs
            parts.append(trainer.train_step(images, truth, share() if minutes else epoch_share + within))
            trainer.seconds = begun + time.time() - start
            if minutes and share() >= 1:
                break
        trainer.epoch += 1
        trainer.save(last)
        log_epoch(folder, trainer, data, max(sizes), np.mean(parts, 0), final=share() >= 1)
    plot(folder)
    return trainer


def log_epoch(folder, trainer, data, size, parts, final) -> None:
    row = {
        "epoch": trainer.epoch,
        "minutes": round(trainer.seconds / 60, 2),
        "size": size,
        "loss_class": round(float(parts[0]), 4),
        "loss_box": round(float(parts[1]), 4),
        "loss_distribution": round(float(parts[2]), 4),
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


def load_weights(path: Path) -> dict:
    """The averaged weights of a checkpoint, or a `.safetensors` file."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return {
            key: value.float() if value.is_floating_point() else value
            for key, value in load_file(path).items()
        }
    return torch.load(path, weights_only=True)["average"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="data.yaml of a YOLO-format set")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; resumed if it exists")
    parser.add_argument("--preset", choices=PRESETS, default="best")
    parser.add_argument("--scale", choices=SCALES, help="network scale (default: the preset's, n)")
    parser.add_argument("--size", type=int, help="input size in pixels, a multiple of 32")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--minutes", type=float, help="end the schedule after this time instead of epochs")
    parser.add_argument("--init", type=Path, help="start from these weights (.pt or .safetensors)")


def run(args: argparse.Namespace) -> None:
    given = {key: getattr(args, key) for key in ("scale", "size", "epochs", "batch")}
    options = replace(PRESETS[args.preset], **{key: value for key, value in given.items() if value})
    train(DataSet.open(args.data), args.out, options, args.minutes, args.init)
