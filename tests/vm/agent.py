#!/usr/bin/python3
"""Runs what the test says: one JSON line in, one JSON line out, on a virtio port."""

import json
import subprocess

PORT = "/dev/virtio-ports/agent"

with open(PORT, "r+b", buffering=0) as port:
    port.write(b'{"ready": true}\n')
    waiting = b""
    while True:
        waiting += port.read(4096) or b""
        while b"\n" in waiting:
            line, waiting = waiting.split(b"\n", 1)
            order = json.loads(line)
            try:
                done = subprocess.run(
                    ["/bin/sh", "-c", order["run"]],
                    capture_output=True,
                    text=True,
                    timeout=order["limit"],
                    errors="replace",
                )
                answer = {"code": done.returncode, "out": done.stdout, "err": done.stderr}
            except subprocess.TimeoutExpired:
                answer = {"code": 124, "out": "", "err": f"not done in {order['limit']} s"}
            port.write(json.dumps(answer).encode() + b"\n")
