"""Each row of docs/guide/cameras.md's promises, against vivid and v4l2loopback.

A test takes the machine and what is heard outside of it; it leaves the daemon
running on vivid. The daemon's process must be the same from the first to the last.
"""

from __future__ import annotations

import json

import csi
import faults
import pace
from daemon import (
    BIND,
    LOOPBACKS,
    UNBIND,
    kinds,
    lost,
    opened,
    order,
    pid,
    press,
    resources,
    running,
    says,
    settings,
    structured,
    vivid,
    watch,
)
from machine import Listener, Machine
from waiting import until

WRITER = (
    "systemd-run --quiet --unit=writer ffmpeg -loglevel error -re -stream_loop -1 -framerate 6 "
    "-i /root/frames/%03d.jpg {how} -f v4l2 {device}"
)


def prepare(machine: Machine) -> None:
    machine.run("apt-get install --yes -qq mosquitto /root/expressiond.deb", limit=600)
    # A camera with a metadata node, as webcams have it, and an instance that is an output.
    machine.run("modprobe vivid n_devs=2 node_types=0x20001,0x100")
    structured(machine)
    machine.run(LOOPBACKS)
    machine.run("mkdir -p /etc/expressiond/conf.d")
    settings(machine, "vivid")
    machine.run("systemctl start expressiond")


def the_unit_runs_and_says_so(machine: Machine, outside: Listener) -> None:
    running(machine)
    until("online", lambda: ("expressiond/vm/availability", "online") in outside.heard)
    until("the reason no_face", lambda: outside.reasons() == ["no_face"])
    assert machine.run("systemctl is-active expressiond") == "active"


def faces_through_mjpeg(machine: Machine, outside: Listener) -> None:
    show_faces(machine, outside, "-c copy", "MJPG", "/dev/video42")


def faces_through_yuyv(machine: Machine, outside: Listener) -> None:
    show_faces(machine, outside, "-pix_fmt yuyv422", "YUYV", "/dev/video43")


def show_faces(machine: Machine, outside: Listener, how: str, format: str, device: str) -> None:
    since = outside.mark()
    before = pid(machine)
    machine.run("systemctl stop writer 2>&1; systemctl reset-failed writer 2>&1; true")
    machine.run(WRITER.format(how=how, device=device))
    watch(machine, f"loop-{format.lower()}")
    until("an expression", lambda: "expression_started" in kinds(outside, since), 240)
    machine.run("systemctl stop writer")
    until("the face leaves", lambda: "face_left" in kinds(outside, since))
    happy = [e for e in outside.events(since) if e["event_type"] == "expression_started"]
    assert happy[0]["class"] == "happy" and happy[0]["camera"] == "door", happy[0]
    assert format in opened(machine), opened(machine)
    # The journal has its fields.
    machine.run("journalctl -u expressiond EVENT=expression_started CAMERA=door -n 1 -o json | grep -q TRACK_ID")
    until("the writer's absence is told", lambda: "no_camera" in outside.reasons())
    watch(machine, "vivid")
    running(machine)
    assert pid(machine) == before


def a_freeze_is_told_and_passes(machine: Machine, outside: Listener) -> None:
    press(machine, "percentage_of_dropped_buffers", 100)
    # The last status may still be of the camera before.
    until("no_camera", lambda: "no frames" in outside.message("no_camera"))
    press(machine, "percentage_of_dropped_buffers", 0)
    running(machine)
    until("all well", lambda: outside.reasons() == ["no_face"])


def a_flagged_frame_is_counted_and_passed_over(machine: Machine, outside: Listener) -> None:
    # Alone, this test begins before the daemon has said anything.
    bad = until("a status", outside.status)["frames"]["bad"]
    times = lost(machine)
    press(machine, "inject_v4l2_buf_flag_error")
    until("one more bad frame", lambda: outside.status()["frames"]["bad"] > bad)
    # A loss would be told behind it.
    seen = outside.status()["frames"]["captured"]
    until("more frames", lambda: outside.status()["frames"]["captured"] > seen + 20)
    assert lost(machine) == times, "the stream went on"


def recovers_from(fault: str):
    def test(machine: Machine, outside: Listener) -> None:
        running(machine)
        reopened = until("a status", outside.status)["frames"]["reopened"]
        times, process = lost(machine), pid(machine)
        for control in fault.split("+"):
            press(machine, control)
        until("the loss in the log", lambda: lost(machine) > times)
        until("it is opened again", lambda: outside.status()["frames"]["reopened"] > reopened)
        seen = outside.status()["frames"]["captured"]
        until("more frames", lambda: outside.status()["frames"]["captured"] > seen + 20)
        running(machine)
        assert pid(machine) == process

    test.__name__ = f"recovers_from_{fault.replace('+', '_and_')}"
    return test


