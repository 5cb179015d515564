"""What a still room costs, in the packaged daemon on a real driver."""

from __future__ import annotations

from daemon import pid, press, running, says, structured, watch
from machine import Listener, Machine
from waiting import until

SECONDS = 40


def a_still_scene_costs_a_fifth_at_most(machine: Machine, outside: Listener) -> None:
    """Processor time, as a ratio in one run: emulated time means nothing by itself.

    The detector's own look at a still room is put off: under emulation one network run
    takes as long as a board's whole second of frames."""
    watch(machine, "vivid", "[pace]\nidle_after_s = 2\nidle_look_s = 600\n")
    structured(machine)
    press(machine, "osd_text_mode", 2)  # no running numbers in the picture
    press(machine, "horizontal_movement", 6)
    until("full rate", lambda: "frames/s" in says(machine))
    moving = spent(machine)
    press(machine, "horizontal_movement", 3)
    until("rest", lambda: "watching for motion" in says(machine))
    still = spent(machine)
    print(f"processor time in {SECONDS} s: moving {moving}, still {still} ticks", flush=True)
    assert still * 5 <= moving
    press(machine, "horizontal_movement", 6)
    # The line says by now that the camera was turned: the squares moved on for that long.
    until("full rate again", lambda: not outside.status()["idle"])
    press(machine, "horizontal_movement", 3)
    press(machine, "osd_text_mode", 0)
    watch(machine, "vivid")
    running(machine)


def spent(machine: Machine) -> int:
    """User and system time of the daemon over a while, in clock ticks."""
    stat = f"cut -d ' ' -f 14,15 /proc/{pid(machine)}/stat"
    before, after = machine.run(f"{stat}; sleep {SECONDS}; {stat}").splitlines()
    return sum(map(int, after.split())) - sum(map(int, before.split()))


TESTS = (a_still_scene_costs_a_fifth_at_most,)
