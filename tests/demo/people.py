"""Makes the demonstration of several people: near and far, turning away, coming back.

    python tests/demo/people.py PORTRAIT FOLDER

PORTRAIT is the one of make.py, which plays all of them: as she is, mirrored, in other
colours, near and far. Needs what make.py needs.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from make import with_mouth_closed

WIDTH, HEIGHT = 640, 480
# The head in the portrait, in its pixels: where it turns, and how far it reaches.
HEAD, RADIUS_X, RADIUS_Y = (224.0, 112.0), 58.0, 74.0
# Where hair is, from which the back of a head is made.
HAIR_LEFT, HAIR_TOP, HAIR_SIZE = 200, 26, 30


def turned(portrait, angle):
    """The portrait with the head turned by `angle` degrees, 0 to 180: the head as a
    cylinder with the face on its front and hair all around."""
    if angle == 0:
        return portrait
    rows, columns = portrait.shape[:2]
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    across = (x - HEAD[0]) / RADIUS_X
    down = (y - HEAD[1]) / RADIUS_Y
    inside = np.clip((1 - across**2 - down**2) * 6, 0, 1)
    # How wide the head is at this height, and where on the cylinder each pixel lies.
    width = np.sqrt(np.clip(1 - down**2, 0.01, 1))
    on = np.arcsin(np.clip(across / width, -1, 1)) - np.radians(angle)
    map_x = (HEAD[0] + np.sin(on) * width * RADIUS_X).astype(np.float32)
    face = cv2.remap(portrait, map_x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    patch = portrait[HAIR_TOP : HAIR_TOP + HAIR_SIZE, HAIR_LEFT : HAIR_LEFT + HAIR_SIZE]
    patch = np.concatenate([patch, patch[:, ::-1]], 1)
    patch = np.concatenate([patch, patch[::-1]], 0)
    hair = np.tile(patch, (rows // len(patch) + 1, columns // patch.shape[1] + 1, 1))
    hair = cv2.GaussianBlur(hair[:rows, :columns], (0, 0), 3)
    # Darker to the sides, as something round is.
    hair = hair * (0.72 + 0.28 * np.sqrt(np.clip(1 - across**2, 0, 1)))[..., None]
    # The front of the cylinder shows the face, the rest hair; no hard edge between them.
    front = np.clip(np.cos(on) * 4 - 0.6, 0, 1) * (np.abs(on) < np.pi / 2)
    front = cv2.GaussianBlur(front.astype(np.float32), (0, 0), 2)[..., None]
    head = face * front + hair * (1 - front)
    return portrait * (1 - inside[..., None]) + head * inside[..., None]


def dressed(portrait, shift):
    """The portrait with its suit and badge in another colour: `shift` in degrees of hue."""
    if shift == 0:
        return portrait
    colours = cv2.cvtColor(portrait, cv2.COLOR_BGR2HSV)
    suit = np.zeros(portrait.shape[:2], np.float32)
    suit[195:, :] = 1
    suit = cv2.GaussianBlur(suit, (0, 0), 8)[..., None]
    colours[..., 0] = (colours[..., 0].astype(int) + shift // 2) % 180
    colours[..., 1] = (colours[..., 1] * 0.55).astype(np.uint8)
    return (portrait * (1 - suit) + cv2.cvtColor(colours, cv2.COLOR_HSV2BGR) * suit).astype(np.uint8)


def cut_out(portrait):
    """How much of each pixel belongs to the person: the portrait's middle, softly."""
    rows, columns = portrait.shape[:2]
    mask = np.full((rows, columns), cv2.GC_BGD, np.uint8)
    mask[30:, 90:400] = cv2.GC_PR_BGD
    cv2.ellipse(mask, (224, 112), (62, 78), 0, 0, 360, int(cv2.GC_PR_FGD), -1)
    mask[200:, 40:360] = cv2.GC_PR_FGD
    cv2.ellipse(mask, (224, 115), (42, 56), 0, 0, 360, int(cv2.GC_FGD), -1)
    # The dark collar between head and ring, which looks like background.
    cv2.fillPoly(mask, [np.int32([(190, 160), (262, 160), (290, 232), (160, 232)])], cv2.GC_FGD)
    mask[232:, 120:300] = cv2.GC_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(portrait, mask, None, *models, 5, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    inside = cv2.morphologyEx(inside, cv2.MORPH_CLOSE, np.ones((5, 5)))
    return cv2.GaussianBlur(inside, (0, 0), 1.6)


def people(step):
    """Who is where at this step of 48: (middle, zoom, mirrored, hue, closed, angle)."""

    def ramp(begin, end, low=0.0, high=1.0):
        return low + (high - low) * float(np.clip((step - begin) / (end - begin), 0, 1))

    # Far away, walks through the picture from left to right.
    yield -40 + step * 15.5, 0.55, False, 200, 1.0, 0
    # At the right, turns away for a while and comes back smiling.
    away = 180 * (ramp(14, 20) - ramp(28, 34))
    yield 500, 1.0, True, 150, 1 - ramp(34, 37), away
    # Comes near from the left, smiles, leaves again.
    near = -220 + 400 * (ramp(4, 12) - ramp(40, 47))
    yield near, 1.55, False, 0, 1 - ramp(18, 21) + ramp(32, 35), 0


def scene(portrait, opaque, step):
    wall = np.full((HEIGHT, WIDTH, 3), (186, 190, 197), np.float32)
    picture = wall * np.linspace(1.05, 0.85, HEIGHT)[:, None, None]
    for middle, zoom, mirrored, hue, closed, angle in people(step):
        person = turned(with_mouth_closed(dressed(portrait, hue), closed), angle)
        sway = 3 * np.sin(step * 0.7 + middle)
        side = -zoom if mirrored else zoom
        top = HEIGHT * 0.42 - HEAD[1] * zoom + 2 * np.sin(step * 0.9 + zoom)
        place = np.float32([[side, 0, middle + sway - side * HEAD[0]], [0, zoom, top]])
        size = (WIDTH, HEIGHT)
        moved = cv2.warpAffine(np.float32(person), place, size, flags=cv2.INTER_AREA)
        weight = cv2.warpAffine(opaque, place, size)[..., None]
        picture = picture * (1 - weight) + moved * weight
    noise = np.random.default_rng(step).normal(0, 0.8, picture.shape[:2])
    return np.clip(picture + noise[..., None], 0, 255).astype(np.uint8)


def main():
    portrait, folder = cv2.imread(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    opaque = cut_out(portrait)
    for step in range(48):
        picture = scene(portrait, opaque, step)
        cv2.imwrite(str(folder / f"{step:03}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 78])


if __name__ == "__main__":
    main()
