"""Installing, upgrading, going back and removing, from a repository of our own."""

from __future__ import annotations

import json
import os

from board import LICENCE, MODEL, ROOT, Board, Failed, Workshop, replace, run

SETTINGS = "etc/expressiond/expressiond.toml"
MODEL_PACKAGE = f"expressiond-model-{MODEL}"


def install(board: Board, workshop: Workshop) -> None:
    """The guide's way to the program alone."""
    workshop.publish("repo", [workshop.package])
    board.follow(workshop, "repo", workshop.keyring(workshop.key))
    board.run("apt-get", "update")
    board.run("apt-get", "install", "--yes", "expressiond")


def installs_and_purges_without_leftovers(board: Board, workshop: Workshop) -> None:
    before = board.files()
    install(board, workshop)
    assert board.installed("expressiond") == workshop.version
    assert workshop.version in board.run("expressiond", "--version")
    board.write("root/picture.jpg", "")
    (board.folder / "root/picture.jpg").write_bytes((ROOT / "models/self-test.jpg").read_bytes())
    seen = json.loads(board.run("expressiond", "detect", "--json", "/root/picture.jpg", result=True))
    assert [face["class"] for face in seen["faces"]] == ["happy"], seen
    board.run("systemctl", "enable", "expressiond", "expressiond-csi")
    board.run("systemctl", "add-requires", "boot-complete.target", "expressiond", "expressiond@door")
    board.run("systemctl", "mask", "expressiond@hall", "expressiond@.service")
    board.write("var/lib/private/expressiond/outbox", "x")
    board.write("var/cache/private/expressiond-csi/registry", "x")
    board.write("etc/systemd/system/expressiond-csi.service.d/override.conf", "")
    board.write("etc/expressiond/conf.d/50-site.toml", "")
    board.run("apt-get", "purge", "--yes", "expressiond")
    left = board.files() - before
    assert not left, f"left after purge: {sorted(left)}"
    assert not (board.folder / "var/cache/private/expressiond-csi").exists()


def a_state_folder_that_is_mounted_is_emptied(board: Board, workshop: Workshop) -> None:
    """As docs/guide/upgrade.md has it where the root forgets: the purge is no failure."""
    install(board, workshop)
    board.write("data/state/outbox", "x")
    board.mount("--bind", str(board.folder / "data/state"), "var/lib/private/expressiond")
    board.run("apt-get", "purge", "--yes", "expressiond")
    assert list((board.folder / "data/state").iterdir()) == []


