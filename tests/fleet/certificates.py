"""Devices with certificates beside others with passwords, at a Mosquitto with the committed files."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from brokers import ROOT, Fleet, Mosquitto, attempt, examined, run
from serving import Serving, authority
from stolen import Broker, Listener
from waiting import free_port, listens, until

CERTS = "/etc/mosquitto/certs/"
FILES = ("fleet-certificates.conf", "fleet.conf")


@dataclass
class Encrypted(Broker):
    cafile: Path | None = None

    def words(self, tool: str, user: str, *more: object) -> list[str]:
        return super().words(tool, user, "--cafile", self.cafile, *more)


class Certified(Mosquitto):
    """deploy/mosquitto/*.conf with other places and ports, and the plugin as the guide has it."""

    def settings(self, plugin: Path, state: Path) -> str:
        self.certified = free_port()
        self.cafile = self.folder / "broker-ca.crt"
        known = self.broker
        self.broker = Encrypted(known.host, known.port, known.passwords, self.cafile)
        certs = self.certificates()
        text = "\n".join((ROOT / "deploy/mosquitto" / name).read_text() for name in FILES)
        for line, other in [
            ("listener 8883", f"listener {self.broker.port} 127.0.0.1"),
            ("listener 8884", f"listener {self.certified} 127.0.0.1"),
            # As the guide's sed.
            ("password_file .*", f"plugin {plugin}"),
            ("acl_file .*", f"plugin_opt_config_file {state}"),
        ]:
            text, count = re.subn(f"(?m)^{line}$", other, text)
            assert count == 1, line
        assert "per_listener_settings true" not in text
        return text.replace(CERTS, f"{certs}/")

    def certificates(self) -> Path:
        """The folder of what lies on the broker: its authority, its certificate, the devices' authority."""
        authority(self.folder / "ca")
        authority(self.folder / "broker-ca")
        certs = self.owned("certs")
        certs.mkdir()
        shutil.copy(self.folder / "ca.crt", certs / "device-ca.crt")
        shutil.copy(self.cafile, certs / "ca.crt")
        made = certificate(self.folder / "broker-ca", certs / "broker", "broker.example", "subjectAltName=IP:127.0.0.1")
        for path in (certs, *made, certs / "device-ca.crt", certs / "ca.crt"):
            self.give(path)
        return certs

    def words(self, tool: str, name: str, certificate: tuple[Path, Path] | None, *more: object) -> list[str]:
        """As whoever has this certificate, without a password."""
        words = [tool, "-h", "127.0.0.1", "-p", self.certified, "--cafile", self.cafile, "-i", f"expressiond-{name}"]
        words += ["--cert", certificate[0], "--key", certificate[1]] if certificate else []
        return [str(word) for word in [*words, *more]]

    def says(self, name: str, certificate: tuple[Path, Path] | None, topic: str, payload: str) -> bool:
        words = self.words("mosquitto_pub", name, certificate, "-q", 1, "-t", topic, "-m", payload)
        return attempt(words).returncode == 0


def certificate(by: Path, path: Path, name: str, *extensions: str) -> tuple[Path, Path]:
    """Signed by that authority, with its key."""
    made, key, request = (path.with_suffix(end) for end in (".crt", ".key", ".csr"))
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    added = [f"-addext={extension}" for extension in ("basicConstraints=critical,CA:FALSE", *extensions)]
    run(["openssl", "req", *ec, "-subj", f"/CN={name}", *added, "-keyout", key, "-out", request])
    sign = ["-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-set_serial", "7", "-days", "30", "-copy_extensions", "copy"]
    run(["openssl", "x509", "-req", "-in", request, *sign, "-out", made])
    return made, key


def a_certificate_is_a_login_beside_passwords(plain: Fleet, program: Path) -> None:
    """A board joins with a token at the one listener and is itself at the other."""
    if plain.name != "mosquitto":
        return
    folder = plain.folder / "certified"
    folder.mkdir()
    fleet = Certified(folder)
    try:
        until("it listens for certificates", lambda: listens(fleet.certified))
        with_a_certificate(fleet, program)
    except BaseException:
        print((folder / "log").read_text(errors="replace")[-3000:])
        raise
    finally:
        fleet.end()


def with_a_certificate(fleet: Certified, program: Path) -> None:
    fleet.add("d1")
    with Serving(fleet) as serving:
        board, join = serving.board("board")
        run(join, input=serving.token("hall") + "\n")
    hall = (board / "device.crt", board / "device.key")
    hearing = fleet.broker.listen("admin", "expressiond/#", 120)
    for topic in ("hall/status", "d1/status", "groups/hall/settings"):
        assert fleet.says("hall", hall, f"expressiond/{topic}", "said"), "it gets in"
    assert fleet.says("hall", hall, "expressiond/hall/inventory", "last")
    assert hearing.hears("expressiond/hall/inventory last"), hearing.everything()
    assert [line for line in hearing.lines() if line.endswith(" said")] == ["expressiond/hall/status said"]
    the_daemon_may_all(fleet, program, hall)
    # Nobody else: without a certificate, or with one of the broker's authority and a name of a person's.
    assert not fleet.says("hall", None, "expressiond/hall/status", "without")
    foreign = certificate(fleet.folder / "broker-ca", fleet.folder / "admin-by-broker", "admin")
    assert not fleet.says("admin", foreign, "expressiond/groups/hall/settings", "foreign")
    # Others log in with passwords, at the other listener alone; and the device there as well.
    fleet.broker.passwords["hall"] = (board / "mqtt-password").read_text().strip()
    assert fleet.broker.may_log_in("hall") and fleet.broker.may_log_in("d1")
    words = fleet.words("mosquitto_pub", "d1", None, "-u", "d1", "-P", fleet.broker.passwords["d1"])
    done = attempt([*words, "-t", "expressiond/d1/status", "-m", "x"])
    assert done.returncode != 0
    # What is taken away says nothing and hears nothing, whatever it can show.
    connected = Listener(fleet.words("mosquitto_sub", "hall", hall, "-t", "expressiond/hall/command", "-F", "%t %p"))
    assert connected.is_subscribed(), connected.everything()
    run(fleet.tool("revoke", "hall"))
    fleet.says("hall", hall, "expressiond/hall/status", "after its end")
    fleet.broker.publish("admin", "expressiond/hall/command", "told after its end", "-i", "another-admin")
    fleet.broker.publish("d1", "expressiond/d1/status", "the last")
    assert hearing.hears("expressiond/d1/status the last"), hearing.everything()
    assert not [line for line in hearing.lines() if line.endswith("status after its end")], hearing.lines()
    assert "told after its end" not in " ".join(connected.stop())
    hearing.stop()


def the_daemon_may_all(fleet: Certified, program: Path, hall: tuple[Path, Path]) -> None:
    settings = fleet.folder / "certified.toml"
    settings.write_text(
        f'[device]\nid = "hall"\nstate_dir = "{fleet.folder}/state"\n[camera]\nsource = "tests/demo/frames"\n[mqtt]\n'
        f'url = "mqtts://127.0.0.1:{fleet.certified}"\n[mqtt.tls]\nca_file = "{fleet.cafile}"\n'
        f'cert_file = "{hall[0]}"\nkey_file = "{hall[1]}"\n'
    )
    found = examined(program, settings)
    for check in ("credentials", "tls", "login", "topics"):
        assert found[check][0] == "ok", found


TESTS = [a_certificate_is_a_login_beside_passwords]
