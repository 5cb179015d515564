"""Brokers of a fleet with deploy/fleet/credentials as what gives its logins."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/cluster")]
from nodes import rabbitmq_files, rabbitmq_settings  # noqa: E402
from stolen import CREDENTIALS, Broker  # noqa: E402
from waiting import LIMIT, free_port, listens, until  # noqa: E402


def attempt(words: list, **more: object) -> subprocess.CompletedProcess:
    """What became of a command, which ends in time."""
    words = [str(word) for word in words]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=LIMIT, **more)


def run(words: list, **more: object) -> str:
    done = attempt(words, **more)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def examined(program: Path, settings: Path) -> dict[str, tuple[str, str]]:
    """Of each check of doctor's, its verdict and its message."""
    told = json.loads(attempt([program, "doctor", "--json", "--config", settings], cwd=ROOT).stdout)
    return {each["check"]: (each["verdict"], each["message"]) for each in told["checks"]}


class Fleet:
    """A broker of its own, in a folder; `start` and `more` are what differs."""

    name: str
    # The broker's authority, where it is encrypted.
    cafile: Path | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = Broker("127.0.0.1", free_port(), {"admin": "of-the-admin", "d1": "1" * 20, "d2": "2" * 20})
        (folder / "admin").write_text("of-the-admin\n")
        self.process = self.start()
        try:
            until(f"{self.name} listens", lambda: listens(self.broker.port))
            run(self.tool("prepare"))
        except BaseException:
            self.end()
            raise

    def tool(self, *words: str) -> list:
        login = ["--host", "127.0.0.1", "--port", str(self.broker.port), "--password-file", self.folder / "admin"]
        login += ["--cafile", self.cafile] if self.cafile else []
        return [CREDENTIALS, self.name, *words, *login, "--state", self.folder / "tokens", *self.more()]

    def more(self) -> list:
        return []

    def add(self, device: str) -> None:
        run(self.tool("add", device), input=self.broker.passwords[device])
        until(f"{device} may log in", lambda: self.broker.may_log_in(device))

    def end(self) -> None:
        """With all processes of its own: RabbitMQ is a script and what it has begun."""
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(LIMIT)
        finally:
            # What is left of it, such as Erlang's daemon of names; mostly nothing.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def spawn(self, words: list, environment: dict[str, str] | None = None) -> subprocess.Popen:
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(
                [str(word) for word in words],
                env=os.environ | (environment or {}),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


class Mosquitto(Fleet):
    """With its dynamic security plugin."""

    name = "mosquitto"

    def start(self) -> subprocess.Popen:
        state = self.owned("dynamic-security.json")
        run(["mosquitto_ctrl", "dynsec", "init", state, "admin", "of-the-admin"])
        self.give(state)
        plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
        (self.folder / "conf").write_text(self.settings(plugin, state))
        return self.launch()

    def settings(self, plugin: Path, state: Path) -> str:
        return (
            f"per_listener_settings false\nlistener {self.broker.port} 127.0.0.1\nallow_anonymous false\n"
            f"plugin {plugin}\nplugin_opt_config_file {state}\n"
        )

    def owned(self, name: str) -> Path:
        """A file of the broker's own, which is not root's once it runs, as Debian's (docs/guide/fleet.md)."""
        folder = self.folder / "broker"
        folder.mkdir(exist_ok=True)
        self.give(folder)
        return folder / name

    def give(self, path: Path) -> None:
        if os.geteuid() == 0:
            self.folder.chmod(0o711)
            shutil.chown(path, "mosquitto", "mosquitto")

    def launch(self) -> subprocess.Popen:
        return self.spawn(["/usr/sbin/mosquitto", "-c", self.folder / "conf"])

    def restart(self) -> None:
        self.end()
        self.process = self.launch()
        until("it listens again", lambda: listens(self.broker.port))


class RabbitMQ(Fleet):
    """One node, with the committed settings."""

    name = "rabbitmq"

    def start(self) -> subprocess.Popen:
        text = rabbitmq_settings(f"127.0.0.1:{self.broker.port}")
        text = re.sub(r"(?m)^cluster_.*\n", "", text)
        (self.folder / "rabbitmq.conf").write_text(text)
        (self.folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        self.environment = {
            "HOME": str(self.folder),
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_NODENAME": "fleet@127.0.0.1",
            # Names of nodes are for this one alone, whoever else runs RabbitMQ here.
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        # In the foreground, in our group: it ends with the node. (Erlang would begin one that stays.)
        command = "/usr/bin/epmd & exec /usr/lib/rabbitmq/bin/rabbitmq-server"
        more = {"RABBITMQ_DIST_PORT": str(free_port()), "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +MIscs 16"}
        return self.spawn(["sh", "-c", command], rabbitmq_files(self.folder) | self.environment | more)

    def more(self) -> list:
        variables = " ".join(f"{name}={value}" for name, value in self.environment.items())
        # Over ssh, as from an administrator's machine: sshd gives what it gets to a shell.
        ssh = self.folder / "ssh"
        ssh.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n')
        ssh.chmod(0o700)
        # `-C`: Erlang wants to read the folder that it starts in.
        return ["--ctl", f"{ssh} node1 env -C {self.folder} {variables} /usr/lib/rabbitmq/bin/rabbitmqctl"]
