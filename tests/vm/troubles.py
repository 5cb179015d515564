"""What befalls a board, with nothing lost: steps of board.py."""

from __future__ import annotations

import json
import time

from ledger import PATIENCE, first_event, nothing_lost, told
from machine import Listener, Machine
from waiting import until

STATE = "/var/lib/private/expressiond"


def fresh(machine: Machine, more: int = 3) -> list[dict]:
    """Waits until the daemon told some more; those."""
    before = len(told(machine))
    enough = lambda events: events if len(events) >= more else None
    return until("more events", lambda: enough(told(machine)[before:]), PATIENCE)


def outage(machine: Machine, outside: Listener, meanwhile=lambda: None) -> list[dict]:
    """The broker is away while the daemon tells events; what was heard of them later."""
    machine.run("systemctl stop mosquitto")
    waiting = {entry["EVENT_ID"] for entry in fresh(machine)}
    meanwhile()
    # Past mqtt.outbox.late_after_s for all of them.
    time.sleep(11)
    machine.run("systemctl start mosquitto")
    nothing_lost(machine, outside)
    return [event for event in outside.events() if event["id"] in waiting]


def dropped(outside: Listener) -> dict:
    return outside.status()["mqtt"]["dropped"]


def a_broker_outage(machine: Machine, outside: Listener) -> None:
    delivered = outage(machine, outside)
    assert delivered and all(event.get("late") for event in delivered), delivered
    until("live events again", lambda: any(not event.get("late") for event in outside.events()[-3:]), PATIENCE)


def an_unplugged_camera(machine: Machine, outside: Listener) -> None:
    # The module cannot go while the daemon has it open: it lets go when frames stop.
    machine.run("systemctl stop camera")
    until("unplugged", lambda: "gone" in machine.run("rmmod v4l2loopback 2>/dev/null && echo gone", check=False))
    until("no_camera", lambda: "no_camera" in outside.reasons())
    since = outside.mark()
    machine.run("systemctl start camera")
    first_event(outside, since, PATIENCE)
    nothing_lost(machine, outside)


def a_start_before_any_camera(machine: Machine, outside: Listener) -> None:
    """As after power-on: the kernel has not even the class of devices yet."""
    machine.run("systemctl stop camera expressiond && modprobe -r v4l2loopback")
    # What vivid left behind, where kmod did not take it along.
    machine.run("rmmod videobuf2_memops videobuf2_common videodev", check=False)
    assert machine.run("grep video4linux /proc/devices", check=False) == "", machine.run("lsmod")
    machine.run("systemctl start expressiond")
    until("no_camera", lambda: "no_camera" in outside.reasons())
    since = outside.mark()
    machine.run("systemctl start camera")
    first_event(outside, since, PATIENCE)
    nothing_lost(machine, outside)


def store_errors(outside: Listener) -> int:
    return outside.status()["mqtt"]["store_errors"]


def a_full_disk(machine: Machine, outside: Listener) -> None:
    machine.run("systemctl stop expressiond")
    machine.run(f"mount -t tmpfs -o size=1m,mode=700 none {STATE} && systemctl start expressiond")
    since = outside.mark()
    first_event(outside, since, PATIENCE)
    machine.run(f"dd if=/dev/zero of={STATE}/filler bs=4k 2>/dev/null; true")
    full = "journalctl -u expressiond --no-pager | grep 'kept in memory only' || true"
    outage(machine, outside, lambda: until("it says so", lambda: machine.run(full), PATIENCE))
    counted = until("the errors are counted", lambda: store_errors(outside))
    # Room again: what waits is on the disk, and a kill does not cost it.
    machine.run(f"rm {STATE}/filler")
    outage(machine, outside, lambda: machine.run("sleep 6; systemctl kill --signal=KILL expressiond"))
    until("another run", lambda: outside.status()["uptime_s"] < 300 and store_errors(outside) == 0)
    machine.run(f"systemctl stop expressiond && umount {STATE} && systemctl start expressiond")
    print(f"  {counted} writes failed, were counted, and cost nothing")


def a_clock_that_jumps(machine: Machine, outside: Listener) -> None:
    since = outside.mark()
    # A month ahead while events wait: older than mqtt.outbox.max_age_s, by the wrong clock.
    outage(machine, outside, lambda: machine.run("date --set '+30 days'"))
    until("a visit ends", lambda: left(outside, since), PATIENCE)
    since = outside.mark()
    outage(machine, outside, lambda: machine.run("date --set '-30 days'"))
    until("a visit ends", lambda: left(outside, since), PATIENCE)
    for event in outside.events():
        assert event["duration_ms"] < 3_600_000, event
    assert not any(dropped(outside).values()), dropped(outside)


def left(outside: Listener, since: int) -> list[dict]:
    return [event for event in outside.events(since) if event["event_type"] == "face_left"]


def a_frozen_inference(machine: Machine, outside: Listener) -> None:
    before, count = machine.show("MainPID"), int(machine.show("NRestarts"))
    machine.run(f"systemd-run --quiet --collect --unit=freeze python3 /root/inside/freeze.py {before} inference")
    until("inference stands still", lambda: "t " in machine.run(
        f"cat /proc/{before}/task/*/stat | sed -n 's/.*(inference) //p'", check=False))
    until("another process", lambda: machine.show("MainPID") not in (before, "0"), PATIENCE)
    assert int(machine.show("NRestarts")) == count + 1
    assert "atchdog" in machine.run("journalctl -u expressiond -n 40 --no-pager")
    since = outside.mark()
    first_event(outside, since, PATIENCE)
    nothing_lost(machine, outside)


def a_reboot_while_the_broker_is_away(machine: Machine, outside: Listener) -> None:
    machine.run("systemctl stop mosquitto")
    waiting = fresh(machine)
    begin = time.monotonic()
    machine.reboot()
    print(f"  up again after {time.monotonic() - begin:.0f} s")
    nothing_lost(machine, outside, PATIENCE)
    heard = json.dumps(outside.events())
    assert all(entry["EVENT_ID"] in heard for entry in waiting)
    since = outside.mark()
    first_event(outside, since, PATIENCE)
    print(f"  events again after {time.monotonic() - begin:.0f} s")
    assert machine.state() == "active"


TESTS = [
    a_broker_outage,
    an_unplugged_camera,
    a_start_before_any_camera,
    a_full_disk,
    a_clock_that_jumps,
    a_frozen_inference,
    a_reboot_while_the_broker_is_away,
]
