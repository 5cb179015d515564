"""Writing a set whose pictures are links to where they are."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from .labels import Row, Vocabulary, label_file


@dataclass(frozen=True)
class Entry:
    """A picture of the new set."""

    split: str
    file: Path
    name: str
    rows: list[Row]
    #: how often it is drawn in training
    weight: int = 1
    source: str = ""
    licence: str = ""


def read_index(folder: Path) -> dict[str, tuple[str, str]]:
    """Source and terms of each picture by its name, as a set's `index.csv` states them."""
    if not (folder / "index.csv").exists():
        return {}
    with (folder / "index.csv").open() as file:
        return {Path(r["file"]).name: (r["source"], r.get("licence", "")) for r in csv.DictReader(file)}


def write(out: Path, entries: Sequence[Entry], words: Vocabulary) -> Counter:
    """Links, label files, a list for each split, `index.csv` and `data.yaml`; counts by split."""
    lists: dict[str, list[str]] = {}
    for entry in entries:
        picture = out / "images" / entry.split / entry.name
        labels = label_file(picture)
        for file in (picture, labels):
            file.parent.mkdir(parents=True, exist_ok=True)
        picture.unlink(missing_ok=True)
        os.symlink(entry.file.resolve(), picture)
        labels.write_text("".join(row.text(words.share) + "\n" for row in entry.rows))
        lists.setdefault(entry.split, []).extend([f"./images/{entry.split}/{entry.name}"] * entry.weight)
    with (out / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "split", "source", "licence"])
        for entry in entries:
            writer.writerow([f"images/{entry.split}/{entry.name}", entry.split, entry.source, entry.licence])
    for split, lines in lists.items():
        (out / f"{split}.txt").write_text("".join(line + "\n" for line in lines))
    text = {"path": ".", **{split: f"{split}.txt" for split in lists}}
    (out / "data.yaml").write_text(yaml.safe_dump(text | words.to_dict(), sort_keys=False))
    return Counter(entry.split for entry in entries)
