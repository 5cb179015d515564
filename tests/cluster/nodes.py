"""Clusters of three real brokers on the loopback interface, each node a user of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODES = (1, 2, 3)
CREDENTIALS = ROOT / "deploy/fleet/credentials"
LIMIT = 180.0  # seconds for a node to start or to end


def ip(node: int) -> str:
    return f"127.0.0.1{node}"


def user(node: int) -> int:
    """So that the kernel can tell whose packets it drops (ip-rule(8), uidrange)."""
    return 60000 + node


def run(*command: object, ok: bool = True, limit: float = LIMIT, **more: object) -> subprocess.CompletedProcess:
    words = [str(word) for word in command]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=limit, **more)
    if ok and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done


def until(what: str, holds, limit: float = LIMIT, log=lambda: "") -> float:
    """Seconds until it held."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > limit:
            raise RuntimeError(f"not within {limit:.0f} s: {what}\n{log()}")
        time.sleep(0.1)
    return time.monotonic() - begun


def prepare_network() -> None:
    run("ip", "link", "set", "lo", "up")
    # Rules come before the table of local addresses only where that gives way.
    run("ip", "rule", "add", "pref", "100", "lookup", "local")
    run("ip", "rule", "del", "pref", "0")


class Cluster:
    """What both have in common; `name`, `command`, `prepare` and `ready` are the broker's."""

    name: str
    port = 1883

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.processes: dict[int, subprocess.Popen] = {}
        for node in NODES:
            home = self.home(node)
            home.mkdir(parents=True)
            # Room of its own for each, which can be filled.
            run("mount", "-t", "tmpfs", "-o", f"size=96m,uid={user(node)},gid={user(node)},mode=700", "none", home)
            self.prepare(node)
            run("chown", "-R", f"{user(node)}:{user(node)}", home)

    def home(self, node: int) -> Path:
        return self.folder / str(node)

    def urls(self) -> str:
        return ",".join(f"mqtt://{ip(node)}:{self.port}" for node in NODES)

    def start(self, *nodes: int) -> None:
        for node in nodes or NODES:
            command, environment = self.command(node)
            as_user = ["setpriv", "--reuid", user(node), "--regid", user(node), "--clear-groups"]
            with (self.home(node) / "log").open("ab") as log:
                self.processes[node] = subprocess.Popen(
                    [str(word) for word in [*as_user, *command]],
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.home(node)), **environment},
                    cwd=self.home(node),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            if self.one_by_one:
                self.wait(node)
        for node in nodes or NODES:
            self.wait(node)

    one_by_one = False

    def wait(self, node: int) -> float:
        """Until the node takes a message."""
        return until(f"{self.name} node {node}", lambda: self.ready(node), log=lambda: self.log(node))

    def ready(self, node: int) -> bool:
        if self.processes[node].poll() is not None:
            raise RuntimeError(f"{self.name} node {node} ended\n{self.log(node)}")
        words = ["mosquitto_pub", "-h", ip(node), "-p", self.port, "-q", "1", "-t", "probe", "-m", "x"]
        try:
            return run(*words, ok=False, limit=5).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def caught_up(self, node: int) -> bool:
        """Whether it has what the others have, as an administrator asks before the next one is
        stopped. RabbitMQ says that it is there when it has."""
        return True

    def takes_strangers(self) -> list[str]:
        """How a server that is none of the nodes can become one. RabbitMQ's know each other by a cookie."""
        return []

    def log(self, node: int) -> str:
        return (self.home(node) / "log").read_text(errors="replace")[-4000:]

    def keep_logs(self, folder: Path) -> None:
        """What the nodes, and HAProxy before them, have said."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in [*self.folder.glob("*/log"), *self.folder.glob("*/logs/*.log"), *self.folder.glob("*.log")]:
            shutil.copy(log, folder / "-".join([self.name, *log.relative_to(self.folder).parts]))

    def kill(self, node: int) -> None:
        os.killpg(self.processes[node].pid, signal.SIGKILL)
        self.processes[node].wait()

    def stop(self, node: int) -> None:
        """As a service manager does it."""
        os.killpg(self.processes[node].pid, signal.SIGTERM)
        try:
            self.processes[node].wait(60)
        except subprocess.TimeoutExpired:
            self.kill(node)

    def cut_off(self, node: int) -> None:
        """From the other nodes; its clients reach it as before."""
        self.rules("add", node)

    def join(self, node: int) -> None:
        self.rules("del", node)

    def rules(self, verb: str, node: int) -> None:
        for other in NODES:
            if other != node:
                for uid, to in ((user(node), ip(other)), (user(other), ip(node))):
                    run("ip", "rule", verb, "pref", "10", "uidrange", f"{uid}-{uid}", "to", to, "blackhole")

    def fill(self, node: int) -> None:
        """Its disk, to the last byte."""
        with (self.home(node) / "fill").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass

    def empty(self, node: int) -> None:
        (self.home(node) / "fill").unlink()

    def memory(self) -> float:
        """MiB of all nodes."""
        pids = run("ps", "-e", "-o", "uid=,rss=").stdout.split("\n")
        rows = [line.split() for line in pids if line.split()]
        return sum(int(rss) for uid, rss in rows if int(uid) in map(user, NODES)) / 1024

    def end(self) -> None:
        for node, process in self.processes.items():
            if process.poll() is None:
                self.kill(node)
        for node in NODES:
            run("umount", "--lazy", self.home(node))


def rabbitmq_settings(listen: str) -> str:
    """The committed file, but for TLS and with little room."""
    text = (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text()
    text = re.sub(r"(?m)^(ssl_options|mqtt\.listeners)\..*\n", "", text)
    return f"""{text}
