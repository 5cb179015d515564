"""What a run says of its epochs: `log.csv` and a picture of each network's curves."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from .dataset import DataSet, Size
from .detect import detect, torch_runner
from .loss import Parts
from .members import Member
from .metrics import judged, summarize
from .network import YOLO12

LOG = "log.csv"
#: the columns that are plotted as losses, and where `Parts` has them
LOSSES = {"loss_class": "classes", "loss_box": "box", "loss_distribution": "distribution"}


def validate(network: YOLO12, data: DataSet, size: Size, every: int = 1) -> dict:
    """On every so many of the pictures, or on all where none of those can be read."""
    run = torch_runner(network)
    for step in dict.fromkeys((every, 1)):
        pictures = []
        for picture in data.pictures("val", every=step):
            pictures.append(judged(detect(run, picture.image, size), picture.labels))
        if pictures:
            return summarize(pictures, data.names)
    raise data.unusable("val")


@dataclass(frozen=True)
class History:
    """Where it stands, and what networks are validated on, with this input."""

    folder: Path
    data: DataSet
    size: Size

    def log(self, member: Member, epoch: int, seconds: float, parts: Sequence[Parts], final: bool) -> None:
        """A network's epoch; the run has taken so long by its end."""
        row = {
            "network": member.plan.name,
            "epoch": epoch,
            "minutes": round(seconds / 60, 2),
            **means(parts),
            "map50": "",
        }
        # labels of a set's classes say nothing of a network that tells groups of them apart
        if member.names == self.data.names and (final or epoch % 10 == 0):
            result = validate(member.average, self.data, self.size, 1 if final else 4)
            row["map50"] = round(result["map50"], 4)
        path = self.folder / LOG
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
        print(" ".join(f"{key}={value}" for key, value in row.items() if value != ""), flush=True)

    def complete(self, members: Sequence[Member], epoch: int, seconds: float) -> None:
        """What a run lacks that was killed between its last checkpoint and what it says of its end. The
        losses of its last epoch are gone."""
        told = {(row.get("network"), row.get("epoch")) for row in logged(self.folder)}
        for member in members:
            if (member.plan.name, str(epoch)) not in told:
                self.log(member, epoch, seconds, (), final=True)


def means(parts: Sequence[Parts]) -> dict[str, float | str]:
    """The losses of an epoch; without its steps, nothing."""
    if not parts:
        return {**dict.fromkeys(LOSSES, ""), "positives": ""}
    mean = {
        f.name: torch.stack([getattr(p, f.name) for p in parts]).float().mean(0).cpu() for f in fields(Parts)
    }
    losses = {key: round(float(mean[part]), 4) for key, part in LOSSES.items()}
    # of a batch, level after level: a level without any does not learn
    return losses | {"positives": "/".join(f"{n:.0f}" for n in mean["positives"].tolist())}


def logged(folder: Path) -> list[dict[str, str]]:
    path = folder / LOG
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def plot(folder: Path, name: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in logged(folder) if row["network"] == name]
    if not rows:
        return
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    for key in LOSSES:
        known = [(int(row["epoch"]), float(row[key])) for row in rows if row[key]]
        left.plot(*zip(*known) if known else ((), ()), label=key)
    left.set(xlabel="epoch", ylabel="loss")
    left.legend()
    known = [(int(row["epoch"]), float(row["map50"])) for row in rows if row["map50"]]
    if known:
        right.plot(*zip(*known), marker="o")
    right.set(xlabel="epoch", ylabel="mAP@0.5 (validation)", ylim=(0, 1))
    figure.tight_layout()
    figure.savefig(folder / f"{name}.png", dpi=120)
