"""What somebody can do who has taken a board and its credential: tried, not believed."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

CREDENTIALS = Path(__file__).resolve().parents[2] / "deploy/fleet/credentials"
FOREIGN = [
    "expressiond/d2/status", "expressiond/d2/inventory", "expressiond/d2/availability", "expressiond/d2/door/event",
    "expressiond/d2/command", "expressiond/d1/command", "expressiond/groups/hall/settings", "expressiond/x",
    "homeassistant/device/expressiond_d2/config", "homeassistant/status", "d2", "expressiond/d1/a/b/event",
]  # fmt: skip
OWN = [
    "expressiond/d1/availability", "expressiond/d1/status", "expressiond/d1/inventory",
    "expressiond/d1/door/availability", "expressiond/d1/door/state", "expressiond/d1/door/event",
    "expressiond/d1/door/snapshot", "homeassistant/device/expressiond_d1/config",
]  # fmt: skip
EARS = [
    "#", "+/#", "expressiond/#", "expressiond/+/status", "expressiond/d2/status", "expressiond/d2/#", "+/+/status",
    # What NATS delivers to others at QoS 1, and its own subjects.
    "$MQTT/#", "$MQTT/sub/#", "$JS/#",
]  # fmt: skip


@dataclass
class Broker:
    host: str
    port: int
    passwords: dict[str, str] = field(default_factory=dict)

    def words(self, tool: str, user: str, *more: object) -> list[str]:
        # As the daemon calls itself: access lists may go by that.
        login = ["-u", user, "-P", self.passwords[user], "-i", f"expressiond-{user}"]
        return [tool, "-h", self.host, "-p", str(self.port), *login, *map(str, more)]

    def publish(self, user: str, topic: str, payload: str, *more: object) -> bool:
        command = self.words("mosquitto_pub", user, "-q", 1, "-t", topic, "-m", payload, *more)
        try:
            return subprocess.run(command, check=False, capture_output=True, timeout=10).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def listen(self, user: str, topic: str, seconds: int) -> subprocess.Popen:
        # A device subscribes at QoS 0 (docs/ref/mqtt.md, "What the device hears").
        qos = 1 if user == "admin" else 0
        command = self.words("mosquitto_sub", user, "-q", qos, "-t", topic, "-F", "%t %p", "-W", seconds)
        heard = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        return heard

    def may_log_in(self, user: str) -> bool:
        return self.publish(user, f"expressiond/{user}/status", "{}")


def breaches(broker: Broker) -> list[str]:
    """What d1 can do beyond its own topics, and which of its own it cannot write."""
    found = []
    observing = broker.listen("admin", "#", 60)
    for topic in FOREIGN:
        broker.publish("d1", topic, "forged")
    for topic in OWN:
        broker.publish("d1", topic, "own")
    # Behind it, all the others have arrived.
    broker.publish("d1", "expressiond/d1/status", "last")
    time.sleep(3)
    observing.terminate()
    heard = observing.communicate()[0].splitlines()
    found += [f"writes {topic}" for topic in FOREIGN if f"{topic} forged" in heard]
    found += [f"cannot write {topic}" for topic in OWN if f"{topic} own" not in heard]
    hearing = broker.listen("admin", "expressiond/#", 300)
    for ear in EARS:
        listening = broker.listen("d1", ear, 5)
        broker.publish("d2", "expressiond/d2/status", "secret")
        if "secret" in listening.communicate()[0]:
            found.append(f"hears d2 by {ear}")
    hearing.terminate()
    found += [] if "secret" in hearing.communicate()[0] else ["is safe from d2, who says nothing"]
    mine = broker.listen("d1", "expressiond/d1/command", 8)
    broker.publish("admin", "expressiond/d1/command", "told")
    if "told" not in mine.communicate()[0]:
        found.append("does not hear its own commands")
    return found


def revocation(broker: Broker, revoke) -> dict:
    """Whether a credential that is taken away ends the connection that it has, and how soon."""
    connected = broker.listen("d1", "expressiond/d1/command", 40)
    begun = time.monotonic()
    revoke()
    try:
        # mosquitto_sub tries again and again; the broker's refusal ends it.
        connected.wait(30)
        ended = round(time.monotonic() - begun, 1)
    except subprocess.TimeoutExpired:
        ended = None
    connected.kill()
    return {"revoked: connection ended after s": ended, "revoked: logs in again": broker.may_log_in("d1")}
