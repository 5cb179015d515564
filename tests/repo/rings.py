"""deploy/ansible/upgrade.yml with real boards: their apt, dpkg's holds, unattended-upgrades."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

from board import ROOT, Board, Workshop, run
from provisioning import ANSIBLE, ansible, find_mosquitto, wait_for
from waiting import LIMIT, free_port, until

REPEAT_S = 30  # docs/ref/mqtt.md


class Broker:
    """A Mosquitto for whoever comes."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        (folder / "conf").write_text(f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self.folder = folder

    def __enter__(self) -> Self:
        command = [find_mosquitto(), "-c", self.folder / "conf"]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for(self.port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


class Voice(threading.Thread):
    """What the board's daemon tells after the package has started it again: that it is well,
    and runs what is installed. (Daemons that are: tests/vm/board.py.)"""

    def __init__(self, board: Board, device: str, port: int) -> None:
        super().__init__(daemon=True)
        self.board, self.device, self.port, self.over = board, device, port, threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()

    def run(self) -> None:
        told, said = "", 0.0
        while not self.over.wait(0.3):
            version = self.board.installed("expressiond")
            # Again and again, as a daemon does: else it counts as silent where this takes long.
            if version and (version != told or time.monotonic() - said > REPEAT_S):
                run([ROOT / "tests/fleet/played.py", self.port, self.device, version])
                told, said = version, time.monotonic()


def set_up(board: Board, workshop: Workshop, device: str, repo: str, port: int) -> None:
    board.follow(workshop, repo, workshop.keyring(workshop.key))
    board.run("apt-get", "update")
    board.run("apt-get", "install", "--yes", f"expressiond={workshop.version}")
    board.upgrades_by_itself()
    board.write("etc/expressiond/conf.d/50-fleet.toml", (
        f'[device]\nid = "{device}"\n[mqtt]\nurl = "mqtt://127.0.0.1:{port}"\nreconnect_max_s = 1\n'
    ))


def upgrade(boards: list[Board], workshop: Workshop, port: int, version: str) -> tuple[bool, str]:
    """Plays the ring, a board in each step."""
    hosts = {
        str(board.folder): {
            "ansible_connection": "community.general.chroot",
            "ansible_become": False,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        for board in boards
    }
    inventory = workshop.folder / "ring.json"
    inventory.write_text(json.dumps({"stable": {"hosts": hosts}}))
    variables = {
        "ring": "stable",
        "expressiond_version": version,
        "expressiond_health": ["--host", "127.0.0.1", "--port", str(port), "--wait", "1"],
        "expressiond_patience": 10,
        "expressiond_pause_s": 1,
        "expressiond_steps": [1, 1, 1],
    }
    play = ["ansible-playbook", "-i", inventory, ANSIBLE / "upgrade.yml", "--extra-vars", json.dumps(variables)]
    words, environment = [str(word) for word in play], os.environ | ansible()
    done = subprocess.run(words, env=environment, check=False, capture_output=True, text=True, timeout=900)
    return done.returncode == 0, done.stdout + done.stderr


def tells(port: int, device: str, version: str) -> bool:
    """Whether its inventory says that it runs this version."""
    topic = f"expressiond/{device}/inventory"
    listen = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", topic, "-C", "1", "-W", "2"]
    heard = subprocess.run(listen, check=False, capture_output=True, text=True, timeout=LIMIT).stdout
    return bool(heard) and json.loads(heard)["version"] == version


def a_ring_is_upgraded_by_apt_stops_and_goes_on(first: Board, workshop: Workshop) -> None:
    package, version = workshop.next_version()
    repo = f"ring-{first.suite}"
    workshop.publish(repo, [workshop.package])
    with Board(first.suite, workshop) as second, Board(first.suite, workshop) as third, Broker(first.folder) as broker:
        boards = {"first": first, "second": second, "third": third}
        for device, board in boards.items():
            set_up(board, workshop, device, repo, broker.port)
        installed = lambda: [board.installed("expressiond") for board in boards.values()]
        with contextlib.ExitStack() as voices:
            for device, board in boards.items():
                voices.enter_context(Voice(board, device, broker.port))
                until(f"{device} tells its version", lambda device=device: tells(broker.port, device, workshop.version))
            workshop.publish(repo, [package])
            # It takes nothing any more: the key that it knows is another's.
            second.follow(workshop, repo, workshop.keyring(workshop.make_archive_key(f"lost-{first.suite}")))
            # That version, and not one that only begins like it (0.2.1 and 0.2.10): nobody has it.
            well, told = upgrade([first], workshop, broker.port, version[:-1])
            assert not well and installed()[0] == workshop.version, told
            well, told = upgrade(list(boards.values()), workshop, broker.port, version)
            assert not well and f"runs {workshop.version}" in told, told
            assert installed() == [version, workshop.version, workshop.version], told
            assert tells(broker.port, "first", version), told
            # The last one is held, from those who upgrade by themselves as well, and so is who failed.
            for board in (second, third):
                assert board.run("apt-mark", "showhold").split() == ["expressiond"], told
            third.run("apt-get", "update")
            third.run("unattended-upgrade", "--verbose")
            assert installed()[2] == workshop.version
            second.follow(workshop, repo, workshop.keyring(workshop.key))
            well, told = upgrade(list(boards.values()), workshop, broker.port, version)
            assert well, told
            assert installed() == [version] * 3, told
            assert not third.run("apt-mark", "showhold").split(), "let go when it is upgraded"


TESTS = [a_ring_is_upgraded_by_apt_stops_and_goes_on]
