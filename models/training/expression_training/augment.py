"""What a camera at home does to a picture: distance, tilt, light, noise, compression.

Every function takes its own `random.Random`, so a sample depends on nothing but
the seed, the epoch and its index.
"""

from __future__ import annotations

import math
import random

import cv2
import numpy as np
import torch

from .dataset import PAD, Picture
from .loss import Targets

#: labels of faces that are cut off by more than this are dropped with them
LEAST_VISIBLE = 0.45
#: smaller faces, in pixels, say nothing about an expression
LEAST_SIDE = 7
#: pictures of this longest side (FFHQ thumbnails) are seldom enlarged: the blur would be learnt
THUMBNAIL = 110


def warp(picture: Picture, size, scale: float, angle: float, flip: bool, centre, pad: int):
    """The picture, scaled and turned, with its middle at `centre` of a tile of `size` (w, h).

    Starts from the halving nearest above the wanted scale, so that bilinear
    sampling does not alias. Returns the tile, classes and boxes that stay visible.
    """
    width, height = size
    level = 0
    while level + 1 < len(picture.pyramid) and scale * 2 ** (level + 1) <= 1.01:
        level += 1
    image, full = picture.pyramid[level], picture.image
    cos, sin, mirror = math.cos(angle) * scale, math.sin(angle) * scale, -1 if flip else 1
    turn = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    shift = np.array(centre) - turn @ (full.shape[1] / 2, full.shape[0] / 2)
    matrix = np.hstack([turn * (full.shape[1] / image.shape[1]), shift[:, None]])
    tile = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(pad,) * 3)
    boxes = picture.boxes
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 @ turn.T + shift
    # a face is closer to an ellipse than to a box: the box around the turned ellipse
    a, b = ((boxes[:, 2:] - boxes[:, :2]) / 2 * scale).T
    c2, s2 = math.cos(angle) ** 2, math.sin(angle) ** 2
    half = np.stack([np.sqrt(a * a * c2 + b * b * s2), np.sqrt(a * a * s2 + b * b * c2)], 1)
    limit = np.array([width, height])
    low, high = (middle - half).clip(0, limit), (middle + half).clip(0, limit)
    visible = (high - low).prod(1) / np.maximum(4 * half.prod(1), 1e-6)
    keep = (visible > LEAST_VISIBLE) & (half.min(1, initial=np.inf) * 2 >= LEAST_SIDE)
    return tile, picture.classes[keep], np.hstack([low, high])[keep].astype(np.float32)


def place(picture: Picture, size, r: random.Random, fill: float, letterboxed: float = 0):
    """One picture somewhere in a tile: near, at its own size, or far away.

    `letterboxed` is the share of pictures that fill the tile almost exactly.
    """
    width, height = size
    h, w = picture.image.shape[:2]
    if r.random() < letterboxed:
        scale = min(width / w, height / h) * r.uniform(0.93, 1.1)
        centre = (width / 2 + r.gauss(0, 0.03) * width, height / 2 + r.gauss(0, 0.03) * height)
        return warp(picture, size, scale, r.gauss(0, 0.08), r.random() < 0.5, centre, PAD)
    kind = r.random()
    low, high = (0.9, 1.3) if kind < 0.35 else (0.45, 1.0) if kind < 0.7 else (0.14, 0.5)
    scale = min(width / w, height / h) * math.exp(r.uniform(math.log(low), math.log(high))) * fill
    if max(h, w) <= THUMBNAIL and r.random() < 0.6:
        scale = min(scale, 1.3)
    room_x = max((width - w * scale) / 2, w * scale * 0.08)
    room_y = max((height - h * scale) / 2, h * scale * 0.08)
    centre = (width / 2 + r.uniform(-room_x, room_x), height / 2 + r.uniform(-room_y, room_y))
    pad = PAD if r.random() < 0.5 else r.randint(0, 255)
    return warp(picture, size, scale, r.gauss(0, 0.14), r.random() < 0.5, centre, pad)


def mosaic(pictures: list[Picture], index: int, size: int, r: random.Random):
    """Four pictures around a random centre: small faces and many at once."""
    x, y = (int(size * r.uniform(0.3, 0.7)) for _ in range(2))
    square = np.empty((size, size, 3), np.uint8)
    classes, boxes = [], []
    tiles = ((0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size))
    for number, (left, top, right, bottom) in enumerate(tiles):
        picture = pictures[index if number == 0 else r.randrange(len(pictures))]
        tile, c, b = place(picture, (right - left, bottom - top), r, 1.25)
        square[top:bottom, left:right] = tile
        classes.append(c)
        boxes.append(b + np.array([left, top, left, top], np.float32))
    return square, np.concatenate(classes), np.concatenate(boxes)


