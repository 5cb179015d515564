"""What a command is asked for and cannot do is said at once, in words."""

import pytest
import torch
from test_pipeline import arguments
from test_prepare import yolo
from test_runs import told_by, unread

from expression_training import evaluate, export, label, prepare, scenes
from expression_training.dataset import DataError, DataSet
from expression_training.network import YOLO12, Description
from expression_training.weights import save_weights


@pytest.mark.parametrize("module", [evaluate, scenes])
def test_nothing_to_measure_is_no_success(tmp_path, monkeypatch, module):
    source = yolo(tmp_path / "set", {"train": range(2), "val": range(2), "test": range(2)})
    monkeypatch.setattr(DataSet, "read", unread)
    with pytest.raises(DataError, match="nothing to measure: --model or --weights"):
        module.run(arguments(module, [source]))


def test_prepare_refuses_what_it_would_pass_over(tmp_path):
    source = yolo(tmp_path / "set", {"train": range(4)})
    for more, words in (
        (["--classes", "happy"], "--classes is for a folder per class"),
        (["--map", "happy=a", "not_happy=b", "happy=b"], "--map: 'happy' is to be 'a' and 'b'"),
    ):
        with pytest.raises(DataError, match=words):
            prepare.prepare(arguments(prepare, [source, "--out", tmp_path / "out", *more]))


def test_label_has_no_size_for_a_model(tmp_path):
    source = yolo(tmp_path / "set", {"train": range(4)}, "names: [happy, not_happy, face]\nunknown: face")
    model = tmp_path / "m.tflite"
    model.write_bytes(b"not read")
    for more in ((), ("--blend",)):
        command = [source, "--out", tmp_path / "out", "--model", model, "--size", 96, *more]
        with pytest.raises(DataError, match="--size is the input of --weights"):
            label.run(arguments(label, command))


@pytest.mark.parametrize(
    ("command", "option", "values", "words"),
    [
        ("train", "--epochs", ("0", "-1", "1.5", "many"), "a whole number, at least 1"),
        ("train", "--batch", ("0",), "at least 1"),
        ("train", "--processes", ("0",), "at least 1"),
        ("train", "--minutes", ("0", "-1", "nan", "inf", "long"), "more than 0"),
        ("train", "--lr", ("0",), "more than 0"),
        ("export", "--every", ("0",), "at least 1"),
        ("export", "--samples", ("0",), "at least 1"),
        ("export", "--alarms", ("0", "-0.1", "nan", "few"), "more than 0"),
        ("compare", "--samples", ("-3",), "at least 1"),
    ],
)
def test_numbers_of_which_nothing_comes_are_refused(
    dataset, tmp_path, monkeypatch, capsys, command, option, values, words
):
    (tmp_path / "w.pt").write_bytes(b"")
    first = [tmp_path / "w.pt"] * (command != "train")
    for value in values:
        said = [command, *first, dataset, "--out", tmp_path / "out.tflite", f"{option}={value}"]
        assert told_by(said, monkeypatch) == "2"
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(("command", "option"), [("evaluate", "--json"), ("export", "--float")])
def test_a_file_that_cannot_be_written_is_told_before_the_work(
    dataset, tmp_path, monkeypatch, capsys, command, option
):
    (tmp_path / "w.pt").write_bytes(b"")
    out = [tmp_path / "w.pt", dataset, "--out", tmp_path / "out.tflite"] if command == "export" else [dataset]
    for file, words in (("gone/x", f"there is no folder {tmp_path / 'gone'}"), ("", "a folder, and no file")):
        assert told_by([command, *out, option, tmp_path / file], monkeypatch) == "2"
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("split", ["train", "choose"])
def test_an_export_needs_pictures_before_it_converts(tmp_path, monkeypatch, split):
    source = yolo(tmp_path / "set", {"train": range(4), "choose": range(4, 8)})
    for file in (tmp_path / "set/images" / split).iterdir():
        file.write_bytes(b"no picture")
    torch.manual_seed(0)
    save_weights(tmp_path / "w.safetensors", YOLO12(Description(), 2))
    monkeypatch.setattr(export, "to_float", unread)
    command = [tmp_path / "w.safetensors", source, "--out", tmp_path / "m.tflite", "--size", 96]
    with pytest.raises(DataError, match=f"no picture of '{split}' can be used; the first: "):
        export.run(arguments(export, command))
