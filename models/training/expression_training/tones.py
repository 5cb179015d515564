"""Whether a detector sees some skin tones worse than others, as far as pictures tell.

Nothing in the sets names a person's skin. The individual typology angle of a face's
middle (Chardon et al. 1991, in CIELAB) orders faces from light to dark; it mixes skin
with light, so that a pale face in the shade counts as darker than it is.
"""

from __future__ import annotations

import cv2
import numpy as np

from .dataset import Picture

#: lower bound of the angle in degrees and the group's usual name
GROUPS = ((41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"), (-90.0, "dark"))
#: mean distance from grey below which a picture has no colour to judge by
GREY = 4.0


def group(picture: Picture) -> str | None:
    """Of a picture's only face; `None` for grey pictures and for any other number of faces."""
    if len(picture.labels.boxes) != 1:
        return None
    left, top, right, bottom = picture.labels.boxes[0]
    w, h = right - left, bottom - top
    rows = slice(int(top + 0.35 * h), int(top + 0.65 * h) + 1)
    columns = slice(int(left + 0.3 * w), int(left + 0.7 * w) + 1)
    middle = picture.image[rows, columns].astype(np.float32) / 255
    if not middle.size:
        return None
    lab = cv2.cvtColor(middle, cv2.COLOR_BGR2LAB).reshape(-1, 3)
    if np.abs(lab[:, 1:]).mean() < GREY:
        return None
    lightness, _, yellow = np.median(lab, axis=0)
    angle = np.degrees(np.arctan2(lightness - 50, max(float(yellow), 1e-3)))
    return next(name for least, name in GROUPS if angle >= least)
