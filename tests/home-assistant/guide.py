"""The automations of docs/guide/home-assistant.md, carried out."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import checks
from parties import FRAMES, ROOT
from waiting import until


def automations() -> str:
    """All of them, with a shorter wait."""
    text = (ROOT / "docs/guide/home-assistant.md").read_text()
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("- alias:")]
    assert len(blocks) >= 4, "the guide has no automations"
    greeting = next(block for block in blocks if "face_appeared" in block)
    return re.sub('for: "00:(05:00|00:30)"', 'for: "00:00:01"', "\n".join([*blocks, farewell(greeting)]))


def farewell(greeting: str) -> str:
    """The same for whoever leaves, which often is an event beside another; it says the event's id."""
    told = '"{{ trigger.to_state.attributes.id }}"'
    settled = re.search(r"    - condition: state\n(      .*\n)+", greeting)[0]
    changes = {
        "Greet who comes": "Tell who leaves",
        "face_appeared": "face_left",
        "title: Hallway": "title: Farewell",
        "Good morning.": told,
        settled: "",
    }
    for before, after in changes.items():
        assert greeting.count(before) == 1, f"the guide's greeting has no {before}"
        greeting = greeting.replace(before, after)
    return greeting


def grey(folder: Path) -> Path:
    """A camera that sees nothing with an edge: one picture, all of it of one brightness."""
    width, height = 640, 480
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header, rows = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), (b"\0" + b"\x80" * width) * height
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    folder.mkdir()
    (folder / "grey.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks))
    return folder


def called(world, action: str) -> list[dict]:
    return [call["data"] for call in world.home.do("called") if call["action"] == action]


def a_smile_lights_the_lamp(world):
    lit = lambda: world.home.do("state", entity="light.hallway")
    world.home.call("switch.turn_off", "active")
    until("the camera is closed", lambda: checks.gone(world, checks.CAMERA))
    world.home.call("switch.turn_on", "active")
    until("the lamp is on", lambda: lit() == "on")
    # Somebody who does not smile.
    world.watch(world.empty)
    until("the lamp is off", lambda: lit() == "off")
    world.watch(world.smile)
    until("the lamp is on again", lambda: lit() == "on")
    world.home.call("switch.turn_off", "active")
    until("the lamp is off as the camera is closed", lambda: lit() == "off")
    world.home.call("switch.turn_on", "active")
    until("a smile again", lambda: checks.smiling(world))


def who_comes_is_greeted(world):
    greetings = lambda: [data for data in called(world, "persistent_notification.create") if data["title"] == "Hallway"]
    # The first visitor of the demonstration comes before the camera has been in use for five
    # seconds, and is not greeted. The next one is.
    greeted, seen = len(greetings()), happened(world, "face_appeared")
    world.watch(FRAMES, {"door_face": "on"})
    until("a greeting", lambda: len(greetings()) > greeted)
    # In this order: who comes meanwhile is no reason to pass.
    told = len(greetings()) - greeted
    assert told < len(happened(world, "face_appeared") - seen), "the first visitor is greeted"
    world.watch(world.smile)


def nobody_leaves_unnoticed(world):
    """Also when an expression ends in the same millisecond."""
    left, told = lambda: happened(world, "face_left"), lambda: farewells(world)
    world.watch(FRAMES, {"door_face": "on"})
    # What happened while it was not available is shown now, and was no event.
    before = left()
    until("all who leave are told", lambda: len(left() - before) >= 3 and left() - before <= set(told()))
    assert len(set(told())) == len(told()), "one is told twice"
    world.watch(world.smile)


def happened(world, kind: str) -> set[str]:
    """Ids of the events of this kind that Home Assistant has heard."""
    return {change["id"] for change in world.home.do("heard") if change["event_type"] == kind}


def farewells(world) -> list[str]:
    """Ids that were told."""
    notified = called(world, "persistent_notification.create")
    return [data["message"] for data in notified if data["title"] == "Farewell"]


def who_is_there_when_the_camera_closes_leaves(world):
    """After the camera's availability says that it is away."""
    until("a smile", lambda: checks.smiling(world))
    left = lambda: happened(world, "face_left")
    before = left()
    world.home.call("switch.turn_off", "active")
    until("the camera is closed", lambda: checks.gone(world, checks.CAMERA))
    until("that is told", lambda: left() - before and left() - before <= set(farewells(world)))
    world.home.call("switch.turn_on", "active")
    until("a smile again", lambda: checks.smiling(world))


def a_covered_lens_is_told(world):
    world.watch(grey(world.daemon.log.parent / "grey"), {"door_tampering": "on", "reason": "covered"})
    notified = lambda: [data["message"] for data in called(world, "persistent_notification.create")]
    until("a notification", lambda: any("covers the lens" in message for message in notified()))
    world.watch(world.smile)


def a_fault_is_told_with_its_remedy(world):
    world.watch("/dev/video99", {"reason": "no_camera"})
    notified = lambda: [data["message"] for data in called(world, "persistent_notification.create")]
    until("a notification", lambda: any("/dev/video99" in message for message in notified()))
    world.watch(world.smile)


def the_camera_closes_at_night(world):
    world.home.do("call", service="automation.trigger", data={"entity_id": "automation.no_camera_at_night"})
    until("paused", lambda: world.home.shows({"active": "off", "reason": "paused"}))
    world.home.call("switch.turn_on", "active")
    until("a smile again", lambda: checks.smiling(world))


TESTS = [
    a_smile_lights_the_lamp,
    who_comes_is_greeted,
    nobody_leaves_unnoticed,
    who_is_there_when_the_camera_closes_leaves,
    a_covered_lens_is_told,
    a_fault_is_told_with_its_remedy,
    the_camera_closes_at_night,
]
