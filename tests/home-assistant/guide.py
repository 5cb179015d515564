"""The automations of docs/guide/home-assistant.md, carried out."""

from __future__ import annotations

import re

import checks
from machine import until
from parties import FRAMES, ROOT


def automations() -> str:
    """All of them, with a shorter wait."""
    text = (ROOT / "docs/guide/home-assistant.md").read_text()
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("- alias:")]
    assert len(blocks) >= 4, "the guide has no automations"
    return "\n".join(blocks).replace('for: "00:05:00"', 'for: "00:00:01"')


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


def who_comes_is_greeted(world):
    greetings = lambda: [data for data in called(world, "persistent_notification.create") if data["title"] == "Hallway"]
    # The first visitor of the demonstration comes before the camera has been in use for five
    # seconds, and is not greeted. The next one is.
    before = len(greetings())
    world.watch(FRAMES, {"door_face": "on"})
    until("a greeting", lambda: len(greetings()) > before)
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
    a_fault_is_told_with_its_remedy,
    the_camera_closes_at_night,
]
