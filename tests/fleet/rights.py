"""What each login may do at a fleet's broker: people, programs and sites, which are no devices."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from brokers import ROOT, Fleet, attempt, run
from serving import refused
from stolen import CREDENTIALS

sys.path.insert(0, str(ROOT / "deploy/fleet"))
import logins

DEPLOY = ROOT / "deploy/mosquitto"


def who_is_no_device_has_the_rights_of_the_access_list(fleet: Fleet, program: Path) -> None:
    """deploy/mosquitto/fleet.acl, for Home Assistant and for who collects numbers."""
    fleet.add("d1")
    for name in ("homeassistant", "observer"):
        fleet.broker.passwords[name] = name * 2
        run(fleet.tool("add", name), input=fleet.broker.passwords[name])
    announcement, status, command = "homeassistant/device/expressiond_d1/config", "expressiond/d1/status", "d1/command"
    ears = {"homeassistant": "expressiond/#", "observer": "expressiond/+/status"}
    hearing = {name: fleet.broker.listen(name, ear, 120) for name, ear in ears.items()}
    found = fleet.broker.listen("admin", "#", 120)
    for name in hearing:
        for topic in (f"expressiond/{command}", "homeassistant/status", "expressiond/groups/hall/settings", status):
            fleet.broker.publish(name, topic, name, "-i", f"{name}-speaks")
    for topic in (announcement, status):
        fleet.broker.publish("d1", topic, "last")
    assert found.hears(f"{status} last"), found.lines()
    told = [line for line in found.stop() if line.endswith(("homeassistant", "observer"))]
    assert told == [f"expressiond/{command} homeassistant", "homeassistant/status homeassistant"], told
    for name, listener in hearing.items():
        assert listener.hears(f"{status} last"), (name, listener.everything())
        listener.stop()
    # What a device announces is Home Assistant's to hear, and nobody else's.
    hearing = {name: fleet.broker.listen(name, "homeassistant/#", 120) for name in hearing}
    fleet.broker.publish("d1", announcement, "last")
    assert hearing["homeassistant"].hears(f"{announcement} last")
    assert not hearing["observer"].hears("last", 1)
    for listener in hearing.values():
        listener.stop()
    # Pictures neither, by whatever it asks for.
    for ear in ("expressiond/#", "expressiond/+/+/+", "expressiond/d1/door/snapshot"):
        listener = fleet.broker.listen("observer", ear, 30)
        fleet.broker.publish("d1", "expressiond/d1/door/snapshot", "a picture")
        assert not listener.hears("a picture", 1), ear
        listener.stop()
    # They change like a device's, and no board becomes one of them.
    run(fleet.tool("revoke", "observer"))
    assert not fleet.broker.listen("observer", ears["observer"], 5).is_subscribed()
    assert "no board" in refused(fleet.tool("token", "homeassistant"), "").stderr


def a_site_says_what_its_devices_say_and_tells_no_others_what_to_do(fleet: Fleet, program: Path) -> None:
    tool = [*fleet.tool("add", "site-1"), "--site"]
    if fleet.name != "mosquitto":
        assert "--site is for" in refused(tool, "3" * 20).stderr
        return
    fleet.broker.passwords["site-1"] = "3" * 20
    run(tool, input=fleet.broker.passwords["site-1"])
    found = fleet.broker.listen("admin", "expressiond/#", 120)
    for topic in ("expressiond/d9/command", "expressiond/groups/hall/settings", "expressiond/d9/door/snapshot"):
        fleet.broker.publish("site-1", topic, "forged")
    fleet.broker.publish("site-1", "expressiond/d9/door/event", "real")
    assert found.hears("expressiond/d9/door/event real"), found.everything()
    assert not [line for line in found.stop() if "forged" in line]
    told = fleet.broker.listen("site-1", "expressiond/+/command", 60)
    fleet.broker.publish("admin", "expressiond/d9/command", "pause")
    assert told.hears("expressiond/d9/command pause"), told.everything()
    told.stop()


def the_admin_removes_what_a_gone_device_left(fleet: Fleet, program: Path) -> None:
    """docs/guide/fleet.md, "Take a device away": else it is offline for ever to whoever asks the broker."""
    fleet.add("d1")
    own = [f"expressiond/d1/{leaf}" for leaf in logins.TELLS if not leaf.startswith("+/")]
    own += ["expressiond/d1/door/availability", "expressiond/d1/door/state"]
    announcement = "homeassistant/device/expressiond_d1/config"
    for topic in [*own, announcement]:
        assert fleet.broker.publish("d1", topic, "kept", "-r")
    assert kept(fleet, [*own, announcement]) == {*own, announcement}
    run(fleet.tool("revoke", "d1"))
    if fleet.name == "mosquitto":
        removing = ["-t", "expressiond/d1/#", "--retained-only", "--remove-retained", "-W", 5]
        done = refused(fleet.broker.words("mosquitto_sub", "admin", *removing), "")
        assert done.returncode in (0, 27), done
        own = []
    # RabbitMQ keeps it for exact topics.
    for topic in [*own, announcement]:
        run(fleet.broker.words("mosquitto_pub", "admin", "-q", 1, "-r", "-n", "-t", topic))
    left = kept(fleet, ["expressiond/#", announcement] if fleet.name == "mosquitto" else [*own, announcement])
    assert left == set(), left


def kept(fleet: Fleet, topics: list[str]) -> set[str]:
    """Those that the broker has something for."""
    words = [word for topic in topics for word in ("-t", topic)]
    command = fleet.broker.words("mosquitto_sub", "admin", *words, "--retained-only", "-F", "%t", "-W", 3)
    return set(attempt(command).stdout.split())


def the_access_list_says_what_logins_are_given(fleet: Fleet, program: Path) -> None:
    """And the file of the bridge what a site is given: they are read by Mosquitto and by people."""
    listed = access_list((DEPLOY / "fleet.acl").read_text())
    assert listed.pop("%u") == both(logins.rights("%u"))
    # Who gives tokens answers boards as well, and hears all, with dynamic security alone.
    writes, _ = logins.PEOPLE["admin"]
    answers = [topic for topic in writes if "-enrol/" in topic]
    assert listed.pop("admin") == both((set(writes) - set(answers), ["expressiond/groups/+/settings", "expressiond/#"]))
    assert listed == {name: both(logins.PEOPLE[name]) for name in ("homeassistant", "observer")}
    bridge = re.findall(r"(?m)^#   (topic .*)$", (DEPLOY / "bridge.conf").read_text())
    assert access_list("\n".join(["user site", *bridge])) == {"site": both(logins.SITE)}


def the_guide_names_what_an_observer_may_ask_for(fleet: Fleet, program: Path) -> None:
    """`expressiond/#` is refused where rights are on what somebody subscribes to, not on what is delivered."""
    guide = (ROOT / "docs/guide/troubleshoot.md").read_text()
    [command] = re.findall(r"(?m)^mosquitto_sub -v -t 'expressiond/\+/(?:.*\\\n)*.*$", guide)
    asked = re.findall(r"-t '([^']*)'", command)
    assert sorted(asked) == sorted(logins.PEOPLE["observer"][1]), asked
    fleet.broker.passwords["observer"] = "observer" * 2
    run(fleet.tool("add", "observer"), input=fleet.broker.passwords["observer"])
    assert not may_subscribe(fleet, "observer", "expressiond/#")
    refused_to_it = [ear for ear in asked if not may_subscribe(fleet, "observer", ear)]
    assert refused_to_it == []


def may_subscribe(fleet: Fleet, user: str, ear: str) -> bool:
    """What the broker answers: 128 is a refusal (MQTT 3.1.1, 3.9.3). RabbitMQ hangs up instead."""
    listener = fleet.broker.listen(user, ear, 30)
    answers = [line for line in listener.everything() if line.startswith("Subscribed")]
    listener.stop()
    return bool(answers) and not any(answer.endswith(" 128") for answer in answers)


def both(may: tuple) -> tuple[set[str], set[str]]:
    writes, reads = may
    return set(writes), set(reads)


def access_list(text: str) -> dict[str, tuple[set[str], set[str]]]:
    """Topics that each user may write and read; a device is `%u` (mosquitto.conf(5), acl_file)."""
    listed, user = {"%u": (set(), set())}, "%u"
    for word, *rest in (line.split() for line in text.splitlines() if line and not line.startswith("#")):
        if word == "user":
            user = rest[0]
            listed[user] = (set(), set())
        else:
            access, topic = rest
            writes, reads = listed["%u" if word == "pattern" else user]
            if "write" in access:
                writes.add(topic)
            if "read" in access:
                reads.add(topic)
    return {name: may for name, may in listed.items() if any(may)}


def nats_is_not_opened_to_everybody(fleet: Fleet, program: Path) -> None:
    """Which it is with an empty list of users: seen with 2.9."""
    for users, words in [("", "takes everybody"), ("\n", "takes everybody"), ("d1\n", "no password")]:
        done = refused([CREDENTIALS, "nats", "config"], users)
        assert done.returncode == 1 and words in done.stderr and not done.stdout, done


def nats_knows_who_is_no_device(fleet: Fleet, program: Path) -> None:
    told = run([CREDENTIALS, "nats", "config"], input="admin 1\nobserver 2\nhomeassistant 3\n")
    users = json.loads(f"{{{told}}}")["authorization"]["users"]
    admin, observer, home = (user["permissions"] for user in users)
    assert "expressiond.groups.*.settings" in admin["publish"]["allow"] and ">" in admin["subscribe"]["allow"]
    # What comes at QoS 1 comes by a subject of its own.
    heard = ["*.availability", "*.status", "*.inventory", "*.*.availability", "*.*.state", "*.*.event"]
    assert observer["subscribe"]["allow"] == [f"expressiond.{end}" for end in heard] + ["$MQTT.sub.*"]
    # MQTT's `expressiond/#` is two subjects there.
    assert {"expressiond.>", "expressiond"} <= set(home["subscribe"]["allow"])
    # A list of nothing would allow everything.
    assert observer["publish"] == {"deny": [">"]}
    assert home["publish"]["allow"] == ["homeassistant.>", "expressiond.*.command", "homeassistant"]


TESTS = [
    who_is_no_device_has_the_rights_of_the_access_list,
    a_site_says_what_its_devices_say_and_tells_no_others_what_to_do,
    the_admin_removes_what_a_gone_device_left,
    the_access_list_says_what_logins_are_given,
    the_guide_names_what_an_observer_may_ask_for,
    nats_is_not_opened_to_everybody,
    nats_knows_who_is_no_device,
]
