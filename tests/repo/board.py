"""A board (a Debian root file system) and the workshop that publishes packages for it."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Self

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODEL = "expression-yolo12n"
LICENCE = "MIT/X11 & others"  # has what means something to sed
COMMAND_LIMIT = 1800.0  # seconds for a command, of which some install a system


class Failed(Exception):
    """A command ended with another exit status than it should."""


def run(command: list, *, ok: bool = True, env: dict | None = None, cwd: Path = ROOT, result: bool = False) -> str:
    """Everything that a command printed, or its `result` alone; `ok` says whether it shall succeed."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=os.environ | (env or {}), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if result else subprocess.STDOUT, check=False, timeout=COMMAND_LIMIT,
    )
    if (done.returncode == 0) != ok:
        raise Failed(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr or ''}")
    return done.stdout


class Workshop:
    """Somebody with a package, keys that are thrown away afterwards, and a web server."""

    def __init__(self, folder: Path, package: Path):
        self.folder, self.package = folder, package
        self.program = folder / "program/usr/bin/expressiond"
        run(["dpkg-deb", "-x", package, folder / "program"])
        self.version = run(["dpkg-deb", "--field", package, "Version"]).strip()
        (folder / "gpg").mkdir(mode=0o700)
        self.key = self.make_archive_key("signer")
        self.make_model_key("signer")
        handler = functools.partial(Quiet, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        run(["gpgconf", "--kill", "all"], env=self.gpg_home)

    @property
    def gpg_home(self) -> dict:
        return {"GNUPGHOME": str(self.folder / "gpg")}

    def url(self, repo: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{repo}"

    def make_archive_key(self, name: str) -> str:
        gpg = ["gpg", "--batch", "--quiet", "--passphrase", ""]
        run([*gpg, "--quick-generate-key", name, "ed25519", "sign", "1d"], env=self.gpg_home)
        listed = run(["gpg", "--batch", "--with-colons", "--list-keys", name], env=self.gpg_home)
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def keyring(self, *keys: str) -> str:
        return run(["gpg", "--batch", "--armor", "--export", *keys], env=self.gpg_home)

    def make_model_key(self, name: str) -> None:
        private, public = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private])
        run(["openssl", "pkey", "-in", private, "-pubout", "-out", public])

    def publish(self, repo: str, packages: list, suite: str = "stable", key: str = "") -> None:
        env = self.gpg_home | {"KEY": key or self.key, "REPO": str(self.folder / repo)}
        run(["deploy/apt/publish", suite, *packages], env=env)

    def next_version(self) -> tuple[Path, str]:
        """The package again, with a higher version and other default settings."""
        version = f"{self.version}+next"
        package = self.folder / f"expressiond_{version}_amd64.deb"
        if not package.exists():
            tree = self.folder / "next"
            run(["dpkg-deb", "-R", self.package, tree])
            replace(tree / "DEBIAN/control", f"Version: {self.version}", f"Version: {version}")
            with (tree / "etc/expressiond/expressiond.toml").open("a") as settings:
                settings.write("# a new default\n")
            run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, package])
        return package, version

    def model_package(self, version: str) -> Path:
        """The committed model under a higher version, signed."""
        package = self.folder / f"expressiond-model-{MODEL}_{version.replace('-', '~')}_all.deb"
        if not package.exists():
            tree = self.folder / f"model-{version}"
            tree.mkdir()
            for name in (f"{MODEL}.tflite", f"{MODEL}.json", "self-test.jpg"):
                shutil.copy(ROOT / "models" / name, tree)
            card = json.loads((tree / f"{MODEL}.json").read_text())
            (tree / f"{MODEL}.json").write_text(json.dumps(card | {"version": version, "license": LICENCE}))
            env = {"EXPRESSIOND": str(self.program), "OUT": str(self.folder)}
            run(["deploy/model-package/build", tree / f"{MODEL}.tflite", self.folder / "signer.key"], env=env)
        return package