def a_busy_camera_is_told_and_taken_when_free(machine: Machine, outside: Listener) -> None:
    # Alone, this test begins before the daemon hears commands.
    until("a status", outside.status)
    order(machine, "pause")
    until("paused", lambda: "paused" in says(machine))
    machine.run(f"systemd-run --quiet --unit=other v4l2-ctl -d {vivid(machine)} --stream-mmap --stream-count=0")
    until("the other reader streams", lambda: machine.run("pgrep -c v4l2-ctl", check=False) == "1")
    order(machine, "resume")
    until("busy", lambda: "another program" in outside.message("no_camera"))
    machine.run("systemctl stop other")
    running(machine)


def a_pause_closes_the_device(machine: Machine, outside: Listener) -> None:
    device = vivid(machine)
    open_files = f"ls -l /proc/$(systemctl show -P MainPID expressiond)/fd | grep -c {device} || true"
    assert machine.run(open_files) != "0"
    order(machine, "pause")
    until("the reason paused", lambda: outside.reasons() == ["paused"])
    until("the device is closed", lambda: machine.run(open_files) == "0")
    order(machine, "resume")
    running(machine)


def unplugged_and_plugged_in_again(machine: Machine, outside: Listener) -> None:
    machine.run(UNBIND)
    until("no_camera", lambda: "no_camera" in outside.reasons())
    machine.run(BIND)
    running(machine)


def fifty_times_unplugged_under_load_leaks_nothing(machine: Machine, outside: Listener) -> None:
    before = pid(machine)
    # It never rests: each time the camera goes while frames are looked at.
    watch(machine, "vivid", "[pace]\nidle_fps = 0\n")
    running(machine)
    held = resources(machine)
    # Each time it is left to work for more than ten seconds: where it is lost sooner, the pause
    # before the next try grows to half a minute.
    again = (
        f"for i in $(seq 50); do {UNBIND}; sleep 0.2; {BIND}; "
        "for j in $(seq 300); do systemctl show -P StatusText expressiond | "
        "grep -qE '[1-9] frames/s|covers the lens' && break; sleep 0.2; done; sleep 11; done"
    )
    machine.run(again, limit=1500)
    # Bars are a covered lens in the end: whoever says so has pictures.
    structured(machine)
    running(machine)
    assert pid(machine) == before
    until("each of them counted", lambda: outside.status()["frames"]["reopened"] >= 50)
    now = resources(machine)
    for name in ("files", "threads", "mappings"):
        assert now[name] <= held[name] + 4, (held, now)
    assert now["kilobytes"] <= held["kilobytes"] * 1.2 + 4096, (held, now)
    watch(machine, "vivid")
    running(machine)


def a_camera_that_comes_after_the_start(machine: Machine, outside: Listener) -> None:
    machine.run(UNBIND)
    machine.run("systemctl restart expressiond")
    assert machine.run("systemctl is-active expressiond") == "active"
    until("no_camera", lambda: "no_camera" in outside.reasons())
    machine.run(BIND)
    running(machine)


def the_list_of_cameras_is_right(machine: Machine, outside: Listener) -> None:
    nodes = json.loads(machine.run("expressiond cameras --json"))
    camera = next(node for node in nodes if node["path"] == vivid(machine))
    assert (camera["driver"], camera["state"]) == ("vivid", "busy"), camera
    assert any(offer["fourcc"] == "YUYV" for offer in camera["formats"]), camera
    loop = next(node for node in nodes if node["card"] == "loop-mjpg")
    assert loop["state"] == "unavailable" and "writer" in loop["unusable"], loop
    order(machine, "pause")
    until("paused", lambda: "paused" in says(machine))
    nodes = json.loads(machine.run("expressiond cameras --json"))
    assert (vivid(machine), "usable") in [(node["path"], node["state"]) for node in nodes], nodes
    order(machine, "resume")
    running(machine)


def a_frozen_daemon_is_started_again(machine: Machine, outside: Listener) -> None:
    before = pid(machine)
    machine.run(f"kill -STOP {before}")
    until("another process", lambda: pid(machine) not in (before, "0"), 180)
    running(machine)


TESTS = (
    the_unit_runs_and_says_so,
    the_list_of_cameras_is_right,
    faces_through_mjpeg,
    faces_through_yuyv,
    a_freeze_is_told_and_passes,
    a_flagged_frame_is_counted_and_passed_over,
    recovers_from("inject_fatal_streaming_error"),
    recovers_from("inject_vidioc_reqbufs_error+inject_fatal_streaming_error"),
    recovers_from("inject_vidioc_streamon_error+inject_fatal_streaming_error"),
    recovers_from("disconnect"),
    a_busy_camera_is_told_and_taken_when_free,
    a_pause_closes_the_device,
    *faults.TESTS,
    unplugged_and_plugged_in_again,
    *pace.TESTS,
    *csi.TESTS,
    fifty_times_unplugged_under_load_leaks_nothing,
    a_camera_that_comes_after_the_start,
    a_frozen_daemon_is_started_again,
    faults.a_suspension_opens_the_camera_again,
)
