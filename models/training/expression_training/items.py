"""Pictures on their way into a set, and what is said of those that do not get there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .duplicates import Face
from .labels import Row

#: of splits that are no part of the training: a picture that is also in another stays in these
GIVEN = ("test", "choose")


@dataclass
class Item:
    """A picture on its way into the set."""

    path: Path
    rows: list[Row]
    #: the split that it stays in, of GIVEN
    given: str = ""
    hash: int = 0
    #: of the file: with the same bytes it is the same picture
    digest: bytes = b""
    #: the whole of it, small (shown.py)
    miniature: np.ndarray | None = None
    faces: list[Face] = field(default_factory=list)
    group: int = -1
    #: how often it is drawn, if it is trained on
    weight: int = 1


@dataclass
class Report:
    """What was left out, and why."""

    read: int = 0
    kept: int = 0
    dropped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    groups: int = 0
    #: names of files that look like people's, and are too many
    no_person: list[str] = field(default_factory=list)
    #: so many pictures were alike in one chain that is no scene: they stay together by fewer bits
    taken_apart: int = 0
