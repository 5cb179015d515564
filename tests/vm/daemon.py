"""The daemon in the machine and its camera: orders to both, and what they tell."""

from __future__ import annotations

import json
import subprocess

from machine import Listener, Machine
from waiting import LIMIT, until

UNBIND = "echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind"
#: the command that prints vivid's device
VIVID = "grep -l vivid-000-vid-cap /sys/class/video4linux/*/name | cut -d / -f 5 | sed 's|^|/dev/|'"
#: Coloured squares instead of vivid's bars: those get darker by the same step from one to the
#: next and have edges in one direction only, so that moved by half a cell of the daemon's glance
#: they are an even slope of light, which nothing tells from a covered lens.
SQUARES = f"v4l2-ctl -d $({VIVID}) --set-ctrl test_pattern=4"
#: It comes back with bars.
BIND = "echo vivid.0 >/sys/bus/platform/drivers/vivid/bind"
# One for each format: with a reader before, the module refuses a writer another one.
LOOPBACKS = "modprobe v4l2loopback devices=3 video_nr=42,43,44 card_label=loop-mjpg,loop-yuyv,csi exclusive_caps=1,1,1"


def settings(machine: Machine, source: str, more: str = "") -> None:
    text = (
        f'[device]\nid = "vm"\n[mqtt]\nurl = "mqtt://127.0.0.1:1883"\n'
        f'[camera]\nname = "door"\nsource = "{source}"\n{more}'
    )
    machine.run(f"cat >/etc/expressiond/conf.d/test.toml <<'END'\n{text}END")


def watch(machine: Machine, source: str, more: str = "") -> None:
    """Returns when the daemon has tried to open it."""
    tried = "journalctl -u expressiond --no-pager | grep -cE 'camera (opened|lost)' || true"
    before = int(machine.run(tried))
    settings(machine, source, more)
    machine.run("systemctl reload expressiond")
    until(f"a try to open {source}", lambda: int(machine.run(tried)) > before)


def order(machine: Machine, command: str) -> None:
    subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(machine.port), "-q", "1"]
        + ["-t", "expressiond/vm/command", "-m", json.dumps({"command": command})],
        check=True,
        timeout=LIMIT,
    )


def says(machine: Machine) -> str:
    """The daemon's line in `systemctl status`."""
    return machine.run("systemctl show --property StatusText --value expressiond")


def pid(machine: Machine) -> str:
    return machine.run("systemctl show --property MainPID --value expressiond")


def press(machine: Machine, control: str, value: int = 1) -> None:
    machine.run(f"v4l2-ctl -d {vivid(machine)} --set-ctrl {control}={value}")


def structured(machine: Machine) -> None:
    machine.run(SQUARES)


def vivid(machine: Machine) -> str:
    return machine.run(VIVID)


def lost(machine: Machine) -> int:
    """How often the log says that the camera was lost."""
    return int(machine.run("journalctl -u expressiond --no-pager | grep -c 'camera lost' || true"))


def running(machine: Machine) -> None:
    until(
        "frames from the camera",
        lambda: any(words in says(machine) for words in ("frames/s", "watching for motion")),
    )


def opened(machine: Machine) -> str:
    """The log's last line about an open camera: device, format, size, rate."""
    return machine.run("journalctl -u expressiond --no-pager | grep 'camera opened' | tail -n 1")


def kinds(outside: Listener, since: int) -> list[str]:
    return [event["event_type"] for event in outside.events(since)]


def resources(machine: Machine) -> dict[str, int]:
    proc = f"/proc/{pid(machine)}"
    numbers = machine.run(
        f"ls {proc}/fd | wc -l; ls {proc}/task | wc -l; wc -l <{proc}/maps; "
        f"awk '/VmRSS/ {{ print $2 }}' {proc}/status"
    ).split()
    return dict(zip(("files", "threads", "mappings", "kilobytes"), map(int, numbers), strict=True))
