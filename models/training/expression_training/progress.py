"""Progress bars, where somebody is looking."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(rows: Iterable[T], title: str) -> Iterable[T]:
    """A bar on a terminal. A log would get thousands of lines of it: none there."""
    return tqdm(rows, title, leave=False, disable=not sys.stderr.isatty())
