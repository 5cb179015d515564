"""Three nodes of NATS with the committed settings."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from nodes import CREDENTIALS, NODES, ROOT, Cluster, ip, run


class Nats(Cluster):
    name = "nats"

    def prepare(self, node: int) -> None:
        text = (ROOT / "deploy/nats/nats.conf").read_text()
        # Clients speak plain text here, nodes among themselves as it is committed.
        text = re.sub(r"(?s)(\nmqtt \{.*?)    tls \{.*?\n    \}\n", r"\1", text)
        text = text.replace("/var/lib/nats", str(self.home(node) / "store"))
        text = text.replace("/etc/nats/", f"{self.home(node)}/")
        self.certify(f"node{node}", ip(node), self.home(node))
        text = text.replace("0.0.0.0:8883", f"{ip(node)}:{self.port}").replace("0.0.0.0:6222", f"{ip(node)}:6222")
        text = text.replace("server_name: node1", f"server_name: node{node}")
        for port in (4222, 8222):
            text = text.replace(f"127.0.0.1:{port}", f"{ip(node)}:{port}")
        for other in NODES:
            text = text.replace(f"nats://node{other}:", f"nats://{ip(other)}:")
        # Whoever gives no name may do all, as the fleet here; the others as the tool has it.
        text += '\ninclude "users.conf"\n'
        text = text.replace("mqtt {", "mqtt {\n    no_auth_user: fleet")
        (self.home(node) / "nats.conf").write_text(text)
        (self.home(node) / "users.conf").write_text(self.users({}))

    def certify(self, name: str, address: str, home: Path) -> None:
        """By the authority of the nodes, as deploy/nats/README.md has it."""
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        authority, key = self.folder / "nodes-ca.crt", self.folder / "nodes-ca.key"
        if not authority.exists():
            run("openssl", "req", "-x509", *kind, "-days", 1, "-subj", "/CN=nodes", "-keyout", key, "-out", authority)
        request = home / "node.csr"
        more = ["-addext", f"subjectAltName=IP:{address}", "-addext", "extendedKeyUsage=serverAuth,clientAuth"]
        run("openssl", "req", *kind, "-subj", f"/CN={name}", *more, "-keyout", home / "node.key", "-out", request)
        signs = ["-CA", authority, "-CAkey", key, "-CAcreateserial", "-days", 1, "-copy_extensions", "copy"]
        run("openssl", "x509", "-req", "-in", request, *signs, "-out", home / "node.crt")
        shutil.copy(authority, home)

    def takes_strangers(self) -> list[str]:
        """Which servers that have no certificate of the nodes' authority become routes, which pass over all rights."""
        folder = self.folder / "stranger"
        folder.mkdir()
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 1, "-subj", "/CN=node1"]
        run(*words, "-keyout", folder / "own.key", "-out", folder / "own.crt")
        files = {"ca": self.folder / "nodes-ca.crt", "cert": folder / "own.crt", "key": folder / "own.key"}
        own = ", ".join(f'{name}_file: "{file}"' for name, file in files.items())
        encryptions = {"in plain text": "", "with a certificate of its own": f"tls {{ {own} }}"}
        return [how for how, tls in encryptions.items() if self.is_route(folder, tls)]

    def is_route(self, folder: Path, tls: str) -> bool:
        routes = f'routes: ["nats://{ip(1)}:6222"]'
        (folder / "conf").write_text(
            f"server_name: stranger\nlisten: 127.0.0.1:4299\ncluster {{\n"
            f"name: fleet\nlisten: 127.0.0.1:6299\n{routes}\n{tls}\n}}\n"
        )
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(["/usr/sbin/nats-server", "-c", folder / "conf"], stderr=log)
        try:
            # It tries again every second; the others are two.
            end = time.monotonic() + 5
            while not (found := json.loads(self.asked(1, "routez"))["num_routes"] > 2) and time.monotonic() < end:
                time.sleep(0.2)
            return found
        finally:
            server.kill()
            server.wait()

    @staticmethod
    def asked(node: int, about: str) -> str:
        with urllib.request.urlopen(f"http://{ip(node)}:8222/{about}", timeout=5) as answer:
            return answer.read().decode()

    @staticmethod
    def users(passwords: dict[str, str]) -> str:
        devices = "".join(f"{name} {word}\n" for name, word in passwords.items() if name != "admin")
        # It refuses to make a list of nobody.
        text = run(CREDENTIALS, "nats", "config", input=devices).stdout if devices else ""
        others = [
            {"user": "fleet", "password": "of-the-fleet"},
            {"user": "admin", "password": passwords.get("admin", "x")},
        ]
        users = json.loads(f"{{{text}}}").get("authorization", {"users": []})["users"] + others
        return json.dumps({"authorization": {"users": users}})[1:-1]

    def give(self, passwords: dict[str, str]) -> None:
        self.passwords = passwords
        for node in NODES:
            (self.home(node) / "users.conf").write_text(self.users(passwords))
            self.processes[node].send_signal(signal.SIGHUP)

    def caught_up(self, node: int) -> bool:
        try:
            return json.loads(self.asked(node, "healthz"))["status"] == "ok"
        except OSError:
            return False

    def take(self, name: str) -> None:
        self.give({other: word for other, word in self.passwords.items() if other != name})

    def empty(self, node: int) -> None:
        """What its administrator has to do as well (deploy/nats): a server that met a full disk
        reads nothing from the others any more, does not end when it is told to, and disturbs
        their elections until a new start."""
        super().empty(node)
        self.kill(node)
        self.start(node)

    def command(self, node: int) -> tuple[list, dict]:
        return ["/usr/sbin/nats-server", "-c", self.home(node) / "nats.conf"], {
            "GOMAXPROCS": "1",
            "GOMEMLIMIT": "100MiB",
        }
