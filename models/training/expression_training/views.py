"""Geometry: where the camera stands, how it and the heads are tilted, what is in the way."""

from __future__ import annotations

import math
import random

import cv2
import numpy as np

from .dataset import PAD, Labels, Picture, Size

#: faces that are cut off by more than this count as neither face nor background
LEAST_VISIBLE = 0.45
#: nor do faces narrower than this, in pixels of the network's input
LEAST_SIDE = 4.5
#: smallest and largest height of the face that a crop is made for, in pixels and as a share of the tile
NEAREST_SHARE, FARTHEST_PIXELS = 0.55, 6.0
#: enlarged by more than this, a small picture is nothing but blur
MOST_ENLARGED = 2.2
#: pictures of this longest side (FFHQ thumbnails) are seldom enlarged: the blur would be learnt
THUMBNAIL = 110
#: longer side of a face that is looked at closely, in pixels: 0.17 to 0.68 of the daemon's look, which
#: is from one, one and a half and two distances; and its most as a share of a smaller tile
CLOSE_PIXELS, CLOSE_SHARE = (22.0, 87.0), 0.97
#: the same of one that fills most of the look: an expression has more pixels then
FILLING_PIXELS = (70.0, 106.0)
#: how much a close look is turned, stretched and tilted (`homography`)
CLOSE_CALM = 0.6
#: how far a pasted picture reaches from its face's middle, in sizes of the face
REACH = 1.1
#: Points of the ellipse that stands for a face: a head is closer to one than to its box
ELLIPSE = np.array([(math.cos(t), math.sin(t)) for t in np.arange(24) * math.pi / 12])


def homography(focus, centre, scale: float, r: random.Random, flip: bool, size, calm: float = 1.0):
    """From pixels of a picture to those of a tile: `focus` comes to `centre`.

    Turned by up to 40 degrees, stretched a little, and tilted away from the camera; a
    `calm` below 1 makes all of it less.
    """
    angle = r.uniform(-0.7, 0.7) if r.random() < 0.25 else r.gauss(0, 0.12)
    angle *= calm
    stretch = math.exp(r.uniform(-0.12, 0.12) * calm)
    sx, sy = scale * stretch, scale / stretch
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos * sx, -sin * sy], [sin * sx, cos * sy]])
    if flip:
        turn[:, 0] *= -1
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = -turn @ np.asarray(focus, float)
    tilt = np.eye(3)
    if r.random() < 0.5:
        tilt[2, :2] = [r.gauss(0, 0.12) * calm / size[0], r.gauss(0, 0.12) * calm / size[1]]
    move = np.eye(3)
    move[:2, 2] = centre
    return move @ tilt @ matrix


def warp(picture: Picture, size, matrix: np.ndarray, scale: float, pad) -> tuple[np.ndarray, Labels]:
    """The picture in a tile of `size` (w, h), and its labels there.

    Starts from the halving nearest above the wanted scale, so that bilinear
    sampling does not alias.
    """
    level = 0
    while level + 1 < len(picture.pyramid) and scale * 2 ** (level + 1) <= 1.01:
        level += 1
    image, full = picture.pyramid[level], picture.image
    grow = np.diag([full.shape[1] / image.shape[1], full.shape[0] / image.shape[0], 1.0])
    colour = pad if isinstance(pad, tuple) else (pad,) * 3
    # labels and the matrix count from the outer edge of a picture's first pixel, OpenCV from its middle
    middles = translation(-0.5, -0.5) @ matrix @ grow @ translation(0.5, 0.5)
    tile = cv2.warpPerspective(image, middles, size, flags=cv2.INTER_LINEAR, borderValue=colour)
    return tile, moved(picture.labels, matrix, size)


def enlarged(picture: Picture, box: np.ndarray, size: Size, share: float, flip: bool):
    """A tile with the face in its middle, and its box there."""
    side = float((box[2:] - box[:2]).max())
    scale = share * min(size) / max(side, 1e-3)
    centre, middle = (box[:2] + box[2:]) / 2, np.array(size) / 2
    grow = np.diag([-scale if flip else scale, scale, 1.0])
    matrix = translation(*middle) @ grow @ translation(-centre[0], -centre[1])
    tile, _ = warp(picture, size, matrix, scale, PAD)
    half = (box[2:] - box[:2]) * scale / 2
    return tile, np.concatenate([middle - half, middle + half])


