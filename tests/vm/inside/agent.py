#!/usr/bin/python3
"""Runs what the test says: one JSON line in, one JSON line out, on a virtio port."""

import json
import os
import signal
import subprocess

PORT = "/dev/virtio-ports/agent"


def answer(order: dict) -> dict:
    process = subprocess.Popen(
        ["/bin/sh", "-c", order["run"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=order["limit"])
        return {"code": process.returncode, "out": out, "err": err}
    except subprocess.TimeoutExpired:
        # The shell and all that it started, or they would keep the pipes open.
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return {"code": 124, "out": out, "err": f"not done in {order['limit']} s: {err}"}


with open(PORT, "r+b", buffering=0) as port:
    port.write(b'{"ready": true}\n')
    waiting = b""
    while True:
        waiting += port.read(4096) or b""
        while b"\n" in waiting:
            line, waiting = waiting.split(b"\n", 1)
            reply = json.dumps(answer(json.loads(line))).encode() + b"\n"
            while reply:  # the port takes a part at a time
                reply = reply[port.write(reply) :]
