"""Logins at a fleet's broker: what each name may do, and how the broker is told of it. The part of
`credentials` that speaks with brokers."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

BASE = "expressiond"
# Below <base>/<device>/, as docs/ref/mqtt.md lists them; who may have pictures is said apart.
TELLS = ["availability", "status", "inventory", "+/availability", "+/state", "+/event"]
PICTURES = "+/snapshot"
READS = ["command", "status", "+/availability", "+/state"]
# A name of a device or token (docs/ref/mqtt.md): nothing that could be part of a pattern.
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# What the broker keeps of a device, also of one that is gone, until somebody removes it.
KEPT = [f"{BASE}/+/{leaf}" for leaf in TELLS if leaf != "+/event"] + ["homeassistant/device/+/config"]
# Names that are no device's, with the topic filters that they may write and read.
PEOPLE = {
    # It hears everything, says what devices are told, and removes what those that are gone left.
    "admin": ([f"{BASE}/groups/+/settings", f"{BASE}/+/command", f"{BASE}-enrol/+/answer", *KEPT], ["#"]),
    "homeassistant": (["homeassistant/#", f"{BASE}/+/command"], ["homeassistant/#", f"{BASE}/#"]),
    "observer": ([], [f"{BASE}/+/{leaf}" for leaf in TELLS]),
}
# Of the broker of a site, which passes on what its devices say and are told (deploy/mosquitto/bridge.conf).
SITE = ([f"{BASE}/+/{leaf}" for leaf in TELLS], [f"{BASE}/+/command", f"{BASE}/groups/+/settings"])

# Seconds for the broker's answer to an order, and for `rabbitmqctl`, which begins an Erlang
# of its own each time and may be behind ssh.
PATIENCE = 20
CTL_PATIENCE = 120
# At RabbitMQ, of those who call themselves as they like (a client id).
ANY_QUEUE = "mqtt-subscription-.*"


class Refused(Exception):
    """The broker did not do what it was told."""


def rights(name: str) -> tuple[list[str], list[str]]:
    """Topic filters that a device, or whoever bears one of the other names, may write and read."""
    if name in PEOPLE:
        return PEOPLE[name]
    announcement = f"homeassistant/device/expressiond_{name}/config"
    writes = [f"{BASE}/{name}/{leaf}" for leaf in [*TELLS, PICTURES]] + [announcement]
    reads = [f"{BASE}/{name}/{leaf}" for leaf in READS]
    return writes, [*reads, f"{BASE}/groups/+/settings", "homeassistant/status", announcement]


def token_rights(name: str) -> tuple[list[str], list[str]]:
    return [f"{BASE}-enrol/{name}/request"], [f"{BASE}-enrol/{name}/answer"]


class Client:
    """mosquitto_pub and mosquitto_sub as the fleet's administrator."""

    def __init__(self, options: argparse.Namespace) -> None:
        if not all(map(shutil.which, ("mosquitto_pub", "mosquitto_sub"))):
            raise Refused("no mosquitto_pub and mosquitto_sub: sudo apt-get install mosquitto-clients")
        # Options in a file of theirs: a command line can be read by every user.
        self.folder = tempfile.TemporaryDirectory(prefix="expressiond-credentials-")
        lines = [f"-h {options.host}", f"-p {options.port}", f"-u {options.user}"]
        lines += [f"--cafile {options.cafile}"] if options.cafile else []
        lines += [f"-P {password}"] if (password := password_of(options)) else []
        for tool in ("mosquitto_pub", "mosquitto_sub"):
            (Path(self.folder.name) / tool).write_text("\n".join(lines) + "\n")
        self.environment = os.environ | {"XDG_CONFIG_HOME": self.folder.name}

    def publish(self, topic: str, payload: str) -> None:
        command = ["mosquitto_pub", "-q", "1", "-t", topic, "-s"]
        try:
            done = subprocess.run(
                command, check=False, input=payload, text=True, env=self.environment, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired as error:
            raise Refused(f"{topic} was not told within {PATIENCE} s") from error
        # 7, the connection was lost: the plugin throws out whoever it changes, also its admin.
        if done.returncode not in (0, 7):
            raise Refused(f"{topic} was not told (mosquitto_pub: {done.returncode})")

    @contextlib.contextmanager
    def listen(self, topic: str, *more: str) -> Iterator[Iterable[str]]:
        """Lines of when it came (seconds since 1970), the topic and the payload, in hexadecimal:
        one with line ends in it could pass for several messages."""
        # Line by line (stdbuf): into a pipe mosquitto_sub writes its own words (-d) when it ends.
        command = ["stdbuf", "-oL", "mosquitto_sub", "-q", "1", "-t", topic, "-F", "%U %t %x", *more]
        # Room for hundreds of requests: it notes when they come, not when we have time.
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=self.environment, pipesize=1 << 20
        ) as listener:
            try:
                yield listener.stdout
            finally:
                # Not by SIGTERM: mosquitto_sub (2.0.11) takes a lock in its handler that it may hold
                # just then, and never ends. It has nothing to put in order.
                listener.kill()

    def ask(self, topic: str, payload: str, is_answer: Callable[[dict], bool]) -> dict:
        """The answer to an order, on the topic that the plugin answers at."""
        # Listening first, and known to the broker (-d says so): else the answer is missed.
        with self.listen(f"{topic}/response", "-d", "-W", str(PATIENCE)) as lines:
            for line in lines:
                if line.startswith("Subscribed"):
                    self.publish(topic, payload)
                elif f" {topic}/response " in line:
                    answer = json.loads(bytes.fromhex(line.split()[2]))
                    if is_answer(answer):
                        return answer
        raise Refused(f"no answer from the broker within {PATIENCE} s: is it the admin's login?")


