"""What befalls a camera besides what vivid's own controls inject."""

from __future__ import annotations

import json
import signal
import time

from daemon import BIND, LOOPBACKS, UNBIND, lost, opened, order, pid, press, running, says, structured, vivid, watch
from machine import Listener, Machine
from waiting import until

OTHER_FORMAT = "width=320,height=180,pixelformat=NV12"


def another_programs_format_is_refused_while_frames_come(machine: Machine, outside: Listener) -> None:
    running(machine)
    times = lost(machine)
    answer = machine.run(f"v4l2-ctl -d {vivid(machine)} --set-fmt-video={OTHER_FORMAT} 2>&1", check=False)
    assert "busy" in answer, answer
    seen = outside.status()["frames"]["captured"]
    until("more frames", lambda: outside.status()["frames"]["captured"] > seen + 20)
    assert lost(machine) == times


def another_programs_format_is_not_taken_over(machine: Machine, outside: Listener) -> None:
    before = opened(machine)
    order(machine, "pause")
    until("paused", lambda: "paused" in says(machine))
    machine.run(f"v4l2-ctl -d {vivid(machine)} --set-fmt-video={OTHER_FORMAT}")
    assert "NV12" in machine.run(f"v4l2-ctl -d {vivid(machine)} --get-fmt-video")
    order(machine, "resume")
    until("opened again", lambda: opened(machine) != before)
    mode = [line.split("camera opened: ")[1] for line in (before, opened(machine))]
    assert mode[0] == mode[1], mode
    running(machine)


def a_lost_permission_is_told_and_passes(machine: Machine, outside: Listener) -> None:
    node = vivid(machine)
    mode = machine.run(f"stat -c %a {node}")
    machine.run(f"chmod 0 {node}")
    press(machine, "inject_fatal_streaming_error")
    until("the reason", lambda: "no permission" in outside.message("no_camera"))
    assert "no permission" in says(machine)
    machine.run(f"chmod {mode} {node}")
    running(machine)


def what_is_no_camera_is_told_and_passed_over(machine: Machine, outside: Listener) -> None:
    """vivid brings a metadata node and an output besides its camera."""
    nodes = {node["path"]: node for node in json.loads(machine.run("expressiond cameras --json"))}
    wrong = {path: node for path, node in nodes.items() if node["state"] == "not_a_camera"}
    assert len(wrong) == 2, nodes
    told = lambda words: until("not_a_camera", lambda: words in outside.message("not_a_camera"))
    for path, node in wrong.items():
        watch(machine, path)
        told(node["unusable"])
        assert node["unusable"] in says(machine)
    watch(machine, "/dev/null")
    told("/dev/null")
    watch(machine, "auto")
    running(machine)
    assert vivid(machine) in opened(machine), opened(machine)
    watch(machine, "vivid")
    running(machine)


def a_camera_that_comes_back_under_another_number_is_found(machine: Machine, outside: Listener) -> None:
    before, process = vivid(machine), pid(machine)
    machine.run(UNBIND)
    until("no_camera", lambda: "no_camera" in outside.reasons())
    # Something else takes its number meanwhile.
    machine.run(f"modprobe -r v4l2loopback && modprobe v4l2loopback video_nr={before.removeprefix('/dev/video')}")
    machine.run(BIND)
    try:
        assert vivid(machine) != before
        running(machine)
        assert vivid(machine) in opened(machine), opened(machine)
        assert pid(machine) == process
    finally:
        machine.run(f"modprobe -r v4l2loopback && {LOOPBACKS}")


def a_pattern_finds_by_bus(machine: Machine, outside: Listener) -> None:
    watch(machine, "platform:vivid")
    running(machine)
    assert vivid(machine) in opened(machine)
    watch(machine, "no-such-bus")
    until("what was looked for", lambda: "no-such-bus" in outside.message("no_camera"))
    watch(machine, "vivid")
    running(machine)


LOW_LIGHT = "[camera.low_light]\ninteger_32_bits = 7\n"


def longer_exposures_are_asked_for_in_the_dark(machine: Machine, outside: Listener) -> None:
    """vivid has no exposure: another number stands for it."""
    watch(machine, "vivid", LOW_LIGHT)
    running(machine)
    asked = f"v4l2-ctl -d {vivid(machine)} --get-ctrl=integer_32_bits"
    usual = machine.run(asked)
    patterns = machine.run(f"v4l2-ctl -d {vivid(machine)} --list-ctrls-menus | sed -n '/ test_pattern /,/oscillat/p'")
    black = next(line.split(":")[0].strip() for line in patterns.splitlines() if "100% Black" in line)
    osd = machine.run(f"v4l2-ctl -d {vivid(machine)} --get-ctrl=osd_text_mode").split()[1]
    press(machine, "osd_text_mode", 2)
    press(machine, "test_pattern", int(black))
    until("the reason dark", lambda: "longer exposures" in outside.message("dark"))
    assert outside.status()["low_light"]
    until("the line of the dark", lambda: says(machine).startswith("dark: "))
    assert machine.run(asked).endswith(" 7")
    structured(machine)
    until("light again", lambda: not outside.status()["low_light"])
    assert machine.run(asked) == usual
    press(machine, "osd_text_mode", int(osd))
    watch(machine, "vivid")
    running(machine)


def a_wall_clock_that_jumps_changes_nothing(machine: Machine, outside: Listener) -> None:
    running(machine)
    times, process = lost(machine), pid(machine)
    captured = lambda: outside.status()["frames"]["captured"]
    more_than = lambda frames: until("more frames", lambda: captured() > frames)
    for step in ("+400 days", "-400 days"):
        machine.run(f"date -s '{step}'")
        more_than(captured() + 20)
        status = outside.status()
        assert status["uptime_s"] < 3600 and status["frame_age_ms"] < 10_000, status
    assert (lost(machine), pid(machine)) == (times, process)


def a_machine_that_stands_still_goes_on(machine: Machine, outside: Listener) -> None:
    """All processors of the board at once, as a debugger of virtual machines does it."""
    running(machine)
    process = pid(machine)
    machine.process.send_signal(signal.SIGSTOP)
    time.sleep(12)  # the machine's time, not ours: nothing can be waited for
    machine.process.send_signal(signal.SIGCONT)
    seen = outside.status()["frames"]["captured"]
    until("more frames", lambda: outside.status()["frames"]["captured"] > seen + 20)
    assert pid(machine) == process


def a_suspension_opens_the_camera_again(machine: Machine, outside: Listener) -> None:
    """The kernel's own rehearsal (Documentation/power/basic-pm-debugging.rst): all but
    the firmware's part, and the monotonic clock stands still meanwhile."""
    running(machine)
    process = pid(machine)
    words = "journalctl -u expressiond --no-pager | grep -c 'camera lost: the machine slept' || true"
    slept = lambda: int(machine.run(words))
    times = slept()
    machine.run("echo core >/sys/power/pm_test && echo mem >/sys/power/state", limit=300)
    machine.run("echo none >/sys/power/pm_test")
    until("the sleep in the log", lambda: slept() > times)
    running(machine)
    until("all well", lambda: outside.reasons() == ["no_face"])
    assert pid(machine) == process


TESTS = (
    another_programs_format_is_refused_while_frames_come,
    another_programs_format_is_not_taken_over,
    a_lost_permission_is_told_and_passes,
    a_pattern_finds_by_bus,
    longer_exposures_are_asked_for_in_the_dark,
    what_is_no_camera_is_told_and_passed_over,
    a_camera_that_comes_back_under_another_number_is_found,
    a_wall_clock_that_jumps_changes_nothing,
    a_machine_that_stands_still_goes_on,
)
