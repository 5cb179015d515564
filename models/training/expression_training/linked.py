"""Writing a set: its pictures are links to where they are, or copies."""

from __future__ import annotations

import csv
import itertools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from .labels import DataError, Row, Vocabulary, labels_of
from .progress import progress


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


def index_rows(folder: Path) -> list[dict[str, str]]:
    """What a set's `index.csv` says of its pictures; one with other columns is somebody's own."""
    try:
        with (folder / "index.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return rows if rows and {"file", "source"} <= rows[0].keys() else []


def sources_of(folder: Path) -> Callable[[Path], tuple[str, str]]:
    """Source and terms of a picture by its place, or by its name where all that are called so have the
    same; what no index knows is the folder's."""
    by_place: dict[Path, tuple[str, str]] = {}
    by_name: dict[str, set[tuple[str, str]]] = {}
    for row in index_rows(folder):
        file, terms = folder / row["file"], (row["source"], row.get("licence", ""))
        by_place[place_of(file)] = terms
        by_name.setdefault(file.name, set()).add(terms)

    def source_of(file: Path) -> tuple[str, str]:
        if found := by_place.get(place_of(file)) or by_place.get(file.resolve()):
            return found
        named = by_name.get(file.name, ())
        return next(iter(named)) if len(named) == 1 else (folder.resolve().name, "")

    return source_of


def place_of(file: Path) -> Path:
    """Where a picture is. Where it leads says less: pictures of a set may be links to one and the same."""
    return file.parent.resolve() / file.name


def unique_names(files: Sequence[Path]) -> list[str]:
    """Names for one folder. Pictures of several may have one name, or one but for its ending,
    and then one label file; a list holds neither line ends nor bytes that are no text, and a backslash in it
    is how Windows parts folders (`description.plain_path`)."""
    taken: set[str] = set()
    names = []
    for file in files:
        stem = "".join(letter if letter.isprintable() and letter != "\\" else "_" for letter in file.stem)
        free = (f"{stem}_{number}" for number in itertools.count(1))
        stem = next(name for name in itertools.chain([stem], free) if name not in taken)
        taken.add(stem)
        names.append(stem + file.suffix)
    return names


def named_apart(entries: Sequence[Entry]) -> list[Entry]:
    """The same with names of which each is one entry's alone in its split, and can be listed."""
    splits = {entry.split for entry in entries}
    own = {split: [Path(entry.name) for entry in entries if entry.split == split] for split in splits}
    names = {split: iter(unique_names(files)) for split, files in own.items()}
    return [replace(entry, name=next(names[entry.split])) for entry in entries]


def link(file: Path, picture: Path) -> None:
    os.symlink(file.resolve(), picture)


def write(
    out: Path, entries: Sequence[Entry], words: Vocabulary, put: Callable[[Path, Path], object] = link
) -> Counter:
    """Pictures, label files, a list for each split, `index.csv` and `data.yaml`; counts by split.

    Only what the lists name is in the set: other files of another run may lie beside it.
    """
    refuse_own(out, entries)
    lists: dict[str, list[str]] = {}
    for entry in progress(entries, "writing"):
        picture = out / "images" / entry.split / entry.name
        labels = labels_of(picture)
        for file in (picture, labels):
            file.parent.mkdir(parents=True, exist_ok=True)
        picture.unlink(missing_ok=True)  # it may be a link: what it leads to stays as it is
        put(entry.file, picture)
        labels.write_text("".join(row.text(words.share) + "\n" for row in entry.rows))
        lists.setdefault(entry.split, []).extend([f"./images/{entry.split}/{entry.name}"] * entry.weight)
    with (out / "index.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "split", "source", "licence"])
        for entry in entries:
            writer.writerow([f"images/{entry.split}/{entry.name}", entry.split, entry.source, entry.licence])
    for split, lines in lists.items():
        (out / f"{split}.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    text = {"path": ".", **{split: f"{split}.txt" for split in lists}}
    (out / "data.yaml").write_text(yaml.safe_dump(text | words.to_dict(), sort_keys=False), encoding="utf-8")
    return Counter(entry.split for entry in entries)


def refuse_own(out: Path, entries: Sequence[Entry]) -> None:
    """A set that is written where its pictures are would take their places. Links lead there, too: of
    the whole folder, or of one split's pictures or labels."""
    splits = {entry.split for entry in entries}
    within = [out / kind / split for kind in ("images", "labels") for split in splits]
    ours = {folder.resolve() for folder in (out, out / "images", *within)}
    files = {entry.file.parent for entry in entries} | {labels_of(entry.file).parent for entry in entries}
    for folder in {folder.resolve() for folder in files}:
        if ours & {folder, *folder.parents}:
            raise DataError(f"--out {out} is where the pictures are ({folder}): name another folder")