def low_light(image: np.ndarray, r: random.Random, strength: float | None = None) -> np.ndarray:
    """An evening: less light in linear terms, shot and read noise, gain, a colour cast.

    `strength` 0..1 fixes how much light is missing (for evaluation); else random.
    """
    noise = np.random.default_rng(r.getrandbits(32))
    stops = r.uniform(0.3, 1.6) if strength is None else 0.3 + 1.3 * strength
    cast = np.array([r.uniform(0.8, 1.2), 1, r.uniform(0.8, 1.3)], np.float32)
    light = (image.astype(np.float32) / 255) ** 2.2 * cast * 10**-stops
    electrons = 10 ** (r.uniform(2.3, 3.6) if strength is None else 3.4 - strength)
    read = (r.uniform(0, 4) if strength is None else 4 * strength) / electrons
    light += noise.standard_normal(light.shape, np.float32) * np.sqrt(light / electrons + read**2)
    # the camera's automatic gain brings back some of it, noise included
    wanted = 10 ** (r.uniform(0, 1.1) if strength is None else 0.3)
    gain = min(wanted, 0.6 / max(float(light.mean()), 1e-3))
    return (np.clip(light * gain, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def colour(image: np.ndarray, r: random.Random) -> np.ndarray:
    """Saturation (often none: grey must not tell the class), gamma, gain, white balance."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    saturation = 0.0 if r.random() < 0.25 else r.uniform(0.4, 1.5)
    image = cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)
    gamma, gain = math.exp(r.uniform(-0.5, 0.5)), math.exp(r.uniform(-0.4, 0.35))
    curve = (np.arange(256) / 255) ** gamma * 255 * gain + r.uniform(-20, 20)
    curves = np.stack([curve * r.uniform(0.9, 1.1) for _ in range(3)], -1)
    return cv2.LUT(image, curves.clip(0, 255).astype(np.uint8)[None])


def photometric(image: np.ndarray, r: random.Random) -> np.ndarray:
    if r.random() < 0.75:
        image = colour(image, r)
    if r.random() < 0.2:
        image = low_light(image, r)
    if r.random() < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), r.uniform(0.4, 1.3))
    if r.random() < 0.15:
        quality = [cv2.IMWRITE_JPEG_QUALITY, r.randint(20, 80)]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    return image


class Augmented(torch.utils.data.Dataset):
    """An epoch of augmented pictures: RGB uint8 [size, size, 3], classes, boxes.

    Indexed by (picture, size), as `Batches` draws them.
    """

    def __init__(self, pictures: list[Picture], mosaic_share: float, letterboxed: float, seed: int):
        self.pictures, self.seed = pictures, seed
        self.mosaic_share, self.letterboxed = mosaic_share, letterboxed

    def __getitem__(self, key: tuple[int, int]):
        index, size = key
        r = random.Random(f"{self.seed}/{index}")
        if r.random() < self.mosaic_share:
            image, classes, boxes = mosaic(self.pictures, index, size, r)
        else:
            picture = self.pictures[index]
            image, classes, boxes = place(picture, (size, size), r, 1.0, self.letterboxed)
        image = photometric(image, r)[:, :, ::-1]
        return torch.from_numpy(image.copy()), torch.from_numpy(classes), torch.from_numpy(boxes)


class Batches:
    """Every picture once, in random batches, each batch at one of `sizes`."""

    def __init__(self, pictures: int, batch: int, sizes: tuple[int, ...], seed: int):
        self.pictures, self.batch, self.sizes, self.seed = pictures, batch, sizes, seed

    def __len__(self) -> int:
        return max(1, self.pictures // self.batch)

    def __iter__(self):
        r = random.Random(self.seed)
        order = list(range(self.pictures))
        r.shuffle(order)
        for number in range(len(self)):
            size = r.choice(self.sizes)
            yield [(index, size) for index in order[number * self.batch :][: self.batch]]


def collate(samples) -> tuple[torch.Tensor, Targets]:
    images, classes, boxes = zip(*samples)
    faces = max(1, max(len(c) for c in classes))
    truth = Targets(
        torch.zeros(len(images), faces, 4),
        torch.zeros(len(images), faces, dtype=torch.long),
        torch.zeros(len(images), faces, dtype=torch.bool),
    )
    for row, (c, b) in enumerate(zip(classes, boxes)):
        truth.boxes[row, : len(c)], truth.classes[row, : len(c)] = b, c
        truth.valid[row, : len(c)] = True
    return torch.stack(images), truth
