"""Makes the demonstration: one public-domain portrait becomes ten seconds at a door.

    python tests/demo/make.py PORTRAIT FOLDER

PORTRAIT is scikit-image's `astronaut.png` (see README.md). Needs numpy and
OpenCV, which `make model` installs. The frames are committed: run this only to
change them.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, ZOOM = 640, 480, 1.9

# Where the smile is in the portrait, in its pixels.
CORNER_LEFT, CORNER_RIGHT = (203.5, 139.5), (244.0, 141.0)
UPPER_LIP_EDGE, LOWER_LIP_EDGE = 142.0, 148.8  # above and below the teeth, at the middle
NOSE, CHIN = 134.0, 172.0  # the warp ends here
# The folds beside the nose that a smile makes.
FOLDS = (
    ((211, 128), (205, 131), (199, 136), (197, 142), (199, 148)),
    ((237, 129), (242, 132), (248, 137), (249, 143), (247, 149)),
)
LEFT, TOP, RIGHT, BOTTOM = 180, 100, 268, 190  # the part of the face that changes
FINE = 4  # the warp is done this much larger, and the result made smaller again


def smile_curve(x, middle):
    """The height of a lip's edge over the mouth: corners fixed, `middle` half-way."""
    (left, left_y), (right, right_y) = CORNER_LEFT, CORNER_RIGHT
    t = np.clip((x - left) / (right - left), 0, 1)
    corners = left_y + (right_y - left_y) * t
    return corners + (middle - (left_y + right_y) / 2) * 4 * t * (1 - t)


def without_folds(patch, amount):
    """`patch`, the changing part of the face at FINE scale, with the folds smoothed."""
    mask = np.zeros(patch.shape[:2], np.uint8)
    for fold in FOLDS:
        points = ((np.float32(fold) - (LEFT, TOP)) * FINE).astype(np.int32)
        cv2.polylines(mask, [points], False, 255, 5 * FINE)
    skin = cv2.GaussianBlur(cv2.inpaint(patch, mask, 12, cv2.INPAINT_TELEA), (0, 0), FINE)
    weight = cv2.GaussianBlur(mask / 255, (0, 0), 1.5 * FINE)[..., None] * amount
    return patch * (1 - weight) + skin * weight


def with_mouth_closed(portrait, amount):
    """The portrait with the mouth closed and its corners lowered, `amount` from 0 to 1."""
    if amount == 0:
        return portrait
    patch = portrait[TOP:BOTTOM, LEFT:RIGHT]
    patch = cv2.resize(patch, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_CUBIC)
    patch = without_folds(patch, amount).astype(np.float32)
    rows, columns = patch.shape[:2]
    # Where each pixel of the result is, in the portrait's pixels.
    x, y = np.meshgrid(
        (np.arange(columns) + 0.5) / FINE + LEFT, (np.arange(rows) + 0.5) / FINE + TOP
    )

    # Sideways: a closed mouth is narrower. Full effect on the lips, none at the cheeks' edge.
    middle = (CORNER_LEFT[0] + CORNER_RIGHT[0]) / 2
    half = (CORNER_RIGHT[0] - CORNER_LEFT[0]) / 2
    near = np.exp(-(((y - 146) / 13) ** 2)) * np.clip(1 - np.abs(x - middle) / (2 * half), 0, 1)
    source_x = middle + (x - middle) * (1 + 0.30 * amount * near)

    # Up and down: the rows between the lips vanish, those around them follow.
    upper = smile_curve(source_x, UPPER_LIP_EDGE)
    lower = smile_curve(source_x, LOWER_LIP_EDGE)
    across = (source_x - middle) / half
    slope = (CORNER_RIGHT[1] - CORNER_LEFT[1]) / 2
    # A line that is level, a little lower at the corners.
    closed = CORNER_LEFT[1] + slope * (1 + across) + 4.6 + 1.2 * across**2
    reach = amount * np.clip(1.9 - np.abs(across), 0, 1)
    new_upper = upper + (closed - upper) * reach
    new_lower = lower + (closed + 0.35 - lower) * reach
    above = NOSE + (y - NOSE) * (upper - NOSE) / (new_upper - NOSE)
    below = CHIN - (CHIN - y) * (CHIN - lower) / (CHIN - new_lower)
    between = upper + (y - new_upper) * (lower - upper) / np.maximum(new_lower - new_upper, 1e-3)
    source_y = np.where(y < new_upper, above, np.where(y > new_lower, below, between))
    source_y = np.where((y < NOSE) | (y > CHIN), y, source_y)
    map_x = ((source_x - LEFT) * FINE - 0.5).astype(np.float32)
    map_y = ((source_y - TOP) * FINE - 0.5).astype(np.float32)
    warped = cv2.remap(patch, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)

    # What is left of the teeth becomes the shadow between closed lips.
    inside = np.clip((half - np.abs(source_x - middle)) / 3, 0, 1)
    line = np.exp(-((y - (new_upper + new_lower) / 2) ** 2)) * inside * amount * 0.8
    shadow = np.float32([58, 52, 96])  # blue, green, red
    warped = warped * (1 - line[..., None]) + shadow * line[..., None]
    warped = cv2.resize(warped, (RIGHT - LEFT, BOTTOM - TOP), interpolation=cv2.INTER_AREA)

    # No seam where the changed part ends.
    blend = np.zeros(portrait.shape[:2], np.float32)
    blend[TOP + 6 : BOTTOM - 6, LEFT + 6 : RIGHT - 6] = 1
    blend = cv2.blur(blend, (11, 11))[..., None]
    changed = portrait.astype(np.float32)
    changed[TOP:BOTTOM, LEFT:RIGHT] = warped
    return np.clip(portrait * (1 - blend) + changed * blend, 0, 255).astype(np.uint8)


