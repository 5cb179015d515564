"""The unit that brings a CSI camera module to the daemon.

No virtual machine has one, and Debian's kernel lacks vimc, the one virtual camera that
libcamera knows. So: libcamerasrc really runs and the unit waits for a camera; then
photographs take the place of libcamerasrc alone, and the rest of the path is the unit's.
"""

from __future__ import annotations

from daemon import kinds, opened, running, watch
from machine import Listener, Machine
from waiting import until

PHOTOGRAPHS = (
    "multifilesrc location=/srv/frames/%03d.jpg loop=true caps=image/jpeg,framerate=6/1 "
    "! jpegdec ! identity sync=true"
)


def a_camera_module_comes_through_a_unit_that_waits_for_it(machine: Machine, outside: Listener) -> None:
    since = outside.mark()
    environment(machine, "CSI_DEVICE=/dev/video44")
    machine.run("systemctl start expressiond-csi")
    watch(machine, "csi")
    until("the writer's absence is told", lambda: "writer" in outside.message("no_camera"))
    log = "journalctl -u expressiond-csi --no-pager"
    until("libcamera's answer", lambda: "Could not find any supported camera" in machine.run(log))
    restarts = "systemctl show -P NRestarts expressiond-csi"
    until("another try", lambda: int(machine.run(restarts)) >= 1)
    machine.run("cp -r /root/frames /srv/ && chmod -R a+rX /srv/frames")
    # The photographs' size, as nothing in the unit scales.
    size = ("CSI_WIDTH=640", "CSI_HEIGHT=480")
    environment(machine, "CSI_DEVICE=/dev/video44", f"CSI_SOURCE={PHOTOGRAPHS}", *size)
    running(machine)
    assert "YUYV 640x480" in opened(machine), opened(machine)
    until("an expression", lambda: "expression_started" in kinds(outside, since), 240)
    machine.run("systemctl stop expressiond-csi")
    watch(machine, "vivid")
    running(machine)


def environment(machine: Machine, *lines: str) -> None:
    text = "\n".join(lines)
    machine.run(f"cat >/etc/expressiond/csi.env <<'END'\n{text}\nEND")


TESTS = (a_camera_module_comes_through_a_unit_that_waits_for_it,)
