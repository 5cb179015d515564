"""What a package has inside besides our own code: its licences and its bill of materials.

    python3 deploy/deb/inventory.py TARGET FOLDER

Writes FOLDER/THIRD-PARTY (every licence text) and FOLDER/expressiond.cdx.json
(CycloneDX 1.5), both the same for the same Cargo.lock. Plain Python: it runs
where packages are built.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

WHEEL = Path(__file__).resolve().parents[1] / "tflite/requirements.txt"
TFLITE = {
    "name": "tensorflow-lite",
    "version": re.search(r"(?m)^# library: tensorflow-lite==(.+)$", WHEEL.read_text())[1],
    "license": "Apache-2.0",
    "description": "libtensorflowlite_c.so",
}
LICENCE_FILES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE", "COPYRIGHT")


def linked_crates(target):
    """Our own, and the crates that end up in its binary, by name, as `cargo metadata` describes them."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--offline"]
    output = subprocess.run(
        [*command, f"--filter-platform={target}"], check=True, capture_output=True, text=True
    )
    metadata = json.loads(output.stdout)
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {package["id"]: package for package in metadata["packages"]}
    root = metadata["resolve"]["root"]
    found, waiting = set(), [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            # A kind of null is a normal dependency; build and test ones are not shipped.
            linked = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if linked and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    crates = [packages[name] for name in found]
    return packages[root], sorted(crates, key=lambda crate: (crate["name"], crate["version"]))


def licence_texts(crate):
    """The crate's own, and those of C sources in a folder of it (libjpeg-turbo)."""
    folder = Path(crate["manifest_path"]).parent
    files = sorted(
        path
        for path in [*folder.glob("*"), *folder.glob("*/*")]
        if path.is_file() and path.name.upper().startswith(LICENCE_FILES)
    )
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in files]


def notices(crates, tflite_licence):
    """Each text once, under the names of all that it covers."""
    covered, lines = {}, []
    for crate in crates:
        title = f"{crate['name']} {crate['version']} ({crate['license']})"
        texts = licence_texts(crate)
        if not texts:
            lines.append(f"{title}: the crate carries no text; see the licences it names")
        for text in texts:
            covered.setdefault(text, []).append(title)
    title = f"TensorFlow Lite {TFLITE['version']} ({TFLITE['license']})"
    covered.setdefault(tflite_licence.strip(), []).append(title)
    for text, titles in sorted(covered.items(), key=lambda item: item[1]):
        lines += ["", "=" * 78, *titles, "-" * 78, text]
    return "\n".join(lines).lstrip() + "\n"


def component(name, version, licence, **more):
    return {
        "type": "library",
        "name": name,
        "version": version,
        "licenses": [{"expression": licence}],
        **more,
    }


def bill_of_materials(crates, version, library):
    components = [
        component(
            crate["name"],
            crate["version"],
            crate["license"].replace("/", " OR "),
            purl=f"pkg:cargo/{crate['name']}@{crate['version']}",
        )
        for crate in crates
    ]
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    components.append(
        component(
            TFLITE["name"],
            TFLITE["version"],
            TFLITE["license"],
            description=TFLITE["description"],
            hashes=[{"alg": "SHA-256", "content": digest}],
        )
    )
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "expressiond",
                "version": version,
                "licenses": [{"expression": "MIT OR Apache-2.0"}],
            }
        },
        "components": components,
    }


def main():
    target, folder = sys.argv[1], Path(sys.argv[2])
    tflite = Path(".deps/tflite") / target
    own, crates = linked_crates(target)
    licence = (tflite / "LICENSE").read_text(encoding="utf-8")
    (folder / "THIRD-PARTY").write_text(notices(crates, licence), encoding="utf-8")
    bill = bill_of_materials(crates, own["version"], tflite / "libtensorflowlite_c.so")
    text = json.dumps(bill, indent=1) + "\n"
    (folder / "expressiond.cdx.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
