"""What somebody can do who has taken a board and its credential: tried, not believed."""

from __future__ import annotations

import subprocess
import tempfile
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


# Seconds in which a broker answers a subscription, if it does.
ANSWER_S = 5


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

    def listen(self, user: str, topic: str, seconds: int) -> Listener:
        # A device subscribes at QoS 0 (docs/ref/mqtt.md, "What the device hears").
        qos = 1 if user == "admin" else 0
        return Listener(self.words("mosquitto_sub", user, "-q", qos, "-t", topic, "-F", "%t %p", "-W", seconds))

    def may_log_in(self, user: str) -> bool:
        return self.publish(user, f"expressiond/{user}/status", "{}")


class Listener:
    """mosquitto_sub, once the broker has answered its subscription: what is said from now on it
    hears. Or once it is clear that there is no answer, since RabbitMQ ends the connection over a
    subscription that it refuses, again and again."""

    def __init__(self, words: list[str]) -> None:
        # Into a file, which can be read while it is written; line by line (stdbuf), or what -d
        # says comes at the end.
        self.folder = tempfile.TemporaryDirectory(prefix="listener-")
        self.heard = Path(self.folder.name) / "heard"
        with self.heard.open("w") as heard:
            words = ["stdbuf", "-oL", *words, "-d"]
            self.process = subprocess.Popen(words, stdout=heard, stderr=subprocess.DEVNULL)
        self.wait(lambda: self.is_subscribed() or self.process.poll() is not None, ANSWER_S)

    def is_subscribed(self) -> bool:
        return any(line.startswith("Subscribed") for line in self.everything())

    def everything(self) -> list[str]:
        return self.heard.read_text(errors="replace").splitlines()

    def lines(self) -> list[str]:
        """Topics and payloads that it has heard."""
        return [line for line in self.everything() if not line.startswith(("Client ", "Subscribed "))]

    def hears(self, text: str, limit: float = 60) -> bool:
        return self.wait(lambda: any(text in line for line in self.lines()), limit)

    def ends(self, limit: float = 60) -> bool:
        """By itself: its time is up, or the broker has refused it."""
        return self.wait(lambda: self.process.poll() is not None, limit)

    def stop(self) -> list[str]:
        self.process.terminate()
        self.process.wait()
        return self.lines()

    @staticmethod
    def wait(holds, limit: float) -> bool:
        end = time.monotonic() + limit
        while not (held := holds()) and time.monotonic() < end:
            time.sleep(0.05)
        return held


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
    observing.hears("last")
    heard = observing.stop()
    found += [f"writes {topic}" for topic in FOREIGN if f"{topic} forged" in heard]
    found += [f"cannot write {topic}" for topic in OWN if f"{topic} own" not in heard]
    hearing = broker.listen("admin", "expressiond/#", 300)
    for ear in EARS:
        listening = broker.listen("d1", ear, 30)
        broker.publish("d2", "expressiond/d2/status", f"secret from {ear}")
        # It would come to both at once.
        if not hearing.hears(f"secret from {ear}"):
            found.append("is safe from d2, who says nothing")
        if listening.hears("secret", 1):
            found.append(f"hears d2 by {ear}")
        listening.stop()
    hearing.stop()
    mine = broker.listen("d1", "expressiond/d1/command", 60)
    broker.publish("admin", "expressiond/d1/command", "told")
    if not mine.hears("told", 30):
        found.append("does not hear its own commands")
    mine.stop()
    return found


def revocation(broker: Broker, revoke) -> dict:
    """Whether a credential that is taken away ends the connection that it has, and how soon."""
    connected = broker.listen("d1", "expressiond/d1/command", 90)
    assert connected.is_subscribed(), connected.everything()
    begun = time.monotonic()
    revoke()
    # mosquitto_sub tries again and again; the broker's refusal ends it.
    ended = round(time.monotonic() - begun, 1) if connected.ends(30) else None
    connected.stop()
    return {"revoked: connection ended after s": ended, "revoked: logs in again": broker.may_log_in("d1")}
