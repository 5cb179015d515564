"""`make model`, as far as it goes without training."""

import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[3] / "Makefile"


@pytest.fixture
def checkout(tmp_path):
    """An empty one, with a blank in its path; every word that its Python is given is a line."""
    folder = tmp_path / "a checkout"
    (folder / "models/training").mkdir(parents=True)
    python = folder / ".deps/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    python.chmod(0o755)
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@pytest.fixture
def make(checkout):
    words = ["make", "-C", checkout, "-f", MAKEFILE, "-o", ".deps/venv/ready"]
    return lambda *more: subprocess.run([*words, *more], capture_output=True, text=True)


def test_a_set_of_one_s_own_may_lie_in_any_folder(make, checkout):
    (checkout / "my set's").mkdir()
    done = make("model", "DATA=my set's/data.yaml")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for path in ("my set's/data.yaml", "out/model/set/data.yaml", "out/model/run"):
        assert str(checkout / path) in lines
    assert "--processes" in lines and "--version" not in lines
    assert "1.2.3" in make("model", "DATA=x.yaml", "VERSION=1.2.3").stdout.splitlines()
    lines = make("model", "DATA=x.yaml", "PREPARE=--near-bits 3").stdout.splitlines()
    assert lines[lines.index("--near-bits") + 1] == "3" and lines.count("--near-bits") == 1


def test_a_version_that_no_board_would_take_is_told_before_training(make):
    for version in ["1.2", "v1.2.3", "latest"]:
        done = make("model", "DATA=x.yaml", f"VERSION={version}")
        assert done.returncode != 0 and f"VERSION={version}: boards compare three numbers" in done.stderr
        assert "prepare" not in done.stdout


def test_a_clone_without_its_history_leaves_nothing_that_looks_fetched(make, checkout):
    beside = checkout.parent / "a/file"
    beside.parent.mkdir()
    beside.touch()
    for _ in range(2):
        done = make("model", "SHARED=shared folder", "INIT=other.safetensors")
        assert done.returncode != 0 and "git fetch --unshallow" in done.stderr
    assert not (checkout / "out/model/before").exists()
    assert beside.exists(), "the path was taken for two"


def test_the_teacher_is_fetched_whatever_the_training_starts_from(make, checkout):
    (checkout / "out/model/before").mkdir(parents=True)
    (checkout / "out/model/before/ready").touch()
    done = make("model", "SHARED=shared folder", "INIT=other.safetensors")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert str(checkout / "shared folder/wild") in lines and str(checkout / "other.safetensors") in lines
    assert str(checkout / "out/model/before/expression-yolo12n.tflite") in lines


def test_the_tests_of_the_training_code_start(make):
    done = make("model-test")
    assert done.returncode == 0 and {"-m", "pytest"} <= {*done.stdout.splitlines()}, done
