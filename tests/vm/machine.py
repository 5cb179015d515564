"""A virtual machine and what the outside hears of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from waiting import LIMIT, free_port, until


class Machine:
    """Boots at once; `run` needs `wait` first. The disk is not changed (snapshot), but
    what is written to it survives the machine's own reboots."""

    def __init__(self, folder: Path, payload: Path):
        self.port = free_port()
        self.work = tempfile.TemporaryDirectory(prefix="expressiond-vm.")
        self.console = Path(self.work.name) / "console"
        socket_path = Path(self.work.name) / "agent"
        # Software emulation even where /dev/kvm exists: it is there on machines that
        # cannot run a stock kernel with it. Without la57: with five levels of paging the
        # emulator makes Debian 12's kernel refuse to copy its own paths (d_path shows
        # "xxx"), and systemd sees no mounts. No timer check: on a busy host the emulated
        # timer comes late, and the kernel panics.
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-M", "q35", "-cpu", "max,-svm,-la57"]
            + ["-smp", "2", "-m", "1536", "-nographic", "-monitor", "none"]
            + ["-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd")]
            + ["-append", "root=/dev/vda rw console=ttyS0 quiet no_timer_check panic=-1 systemd.show_status=false"]
            + ["-drive", f"file={folder / 'disk.ext4'},format=raw,if=virtio,snapshot=on"]
            + ["-drive", f"file={payload},format=raw,if=virtio,readonly=on"]
            + ["-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self.port}-:1883"]
            + ["-global", "virtio-net-pci.romfile="]  # nothing to boot from there
            + ["-device", "virtio-serial", "-chardev", f"socket,id=a,path={socket_path},server=on,wait=off"]
            + ["-device", "virtserialport,chardev=a,name=agent"]
            + ["-serial", f"file:{self.console}"],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"TMPDIR": self.work.name},
        )
        self.socket = socket.socket(socket.AF_UNIX)
        until("qemu's socket", lambda: self._connect(socket_path), 30)
        self.lines = self.socket.makefile("r")

    def _connect(self, path: Path) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"qemu ended with {self.process.returncode}")
        try:
            self.socket.connect(str(path))
        except OSError:
            return False
        return True

    def wait(self) -> None:
        self.socket.settimeout(600)
        try:
            # Before a reboot the agent may still answer that its order was cut short.
            while "ready" not in json.loads(self.lines.readline()):
                pass
        except TimeoutError:
            tail = self.console.read_text(errors="replace")[-2000:]
            raise AssertionError(f"it does not boot; the end of its console:\n{tail}") from None

    def run(self, command: str, limit: float = LIMIT, check: bool = True) -> str:
        """What the command prints in the machine."""
        self.socket.settimeout(limit + 60)
        self.socket.sendall(json.dumps({"run": command, "limit": limit}).encode() + b"\n")
        answer = json.loads(self.lines.readline())
        if "ready" in answer:  # the agent was started again
            answer = json.loads(self.lines.readline())
        if check and answer["code"] != 0:
            raise AssertionError(f"{command}: {answer['code']}\n{answer['out']}{answer['err']}")
        return answer["out"].strip()

    def show(self, what: str, unit: str = "expressiond") -> str:
        return self.run(f"systemctl show --property {what} --value {unit}")

    def state(self, unit: str = "expressiond") -> str:
        return self.run(f"systemctl is-active {unit}", check=False)

    def reboot(self) -> None:
        """In order, as `systemctl reboot` does it; returns when the machine is up again."""
        order = {"run": "systemctl reboot --no-block; sleep 600", "limit": 600}
        self.socket.sendall(json.dumps(order).encode() + b"\n")
        self.wait()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.work.cleanup()


class Listener:
    """Everything that a stock mosquitto_sub outside hears, in order. The broker keeps
    for it what comes while either of them is away (a persistent session)."""

    def __init__(self, port: int):
        self.heard: list[tuple[str, str]] = []
        self.command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-v"]
        self.command += ["-i", "outside", "-c", "-q", "1", "-k", "10", "-t", "expressiond/#"]
        self.closed = False
        self.process: subprocess.Popen | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while not self.closed:  # it gives up when the broker is not there at its start
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
            )
            for line in self.process.stdout:
                topic, _, payload = line.rstrip("\n").partition(" ")
                self.heard.append((topic, payload))
            time.sleep(0.5)

    def mark(self) -> int:
        """Where we are: what comes later is new."""
        return len(self.heard)

    def events(self, since: int = 0) -> list[dict]:
        return [json.loads(payload) for topic, payload in self.heard[since:] if topic.endswith("/event")]

    def status(self) -> dict:
        """The last one."""
        payloads = [payload for topic, payload in self.heard if topic.count("/") == 2 and topic.endswith("/status")]
        return json.loads(payloads[-1]) if payloads else {}

    def reasons(self) -> list[str]:
        return [reason["code"] for reason in self.status().get("reasons", [])]

    def message(self, code: str) -> str:
        reasons = self.status().get("reasons", [])
        return next((reason["message"] for reason in reasons if reason["code"] == code), "")

    def close(self) -> None:
        self.closed = True
        if self.process:
            self.process.kill()
            self.process.wait()