def moved(labels: Labels, matrix: np.ndarray, size) -> Labels:
    """Labels under a homography, cut to the tile; what cannot be judged any more is ignored."""
    whole = outlines(labels.boxes, matrix)
    low, high = whole[:, :2].clip(0, size), whole[:, 2:].clip(0, size)
    cut = np.hstack([low, high]).astype(np.float32)
    area = (whole[:, 2:] - whole[:, :2]).clip(1e-6).prod(1)
    seen = (high - low).prod(1)
    small = (whole[:, 2:] - whole[:, :2]).min(1, initial=np.inf) < LEAST_SIDE
    keep = (seen / area > LEAST_VISIBLE) & ~small
    regions = outlines(labels.ignored, matrix)
    regions = np.hstack([regions[:, :2].clip(0, size), regions[:, 2:].clip(0, size)])
    regions = np.concatenate([regions, cut[~keep]]).astype(np.float32)
    regions = regions[(regions[:, 2:] - regions[:, :2]).min(1, initial=np.inf) > 1]
    return Labels(cut[keep], labels.shares[keep], regions)


def outlines(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Boxes around the ellipses in `boxes` [n, 4] after a homography."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    points = centre[:, None] + half[:, None] * ELLIPSE
    mapped = np.concatenate([points, np.ones((*points.shape[:2], 1))], -1) @ matrix.T
    # what lies behind the camera is far outside every tile, but must stay finite
    mapped = mapped[..., :2] / np.maximum(mapped[..., 2:], 0.05)
    return np.concatenate([mapped.min(1), mapped.max(1)], -1).reshape(-1, 4)


def window(size, r: random.Random) -> tuple[int, int, int, int]:
    """Left, top, width, height of a camera's frame in a tile: often with a letterbox's bars."""
    width, height = size
    kind = r.random()
    if kind < 0.5:
        return 0, 0, width, height
    if kind < 0.9:
        h = int(height * r.choice((0.5625, 0.75, 0.75)))
        return 0, (height - h) // 2, width, h
    w = int(width * r.choice((0.5625, 0.75)))
    return (width - w) // 2, 0, w, height


def place(picture: Picture, size, r: random.Random, fill: float, letterboxed: float = 0):
    """One picture in a tile: whole, or as a camera elsewhere would have it."""
    if r.random() < letterboxed:
        return fitted(picture, size, r)
    left, top, *inner = window(size, r) if fill == 1 else (0, 0, *size)
    view = portrait if picture.portrait or not len(picture.labels.boxes) else crop
    part, labels = view(picture, tuple(inner), r, fill)
    if tuple(inner) == tuple(size):
        return part, labels
    tile = np.full((size[1], size[0], 3), PAD, np.uint8)
    tile[top : top + part.shape[0], left : left + part.shape[1]] = part
    return tile, labels.shifted(left, top)


def fitted(picture: Picture, size, r: random.Random):
    """The whole picture, hardly moved."""
    h, w = picture.image.shape[:2]
    scale = min(size[0] / w, size[1] / h) * r.uniform(0.95, 1.1)
    centre = [side / 2 + r.gauss(0, 0.02) * side for side in size]
    matrix = homography((w / 2, h / 2), centre, scale, r, r.random() < 0.5, size, 0.3)
    return warp(picture, size, matrix, scale, PAD)


def portrait(picture: Picture, size, r: random.Random, fill: float):
    """Near, at its own size, or far away in an empty surrounding."""
    width, height = size
    h, w = picture.image.shape[:2]
    kind = r.random()
    low, high = (0.9, 1.3) if kind < 0.35 else (0.45, 1.0) if kind < 0.7 else (0.14, 0.5)
    scale = min(width / w, height / h) * math.exp(r.uniform(math.log(low), math.log(high))) * fill
    if max(h, w) <= THUMBNAIL and r.random() < 0.6:
        scale = min(scale, 1.3)
    room_x = max((width - w * scale) / 2, w * scale * 0.08)
    room_y = max((height - h * scale) / 2, h * scale * 0.08)
    centre = (width / 2 + r.uniform(-room_x, room_x), height / 2 + r.uniform(-room_y, room_y))
    matrix = homography((w / 2, h / 2), centre, scale, r, r.random() < 0.5, size)
    return warp(picture, size, matrix, scale, PAD if r.random() < 0.5 else r.randint(0, 255))


def crop(picture: Picture, size, r: random.Random, fill: float):
    """Of a scene with faces: as if a camera stood where one of them has a size drawn at random."""
    box = picture.labels.boxes[r.randrange(len(picture.labels.boxes))]
    side = float((box[2:] - box[:2]).max())
    h, w = picture.image.shape[:2]
    smallest = min(size[0] / w, size[1] / h)  # no camera sees more than the picture has
    low = max(FARTHEST_PIXELS, side * smallest * 0.9)
    high = max(min(NEAREST_SHARE * min(size), MOST_ENLARGED * side), low * 1.1)
    scale = math.exp(r.uniform(math.log(low), math.log(high))) / side
    focus = (box[:2] + box[2:]) / 2
    centre = [r.uniform(0.12, 0.88) * length for length in size]
    # a picture that would leave a part of the tile empty is moved to fill it
    for axis, extent in enumerate((w, h)):
        least, most = size[axis] - (extent - focus[axis]) * scale, focus[axis] * scale
        centre[axis] = min(max(centre[axis], min(least, most)), max(least, most))
    matrix = homography(focus, centre, scale, r, r.random() < 0.5, size)
    return warp(picture, size, matrix, scale, PAD if r.random() < 0.5 else r.randint(0, 255))


def mosaic(pictures: list[Picture], size: Size, r: random.Random):
    """Four pictures around a random centre: small faces and many at once."""
    width, height = size
    x, y = (int(side * r.uniform(0.3, 0.7)) for side in size)
    tile = np.empty((height, width, 3), np.uint8)
    parts = []
    places = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
    for picture, (left, top, right, bottom) in zip(pictures, places):
        part, labels = place(picture, (right - left, bottom - top), r, 1.25)
        tile[top:bottom, left:right] = part
        parts.append(labels.shifted(left, top))
    return tile, Labels.joined(parts)


def collage(ground: Picture, faces: list[Picture], size: Size, r: random.Random):
    """Faces from pictures that they fill, pasted with soft edges into a scene without one."""
    image, labels = place(ground, size, r, 1.0, 0.3)
    image, taken = image.copy(), []
    for picture in faces:
        box = picture.labels.boxes[0]
        side = float((box[2:] - box[:2]).max())
        most = min(NEAREST_SHARE * min(size), MOST_ENLARGED * 0.7 * side)
        wanted = math.exp(r.uniform(math.log(7), math.log(most)))
        spot = next(
            (s for s in (spot_for(wanted, size, r) for _ in range(8)) if is_free(s, wanted, taken)), None
        )
        if spot is None:
            continue
        taken.append((*spot, wanted))
        labels = Labels.joined([labels, set_in(image, picture, spot, wanted, r)])
    return image, labels


def set_in(image: np.ndarray, picture: Picture, spot, wanted: float, r: random.Random) -> Labels:
    """Pastes the picture's face, `wanted` pixels large, around `spot` of `image`; its labels there."""
    size = image.shape[1], image.shape[0]
    box = picture.labels.boxes[0]
    scale, reach = wanted / float((box[2:] - box[:2]).max()), int(wanted * REACH) + 2
    matrix = homography((box[:2] + box[2:]) / 2, (reach, reach), scale, r, r.random() < 0.5, size)
    tile, found = warp(picture, (2 * reach, 2 * reach), matrix, scale, PAD)
    mask = edge_mask(picture, matrix, 2 * reach, wanted, r)
    offset = (int(spot[0]) - reach, int(spot[1]) - reach)
    paste(image, tile, mask, *offset, r)
    return moved(found, translation(*offset), size)


def close_look(
    picture: Picture, number: int, ground: Picture | None, size: Size, r: random.Random, filling: float = 0.0
):
    """A face, or a place that is none, as the daemon looks at it closely: near the middle of the tile."""
    box = picture.labels.places[number]
    side = float((box[2:] - box[:2]).max())
    pixels = FILLING_PIXELS if filling and r.random() < filling else CLOSE_PIXELS
    wanted = min(r.uniform(*pixels), MOST_ENLARGED * side, CLOSE_SHARE * min(size))
    centre = [length * (0.5 + r.gauss(0, 0.06)) for length in size]
    # a place that is none stays where it is: what is set in elsewhere is the face
    is_face = number < len(picture.labels.boxes)
    if is_face and picture.portrait and ground is not None and r.random() < 0.5:
        image, labels = place(ground, size, r, 1.0, 0.3)
        image = image.copy()
        return image, Labels.joined([labels, set_in(image, picture, centre, wanted, r)])
    focus, flip = (box[:2] + box[2:]) / 2, r.random() < 0.5
    matrix = homography(focus, centre, wanted / side, r, flip, size, CLOSE_CALM)
    return warp(picture, size, matrix, wanted / side, PAD if r.random() < 0.5 else r.randint(0, 255))


def translation(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], float)


