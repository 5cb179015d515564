"""The three that talk: a Mosquitto, the daemon, and Home Assistant in its root."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from waiting import LIMIT, free_port, until

ROOT = Path(__file__).resolve().parents[2]
FRAMES = ROOT / "tests/demo/frames"
DEVICE = "hall"


class Process:
    """One that can be started again, its output in a file."""

    def __init__(self, log: Path):
        self.log = log
        self.process: subprocess.Popen | None = None

    def spawn(self, command: list, **how) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([str(word) for word in command], stderr=log, **how)

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> int:
        """In order, as a service manager does."""
        self.process.terminate()
        return self.process.wait(LIMIT)

    def kill(self) -> None:
        if self.running():
            self.process.kill()
            self.process.wait()


class Broker(Process):
    """A Mosquitto that keeps nothing on disk unless told so."""

    def __init__(self, folder: Path):
        super().__init__(folder / "mosquitto.log")
        self.folder, self.port = folder, free_port()

    def start(self, keeps: bool = False) -> None:
        settings = self.folder / "mosquitto.conf"
        # Started by root it would become a user who cannot write in our folder.
        text = f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n"
        if keeps:
            text += f"persistence true\npersistence_location {self.folder}/\n"
        settings.write_text(text)
        binary = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        assert binary, "no mosquitto: apt-get install mosquitto"
        self.spawn([binary, "-c", settings], stdout=subprocess.DEVNULL)
        until("the broker listens", lambda: self.say("test", "") == 0)

    def say(self, topic: str, payload: str, *more: str) -> int:
        command = ["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", topic, "-m", payload, *more]
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False, timeout=LIMIT).returncode


class Daemon(Process):
    """The real one, on recorded pictures that never end."""

    def __init__(self, binary: Path, folder: Path, port: int):
        super().__init__(folder / "expressiond.log")
        self.binary = binary
        self.settings = {
            "device.id": DEVICE,
            "device.state_dir": folder / "state",
            "camera.name": "door",
            "camera.source": FRAMES,
            "camera.fps": 6,
            "camera.repeat": "true",
            "mqtt.url": f"mqtt://127.0.0.1:{port}",
            "mqtt.reconnect_max_s": 1,
            "home_assistant.birth_jitter_s": 1,
        }

    def command(self, *words: str) -> list:
        settings = [f"--set={key}={value}" for key, value in self.settings.items()]
        return [self.binary, *words, *settings]

    def start(self, **changed) -> None:
        """Again, with settings that changed: `camera__name="porch"`."""
        self.settings |= {key.replace("__", "."): value for key, value in changed.items()}
        # There it finds the committed model.
        self.spawn(self.command("run"), stdout=subprocess.DEVNULL, cwd=ROOT)

    def announced(self) -> dict:
        """The discovery payload, as the daemon prints it without connecting."""
        command = [str(word) for word in self.command("discovery", "--json")]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT, timeout=LIMIT).stdout)


def takes_entity_ids(version: str) -> bool:
    """Before 2025.10 it makes ids of names and does not know default_entity_id."""
    return tuple(map(int, version.split("."))) >= (2025, 10)


class HomeAssistant(Process):
    """One version of it. What it keeps between its runs is in a folder of its root."""

    def __init__(self, root: Path, version: str, folder: Path, automations: str):
        super().__init__(folder / "home-assistant.log")
        self.root, self.version = root, version
        self.takes_entity_ids = takes_entity_ids(version)
        self.folder = Path(tempfile.mkdtemp(dir=root / "tmp"))
        shutil.copy(ROOT / "tests/home-assistant/inside/home.py", self.folder)
        settings = (ROOT / "tests/home-assistant/inside/configuration.yaml").read_text()
        (self.folder / "configuration.yaml").write_text(settings.replace("8123", str(free_port())))
        (self.folder / "automations.yaml").write_text(automations)

    def start(self) -> None:
        inside = Path("/") / self.folder.relative_to(self.root)
        # As an ordinary user: root in a name space of one's own may change the root.
        alone = [] if os.getuid() == 0 else ["unshare", "--map-root-user"]
        command = ["chroot", self.root, f"/opt/{self.version}/bin/python", inside / "home.py", inside]
        pipe = subprocess.PIPE
        path = "/usr/sbin:/usr/bin:/sbin:/bin"
        self.spawn(alone + command, stdin=pipe, stdout=pipe, text=True, env={"PATH": path, "HOME": str(inside)})
        self.do("start")

    def do(self, what: str, **arguments):
        print(json.dumps({"do": what} | arguments), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline() or '{"failed": "it ended"}')
        assert "said" in answer, f"{what}: {answer.get('failed')}\nsee {self.log}"
        return answer["said"]

    def stop(self) -> int:
        self.do("stop")
        return self.process.wait(LIMIT)

    def entities(self) -> dict[str, dict]:
        """By what follows the device in their unique ids."""
        prefix = f"expressiond_{DEVICE}_"
        return {key.removeprefix(prefix): entity for key, entity in self.do("entities").items()}

    def states(self) -> dict[str, str]:
        return {key: entity["state"] for key, entity in self.entities().items()}

    def shows(self, expected: dict[str, str]) -> bool:
        states = self.states()
        return all(states.get(key) == state for key, state in expected.items())

    def call(self, service: str, key: str, **data) -> None:
        """A service on the entity of that key."""
        entity = self.entities()[key]["entity_id"]
        self.do("call", service=service, data={"entity_id": entity} | data)

    def picture(self, key: str) -> bytes:
        return base64.b64decode(self.do("picture", entity=self.entities()[key]["entity_id"]) or "")

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)
