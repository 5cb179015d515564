"""What docs/ref/mqtt.md and docs/guide/home-assistant.md promise of Home Assistant.

Each test takes the world (a broker, a daemon, a Home Assistant, somebody who
listens) and leaves it running as it found it: a woman smiles at the camera `door`.
"""

from __future__ import annotations

import re

from parties import DEVICE, FRAMES
from waiting import until

NAME = f"Expression sensor {DEVICE}"

# While somebody smiles.
SMILING = {
    "door_expression": "happy",
    "door_happy": "on",
    "door_face": "on",
    "door_faces": "1",
    "reason": "ok",
    "active": "on",
    "events_waiting": "0",
    "events_lost": "0",
    "frames_broken": "0",
}
EMPTY = {"door_expression": "none", "door_happy": "off", "door_face": "off", "door_faces": "0", "reason": "no_face"}
# Those of a camera that cannot be used; the device's own go on.
CAMERA = ("door_expression", "door_happy", "door_face", "door_faces", "door_confidence", "door_last_change")


def smiling(world) -> bool:
    return world.home.shows(SMILING)


def gone(world, keys) -> bool:
    states = world.home.states()
    return all(states[key] == "unavailable" for key in keys)


def number(world, key: str) -> float | None:
    """What it shows; none while it shows nothing."""
    state = world.home.states()[key]
    return None if state in ("unavailable", "unknown") else float(state)


def slug(text: str) -> str:
    return re.sub("[^a-z0-9]+", "_", text.lower())


def exactly_what_is_announced_is_there(world):
    """Entities, their names, categories, classes, units and ids; the device."""
    announced = world.daemon.announced()
    components = announced["cmps"]
    entities = world.home.entities()
    assert entities.keys() == components.keys(), entities.keys() ^ components.keys()
    for key, component in components.items():
        entity = entities[key]
        # Without a name of ours it has that of its class, in Home Assistant's language: English here.
        name = component.get("name") or component["dev_cla"].capitalize()
        expected = {
            "platform": component["p"],
            "name": name,
            "category": component.get("ent_cat"),
            "device_class": component.get("dev_cla"),
            "icon": component.get("ic"),
            "unit": component.get("unit_of_meas"),
        }
        assert expected.items() <= entity.items(), f"{key}: {expected} but {entity}"
        for short, long in (("ops", "options"), ("evt_typ", "event_types"), ("stat_cla", "state_class")):
            assert entity["capabilities"].get(long) == component.get(short), f"{key} {long}: {entity}"
        for bound in ("min", "max", "step"):
            assert entity["capabilities"].get(bound) == component.get(bound), f"{key} {bound}: {entity}"
        # A number behind it where another had that name when this one came.
        by_name = rf"{component['p']}\.{slug(NAME)}_{slug(name)}(_\d)?"
        wanted = re.escape(component["default_entity_id"]) if world.home.takes_entity_ids else by_name
        assert re.fullmatch(wanted, entity["entity_id"]), f"{key}: {entity['entity_id']}"
    devices = world.home.do("devices")
    assert devices == {
        f"expressiond_{DEVICE}": {
            "name": NAME,
            "manufacturer": "expressiond",
            "model": "Facial expression sensor",
            "sw_version": announced["dev"]["sw"],
            "area_id": None,
            "via_device_id": None,
        }
    }, devices


def states_are_what_the_daemon_says(world):
    until("a smile", lambda: smiling(world))
    until("its confidence", lambda: 60 <= (number(world, "door_confidence") or 0) <= 100)
    until("its time", lambda: re.match(r"\d{4}-\d\d-\d\dT", world.home.states()["door_last_change"]))
    # The first status comes before the first frame.
    running = lambda: all((number(world, key) or 0) > 0 for key in ("frames_per_second", "inference_time"))
    until("frames per second", running)
    until("what is in force", lambda: (number(world, "threshold"), number(world, "max_fps")) == (0.7, 15))
    entities = world.home.entities()
    assert entities["reason"]["attributes"]["reasons"] == []
    # A board that does not tell its temperature says so.
    temperature = world.listener.status()["temperature_c"]
    assert (entities["temperature"]["state"] == "unknown") == (temperature is None), entities["temperature"]