def spot_for(wanted: float, size: Size, r: random.Random) -> tuple[float, float]:
    margins = (min(wanted * 0.4, side * 0.4) for side in size)
    x, y = (r.uniform(margin, side - margin) for margin, side in zip(margins, size))
    return x, y


def is_free(spot, wanted: float, taken) -> bool:
    """Whether no earlier face would be covered: what comes with a face reaches further than it."""
    distances = (max(abs(spot[0] - x), abs(spot[1] - y)) - other / 2 for x, y, other in taken)
    return all(distance > wanted * REACH for distance in distances)


def edge_mask(picture: Picture, matrix: np.ndarray, side: int, wanted: float, r: random.Random) -> np.ndarray:
    """Where the pasted picture shows, 0 to 1: an ellipse around the head or the whole picture."""
    h, w = picture.image.shape[:2]
    mask = np.zeros((side, side), np.float32)
    if r.random() < 0.6:
        box = picture.labels.boxes[0]
        centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * r.uniform(1.15, 1.6)
        outline = centre + half * ELLIPSE
        outline = outline.clip(0, (w, h))
    else:
        outline = np.array([(0, 0), (w, 0), (w, h), (0, h)], float)
    corners = np.hstack([outline, np.ones((len(outline), 1))]) @ matrix.T
    corners = corners[:, :2] / corners[:, 2:] - 0.5  # from a pixel's middle, as in `warp`
    cv2.fillPoly(mask, [np.rint(corners * 16).astype(np.int32)], 1.0, shift=4)
    soft = max(0.4, wanted * r.uniform(0, 0.06))
    return cv2.GaussianBlur(mask, (0, 0), soft)


