"""What a run that goes on must agree with: it ends as one that was never stopped, or is refused."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from .dataset import DataSet
from .labels import DataError, Vocabulary, label_file
from .options import Options

SHORTER = " (a run may become longer, not shorter)"
#: the words for what has no value that says something to people
OTHERS = {"set": "the pictures that it draws, or their labels, are others"}
#: What checkpoints did not say at first: a run whose checkpoint does not goes on as if it were alike, and
#: says it from then on.
NOTED_LATER = ("names", "unknown", "ignore", "negative", "share", "kpt_shape", "epochs", "minutes")
#: A run may become longer, and not shorter: of what lies behind its share is another, so that it would end
#: at once, or in the middle of its schedule.
LENGTHS = ("epochs", "minutes")


def terms(options: Options, words: Vocabulary) -> dict:
    """What a run is told. A list, as JSON has it: a checkpoint holds no tuples."""
    return json.loads(json.dumps(asdict(options) | meaning(words)))


def meaning(words: Vocabulary) -> dict:
    """What `data.yaml` says of the numbers in label files: the same lines mean other faces with another."""
    return {
        "classes": words.classes,
        "groups": words.groups,
        "names": words.names,
        "unknown": sorted(words.unknown),
        "ignore": sorted(words.ignored),
        "negative": sorted(words.negative),
        "share": words.share,
        "kpt_shape": list(words.key_points) if words.key_points else 0,
    }


def of_run(data: DataSet, minutes: float | None) -> dict:
    """The terms of a run beside its options: what it draws, and by what its schedule ends."""
    said = {"set": drawn(data), "length": "minutes" if minutes else "epochs", "minutes": minutes}
    return said | ({"epochs": None} if minutes else {})  # then nothing ends by them


def drawn(data: DataSet) -> str:
    """A digest of the pictures, how often each is drawn, and their labels.

    Of a picture its name and length are taken: to read gigabytes would cost as much as to load
    them, and another set has not all of these alike.
    """
    digest = hashlib.sha256()
    for path, times in sorted(Counter(data.draws("train")).items()):
        labels = label_file(path)
        length = path.stat().st_size if path.exists() else 0
        text = labels.read_bytes() if labels.is_file() else b""
        digest.update(repr((path.name, length, times, text)).encode())
    return digest.hexdigest()


def origin_of(weights: Path) -> str:
    """What a run remembers of the weights that it began with."""
    return hashlib.sha256(weights.read_bytes()).hexdigest()[:12]


def check(path: Path, state: dict, wanted: dict, init: Path | None = None) -> None:
    """Refuses to go on with what another run left at `path`."""
    old = state.get("terms")
    changed = [
        OTHERS.get(key) or f"{key} was {old.get(key)} and is {value}" + (SHORTER if key in LENGTHS else "")
        for key, value in wanted.items()
        if old is not None and (key in old or key not in NOTED_LATER) and differs(key, old.get(key), value)
    ]
    if old is None:
        changed.append("an earlier version left it, which did not say what it was trained on")
    if init is not None and origin_of(init) != state.get("origin"):
        changed.append(f"it did not begin with {init}")
    if changed:
        raise DataError(
            f"{path} is of another run: {'; '.join(changed)}. Give what it began with, remove "
            f"{path.parent} to begin anew, or name another --out (with --init to start from its weights)"
        )


def differs(key: str, was: object, value: object) -> bool:
    """Whether that makes it another run."""
    if key in LENGTHS:  # none, where the run ends by the other
        return was is not None and value is not None and value < was
    return was != value