def the_switch_pauses(world):
    world.home.call("switch.turn_off", "active")
    until("paused", lambda: world.home.shows({"active": "off", "reason": "paused"}))
    until("the camera is gone", lambda: gone(world, CAMERA))
    until("the status says so", lambda: world.listener.status()["paused"])
    world.home.call("switch.turn_on", "active")
    until("a smile again", lambda: smiling(world))


def set_number(world, key: str, value: float) -> None:
    world.home.call("number.set_value", key, value=value)
    until(f"{key} {value}", lambda: number(world, key) == value)
    until("the status says so", lambda: world.listener.status()["runtime"][key] == value)


def numbers_are_set_and_survive(world):
    set_number(world, "threshold", 0.55)
    set_number(world, "max_fps", 5)
    # The button ends the daemon; its service manager starts it again.
    world.home.call("button.press", "restart")
    assert world.daemon.process.wait(60) == 0
    until("it is gone", lambda: gone(world, ["threshold", "max_fps"]))
    world.watch(world.smile)
    until("they survived", lambda: (number(world, "threshold"), number(world, "max_fps")) == (0.55, 5))


def a_pressed_button_makes_it_say_who_it_is(world):
    world.home.call("button.press", "identify")
    until("it says so", lambda: world.listener.status()["identifying"])


def a_picture_only_where_the_owner_lets_it_out(world):
    assert "door_snapshot" not in world.home.entities()
    world.watch(world.smile, snapshots__enabled="true")
    until("the image is there", lambda: "door_snapshot" in world.home.entities())
    exactly_what_is_announced_is_there(world)
    world.home.call("switch.turn_off", "snapshots")
    until("pictures are held back", lambda: world.home.shows({"snapshots": "off", "take_snapshot": "unavailable"}))
    refused = world.listener.status()["mqtt"]["commands_refused"]
    world.broker.say(f"expressiond/{DEVICE}/command", '{"command":"snapshot"}')
    until("it is refused", lambda: world.listener.status()["mqtt"]["commands_refused"] > refused)
    assert not world.home.picture("door_snapshot")
    world.home.call("switch.turn_on", "snapshots")
    until("they are not", lambda: world.home.shows({"snapshots": "on", "take_snapshot": "unknown"}))
    world.home.call("button.press", "take_snapshot")
    picture = until("a picture", lambda: world.home.picture("door_snapshot"))
    assert picture[:3] == b"\xff\xd8\xff" and len(picture) > 5000, picture[:20]
    world.watch(world.smile, snapshots__enabled="false")
    until("the image is gone", lambda: not {"door_snapshot", "take_snapshot"} & world.home.entities().keys())


def home_assistant_restarts(world):
    before = world.home.entities()
    assert world.home.stop() == 0
    world.home.start()
    until("a smile again", lambda: smiling(world))
    after = world.home.entities()
    assert {key: entity["entity_id"] for key, entity in after.items()} == {
        key: entity["entity_id"] for key, entity in before.items()
    }


def the_broker_restarts_with_its_memory(world):
    # The state from before would pass for a smile again.
    world.broker.stop()
    until("nobody knows anything", lambda: gone(world, [*CAMERA, "reason", "active"]))
    world.broker.start(keeps=True)
    until("a smile again", lambda: smiling(world))


def the_broker_restarts_and_has_forgotten(world):
    world.broker.kill()
    until("nobody knows anything", lambda: gone(world, [*CAMERA, "reason", "active"]))
    world.broker.start()
    until("a smile again", lambda: smiling(world))


def both_restart(world):
    """Also in the order that a power cut makes: Home Assistant first, without a broker."""
    world.home.stop()
    world.broker.kill()
    world.home.start()
    world.broker.start()
    until("a smile again", lambda: smiling(world))


