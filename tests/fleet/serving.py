"""`deploy/fleet/credentials serve`, and boards that come to it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Self

from brokers import LIMIT, ROOT, Fleet, attempt, run
from waiting import until


def refused(words: list, text: str, **more: object) -> subprocess.CompletedProcess:
    return attempt(words, input=text, **more)


def authority(path: Path) -> None:
    """Its key and its certificate."""
    key = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run([*key, "-subj", "/CN=Fleet", "-days", "30", "-keyout", f"{path}.key", "-out", f"{path}.crt"])


def group_runs(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


class Serving:
    """`credentials serve`, with an authority for devices or without."""

    def __init__(self, fleet: Fleet, *more: str, signs: bool = True, path: str = "") -> None:
        self.fleet, self.authority = fleet, fleet.folder / "ca"
        if not Path(self.certificate).exists():
            authority(self.authority)
        self.scratch = fleet.folder / "scratch"
        self.scratch.mkdir()
        ca = ["--ca-cert", self.certificate, "--ca-key", f"{self.authority}.key"] if signs else []
        self.log = fleet.folder / "serving"
        with self.log.open("w") as log:
            words = [str(word) for word in fleet.tool("serve", *ca, *more)]
            environment = os.environ | {"TMPDIR": str(self.scratch), "PATH": f"{path}:{os.environ['PATH']}"}
            # With mosquitto_sub, which it has begun.
            self.process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True, env=environment)
        until("boards may come", lambda: self.said("boards may come"))

    @property
    def certificate(self) -> str:
        return f"{self.authority}.crt"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """As systemd ends it: neither the admin's password nor a listener is left."""
        try:
            self.process.terminate()
            self.process.wait(LIMIT)
            assert list(self.scratch.iterdir()) == []
            until("nothing of it runs", lambda: not group_runs(self.process.pid))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def said(self, text: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return text in self.log.read_text()

    def board(self, name: str) -> tuple[Path, list]:
        """A board's folder, and what makes it one of the fleet."""
        folder, fleet = self.fleet.folder / name, self.fleet
        return folder, [ROOT / "deploy/fleet/join", "127.0.0.1", fleet.broker.port, fleet.cafile or "", folder]

    def token(self, device: str) -> str:
        return run(self.fleet.tool("token", device)).strip()
