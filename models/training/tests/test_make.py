"""`make model`, as far as it goes without training."""

import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[3] / "Makefile"


@pytest.fixture
def make(tmp_path):
    """Runs it in an empty checkout, where every word that Python is given is a line."""
    (tmp_path / "models/training").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    words = ["make", "-C", tmp_path, "-f", MAKEFILE, "-o", ".deps/venv/ready", r"PYTHON=printf '%s\n'"]
    return lambda *more: subprocess.run([*words, *more], capture_output=True, text=True)


def test_a_set_of_one_s_own_may_lie_in_any_folder(make, tmp_path):
    (tmp_path / "my set's").mkdir()
    done = make("model", "DATA=my set's/data.yaml")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert str(tmp_path / "my set's/data.yaml") in lines
    assert "--processes" in lines and "--version" not in lines
    assert "1.2.3" in make("model", "DATA=x.yaml", "VERSION=1.2.3").stdout.splitlines()
    lines = make("model", "DATA=x.yaml", "PREPARE=--near-bits 3").stdout.splitlines()
    assert lines[lines.index("--near-bits") + 1] == "3" and lines.count("--near-bits") == 1


def test_a_version_that_no_board_would_take_is_told_before_training(make):
    for version in ["1.2", "v1.2.3", "latest"]:
        done = make("model", "DATA=x.yaml", f"VERSION={version}")
        assert done.returncode != 0 and f"VERSION={version}: boards compare three numbers" in done.stderr
        assert "prepare" not in done.stdout


def test_a_clone_without_its_history_leaves_nothing_that_looks_fetched(make, tmp_path):
    for _ in range(2):
        done = make("model", "SHARED=shared folder", "INIT=other.safetensors")
        assert done.returncode != 0 and "git fetch --unshallow" in done.stderr
    assert not (tmp_path / "out/model/before").exists()


def test_the_teacher_is_fetched_whatever_the_training_starts_from(make, tmp_path):
    (tmp_path / "out/model/before").mkdir(parents=True)
    (tmp_path / "out/model/before/ready").touch()
    done = make("model", "SHARED=shared folder", "INIT=other.safetensors")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert str(tmp_path / "shared folder/wild") in lines and str(tmp_path / "other.safetensors") in lines
