"""An owner who types what docs/guide says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from machine import Machine

GUIDES = Path(__file__).resolve().parents[2] / "docs/guide"


def commands(name: str) -> str:
    """The block below `<!-- board-test: NAME -->`."""
    pattern = rf"<!-- board-test: {name} -->\n+```sh\n(.*?)```"
    found = [block for guide in GUIDES.glob("*.md") for block in re.findall(pattern, guide.read_text(), re.DOTALL)]
    assert len(found) == 1, f"{len(found)} blocks {name!r} in docs/guide"
    return found[0]


class Owner:
    """An ordinary user with sudo, in the home folder where the package lies."""

    def __init__(self, machine: Machine):
        self.machine = machine

    def types(self, name: str, edits: str = "", stdin: str = "") -> str:
        """The editor that opens makes `edits` (for sed); `stdin` is what is typed when asked."""
        script = commands(name).replace("_arm64.deb", "_amd64.deb")
        edits = shlex.quote(shlex.quote(edits))
        self.machine.run(f"printf '#!/bin/sh\\nexec sed -i %s \"$1\"\\n' {edits} >/usr/local/bin/edits")
        self.machine.run("chmod 755 /usr/local/bin/edits")
        self.machine.run(f"cat >/home/owner/typed <<'END'\nset -e\nexport EDITOR=/usr/local/bin/edits\n{script}END")
        return self.machine.run(f"printf '{stdin}' | su - owner -c 'sh /home/owner/typed' 2>&1", limit=900)
