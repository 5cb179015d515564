"""A board from blank to events, and through what befalls it in its life.

What an owner types comes from docs/guide itself. Steps build on each other
and stand in their order at the end; each leaves the daemon running on a camera that
shows faces, and nothing that the daemon's journal says it told may be missing outside.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import troubles
from guide import Owner
from ledger import PATIENCE, events_lost, first_event, nothing_lost, told
from machine import Listener, Machine
from waiting import until

SETTINGS = "/etc/expressiond/expressiond.toml"


def newer(package: Path, into: Path) -> Path:
    """The same package with a higher version and another default in its settings."""
    tree, path = into / "newer", into / "newer.deb"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN/control"
    lines = control.read_text().splitlines()
    control.write_text("\n".join(f"{line}+newer1" if line.startswith("Version:") else line for line in lines) + "\n")
    settings = tree / "etc/expressiond/expressiond.toml"
    settings.write_text(settings.read_text() + "\n# A newer release says more here.\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, path], check=True, stdout=-3)
    return path


def prepare(machine: Machine) -> None:
    """The camera is plugged in; the owner has copied the package."""
    machine.run("cp /root/inside/camera.service /etc/systemd/system/ && systemctl enable --now camera")
    machine.run("cp /root/expressiond.deb /home/owner/expressiond_0_amd64.deb && chown owner: /home/owner/*.deb")
    machine.run("echo 127.0.1.1 vm >>/etc/hosts")  # as Debian's installer does; sudo looks for it
    # What an owner answers at the terminal.
    machine.run("echo 'APT::Get::Assume-Yes \"true\";' >/etc/apt/apt.conf.d/owner")
    until("the camera", lambda: "done" in machine.run("test -c /dev/video42 && echo done", check=False))


def from_apt_install_to_the_first_event(machine: Machine, outside: Listener) -> None:
    owner = Owner(machine)
    owner.types("broker")
    # The guide's broker stands elsewhere.
    start = time.monotonic()
    owner.types("install", edits='s|^url = .*|url = "mqtt://127.0.0.1"|')
    installed = time.monotonic()
    first_event(outside, 0, PATIENCE)
    end = time.monotonic()
    print(f"  apt install and start {installed - start:.0f} s, to the first event {end - start:.0f} s")
    assert machine.show("NRestarts") == "0"
    until("online", lambda: any(line[1] == "online" for line in outside.heard))
    nothing_lost(machine, outside)


def the_sandbox_is_as_promised(machine: Machine, outside: Listener) -> None:
    print("  " + machine.run("systemd-analyze security --threshold=15 expressiond | grep Overall"))
    facts = machine.run("cat /proc/$(systemctl show --property MainPID --value expressiond)/status").splitlines()
    facts = dict(line.split(":\t", 1) for line in facts if ":\t" in line)
    assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2", facts
    assert int(facts["CapEff"], 16) == 0 and int(facts["CapBnd"], 16) == 0, facts
    assert facts["Uid"].split()[0] != "0", facts
    assert machine.show("MemoryDenyWriteExecute") == "yes"


def the_doctor_finds_nothing(machine: Machine, outside: Listener) -> None:
    owner = Owner(machine)
    assert "problems: 0" in owner.types("doctor")
    nothing_lost(machine, outside)
    # With nobody at the camera it opens it itself, as the service would.
    machine.run("systemctl stop expressiond")
    alone, since = owner.types("doctor"), outside.mark()
    camera = next(line for line in alone.splitlines() if line.split()[1:2] == ["camera"])
    assert "problems: 0" in alone and camera.startswith("ok"), alone
    print(f"  doctor: {camera}")
    machine.run("systemctl start expressiond")
    first_event(outside, since, PATIENCE)


def a_password_is_a_credential(machine: Machine, outside: Listener) -> None:
    machine.run(
        "mosquitto_passwd -c -b /etc/mosquitto/passwd board secret && chown mosquitto: /etc/mosquitto/passwd && "
        "printf 'per_listener_settings true\\nlistener 1883 0.0.0.0\\nallow_anonymous true\\n"
        "listener 1884 127.0.0.1\\nallow_anonymous false\\npassword_file /etc/mosquitto/passwd\\n' "
        ">/etc/mosquitto/conf.d/test.conf && systemctl restart mosquitto"
    )
    since = outside.mark()
    edits = (
        's|^url = .*|url = "mqtt://127.0.0.1:1884"|; s|^username = .*|username = "board"|; '
        's|^password_file = .*|password_file = "mqtt-password"|'
    )
    Owner(machine).types("password", edits=edits, stdin="secret\\n")
    first_event(outside, since, PATIENCE)
    journal = machine.run("journalctl -u expressiond --no-pager")
    assert "secret" not in journal, "the password is in the journal"
    nothing_lost(machine, outside)


def wrong_settings_are_refused(machine: Machine, outside: Listener) -> None:
    before = machine.show("MainPID")
    machine.run(f"cp {SETTINGS} /root/settings && echo '[camera]\nno_such_key = 1' >/etc/expressiond/conf.d/wrong.toml")
    answer = machine.run("systemctl reload expressiond 2>&1 && echo taken", check=False)
    assert "taken" not in answer and machine.show("MainPID") == before, answer
    assert "wrong.toml:2" in machine.run("journalctl -u expressiond -n 20 --no-pager")
    since = outside.mark()
    first_event(outside, since, PATIENCE)
    # A start with them ends with 78 and is not tried again.
    machine.run("systemctl restart expressiond", check=False)
    until("it failed", lambda: machine.state() == "failed")
    assert machine.show("ExecMainStatus") == "78"
    assert machine.show("NRestarts") == "0"
    machine.run("rm /etc/expressiond/conf.d/wrong.toml && systemctl restart expressiond")
    nothing_lost(machine, outside)


def several_cameras_have_a_daemon_each(machine: Machine, outside: Listener) -> None:
    instance(machine, "door", "second", "door")
    Owner(machine).types("instance")
    until("online", lambda: ("expressiond/second/availability", "online") in outside.heard)
    # One or the other: both would read the same files below conf.d.
    assert machine.state("expressiond@door") == "active" and machine.state() == "inactive"
    machine.run("systemctl disable --now expressiond@door; systemctl enable expressiond; rm /etc/expressiond/conf.d/*")


def a_camera_plugged_in_starts_its_own_daemon(machine: Machine, outside: Listener) -> None:
    instance(machine, "platform-vivid.0", "third", "garage")
    machine.run("modprobe vivid n_devs=1 node_types=0x1")
    unit = "expressiond@platform-vivid.0"
    until("the instance", lambda: machine.state(unit) == "active")
    until("its camera", lambda: ("expressiond/third/garage/availability", "online") in outside.heard)
    machine.run(f"systemctl stop {unit} && modprobe -r vivid && rm /etc/expressiond/conf.d/*")
    machine.run("systemctl start expressiond")
    nothing_lost(machine, outside)


def instance(machine: Machine, name: str, device: str, camera: str) -> None:
    text = f'[device]\nid = "{device}"\n[camera]\nname = "{camera}"\nsource = "vivid"\n'
    machine.run(f"cat >/etc/expressiond/conf.d/{name}.toml <<'END'\n{text}END")


def an_upgrade_keeps_the_settings_and_restarts(machine: Machine, outside: Listener) -> None:
    before, since = machine.show("MainPID"), outside.mark()
    mine = machine.run(f"sha256sum {SETTINGS}")
    machine.run("apt-get -o Dpkg::Options::=--force-confold install /root/newer.deb 2>&1", limit=600)
    assert machine.run("dpkg-query --show --showformat '${Version}' expressiond").endswith("+newer1")
    assert machine.run(f"sha256sum {SETTINGS}") == mine
    assert "says more" in machine.run(f"cat {SETTINGS}.dpkg-dist")
    until("another process", lambda: machine.show("MainPID") not in (before, "0"))
    first_event(outside, since, PATIENCE)
    nothing_lost(machine, outside)


def a_purge_leaves_nothing(machine: Machine, outside: Listener) -> None:
    cgroup = "/sys/fs/cgroup/system.slice/expressiond.service"
    print("  since the boot: memory.peak, pids.peak = " + machine.run(f"cat {cgroup}/memory.peak {cgroup}/pids.peak"))
    Owner(machine).types("remove")
    nothing_lost(machine, outside)
    left = machine.run("find / -xdev -ipath '*expressiond*' ! -path '/home/*' ! -path '/root/*' ! -path '/var/log/*'")
    # apt's own cache of what it was given, if any, is apt's.
    assert left == "", left
    assert machine.run("getent passwd expressiond", check=False) == ""
    assert machine.run("systemctl list-units --all --plain --no-legend 'expressiond*'") == ""
    assert not events_lost(told(machine), outside)


TESTS = [
    from_apt_install_to_the_first_event,
    the_sandbox_is_as_promised,
    the_doctor_finds_nothing,
    a_password_is_a_credential,
    wrong_settings_are_refused,
    several_cameras_have_a_daemon_each,
    a_camera_plugged_in_starts_its_own_daemon,
    an_upgrade_keeps_the_settings_and_restarts,
    *troubles.TESTS,
    a_purge_leaves_nothing,
]