class Mosquitto:
    """Its dynamic security plugin takes commands as messages:
    https://mosquitto.org/documentation/dynamic-security/"""

    TOPIC = "$CONTROL/dynamic-security/v1"

    def __init__(self, options: argparse.Namespace) -> None:
        self.client = Client(options)

    def order(self, *commands: dict) -> None:
        # The plugin answers everybody on one topic: `serve` and a person may ask at once.
        number = secrets.token_hex(8)
        numbered = [command | {"correlationData": number} for command in commands]
        answer = self.client.ask(
            self.TOPIC,
            json.dumps({"commands": numbered}),
            lambda answer: any(each.get("correlationData") == number for each in answer["responses"]),
        )
        # What exists is changed by the order that follows.
        errors = [each["error"] for each in answer["responses"] if "error" in each]
        errors = [error for error in errors if "already exists" not in error]
        if errors:
            raise Refused("; ".join(errors))

    def add(self, user: str, password: str, may: tuple[list[str], list[str]]) -> None:
        """Also for one that is known: a board that begins anew."""
        role = f"only-{user}"
        self.order(
            {"command": "createRole", "rolename": role},
            {"command": "modifyRole", "rolename": role, "acls": self.acls(may)},
            {"command": "createClient", "username": user, "password": password},
            {"command": "modifyClient", "username": user, "password": password, "roles": [{"rolename": role}]},
        )

    @staticmethod
    def acls(may: tuple[list[str], list[str]]) -> list[dict]:
        kinds = zip(("publishClientSend", "subscribePattern"), may, strict=True)
        return [{"acltype": kind, "topic": topic, "allow": True} for kind, topics in kinds for topic in topics]

    def prepare(self, user: str, password: str | None) -> None:
        says, _ = PEOPLE["admin"]  # `mosquitto_ctrl dynsec init` lets it hear everything.
        role = "fleet-admin"
        self.order(
            {"command": "createRole", "rolename": role},
            {"command": "modifyRole", "rolename": role, "acls": self.acls((says, []))},
        )
        # Without waiting for the answer: whoever is given a role is thrown out for it.
        given = {"command": "addClientRole", "username": user, "rolename": role}
        self.client.publish(self.TOPIC, json.dumps({"commands": [given]}))

    def rotate(self, user: str, password: str) -> None:
        self.order({"command": "setClientPassword", "username": user, "password": password})

    def revoke(self, user: str) -> None:
        self.order({"command": "deleteClient", "username": user}, {"command": "deleteRole", "rolename": f"only-{user}"})


