"""Waiting with a limit, and ports: for every test that starts programs or machines."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

LIMIT = 300.0  # seconds; emulated processors are slow


def until(what: str, condition: Callable[[], object], limit: float = LIMIT):
    """The condition's first true value; it is asked again and again until the limit."""
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {limit:.0f} s: {what}"
        time.sleep(0.1)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
