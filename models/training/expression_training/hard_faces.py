"""Faces of scenes that a network hardly sees, to be shown more often: profiles, covered heads, blur."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .blend import answer
from .close_looks import Place, large
from .dataset import CLOSE, DataError, Picture
from .detect import Runner, torch_runner
from .progress import progress
from .views import enlarged
from .weights import build, load_weights

FILE = "hard.json"
#: as `detect` looks at a face: so many times as wide
LOOKS = (1.5, 2, 3, 4)
#: a face of a mean confidence below this is hardly seen
SEEN = 0.7


def hard_faces(
    pictures: Sequence[Picture], used: Sequence[int], init: Path | None, folder: Path
) -> list[Place]:
    """Those of the pictures that are `used` which the weights `init` hardly see; none without weights
    that name their classes. A run that is gone on with finds in its folder what it began with."""
    if (folder / "last.pt").exists():
        return kept(folder)
    names = load_weights(init).names if init else ()
    found: list[Place] = []
    if init and names:
        run = torch_runner(build(init, names))
        scenes = [number for number in sorted(set(used)) if not pictures[number].portrait]
        faces = [(number, face) for number in scenes for face in large(pictures[number].labels)]
        for number, face in progress(faces, "faces that are hardly seen"):
            picture = pictures[number]
            if confidence(run, picture, picture.labels.boxes[face]) < SEEN:
                found.append(Place(number, face))
        print(f"{len(found)} of {len(faces)} faces of scenes are hardly seen: they are shown more often")
    else:
        print("no --init that names its classes: no face is shown more often for being hardly seen")
    part = folder / f"{FILE}.part"
    part.write_text(json.dumps(found))
    os.replace(part, folder / FILE)
    return found


def kept(folder: Path) -> list[Place]:
    """Those that a run began with."""
    try:
        return [Place(*place) for place in json.loads((folder / FILE).read_text())]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{folder / FILE}: which faces this run shows more often cannot be read ({error}). "
            f"Remove {folder} to begin anew, or name another --out (with --init to start from its weights)"
        ) from error


def confidence(run: Runner, picture: Picture, box: np.ndarray) -> float:
    """How sure looks at it are on average that it is a face, 0 to 1."""
    looks = (answer(run, *enlarged(picture, box, CLOSE, 1 / wide, False)) for wide in LOOKS)
    return float(np.mean([min(float(scores.sum()), 1.0) for scores in looks]))
