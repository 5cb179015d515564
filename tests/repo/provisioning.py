"""The Ansible role: from a board that knows nothing of us to the first event."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

from board import MODEL, ROOT, Board, Workshop, run
from packages import SETTINGS
from waiting import LIMIT, free_port, listens, until

ANSIBLE = ROOT / "deploy/ansible"
PASSWORD = "pass\"word # of a test"
AUTHORITY = "a certificate, which nothing of the test reads\n"
ZONES = [("sofa", "count"), ("street", "mask")]
# A character that JSON escapes in two halves, and a name that TOML has in quotes alone.
SIGN, CONTROL = "Flur 🙂", "gain, left"


def ansible() -> dict:
    """The environment in which ansible-playbook runs, installed when first needed."""
    folder = ROOT / ".deps/ansible"
    run(["sh", ROOT / "tests/repo/ansible", folder])
    return {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
    }


def inventory(board: Board, workshop: Workshop, port: int) -> Path:
    keys = workshop.folder / f"{board.suite}-keys"
    keys.mkdir(exist_ok=True)
    (keys / "archive.asc").write_text(workshop.keyring(workshop.key))
    shutil.copy(workshop.folder / "signer.pem", keys / "fleet.pem")
    (keys / "ca.pem").write_text(AUTHORITY)
    path = workshop.folder / f"{board.suite}-inventory.json"
    path.write_text(json.dumps({"boards": {"hosts": {str(board.folder): {
        "ansible_connection": "community.general.chroot",
        "ansible_become": False,
        "ansible_python_interpreter": "/usr/bin/python3",
        "expressiond_repository": workshop.url(f"ansible-{board.suite}"),
        "expressiond_archive_keyring": str(keys / "archive.asc"),
        "expressiond_models": [MODEL],
        "expressiond_model_keys": [str(keys / "fleet.pem")],
        "expressiond_settings": {"mqtt": {
            "url": f"mqtt://127.0.0.1:{port}", "username": "boards", "outbox": {"max_events": 500},
        }},
        "expressiond_device_settings": {
            "device": {"id": "hall"}, "home_assistant": {"device_name": SIGN},
            "camera": {"name": "door", "mirror": True, "fps": 5, "low_light": {CONTROL: 3}},
            "zone": [{"name": name, "kind": kind, "points": [[0, 0], [0.1, 0], [0.1, 0.1]]} for name, kind in ZONES],
        },
        "expressiond_ca_file": str(keys / "ca.pem"),
        "expressiond_mqtt_password": PASSWORD,
    }}}}))
    return path


def from_nothing_to_the_first_event(board: Board, workshop: Workshop) -> None:
    workshop.publish(f"ansible-{board.suite}", [workshop.package, workshop.model_package("90.0.0")])
    env, port = ansible(), free_port()
    play = ["ansible-playbook", "-i", inventory(board, workshop, port), ANSIBLE / "site.yml"]
    told = run(play, env=env)
    assert "failed=0" in told, told
    # As docs/guide/preview.md prepares it for a page that saves.
    settings = board.folder / "etc/expressiond/conf.d"
    shutil.chown(settings, group="games")
    settings.chmod(0o1775)
    again = run(play, env=env)
    assert "changed=0" in again and "failed=0" in again, f"the second run changes something:\n{again}"
    assert (settings.stat().st_mode & 0o7777, settings.group()) == (0o1775, "games")
    assert board.model() == ("90.0.0", [])
    assert (board.folder / "etc/systemd/system/multi-user.target.wants/expressiond.service").is_symlink()
    secret = board.folder / "etc/credstore/expressiond-mqtt-password"
    assert secret.read_text() == PASSWORD and secret.stat().st_mode & 0o777 == 0o600
    assert (board.folder / "etc/expressiond/ca.crt").read_text() == AUTHORITY
    written = tomllib.loads((settings / "50-ansible.toml").read_text())
    assert [(zone["name"], zone["kind"]) for zone in written["zone"]] == ZONES and written["camera"]["fps"] == 5
    assert (written["home_assistant"]["device_name"], written["camera"]["low_light"]) == (SIGN, {CONTROL: 3})
    # apt never asks about a settings file that nobody touched.
    assert not [path for path in board.files() if path.endswith((".dpkg-dist", ".dpkg-new"))]
    hears_an_event(board, workshop, port)
    what_is_taken_from_the_list_is_taken_from_the_board(board, play, env)


def what_is_taken_from_the_list_is_taken_from_the_board(board: Board, play: list, env: dict) -> None:
    board.write("etc/expressiond/model-keys.d/lost.pem", "somebody whom nobody lists any more")
    # What an earlier version of the role had left, which would count before the unit's own line.
    before = ("etc/expressiond/mqtt-password", "etc/systemd/system/expressiond.service.d/credentials.conf")
    for path in before:
        board.write(path, "of the role of before")
    # A password that came, and a run that fails after it: the next one would find it in place.
    in_the_way = board.folder / "etc/systemd/system/expressiond.service"
    in_the_way.symlink_to("/dev/null")
    enabled = board.folder / "etc/systemd/system/multi-user.target.wants/expressiond.service"
    enabled.unlink()
    told = run([*play, "--extra-vars", json.dumps({"expressiond_mqtt_password": "another"})], env=env, ok=False)
    assert "RUNNING HANDLER [expressiond : Restart expressiond]" in told, told
    in_the_way.unlink()
    assert not [path for path in before if (board.folder / path).exists()], told
    assert os.listdir(board.folder / "etc/expressiond/model-keys.d") == ["fleet.pem"]
    nothing = {"expressiond_models": [], "expressiond_model_keys": [], "expressiond_mqtt_password": "",
               "expressiond_unattended_upgrades": False}
    told = run([*play, "--extra-vars", json.dumps(nothing)], env=env)
    assert os.listdir(board.folder / "etc/expressiond/model-keys.d") == []
    assert not board.installed(f"expressiond-model-{MODEL}"), told
    for path in ("etc/credstore/expressiond-mqtt-password", "etc/apt/apt.conf.d/50unattended-upgrades-expressiond"):
        assert not (board.folder / path).exists(), path
    again = run([*play, "--extra-vars", json.dumps(nothing)], env=env)
    assert "changed=0" in again and "failed=0" in again, f"the second run changes something:\n{again}"


def a_mistake_in_the_settings_stops_before_the_board_has_it(board: Board, workshop: Workshop) -> None:
    workshop.publish(f"ansible-{board.suite}", [workshop.package, workshop.model_package("90.0.0")])
    play = ["ansible-playbook", "-i", inventory(board, workshop, 1883), ANSIBLE / "site.yml"]
    wrong = json.dumps({"expressiond_settings": {"camera": {"fsp": 5}}})
    board.play_systemd("show*) printf 'LoadState=loaded\\nActiveState=inactive\\n' ;;\n")
    told = run([*play, "--extra-vars", wrong], env=ansible(), ok=False)
    assert "fsp" in told, told
    # Somebody is trusted who was not: that is told to a daemon that runs. One that does not stays so,
    # since it would film with the settings of the package.
    asked = board.told_systemd()
    assert "try-reload-or-restart expressiond" in asked, asked
    assert not [line for line in asked if line.split()[0] in ("start", "reload", "restart")], asked
    # One that is just starting has begun with those who were trusted before.
    (board.folder / "etc/expressiond/model-keys.d/fleet.pem").unlink()
    board.play_systemd("*--value*) echo activating ;;\n")
    run([*play, "--extra-vars", wrong], env=ansible(), ok=False)
    asked = board.told_systemd()
    assert "try-restart expressiond" in asked, asked
    # Right alone, and wrong beside what somebody wrote on the board.
    board.write("etc/expressiond/conf.d/40-local.toml", '[mqtt]\nurl = "mqtts://b"\ntls.ca_file = "/etc/ca.crt"\n')
    told = run(play, env=ansible(), ok=False)
    assert "mqtt.url does not ask for TLS" in told, told
    for path in ("expressiond/conf.d/50-ansible.toml", "credstore/expressiond-mqtt-password"):
        assert not (board.folder / "etc" / path).exists(), path


def a_board_with_several_cameras_is_left_as_it_is(board: Board, workshop: Workshop) -> None:
    """expressiond.service would end their daemons."""
    play = ["ansible-playbook", "-i", inventory(board, workshop, 1883), ANSIBLE / "site.yml"]
    # One that somebody has started, and one that its camera starts and its owner has stopped.
    loaded = (
        "ActiveState=active\\nId=expressiond@door.service\\nWantedBy=\\n\\n"
        "WantedBy=sys-devices-camera.device\\nActiveState=inactive\\nId=expressiond@hall.service\\n\\n"
        "Id=expressiond@old.service\\nWantedBy=\\nActiveState=failed\\n"
    )
    board.play_systemd(f"show*expressiond@*) printf '{loaded}' ;;\n")
    says_which(board, play, "expressiond@door.service, expressiond@hall.service: enabled, running")
    board.play_systemd("")
    board.run("mkdir", "-p", "/etc/systemd/system/multi-user.target.wants")
    link = "/etc/systemd/system/multi-user.target.wants/expressiond@door.service"
    board.run("ln", "-s", "/usr/lib/systemd/system/expressiond@.service", link)
    says_which(board, play, f"{link}: enabled, running")


def says_which(board: Board, play: list, words: str) -> None:
    """And writes nothing."""
    before = board.files()
    told = run(play, env=ansible(), ok=False)
    assert words in told, told
    assert board.files() == before


def the_role_and_its_example_are_clean(board: Board, workshop: Workshop) -> None:
    """Once is enough, whichever board it is."""
    # Boards of the example log in as the fleet's broker knows them (deploy/mosquitto/fleet.acl).
    listed = json.loads(run(["ansible-inventory", "-i", "inventory.example.yml", "--list"], env=ansible(), cwd=ANSIBLE))
    for host, told in listed["_meta"]["hostvars"].items():
        own = told["expressiond_device_settings"]
        assert own["mqtt"]["username"] == own["device"]["id"] and "expressiond_mqtt_password" in told, host
        assert "username" not in told["expressiond_settings"]["mqtt"], host
    run(["ansible-lint", "--offline", "--strict", "site.yml"], env=ansible(), cwd=ANSIBLE)


def hears_an_event(board: Board, workshop: Workshop, port: int) -> None:
    """Starts the daemon as its unit does, pictures instead of a camera."""
    folder = workshop.folder / f"{board.suite}-broker"
    folder.mkdir()
    folder.chmod(0o755)
    run(["mosquitto_passwd", "-c", "-b", folder / "passwords", "boards", PASSWORD])
    (folder / "passwords").chmod(0o644)
    (folder / "conf").write_text(f"user root\nlistener {port} 127.0.0.1\npassword_file {folder}/passwords\n")
    shutil.copytree(ROOT / "tests/demo/frames", board.folder / "root/frames")
    broker = subprocess.Popen([find_mosquitto(), "-c", folder / "conf"], stderr=subprocess.DEVNULL)
    daemon = listener = None
    try:
        wait_for(port)
        listener = subprocess.Popen(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-u", "boards", "-P", PASSWORD]
            + ["-t", "expressiond/hall/door/event", "-C", "1", "-W", str(int(LIMIT))],
            stdout=subprocess.PIPE, text=True,
        )
        daemon = subprocess.Popen(
            ["chroot", board.folder, "/usr/bin/expressiond", "run", "--config", f"/{SETTINGS}"]
            + ["--set", "camera.source=/root/frames", "--set", "camera.repeat=true"],
            env=os.environ | {"CREDENTIALS_DIRECTORY": handed_over(board), "STATE_DIRECTORY": "/var/lib/expressiond"},
            stderr=subprocess.PIPE, text=True,
        )
        heard, _ = listener.communicate(timeout=LIMIT + 10)
        assert json.loads(heard)["model"].startswith(f"{MODEL}@90.0.0+"), heard
    finally:
        for process in (daemon, listener, broker):
            if process and process.poll() is None:
                process.terminate()
                process.wait()


def handed_over(board: Board) -> str:
    """A folder of the board with what systemd would give the daemon: the line of the package's unit."""
    unit = board.read("usr/lib/systemd/system/expressiond.service")
    name, file = next(line for line in unit.splitlines() if line.startswith("LoadCredential=")).split("=")[1].split(":")
    board.write(f"root/credentials/{name}", board.read(f"etc/credstore/{file}"))
    return "/root/credentials"


def find_mosquitto() -> str:
    return next(path for path in ("/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto") if Path(path).exists())


def wait_for(port: int) -> None:
    until("mosquitto starts", lambda: listens(port))


TESTS = [
    from_nothing_to_the_first_event,
    a_mistake_in_the_settings_stops_before_the_board_has_it,
    a_board_with_several_cameras_is_left_as_it_is,
    the_role_and_its_example_are_clean,
]
