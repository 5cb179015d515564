"""A fleet against clusters whose nodes fail: `make cluster-test` (docs/design/clusters.md)."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nats import Nats
from nodes import NODES, ROOT, Cluster, Proxy, RabbitMQ, ip, prepare_network, run, scratch, until
from stolen import Broker, Listener, breaches, revocation

QUIET = 6.0  # seconds before the fault


@dataclass
class Case:
    """One fault, and what the fleet saw of it."""

    name: str
    # Seconds of the fault, and of the whole measurement.
    lasts: float
    seconds: float
    begin: object
    end: object
    through_proxy: bool = False


def kill(cluster: Cluster) -> None:
    cluster.kill(2)


def start_again(cluster: Cluster) -> None:
    cluster.start(2)


def one_after_the_other(cluster: Cluster) -> None:
    for node in NODES:
        until("all have caught up", lambda: all(map(cluster.caught_up, NODES)), log=lambda node=node: cluster.log(node))
        cluster.stop(node)
        cluster.start(node)


def nothing(cluster: Cluster) -> None:
    pass


CASES = [
    Case("kill", 20, 30, kill, start_again),
    Case("kill-behind-proxy", 20, 30, kill, start_again, through_proxy=True),
    Case("partition", 40, 60, lambda cluster: cluster.cut_off(3), lambda cluster: cluster.join(3)),
    Case("rolling", 0, 60, one_after_the_other, nothing),
    Case("full-disk", 20, 40, lambda cluster: cluster.fill(2), lambda cluster: cluster.empty(2)),
]


class Fault(threading.Thread):
    """Lets a node fail while the fleet is at work."""

    def __init__(self, case: Case, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.case, self.cluster = case, cluster
        self.began, self.error = 0.0, None

    def run(self) -> None:
        try:
            time.sleep(QUIET)
            self.began = time.time()
            self.case.begin(self.cluster)
            time.sleep(self.case.lasts)
            self.case.end(self.cluster)
        except Exception as error:
            self.error = error


def measure(program: Path, cluster: Cluster, case: Case, devices: int) -> dict:
    proxy = Proxy(cluster.folder, cluster.port) if case.through_proxy else None
    fault = Fault(case, cluster)
    url = Proxy.url if proxy else cluster.urls()
    command = [
        program,
        "simulate",
        "--json",
        "--devices",
        devices,
        "--every",
        6,
        "--seconds",
        case.seconds,
        "--url",
        url,
    ]
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    fault.start()
    out, err = process.communicate(timeout=900)
    fault.join(timeout=300)
    if proxy:
        proxy.end()
    if fault.error:
        raise fault.error
    if not out:
        raise RuntimeError(f"{case.name}: {err}")
    return summary(json.loads(out), fault.began, cluster, case)


def summary(report: dict, began: float, cluster: Cluster, case: Case) -> dict:
    gaps = report["interruptions"]
    since_fault = [datetime.fromisoformat(gap["from"]).timestamp() - began + gap["away_s"] for gap in gaps]
    # One that another interruption followed says nothing of its own.
    caught_up = [gap["caught_up_s"] for gap in gaps if gap["caught_up_s"] or gap is gaps[-1]]
    return {
        "broker": cluster.name,
        "case": case.name,
        **{key: report["events"][key] for key in ("made", "lost", "duplicates", "out_of_order", "late")},
        "most_away": max([gap["most_away"] for gap in gaps], default=0),
        "all_back_s": round(max(since_fault, default=0.0), 1),
        "longest_away_s": round(max([gap["away_s"] for gap in gaps], default=0.0), 1),
        "caught_up_s": None if None in caught_up else round(max(caught_up, default=0.0), 1),
        "p99_ms": round(report["latency_ms"]["p99"], 1),
        "nodes_mib": round(cluster.memory()),
        "at_each": list(report["at_each_address"].values()),
        "troubles": report["troubles"],
    }


def promises(cluster: Cluster) -> dict:
    """What others see of retained messages and last wills across the nodes."""

    def words(tool: str, node: int, *more: object) -> list[str]:
        return [str(word) for word in (tool, "-h", ip(node), "-p", cluster.port, *more)]

    def client(node: int, topic: str) -> Listener:
        will = ("--will-topic", topic, "--will-payload", "offline", "--will-qos", 1, "-k", 5)
        return Listener(words("mosquitto_sub", node, "-t", "unused", *will))

    def heard(node: int, topic: str, act) -> bool:
        listener = Listener(words("mosquitto_sub", node, "-t", topic))
        act()
        said = listener.hears("offline", 30)
        listener.stop()
        return said

    run(*words("mosquitto_pub", 1, "-t", "promise/kept", "-m", "kept", "-r", "-q", 1))
    kept = run(*words("mosquitto_sub", 3, "-t", "promise/kept", "-C", 1, "-W", 5), ok=False).stdout.strip()
    first, second = client(1, "promise/device"), client(2, "promise/node")
    of_a_dead_client = heard(3, "promise/device", first.process.kill)
    of_a_dead_node = heard(1, "promise/node", lambda: cluster.kill(2))
    second.process.kill()
    cluster.start(2)
    return {
        "retained message, read at another node": kept == "kept",
        "last will of a client that dies, heard at another node": of_a_dead_client,
        "last will of a client whose node dies": of_a_dead_node,
    }


def group_settings_reach_every_node(cluster: Cluster) -> dict:
    """What a group is told at one node, for a device that comes to another."""
    topic = "simulation/groups/hall/settings"
    run("mosquitto_pub", "-h", ip(1), "-p", cluster.port, "-q", 1, "-r", "-t", topic, "-m", "{}")
    heard = {
        node: run("mosquitto_sub", "-h", ip(node), "-p", cluster.port, "-t", topic, "-C", 1, "-W", 4, ok=False).stdout
        for node in NODES
    }
    return {"settings of a group, written at node 1, read at nodes": [node for node, text in heard.items() if text]}


def differences(cluster: Cluster, found: dict) -> list[str]:
    """Where it is not as docs/design/clusters.md has it, whose rows are called the same."""
    text = (ROOT / "docs/design/clusters.md").read_text().split("### Around the events\n\n")[1]
    header, _, *rows = (line.strip("|").split("|") for line in text.split("\n\n")[0].splitlines())
    column = next(number for number, cell in enumerate(header) if cell.strip().lower().startswith(cluster.name))
    said = {row[0].strip(): row[column].strip() for row in rows}
    differ = []
    for what, seen in found.items():
        # `yes`, or a word for no; or which nodes.
        expected = list(map(int, re.findall(r"\d", said[what]))) if isinstance(seen, list) else said[what] == "yes"
        if seen != expected:
            differ.append(f"{what}: {seen}, which docs/design/clusters.md calls {said[what]}")
    return differ


def the_proxy_finds_nodes_that_speak_tls(folder: Path) -> dict:
    """By its check as it is committed: the clusters here speak plain text. Node 3 is not there."""
    folder = folder / "tls"
    folder.mkdir()
    certificate, key, settings = folder / "node.crt", folder / "node.key", folder / "mosquitto.conf"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-subj", "/CN=nodes", "-addext", f"subjectAltName=IP:127.0.0.1,IP:{ip(1)}", "-days", 1]
    run(*words, "-keyout", key, "-out", certificate)
    listeners = [f"listener 8883 {ip(node)}\ncertfile {certificate}\nkeyfile {key}\n" for node in (1, 2)]
    settings.write_text("user root\nallow_anonymous true\n" + "".join(listeners))
    with (folder / "mosquitto.log").open("wb") as log:
        broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", settings], stderr=log)
    probe = ["mosquitto_pub", "-h", ip(1), "-p", 8883, "--cafile", certificate, "-t", "probe", "-m", "x"]
    try:
        until("mosquitto takes a message", lambda: run(*probe, ok=False).returncode == 0)
        proxy = Proxy(folder, 8883, certificate)
        if proxy.user() == 0:
            raise RuntimeError("it stays root")
        found = [proxy.found(node) for node in NODES]
        proxy.end()
    finally:
        broker.kill()
        broker.wait()
    if [what.split(",")[0] for what in found] != ["succeeded", "succeeded", "failed"]:
        raise RuntimeError(f"nodes over TLS: {found}")
    return {"broker": "mosquitto", "nodes over TLS": found}


def security(cluster: Cluster) -> dict:
    """A stolen board, and what becomes of it when its credential is taken away."""
    passwords = {user: f"password-of-{user}" for user in ("admin", "d1", "d2")}
    cluster.give(passwords)
    broker = Broker(ip(1), cluster.port, passwords)
    until("d1 may log in", lambda: broker.may_log_in("d1"), log=lambda: cluster.log(1))
    found = breaches(broker)
    return {
        "broker": cluster.name,
        "stolen board": found,
        "strangers as nodes": cluster.takes_strangers(),
        **revocation(broker, lambda: cluster.take("d1")),
    }


def failures(cluster: Cluster, chosen: argparse.Namespace) -> Iterator[str]:
    """Starts it, and tells what must not be, one after the other: the next may raise."""
    begun = time.monotonic()
    cluster.start()
    say({"broker": cluster.name, "started_s": round(time.monotonic() - begun, 1)})
    found = security(cluster)
    say(found)
    yield from (f"a stolen board {breach}" for breach in found["stolen board"])
    yield from (f"a stranger is a node {how}" for how in found["strangers as nodes"])
    if found["revoked: logs in again"]:
        yield "a revoked credential still logs in"
    if found["revoked: connection ended after s"] is None:
        yield "a revoked credential keeps the connection that it has"
    around = promises(cluster) | group_settings_reach_every_node(cluster)
    say({"broker": cluster.name, **around})
    yield from differences(cluster, around)
    for case in CASES:
        if case.name in chosen.cases:
            until("all nodes", lambda: all(map(cluster.ready, NODES)))
            found = measure(chosen.program, cluster, case, chosen.devices)
            say(found)
            yield from (f"{case.name}: {trouble}" for trouble in troubles(found))


def some_of(*names: str):
    """Reads a list of names, of which each must be one of these: others would be passed over."""

    def read(text: str) -> list[str]:
        words = text.split(",")
        unknown = [word for word in words if word not in names]
        if unknown:
            raise argparse.ArgumentTypeError(f"none is called {', '.join(unknown)}: there are {', '.join(names)}")
        return words

    return read


def main() -> int:
    cases, parts = [case.name for case in CASES], ["proxy", RabbitMQ.name, Nats.name]
    options = argparse.ArgumentParser()
    options.add_argument("program", type=Path)
    options.add_argument("--devices", type=int, default=20)
    options.add_argument("--only", type=some_of(*parts), default=parts)
    options.add_argument("--cases", type=some_of(*cases), default=cases)
    options.add_argument("--logs", type=Path, help="a folder for the nodes' logs")
    chosen = options.parse_args()
    prepare_network()
    folder, failed = scratch(), []
    if "proxy" in chosen.only:
        try:
            say(the_proxy_finds_nodes_that_speak_tls(folder))
        except Exception as error:
            failed.append(f"haproxy: {error}")
    for kind in (RabbitMQ, Nats):
        if kind.name not in chosen.only:
            continue
        cluster = kind(folder)
        try:
            for trouble in failures(cluster, chosen):
                failed.append(f"{cluster.name}: {trouble}")
        except Exception as error:
            failed.append(f"{cluster.name}: {error}")
        finally:
            if chosen.logs:
                cluster.keep_logs(chosen.logs)
            cluster.end()
    for trouble in failed:
        print(f"cluster-test: {trouble}", file=sys.stderr)
    return 1 if failed else 0


def troubles(found: dict) -> list[str]:
    """What must not be, whichever broker and whichever fault."""
    troubles = []
    if found["lost"]:
        troubles.append(f"{found['lost']} of {found['made']} events were lost")
    if found["out_of_order"]:
        troubles.append(f"{found['out_of_order']} of {found['made']} events came out of order")
    if found["caught_up_s"] is None:
        troubles.append("the listener did not get everything in time")
    return troubles


def say(found: dict) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    sys.exit(main())
