"""What a `data.yaml` says, in each form that well-known programs write.

As src/evaluate/description.rs reads it: the daemon evaluates the same sets.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from .labels import DataError, Vocabulary
from .text import text_of

SPLITS = ("train", "val", "test", "choose")
#: how a value that is not there is written
ABSENT = ("", "null", "~")


def read_description(path: Path) -> tuple[Path, Vocabulary, dict[str, list[Path]]]:
    """The set's folder, what its labels mean, and where the pictures of each split are."""
    try:
        # the plainest loader: names that look like numbers or switches are names
        said = yaml.load(text_of(path), yaml.BaseLoader)
        said = {key: value for key, value in said.items() if value not in ABSENT}
        vocabulary = Vocabulary(
            names_of(said["names"]),
            marked(said, "unknown"),
            marked(said, "ignore"),
            said.get("share", "").lower() in ("true", "yes", "on", "1"),
            key_points_of(said.get("kpt_shape")),
            {name: listed(members) for name, members in said.get("groups", {}).items()},
            marked(said, "negative"),
        )
        root = (path.parent / plain_path(said.get("path", "."))).resolve()
        splits = {split: places(said[split], root, path.parent) for split in SPLITS if split in said}
    except (OSError, KeyError, TypeError, ValueError, IndexError, AttributeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not a YOLO data.yaml (needs path, train, val, names): {error!r}") from error
    try:
        vocabulary.check()
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    return root, vocabulary, splits


def key_points_of(shape: list[str] | None) -> tuple[int, int] | None:
    """How many, and the numbers of each."""
    if shape is None:
        return None
    points, numbers = map(int, shape)
    return points, numbers


def names_of(names) -> list[str]:
    """A list or a map from numbers, which must be those from 0 on."""
    if isinstance(names, dict):
        for number in range(len(names)):
            if str(number) not in names:
                raise ValueError(f"names has {len(names)} entries, but none for class {number}")
        names = [names[str(number)] for number in range(len(names))]
    return [name.strip() for name in listed(names)]


def listed(words) -> tuple[str, ...]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"{words} is no list of names")
    return tuple(words)


def marked(said: dict, key: str) -> frozenset[str]:
    """One name or several."""
    value = said.get(key, [])
    return frozenset([value] if isinstance(value, str) else listed(value))


def places(value, root: Path, folder: Path) -> list[Path]:
    """A split is a folder, a list of pictures (.txt) or several of these. None where one is blank: that would
    be the set's own folder, and with it the pictures of all splits."""
    ones = [value] if isinstance(value, str) else listed(value)
    blank = any(plain_path(one) in ABSENT for one in ones)
    return [] if blank else [place(one, root, folder) for one in ones]


def place(value: str, root: Path, folder: Path) -> Path:
    """Where `value` is. Roboflow writes `../valid/images` and means `valid/images`."""
    within = value = plain_path(value)
    while within.startswith("../"):
        within = within[3:]
    there = first_there(root / value, folder / value, root / within, folder / within)
    return Path(os.path.abspath(there))  # not where a link leads: labels may be beside the link alone


def plain_path(text: str) -> str:
    """A path as it is written, perhaps on Windows."""
    return text.strip().replace("\\", "/")


def first_there(*paths: Path) -> Path:
    """The first that exists, of none the first."""
    return next((path for path in paths if path.exists()), paths[0])
