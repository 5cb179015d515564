"""A bank of Gabor filters: oriented edges at several scales.

The published study filters its pictures with one. Here the responses serve two
ends: to find pictures that are blurred or empty (`prepare`), and, on request, to
emphasise what a face is made of; VARIANTS.md says whether that helps.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

ORIENTATIONS = 8
WAVELENGTHS = (4.0, 8.0)


@cache
def bank() -> tuple[np.ndarray, ...]:
    """Kernels of zero mean, so that an even area answers with nothing."""
    kernels = []
    for wavelength in WAVELENGTHS:
        for step in range(ORIENTATIONS):
            kernel = cv2.getGaborKernel(
                (15, 15), 0.56 * wavelength, np.pi * step / ORIENTATIONS, wavelength, 0.5, 0, cv2.CV_32F
            )
            kernel -= kernel.mean()
            kernels.append(kernel / np.abs(kernel).sum())
    return tuple(kernels)


def energy(image: np.ndarray) -> np.ndarray:
    """The strongest response of the bank at each pixel of a BGR picture, 0 to 255."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.max([np.abs(cv2.filter2D(grey, cv2.CV_32F, kernel)) for kernel in bank()], axis=0)


def sharpness(image: np.ndarray) -> float:
    """Energy of the strongest twentieth of the picture over its contrast.

    Low for blurred pictures whatever their size and light: blur takes fine edges
    and leaves contrast.
    """
    h, w = image.shape[:2]
    scale = 128 / max(h, w)
    if scale < 1:  # to no less than a pixel
        shares = {"fx": max(scale, 1 / w), "fy": max(scale, 1 / h)}
        image = cv2.resize(image, None, **shares, interpolation=cv2.INTER_AREA)
    strong = np.quantile(energy(image), 0.95)
    return float(strong / max(float(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).std()), 1.0))


def enhance(image: np.ndarray, amount: float = 0.5) -> np.ndarray:
    """The picture with its oriented edges emphasised, as the study trains on."""
    response = energy(image)
    response *= 255 / max(float(response.max()), 1.0)
    mixed = image.astype(np.float32) * (1 - amount * 0.5) + response[:, :, None] * amount * 0.5
    return np.clip(mixed, 0, 255).astype(np.uint8)