def what_ended_for_good_is_tried_with_what_may_mend_it(board: Board, workshop: Workshop) -> None:
    """systemd itself does not try again after 78 (docs/ref/exit-codes.md). What its owner has
    stopped stays so."""
    install(board, workshop)
    package, version = workshop.next_version()
    repo = f"mends-{board.suite}"
    workshop.publish(repo, [workshop.package, package, workshop.model_package("90.0.0")])
    board.follow(workshop, repo, workshop.keyring(workshop.key))
    board.run("apt-get", "update")
    # One that is enabled, one that its camera wants, and one that nobody wants any more.
    failed = ["expressiond@hall.service", "expressiond@usb-0:1.2.service", "expressiond@old.service"]
    # Enabled as well: whose owner has stopped it and that had to be killed, and what one that runs would end.
    stopped, kept = "expressiond@hung.service", "expressiond.service"
    # With a process, and without.
    starting, waiting = "expressiond@starting.service", "expressiond@waiting.service"
    board.play_systemd(
        f"list-units*--state=activating*) printf '%s loaded activating start Of a test\\n' {starting} {waiting} ;;\n"
        "list-units*--state=active,*' expressiond@'*) echo expressiond@run.service loaded active running Of a test ;;\n"
        "list-units*--state=active,*) ;;\n"
        f"list-units*) printf '%s loaded failed failed Of a test\\n' {' '.join([*failed, stopped, kept])} ;;\n"
        f"show*ExecMain*{stopped}) printf '%s\\n' ExecMainStatus=9 ExecMainCode=2 Result=timeout ;;\n"
        "show*ExecMain*) printf '%s\\n' Result=exit-code ExecMainCode=1 ExecMainStatus=78 ;;\n"
        f"show*MainPID*{starting}) echo MainPID=7 ;;\nshow*MainPID*) echo MainPID=0 ;;\n"
        f"*is-enabled*{failed[2]}*) echo disabled ;;\n*is-enabled*{failed[1]}*) echo disabled ;;\n"
        "*is-enabled*) echo enabled ;;\n*is-active*) exit 3 ;;\n"
        f"show*{failed[1]}) echo WantedBy=sys-devices-platform-camera.device ;;\n"
    )
    started = "--quiet --system start expressiond@hall.service"
    by_its_camera = "reload-or-restart expressiond@usb-0:1.2.service"
    again = f"try-restart {starting}"
    stays = ("start expressiond@old.service", "reload-or-restart expressiond@old.service", "trigger", waiting)
    stays_failed = (f"start {stopped}", f" start {kept}")
    for words in (
        ("install", f"expressiond={version}"), ("install", MODEL_PACKAGE), ("remove", MODEL_PACKAGE),
    ):
        board.run("apt-get", words[0], "--yes", *words[1:])
        told = board.told_systemd()
        assert started in told and by_its_camera in told and again in told, (words, told)
        calls = [line for line in told if not line.startswith("show ")]
        assert not [line for line in calls if any(word in line for word in (*stays, *stays_failed))], told
        # Also the bridge of CSI cameras, of which a model's package knows nothing.
        bridge = "try-restart expressiond.service expressiond@*.service expressiond-csi.service"
        assert (bridge in told) == (words[1] != MODEL_PACKAGE), told
    # Also the bridge of CSI cameras films no more.
    board.run("apt-get", "remove", "--yes", "expressiond")
    stopped = next(line for line in board.told_systemd() if line.startswith("stop "))
    assert stopped.split()[1:] == ["expressiond.service", "expressiond@*.service", "expressiond-csi.service"], stopped
    # What that has stopped runs again when it comes back, as after a boot.
    board.run("apt-get", "install", "--yes", "expressiond")
    told = board.told_systemd()
    assert started in told and by_its_camera in told and any("--all" in line for line in told), told
    assert any(line.startswith("trigger ") for line in told), told
    # The next one is an upgrade again.
    board.run("apt-get", "install", "--yes", "--reinstall", "expressiond")
    told = board.told_systemd()
    assert not any("--all" in line or line.startswith("trigger ") for line in told), told
    # Cameras that are there when it is new get their instances, and nothing else is started.
    board.run("apt-get", "purge", "--yes", "expressiond")
    board.told_systemd()
    board.run("apt-get", "install", "--yes", "expressiond")
    told = board.told_systemd()
    assert any(line.startswith("trigger ") for line in told), told
    assert not any(word in line for line in told for word in ("list-units", " start ", "restart")), told


def a_model_comes_to_an_older_program(board: Board, workshop: Workshop) -> None:
    """Whose package has no retry-failed; the model's asks for any program."""
    install(board, workshop)
    repo = f"older-{board.suite}"
    workshop.publish(repo, [workshop.package, workshop.model_package("90.0.0")])
    board.follow(workshop, repo, workshop.keyring(workshop.key))
    board.run("apt-get", "update")
    board.play_systemd("")
    (board.folder / "usr/lib/expressiond/retry-failed").unlink()
    for word in ("install", "remove"):
        board.run("apt-get", word, "--yes", MODEL_PACKAGE)
    assert any("try-reload-or-restart" in line for line in board.told_systemd())


def a_pre_release_sorts_before_its_release(board: Board, workshop: Workshop) -> None:
    """Also where its name has more than one dash."""
    version = run(["dpkg-deb", "--field", workshop.model_package("91.0.0-rc.1-b"), "Version"]).strip()
    run(["dpkg", "--compare-versions", version, "lt", "91.0.0"])
    assert "-" not in version, "it would be Debian's revision"


def a_repository_with_another_key_is_refused(board: Board, workshop: Workshop) -> None:
    workshop.publish("repo", [workshop.package])
    stranger = workshop.make_archive_key(f"stranger-{board.suite}")
    board.follow(workshop, "repo", workshop.keyring(stranger))
    told = board.run("apt-get", "update", "--error-on=any", ok=False)
    assert "signature" in told.lower() or "sqv" in told.lower() or "NO_PUBKEY" in told, told
    board.run("apt-get", "install", "--yes", "expressiond", ok=False)
    # While keys change, a board knows the old and the new one.
    board.follow(workshop, "repo", workshop.keyring(stranger, workshop.key))
    board.run("apt-get", "update", "--error-on=any")