class Board:
    """Knows nothing of us and, like many a board, reaches no other repository than ours."""

    def __init__(self, suite: str, workshop: Workshop):
        self.suite = suite
        self.folder = Path(tempfile.mkdtemp(prefix=f"{suite}.", dir=workshop.folder))
        self.folder.chmod(0o755)
        self.mounts: list[Path] = []

    def __enter__(self) -> Self:
        root = run([HERE / "root", self.suite]).splitlines()[-1]
        run(["tar", "-C", self.folder, "-xf", root, "--exclude=./dev/*"])
        self.mount("-t", "proc", "proc", "proc")
        self.mount("-t", "tmpfs", "tmpfs", "dev")
        for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
            os.mknod(self.folder / "dev" / name, 0o020666, os.makedev(1, minor))
            os.chmod(self.folder / "dev" / name, 0o666)
        (self.folder / "dev/fd").symlink_to("/proc/self/fd")
        # XNNPACK counts the processors there.
        self.mount("--bind", "/sys/devices/system/cpu", "sys/devices/system/cpu")
        for path in self.folder.glob("etc/apt/sources.list*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (self.folder / "etc/apt/sources.list.d").mkdir()
        return self

    def __exit__(self, *_) -> None:
        for place in reversed(self.mounts):
            run(["umount", place])
        run(["rm", "-rf", "--one-file-system", self.folder])

    def mount(self, *arguments: str) -> None:
        place = self.folder / arguments[-1]
        place.mkdir(parents=True, exist_ok=True)
        run(["mount", *arguments[:-1], place])
        self.mounts.append(place)

    def run(self, *command, ok: bool = True, result: bool = False) -> str:
        env = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "HOME": "/root"}
        env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
        return run(["chroot", self.folder, *command], ok=ok, env=env, result=result)

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def read(self, path: str) -> str:
        return (self.folder / path).read_text()

    def follow(self, workshop: Workshop, repo: str, keyring: str, suite: str = "stable") -> None:
        """Takes packages from this repository, signed by this key: the guide's two files."""
        self.write("etc/apt/keyrings/expressiond-archive-keyring.asc", keyring)
        self.write("etc/apt/sources.list.d/expressiond.sources", (
            f"Types: deb\nURIs: {workshop.url(repo)}\nSuites: {suite}\nComponents: main\n"
            "Signed-By: /etc/apt/keyrings/expressiond-archive-keyring.asc\n"
        ))

    def upgrades_by_itself(self) -> None:
        """By what the package brings for it: docs/guide/upgrade.md."""
        example = "/usr/share/doc/expressiond/examples/50unattended-upgrades-expressiond"
        self.run("install", "-m", "644", example, "/etc/apt/apt.conf.d/")

    def play_systemd(self, answers: str) -> None:
        """Notes what it and udev are told, in /systemd; `answers`: lines of a shell's `case` of that."""
        self.write("systemd", "")
        # By which scripts of packages know that both run (sd_booted(3)).
        for folder in ("systemd/system", "udev"):
            (self.folder / "run" / folder).mkdir(parents=True, exist_ok=True)
        for name, said in (("systemctl", answers), ("udevadm", "")):
            program = self.folder / "usr/bin" / name
            program.unlink(missing_ok=True)
            program.write_text(f'#!/bin/sh\necho "$@" >>/systemd\ncase "$*" in\n{said}esac\n')
            program.chmod(0o755)

    def told_systemd(self) -> list[str]:
        """What it was told since it was last asked."""
        told = self.read("systemd").splitlines()
        self.write("systemd", "")
        return told

    def installed(self, package: str) -> str:
        """Its version, or nothing."""
        shown = self.run("dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}${Version}\\n", package)
        # The first letter is what is wanted of it (dpkg-query(1)): to install it, or to hold it.
        return shown[3:].strip() if shown[1:3] == "i " else ""

    def model(self) -> tuple[str, list[str]]:
        """The version of the model that the daemon would run, and those that it refuses."""
        shown = json.loads(self.run("expressiond", "model", "show", "--json", result=True))
        return shown["model"]["version"], shown["refused"]

    def files(self) -> set[str]:
        """Whatever is there but for the package manager's own notes."""
        found = self.run("find", "/", "-xdev", "-not", "-path", "/proc*")
        own = ("/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log", "/tmp", "/root", "/etc/apt")
        return {path for path in found.splitlines() if not path.startswith(own)}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a line for every request."""

    def log_message(self, *_) -> None:
        pass


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new))