def paste(image, tile, mask, left: int, top: int, r: random.Random) -> None:
    """Blends `tile` into `image`, its brightness drawn towards the place's."""
    h, w = image.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + tile.shape[1], w), min(top + tile.shape[0], h)
    if x1 <= x0 or y1 <= y0:
        return
    part = tile[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.float32)
    alpha = mask[y0 - top : y1 - top, x0 - left : x1 - left, None]
    under = image[y0:y1, x0:x1].astype(np.float32)
    part += (under.mean((0, 1)) - part.mean((0, 1))) * r.uniform(0, 0.5)
    image[y0:y1, x0:x1] = (part * alpha + under * (1 - alpha)).clip(0, 255).astype(np.uint8)


#: share of a face's mouth that may be covered before its class is unknown, and of the
#: face before it is ignored
MOUTH_COVERED, FACE_COVERED = 0.3, 0.6


def occlude(image: np.ndarray, labels: Labels, r: random.Random, often: float = 0.12):
    """Something in front of some faces: a hand, a cup, another head."""
    if not len(labels.boxes):
        return image, labels
    image = image.copy()
    shares, hidden = labels.shares.copy(), np.zeros(len(labels.boxes), bool)
    for index, (left, top, right, bottom) in enumerate(labels.boxes):
        w, h = right - left, bottom - top
        if r.random() >= often or min(w, h) < 8:
            continue
        axes = w * r.uniform(0.15, 0.5), h * r.uniform(0.12, 0.4)
        x, y = left + w * r.uniform(0, 1), top + h * r.uniform(0, 1)
        cover = np.zeros(image.shape[:2], np.uint8)
        if r.random() < 0.5:
            cv2.ellipse(
                cover,
                (int(x), int(y)),
                (int(axes[0]) + 1, int(axes[1]) + 1),
                r.uniform(0, 180),
                0,
                360,
                1,
                -1,
            )
        else:
            low, high = (int(x - axes[0]), int(y - axes[1])), (int(x + axes[0]), int(y + axes[1]))
            cv2.rectangle(cover, low, high, 1, -1)
        image[cover > 0] = covering(image, (left, top, right, bottom), r)
        mouth = cover[int(top + 0.6 * h) : int(bottom), int(left + 0.2 * w) : int(right - 0.2 * w)]
        face = cover[int(top) : int(bottom), int(left) : int(right)]
        if mouth.size and mouth.mean() > MOUTH_COVERED:
            shares[index] = 0
        hidden[index] = face.size > 0 and face.mean() > FACE_COVERED
    ignored = np.concatenate([labels.ignored, labels.boxes[hidden]])
    return image, Labels(labels.boxes[~hidden], shares[~hidden], ignored)


def covering(image: np.ndarray, box, r: random.Random) -> tuple[int, int, int]:
    """The colour of the face's own skin (a hand), or of any place in the picture."""
    left, top, right, bottom = (int(v) for v in box)
    if r.random() < 0.5:
        x, y = (left + right) // 2, (top + bottom) // 2
    else:
        x, y = r.randrange(image.shape[1]), r.randrange(image.shape[0])
    x, y = min(x, image.shape[1] - 1), min(y, image.shape[0] - 1)
    return tuple(int(v) for v in np.clip(image[y, x].astype(int) + r.randint(-25, 25), 0, 255))