def a_repository_that_was_tampered_with_is_refused(board: Board, workshop: Workshop) -> None:
    repo = f"tampered-{board.suite}"
    workshop.publish(repo, [workshop.package])
    board.follow(workshop, repo, workshop.keyring(workshop.key))
    board.run("apt-get", "update", "--error-on=any")
    # The package, under lists that are right.
    package = next((workshop.folder / repo / "pool/stable").glob("expressiond_*_amd64.deb"))
    content = bytearray(package.read_bytes())
    content[len(content) // 2] ^= 1
    package.write_bytes(content)
    told = board.run("apt-get", "install", "--yes", "expressiond", ok=False)
    assert "Hash Sum mismatch" in told or "unexpected" in told, told
    # The lists, under a signature that is right.
    lists = workshop.folder / repo / "dists/stable/InRelease"
    replace(lists, "Suite: stable", "Suite: stabler")
    # Changed within the second in which it was published, it would be what the board has already.
    later = lists.stat().st_mtime + 2
    os.utime(lists, (later, later))
    board.run("apt-get", "update", "--error-on=any", ok=False)


def unattended_upgrades_keep_changed_settings_and_can_be_taken_back(board: Board, workshop: Workshop) -> None:
    install(board, workshop)
    board.upgrades_by_itself()
    changed = board.read(SETTINGS).replace('name = "camera"', 'name = "hall"')
    board.write(SETTINGS, changed)
    package, version = workshop.next_version()
    repo = f"upgrade-{board.suite}"
    workshop.publish(repo, [workshop.package], suite="stable")
    workshop.publish(repo, [workshop.package, package], suite="canary")
    keyring = workshop.keyring(workshop.key)
    # A board of the outer ring sees nothing of what the inner one tries.
    board.follow(workshop, repo, keyring, suite="stable")
    board.run("apt-get", "update")
    told = board.run("unattended-upgrade", "--dry-run", "--verbose")
    assert "No packages found that can be upgraded" in told, told
    # What proved itself is promoted, as the guide does it.
    canary = (workshop.folder / repo / "pool/canary").glob(f"*_{version}_*.deb")
    workshop.publish(repo, list(canary), suite="stable")
    board.run("apt-get", "update")
    told = board.run("unattended-upgrade", "--dry-run", "--verbose")
    assert "Packages that will be upgraded: expressiond" in told, told
    board.run("unattended-upgrade", "--verbose")
    assert board.installed("expressiond") == version
    assert board.read(SETTINGS) == changed
    assert "# a new default" in board.read(f"{SETTINGS}.dpkg-dist")
    board.run("apt-get", "install", "--yes", "--allow-downgrades", f"expressiond={workshop.version}")
    assert board.installed("expressiond") == workshop.version
    assert board.read(SETTINGS) == changed


def a_published_version_never_changes(board: Board, workshop: Workshop) -> None:
    workshop.publish("repo", [workshop.package])
    other = workshop.folder / f"other-{board.suite}" / workshop.package.name
    other.parent.mkdir()
    other.write_bytes(workshop.package.read_bytes() + b"\n")
    try:
        workshop.publish("repo", [other])
    except Failed as refused:
        assert "raise its version" in str(refused)
    else:
        raise AssertionError("other bytes under a published version were taken")


def what_was_not_published_is_not_there(board: Board, workshop: Workshop) -> None:
    """Also for the next run, which lists whatever is in the pool."""
    repo, (package, _) = f"aborted-{board.suite}", workshop.next_version()
    workshop.publish(repo, [workshop.package])
    pool = workshop.folder / repo / "pool/stable"
    other = workshop.folder / f"aborted-other-{board.suite}" / workshop.package.name
    other.parent.mkdir()
    other.write_bytes(workshop.package.read_bytes() + b"\n")
    # The second of them is refused; nobody has the key; a copy was cut off before.
    for packages, key in (([package, other], ""), ([package], "0" * 40), ([package.with_name("gone.deb")], "")):
        try:
            workshop.publish(repo, packages, key=key)
        except Failed:
            assert [each.name for each in pool.iterdir()] == [workshop.package.name], (packages, key)
        else:
            raise AssertionError(f"published: {packages} by {key}")
    # As when the power goes, with the package under its name and nothing signed.
    tools = workshop.folder / f"aborted-tools-{board.suite}"
    tools.mkdir()
    (tools / "gpg").write_text("#!/bin/sh\nkill -KILL $PPID\n")
    (tools / "gpg").chmod(0o755)
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    env = workshop.gpg_home | {"KEY": workshop.key, "REPO": str(workshop.folder / repo)} | path
    run(["deploy/apt/publish", "stable", package], env=env, ok=False)
    assert (pool / package.name).exists()
    note = (pool / ".adding").read_bytes()
    workshop.publish(repo, [])
    assert [each.name for each in pool.iterdir()] == [workshop.package.name]
    (pool / f"{package.name}.new").write_bytes(b"half")
    workshop.publish(repo, [package])
    assert {each.name for each in pool.iterdir()} == {workshop.package.name, package.name}
    assert (pool / package.name).read_bytes() == package.read_bytes()
    # Killed only after it had signed: boards have read of it.
    (pool / ".adding").write_bytes(note)
    workshop.publish(repo, [])
    assert {each.name for each in pool.iterdir()} == {workshop.package.name, package.name}


def a_suite_is_signed_anew_by_another_key(board: Board, workshop: Workshop) -> None:
    """Before the old one goes, with nothing new in it."""
    repo, new = f"rotated-{board.suite}", workshop.make_archive_key(f"rotated-{board.suite}")
    workshop.publish(repo, [workshop.package])
    workshop.publish(repo, [], key=new)
    board.follow(workshop, repo, workshop.keyring(new))
    board.run("apt-get", "update", "--error-on=any")
    assert workshop.version in board.run("apt-cache", "policy", "expressiond")
    try:
        workshop.publish(repo, [], suite="stabel")
    except Failed as refused:
        assert "no packages named" in str(refused)
    else:
        raise AssertionError("a suite that nobody has published was signed")


def model_packages_run_once_trusted_and_roll_back(board: Board, workshop: Workshop) -> None:
    install(board, workshop)
    own, refused = board.model()
    assert not refused
    older, newer = workshop.model_package("90.0.0"), workshop.model_package("90.1.0")
    run(["lintian", "--allow-root", "--fail-on", "error,warning", newer])
    repo = f"models-{board.suite}"
    workshop.publish(repo, [workshop.package, older, newer])
    board.follow(workshop, repo, workshop.keyring(workshop.key))
    board.run("apt-get", "update")
    board.run("apt-get", "install", "--yes", MODEL_PACKAGE)
    assert LICENCE in board.read(f"usr/share/doc/{MODEL_PACKAGE}/copyright")
    # Signed by somebody whom this board does not know yet.
    version, refused = board.model()
    assert version == own and "none of the 0 public keys" in refused[0], (version, refused)
    board.write("etc/expressiond/model-keys.d/signer.pem", (workshop.folder / "signer.pem").read_text())
    assert board.model() == ("90.1.0", [])
    # The card went bad.
    model = board.folder / f"usr/share/expressiond/models.d/{MODEL}-90.1.0/{MODEL}.tflite"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    version, refused = board.model()
    assert version == own and "its side-car says" in refused[0], (version, refused)
    # Back to the version before, then back to the program's own.
    board.run("apt-get", "install", "--yes", "--allow-downgrades", f"{MODEL_PACKAGE}=90.0.0")
    assert board.model() == ("90.0.0", [])
    # There it stays, as the guide says, whatever is newer.
    board.upgrades_by_itself()
    board.run("apt-mark", "hold", MODEL_PACKAGE)
    board.run("unattended-upgrade", "--verbose")
    assert board.model() == ("90.0.0", [])
    board.run("apt-mark", "unhold", MODEL_PACKAGE)
    board.run("apt-get", "remove", "--yes", MODEL_PACKAGE)
    assert board.model() == (own, [])
    assert not (board.folder / "usr/share/expressiond/models.d").exists()


TESTS = [
    installs_and_purges_without_leftovers,
    a_state_folder_that_is_mounted_is_emptied,
    what_ended_for_good_is_tried_with_what_may_mend_it,
    a_model_comes_to_an_older_program,
    a_pre_release_sorts_before_its_release,
    a_repository_with_another_key_is_refused,
    a_repository_that_was_tampered_with_is_refused,
    unattended_upgrades_keep_changed_settings_and_can_be_taken_back,
    a_published_version_never_changes,
    what_was_not_published_is_not_there,
    a_suite_is_signed_anew_by_another_key,
    model_packages_run_once_trusted_and_roll_back,
]
