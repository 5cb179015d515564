#!/usr/bin/env python3
"""A board that is played: what it keeps at the broker, as docs/ref has it.

    tests/fleet/played.py PORT DEVICE VERSION [SECONDS]      says it; it has run for as long
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

# Of one that nobody has touched today.
DAY_S = 86400


def publish(port: int, topic: str, payload: str) -> None:
    words = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-r", "-t", topic, "-m", payload]
    subprocess.run(words, check=True, timeout=60)


def say(port: int, device: str, version: str, uptime_s: int = DAY_S) -> None:
    for topic, payload in told(device, version, uptime_s).items():
        publish(port, topic, payload)


def told(device: str, version: str, uptime_s: int = DAY_S) -> dict[str, str]:
    """`broken`: it never comes back."""
    base, now = f"expressiond/{device}", datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if version == "broken":
        return {f"{base}/availability": "offline"}
    settings = {"digest": "0" * 16, "changed": []}
    inventory = {
        "schema": 1,
        "time": now,
        "version": version,
        "package": f"{version}-1",
        "architecture": "aarch64",
        "model": "m@1+00",
        "settings": settings,
        "groups": [],
        "failed": [],
    }
    reasons = [{"code": "no_face", "message": "nobody"}]
    status = {"time": now, "version": version, "uptime_s": uptime_s, "reasons": reasons}
    return {
        f"{base}/inventory": json.dumps(inventory),
        f"{base}/status": json.dumps(status),
        f"{base}/availability": "online",
    }


if __name__ == "__main__":
    say(int(sys.argv[1]), sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
