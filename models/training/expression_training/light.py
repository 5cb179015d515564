"""Light, colour, optics, sensor and compression: what changes pixels and moves none."""

from __future__ import annotations

import math
import random

import cv2
import numpy as np


def low_light(image: np.ndarray, r: random.Random, strength: float | None = None) -> np.ndarray:
    """An evening: less light in linear terms, shot and read noise, gain, a colour cast.

    `strength` 0..1 fixes how much light is missing (for evaluation); else random.
    """
    noise = np.random.default_rng(r.getrandbits(32))
    stops = r.uniform(0.3, 1.8) if strength is None else 0.3 + 1.3 * strength
    cast = np.array([r.uniform(0.8, 1.2), 1, r.uniform(0.8, 1.3)], np.float32)
    light = (image.astype(np.float32) / 255) ** 2.2 * cast * 10**-stops
    electrons = 10 ** (r.uniform(2.2, 3.6) if strength is None else 3.4 - strength)
    read = (r.uniform(0, 5) if strength is None else 4 * strength) / electrons
    light += noise.standard_normal(light.shape, np.float32) * np.sqrt(light / electrons + read**2)
    # the camera's automatic gain brings back some of it, noise included
    wanted = 10 ** (r.uniform(0, 1.3) if strength is None else 0.3)
    gain = min(wanted, 0.6 / max(float(light.mean()), 1e-3))
    return (np.clip(light * gain, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def denoised(image: np.ndarray, r: random.Random) -> np.ndarray:
    """Cameras smear the noise of a dark picture."""
    if r.random() < 0.5:
        return cv2.medianBlur(image, 3)
    return cv2.GaussianBlur(image, (0, 0), r.uniform(0.5, 1.2))


def infrared(image: np.ndarray, r: random.Random) -> np.ndarray:
    """A lamp beside the lens: no colour, skin pale, the edges dark."""
    channels = np.array([r.uniform(0, 0.3), r.uniform(0.1, 0.5), r.uniform(0.5, 1)], np.float32)
    grey = image.astype(np.float32) @ (channels / channels.sum())
    h, w = grey.shape
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j].astype(np.float32)
    fall = 1 - r.uniform(0.2, 0.8) * (x * x + y * y) / 2
    grey = ((grey / 255) ** r.uniform(0.6, 1.3) * fall * 255 * r.uniform(0.6, 1.3)).clip(0, 255)
    return cv2.cvtColor(grey.astype(np.uint8), cv2.COLOR_GRAY2BGR)


def colour(image: np.ndarray, r: random.Random) -> np.ndarray:
    """Saturation (often none: grey must not tell the class), gamma, gain, white balance."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    saturation = 0.0 if r.random() < 0.25 else r.uniform(0.4, 1.5)
    image = cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)
    gamma, gain = math.exp(r.uniform(-0.6, 0.6)), math.exp(r.uniform(-0.5, 0.4))
    cast = 0.25 if r.random() < 0.2 else 0.1  # a lamp of another colour than the white balance's
    curve = (np.arange(256) / 255) ** gamma * 255 * gain + r.uniform(-20, 20)
    curves = np.stack([curve * r.uniform(1 - cast, 1 + cast) for _ in range(3)], -1)
    return cv2.LUT(image, curves.clip(0, 255).astype(np.uint8)[None])


def motion_blur(image: np.ndarray, r: random.Random) -> np.ndarray:
    length = r.choice((3, 5, 7))
    kernel = np.zeros((length, length), np.float32)
    angle, middle = r.uniform(0, math.pi), length // 2
    dx, dy = math.cos(angle) * middle, math.sin(angle) * middle
    ends = [(round(middle + s * dx), round(middle + s * dy)) for s in (-1, 1)]
    cv2.line(kernel, *ends, 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def low_resolution(image: np.ndarray, r: random.Random) -> np.ndarray:
    """A small picture blown up."""
    h, w = image.shape[:2]
    share = r.uniform(0.35, 0.8)
    small = cv2.resize(image, (int(w * share), int(h * share)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=r.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC)))


def compressed(image: np.ndarray, r: random.Random) -> np.ndarray:
    quality = [cv2.IMWRITE_JPEG_QUALITY, r.randint(20, 80)]
    return cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)


def photometric(image: np.ndarray, r: random.Random) -> np.ndarray:
    if r.random() < 0.1:
        image = low_resolution(image, r)
    if r.random() < 0.06:
        image = infrared(image, r)
    elif r.random() < 0.75:
        image = colour(image, r)
    if r.random() < 0.06:
        image = motion_blur(image, r)
    elif r.random() < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), r.uniform(0.4, 1.4))
    if r.random() < 0.25:
        image = low_light(image, r)
        if r.random() < 0.35:
            image = denoised(image, r)
    if r.random() < 0.15:
        image = compressed(image, r)
    return image