def a_newcomer_with_an_old_device(world):
    """Home Assistant is set up long after the device spoke for the last time."""
    world.home.do("disconnect")
    until("the device is gone", lambda: not world.home.entities())
    world.home.do("connect", port=world.broker.port)
    until("a smile again", lambda: smiling(world))


def a_daemon_that_dies_is_unavailable(world):
    world.daemon.kill()
    until("all of it is gone", lambda: gone(world, [*CAMERA, "reason", "active", "restart", "threshold"]))
    world.watch(world.smile)


def a_camera_that_is_renamed_leaves_nothing(world):
    world.watch(world.smile, {"porch_expression": "happy"}, camera__name="porch")
    until("the door is gone", lambda: not [key for key in world.home.entities() if key.startswith("door_")])
    exactly_what_is_announced_is_there(world)
    world.watch(world.smile, camera__name="door")
    exactly_what_is_announced_is_there(world)


def a_camera_renamed_behind_its_back_is_left_unavailable(world):
    """Home Assistant is off meanwhile: it keeps what it knew, for its owner to delete."""
    world.home.stop()
    world.daemon.stop()
    world.daemon.start(camera__name="porch")
    # Its state comes after discovery.
    until("the porch is announced", lambda: [1 for topic, _ in world.listener.heard if topic.endswith("/porch/state")])
    world.home.start()
    until("the porch is there", lambda: world.home.shows({"porch_expression": "happy"}))
    until("the door is unavailable", lambda: gone(world, CAMERA))
    world.watch(world.smile, camera__name="door")


def switched_off_it_vanishes(world):
    world.daemon.stop()
    world.daemon.start(home_assistant__enabled="false")
    until("the device is gone", lambda: not world.home.do("devices") and not world.home.entities())
    world.watch(world.smile, home_assistant__enabled="true")


def events_trigger_and_late_ones_do_not(world):
    """Faces come and go. At first only the device has no broker, so that Home
    Assistant is there when what waited in the outbox arrives."""
    fired = lambda: {change["id"] for change in world.home.do("heard") if change["entity"].startswith("event.")}
    heard = lambda late: {event["id"] for event in world.listener.events() if bool(event.get("late")) == late}
    url, before = world.daemon.settings["mqtt.url"], world.daemon.log.stat().st_size
    world.daemon.stop()
    away = {"mqtt__url": "mqtt://127.0.0.1:1", "mqtt__outbox__late_after_s": 2}
    world.daemon.start(camera__source=FRAMES, **away)
    visit = lambda: re.search("face_appeared.*face_left", world.daemon.log.read_text()[before:], re.DOTALL)
    until("somebody has come and gone", visit)
    world.daemon.stop()
    world.daemon.start(mqtt__url=url)
    until("late events arrive", lambda: heard(late=True))
    until("and fresh ones, that fire", lambda: len(fired() & heard(late=False)) >= 3)
    assert not fired() & heard(late=True), fired() & heard(late=True)
    world.watch(world.smile, mqtt__outbox__late_after_s=10)


def nothing_is_complained_of(world):
    """Last: not one warning in Home Assistant's log about us, and no repair."""
    broken = re.compile("connection was lost|Failed to connect to MQTT server|not currently connected")
    ours = [line for line in world.home.do("complaints") if not broken.search(line)]
    assert not ours, "\n".join(ours)


TESTS = [
    exactly_what_is_announced_is_there,
    states_are_what_the_daemon_says,
    the_switch_pauses,
    numbers_are_set_and_survive,
    a_pressed_button_makes_it_say_who_it_is,
    a_picture_only_where_the_owner_lets_it_out,
    home_assistant_restarts,
    the_broker_restarts_with_its_memory,
    the_broker_restarts_and_has_forgotten,
    both_restart,
    a_newcomer_with_an_old_device,
    a_daemon_that_dies_is_unavailable,
    a_camera_that_is_renamed_leaves_nothing,
    a_camera_renamed_behind_its_back_is_left_unavailable,
    switched_off_it_vanishes,
    events_trigger_and_late_ones_do_not,
]
