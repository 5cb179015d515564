"""How far something has come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

#: A log would get thousands of lines of a bar: it gets one after so many seconds.
PAUSE = 60.0


def progress(rows: Iterable[T], title: str, clock: Callable[[], float] = time.monotonic) -> Iterator[T]:
    """A bar where somebody is looking, a line now and then in a log."""
    if sys.stderr.isatty():
        yield from tqdm(rows, title, leave=False)
        return
    whole = f" of {len(rows)}" if isinstance(rows, Sized) else ""
    told = clock()
    for number, row in enumerate(rows):
        if clock() - told >= PAUSE:
            told = clock()
            print(f"{title}: {number}{whole}", file=sys.stderr, flush=True)
        yield row