listeners.tcp = none
loopback_users = none
mqtt.listeners.tcp.1 = {listen}
vm_memory_high_watermark.absolute = 400MB
disk_free_limit.absolute = 8MB
raft.wal_max_size_bytes = 4000000
"""


def rabbitmq_files(home: Path) -> dict[str, str]:
    """Where a node of its own has what Debian has below /etc and /var."""
    return {
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "logs"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
    }


class RabbitMQ(Cluster):
    name = "rabbitmq"
    # The second joins the first; all at once they may become three clusters.
    one_by_one = True

    def prepare(self, node: int) -> None:
        home = self.home(node)
        text = rabbitmq_settings(f"{ip(node)}:{self.port}")
        text = text.replace("mqtt.allow_anonymous = false", "mqtt.allow_anonymous = true")
        for other in NODES:
            text = text.replace(f"rabbit@node{other}", f"r{other}@{ip(other)}")
        text += """
cluster_formation.randomized_startup_delay_range.min = 0
cluster_formation.randomized_startup_delay_range.max = 1
"""
        (home / "rabbitmq.conf").write_text(text)
        (home / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        (home / ".erlang.cookie").write_text("a-test-on-one-machine")
        (home / ".erlang.cookie").chmod(0o600)
        if node == 1:
            # Where node names become ports; one for the three, since they share this host.
            run("/usr/bin/epmd", "-daemon")

    def command(self, node: int) -> tuple[list, dict]:
        home = self.home(node)
        address = ip(node).replace(".", ",")
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"], rabbitmq_files(home) | {
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_NODENAME": f"r{node}@{ip(node)}",
            "RABBITMQ_DIST_PORT": str(25670 + node),
            # One scheduler, which sleeps when it has nothing to do; small stacks of allocators.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +MIscs 16 "
            f"-kernel inet_dist_connect_options [{{ip,{{{address}}}}}]",
        }

    def ctl(self) -> list[object]:
        home = self.home(1)
        variables = [f"HOME={home}", "RABBITMQ_USE_LONGNAME=true", f"RABBITMQ_NODENAME=r1@{ip(1)}"]
        as_user = ["setpriv", "--reuid", user(1), "--regid", user(1), "--clear-groups"]
        return [*as_user, "env", "-C", home, *variables, "/usr/lib/rabbitmq/bin/rabbitmqctl"]

    def give(self, passwords: dict[str, str]) -> None:
        for name, password in passwords.items():
            if name == "admin":
                run(*self.ctl(), "-q", "add_user", name, input=password)
                run(*self.ctl(), "-q", "set_permissions", "-p", "/", name, ".*", ".*", ".*")
            else:
                run(CREDENTIALS, "rabbitmq", "add", name, "--ctl", " ".join(map(str, self.ctl())), input=password)

    def take(self, name: str) -> None:
        run(CREDENTIALS, "rabbitmq", "revoke", name, "--ctl", " ".join(map(str, self.ctl())))


class Proxy:
    """HAProxy with the committed configuration before the nodes, which speak TLS by this
    certificate, or as those above plain text."""

    port = 2883

    def __init__(self, folder: Path, port: int, certificate: Path | None = None) -> None:
        text = (ROOT / "deploy/haproxy/haproxy.cfg").read_text()
        if not certificate:
            text = text.replace("tcp-check connect ssl", "tcp-check connect")
        # As many open files as any machine allows.
        text = text.replace("maxconn 50000", "maxconn 1000").replace("bind :8883", f"bind 127.0.0.1:{self.port}")
        # Each connection, to which node it went, and what each health check found.
        text = text.replace("global\n", "global\n    log stdout format raw local0\n")
        text = text.replace("defaults\n", "defaults\n    log global\n    option tcplog\n    option log-health-checks\n")
        for node in NODES:
            text = text.replace(f"node{node}:8883", f"{ip(node)}:{port}")
        file, self.log = folder / "haproxy.cfg", folder / "haproxy.log"
        file.write_text(text)
        run("/usr/sbin/haproxy", "-c", "-f", file)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/haproxy", "-f", str(file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        words = ["mosquitto_pub", "-h", "127.0.0.1", "-p", self.port, "-q", "1", "-t", "probe", "-m", "x"]
        words += ["--cafile", certificate] if certificate else []
        until("haproxy passes a message", lambda: run(*words, ok=False, limit=20).returncode == 0, limit=60)

    url = f"mqtt://127.0.0.1:{port}"

    def user(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("Uid:")[1].split()[0])

    def found(self, node: int) -> str:
        """What the first health check of this node came to; each is logged when that changes."""
        words = f"Health check for server nodes/node{node} "
        until(f"a check of node {node}", lambda: words in self.log.read_text(), limit=60)
        return self.log.read_text().split(words)[1].splitlines()[0]

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


def scratch() -> Path:
    """A folder that every user may pass through and that goes with the namespace of mounts."""
    run("mount", "-t", "tmpfs", "-o", "mode=755", "none", "/run")
    folder = Path("/run/cluster-test")
    folder.mkdir()
    folder.chmod(0o755)
    return folder