class RabbitMQ:
    """https://www.rabbitmq.com/docs/access-control: rights on queues and exchanges, and within
    the exchange of MQTT on topics, which are routing keys there (`/` is `.`, `+` is `*`)."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.ctl = shlex.split(options.ctl)

    def order(self, *words: str, secret: str | None = None, despite: str | None = None) -> bool:
        """Whether it was done: not where it failed with the words of `despite`."""
        command = ["-q", *words]
        if Path(self.ctl[0]).name == "ssh":
            # It joins its words by spaces and has a shell read them (ssh(1)): patterns have
            # brackets, bars and dollars.
            command = [shlex.quote(word) for word in command]
        try:
            # A password that is no argument is read from stdin.
            done = subprocess.run(
                [*self.ctl, *command], check=False, input=secret, capture_output=True, text=True, timeout=CTL_PATIENCE
            )
        except subprocess.TimeoutExpired as error:
            raise Refused(f"{' '.join(words)}: nothing within {CTL_PATIENCE} s") from error
        told = (done.stdout + done.stderr).strip()
        if done.returncode and (despite is None or despite not in told):
            raise Refused(f"{' '.join(words)}: {told}")
        return done.returncode == 0

    def login(self, user: str, password: str) -> None:
        """Also for one that is known: a board that begins anew."""
        if not self.order("add_user", user, secret=password, despite="already exists"):
            self.order("change_password", user, secret=password)

    def add(self, user: str, password: str, may: tuple[list[str], list[str]]) -> None:
        # The queues of the client ids of this device, and of `expressiond doctor` on it.
        own = rf"mqtt-subscription-expressiond-{user}(-doctor)?qos[01]"
        self.permit(user, ANY_QUEUE if user in PEOPLE else own, password, may)

    def permit(self, user: str, queues: str, password: str, may: tuple[list[str], list[str]]) -> None:
        writes, reads = (f"^({'|'.join(map(self.key, topics))})$" for topics in may)
        used = rf"^(amq\.topic|{queues})$"
        self.login(user, password)
        self.order("set_permissions", "-p", "/", user, f"^{queues}$", used, used)
        self.order("set_topic_permissions", "-p", "/", user, "amq.topic", writes, reads)

    def prepare(self, user: str, password: str | None) -> None:
        if not password:
            raise Refused(f"--password-file is missing: the password that {user} gets")
        self.permit(user, ANY_QUEUE, password, PEOPLE["admin"])

    @staticmethod
    def key(topic: str) -> str:
        # A filter may ask for one level by its name or for all by the wildcard.
        levels = {"+": r"[^.]+", "#": ".*"}
        return r"\.".join(levels.get(level) or re.escape(level) for level in topic.split("/"))

    def rotate(self, user: str, password: str) -> None:
        """As somebody new: another password alone ends no connection, and neither does
        `close_all_user_connections` one of MQTT (3.10: "no running cluster node reported it")."""
        self.revoke(user)
        try:
            self.add(user, password, rights(user))
        except Refused as why:
            # A second `rotate` would find nobody to delete.
            left = f"{user} was deleted, and not wholly made again: `credentials rabbitmq add {user}` does that"
            raise Refused(f"{left}. {why}") from why

    def revoke(self, user: str) -> None:
        """Its connections end with it."""
        self.order("delete_user", user)


def password_of(options: argparse.Namespace) -> str | None:
    try:
        return options.password_file.read_text().strip() if options.password_file else None
    except UnicodeDecodeError as error:
        raise Refused(f"{options.password_file}: {error}") from error


def subjects(topics: list[str]) -> list[str]:
    """What topics are at NATS: `/` is `.`, `+` is `*`, and `#` is `>` without the level above it."""
    above = [topic.removesuffix("/#") for topic in topics if topic.endswith("/#")]
    return [topic.replace("/", ".").replace("+", "*").replace("#", ">") for topic in topics + above]


def nats_users() -> None:
    """Each user's rights, as its configuration has them."""
    users = []
    for line in sys.stdin:
        if not line.strip():
            continue
        user, *password = line.split(None, 1)
        if not password:
            raise Refused(f"{user} has no password behind it")
        writes, reads = (subjects(topics) for topics in rights(checked(user)))
        # Whoever subscribes at QoS 1 is sent it there, and devices do not. It is where all are sent
        # theirs, so that these may hear each other.
        reads += ["$MQTT.sub.*"] if user in PEOPLE else []
        # An empty list would allow everything.
        publish = {"allow": writes} if writes else {"deny": [">"]}
        permissions = {"publish": publish, "subscribe": {"allow": reads}}
        users.append({"user": user, "password": password[0].strip(), "permissions": permissions})
    if not users:
        raise Refused("no 'ID password' on stdin: a NATS without users takes everybody")
    print(json.dumps({"authorization": {"users": users}}, indent=2)[1:-1].strip())


def checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Refused(f"'{name}' is no device id: letters, digits, - and _, 64 at most")
    return name