def frames():
    """For each frame of the scene: where the face stands (0 left of the picture, 1 beside
    the middle, 2 right of it), how closed the mouth is, how bright the light."""
    for _ in range(6):  # nobody
        yield 0.0, 1.0, 1.0
    for step in range(1, 7):  # somebody comes in
        yield step / 6, 1.0, 1.0
    for _ in range(12):  # and looks into the camera
        yield 1.0, 1.0, 1.0
    for closed in (0.8, 0.5, 0.2):  # begins to smile
        yield 1.0, closed, 1.0
    for _ in range(9):
        yield 1.0, 0.0, 1.0
    for step in range(1, 7):  # the light goes down
        yield 1.0, 0.0, 1 - 0.1 * step
    for _ in range(3):
        yield 1.0, 0.0, 0.4
    for step in range(1, 4):  # and comes back
        yield 1.0, 0.0, 0.4 + 0.2 * step
    for step in range(1, 7):  # the person leaves
        yield 1 + step / 6, 0.0, 1.0
    for _ in range(6):  # nobody
        yield 2.0, 0.0, 1.0


def scene(portrait, position, closed, light, seed):
    """One camera frame of the portrait in front of a wall as grey as its own background."""
    person = with_mouth_closed(portrait, closed)
    # The head sways: a detector that only knows one place would be found out.
    sway = 5 * np.sin(seed * 0.55)
    travel = (position - 1) * (WIDTH + 330)
    x = WIDTH / 2 - 224 * ZOOM + travel + sway
    y = HEIGHT * 0.40 - 122 * ZOOM + 3 * np.sin(seed * 0.9)
    place = np.float32([[ZOOM, 0, x], [0, ZOOM, y]])
    size = (WIDTH, HEIGHT)
    moved = cv2.warpAffine(
        person, place, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    opaque = np.zeros(portrait.shape[:2], np.float32)
    opaque[:, 60:-40] = 1
    opaque = cv2.GaussianBlur(opaque, (0, 0), 18)[..., None]
    opaque = cv2.warpAffine(opaque, place, size)[..., None]
    wall = np.full((HEIGHT, WIDTH, 3), (186, 190, 197), np.float32)
    wall *= np.linspace(1.05, 0.85, HEIGHT)[:, None, None]
    picture = wall * (1 - opaque) + moved * opaque
    # Less light means more noise, as a small sensor has it.
    noise = np.random.default_rng(seed).normal(0, 0.8 + 3.0 * (1 - light), picture.shape[:2])
    return np.clip(picture * light + noise[..., None], 0, 255).astype(np.uint8)


def main():
    portrait, folder = cv2.imread(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for number, (position, closed, light) in enumerate(frames()):
        picture = scene(portrait, position, closed, light, number)
        cv2.imwrite(str(folder / f"{number:03}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    main()
