"""What ends a run before it begins, and what a run that goes on must agree with."""

import argparse
import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_pipeline import OPTIONS, arguments
from test_views import scene

from expression_training import __main__, evaluate, export, history, train
from expression_training.dataset import DataError, DataSet
from expression_training.network import YOLO12, Description
from expression_training.parallel import Peers, run_in
from expression_training.tflite import Interpreter
from expression_training.weights import build, load_weights, save_weights

ONCE = replace(OPTIONS, epochs=1)


@pytest.fixture
def own(dataset, tmp_path):
    """A copy of the set that a test may change."""
    root = tmp_path / "set"
    root.mkdir()
    for folder in ("images/train", "images/val", "labels/train", "labels/val"):
        (root / folder).mkdir(parents=True)
        for file in (dataset.parent / folder).iterdir():
            (root / folder / file.name).write_bytes(file.read_bytes())
    (root / "data.yaml").write_text(dataset.read_text())
    return root / "data.yaml"


@pytest.fixture
def begun(own, tmp_path):
    """The folder of a run that has begun with that set."""
    data, folder = DataSet.open(own), tmp_path / "run"
    folder.mkdir()
    (folder / "options.json").write_text("as it was")
    terms = train.checkpoint.terms(OPTIONS, data.vocabulary) | train.checkpoint.of_run(data, None)
    train.Trainer(OPTIONS, data.vocabulary, terms=terms).save(folder / "last.pt")
    return folder


def unread(*_, **__):
    raise AssertionError("the pictures were read before the run was refused")


def refused(own, folder, words, monkeypatch, **more):
    with monkeypatch.context() as patched, pytest.raises(DataError, match=words) as told:
        patched.setattr(DataSet, "load", unread)
        train.train(DataSet.open(own), folder, more.pop("options", OPTIONS), **more)
    assert str(folder) in str(told.value) and "begin anew" in str(told.value)
    assert (folder / "options.json").read_text() == "as it was"


def test_a_run_is_not_continued_with_another_set(own, begun, monkeypatch):
    labels = own.parent / "labels/train/p_000.txt"
    text = labels.read_text()
    labels.write_text("1" + text[1:])
    refused(own, begun, "the pictures that it draws, or their labels, are others", monkeypatch)
    labels.write_text(text)
    picture = own.parent / "images/train/p_001.jpg"
    picture.write_bytes(picture.read_bytes() + b"another of the same name")
    refused(own, begun, "are others", monkeypatch)
    own.write_text(own.read_text().replace("not_happy", "sad"))
    refused(own, begun, r"classes was \['happy', 'not_happy'\]", monkeypatch)


def test_a_run_is_not_continued_where_the_same_labels_mean_something_else(own, begun, monkeypatch):
    before = own.read_text()
    with_face = before.replace("- not_happy\n", "- not_happy\n- face\n")
    for text, words in (
        (before + "share: true\n", "share was False and is True"),
        (before + "kpt_shape: [5, 3]\n", r"kpt_shape was 0 and is \[5, 3\]"),
        (with_face + "unknown: face\n", r"unknown was \[\] and is \['face'\]"),
        (with_face + "ignore: face\n", r"ignore was \[\] and is \['face'\]"),
        (with_face + "negative: face\n", r"negative was \[\] and is \['face'\]"),
    ):
        own.write_text(text)
        refused(own, begun, words, monkeypatch)


def test_a_run_whose_checkpoint_does_not_say_so_yet_goes_on(own, begun):
    state = torch.load(begun / "last.pt", weights_only=True)
    for key in train.checkpoint.NOTED_LATER:
        del state["terms"][key]
    torch.save(state, begun / "last.pt")
    data = DataSet.open(own)
    terms = train.checkpoint.terms(OPTIONS, data.vocabulary) | train.checkpoint.of_run(data, None)
    trainer = train.Trainer(OPTIONS, data.vocabulary, terms=terms)
    trainer.load(begun / "last.pt")
    trainer.save(begun / "last.pt")
    assert torch.load(begun / "last.pt", weights_only=True)["terms"] == terms


def test_weights_that_a_kill_left_broken_are_written_again(own, tmp_path, monkeypatch):
    data, folder = DataSet.open(own), tmp_path / "run"
    train.train(data, folder, ONCE)
    file = folder / "model.safetensors"
    weights = {key: value.clone() for key, value in load_weights(file).weights.items()}  # it is mapped
    file.write_bytes(file.read_bytes()[:99])
    train.train(data, folder, ONCE)
    assert all(torch.equal(value, weights[key]) for key, value in load_weights(file).weights.items())
    whole = file.read_bytes()

    def killed(weights, path, said):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.torch.save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        save_weights(file, YOLO12(Description(), 2))
    assert file.read_bytes() == whole


def test_a_run_is_not_continued_from_other_weights_or_by_another_clock(own, begun, tmp_path, monkeypatch):
    save_weights(tmp_path / "w.safetensors", YOLO12(Description(), 2))
    refused(own, begun, "did not begin with .*w.safetensors", monkeypatch, init=tmp_path / "w.safetensors")
    refused(own, begun, "length was epochs and is minutes", monkeypatch, minutes=3)
    refused(own, begun, "lr was", monkeypatch, options=replace(OPTIONS, lr=1.0))
    state = torch.load(begun / "last.pt", weights_only=True)
    del state["terms"]
    torch.save(state, begun / "last.pt")
    refused(own, begun, "an earlier version left it", monkeypatch)


@pytest.mark.parametrize("minutes", [None, 6.0])
def test_a_run_becomes_longer_and_not_shorter(own, begun, monkeypatch, minutes):
    data = DataSet.open(own)
    terms = train.checkpoint.terms(OPTIONS, data.vocabulary) | train.checkpoint.of_run(data, minutes)
    trainer = train.Trainer(OPTIONS, data.vocabulary, terms=terms)
    trainer.save(begun / "last.pt")
    if minutes:
        refused(own, begun, "minutes was 6.0 and is 3 .*longer, not shorter", monkeypatch, minutes=3)
    else:
        refused(own, begun, "epochs was 2 and is 1 .*longer", monkeypatch, options=replace(OPTIONS, epochs=1))
    for epochs, longer in ((2, minutes), (3, minutes and 9.0), *(((1, minutes),) if minutes else ())):
        wanted = train.checkpoint.terms(replace(OPTIONS, epochs=epochs), data.vocabulary)
        wanted |= train.checkpoint.of_run(data, longer)
        train.checkpoint.check(begun / "last.pt", train.read_checkpoint(begun / "last.pt"), wanted)


def test_a_run_that_was_killed_after_its_last_checkpoint_is_validated_when_it_goes_on(
    own, tmp_path, monkeypatch
):
    def killed(*_, **__):
        raise KeyboardInterrupt

    data, folder = DataSet.open(own), tmp_path / "run"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(train.History, "log", killed)
        train.train(data, folder, ONCE)
    assert (folder / "last.pt").exists() and not (folder / "log.csv").exists()
    for _ in range(2):  # told once
        train.train(data, folder, ONCE)
        (row,) = csv.DictReader((folder / "log.csv").open())
        assert row["epoch"] == "1" and 0 <= float(row["map50"]) <= 1 and not row["loss_class"]
        assert (folder / "model.png").stat().st_size > 1000


def test_a_sample_of_which_nothing_can_be_read_is_not_all_that_is_validated_on(own):
    files = sorted((own.parent / "images/val").iterdir())
    for file in files[::4]:
        file.write_bytes(b"no picture")
    network = YOLO12(Description(), 2)
    assert history.validate(network, DataSet.open(own), (96, 96), 4)["images"] == len(files) - 2 == 6
    for file in files:
        file.write_bytes(b"no picture")
    with pytest.raises(DataError, match="no picture of 'val' can be used"):
        history.validate(network, DataSet.open(own), (96, 96), 4)


def test_nothing_is_plotted_where_nothing_was_logged(tmp_path):
    train.plot(tmp_path, "model")
    assert not list(tmp_path.iterdir())


def test_a_set_without_validation_is_refused_before_it_trains(own, tmp_path, monkeypatch):
    monkeypatch.setattr(DataSet, "load", unread)
    for file in (own.parent / "images/val").iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(DataError, match="no picture of 'val' can be used"):
        train.train(DataSet.open(own), tmp_path / "run", OPTIONS)
    for text, words in (("\nval: nowhere", "nowhere"), ("\nval:", "no split 'val'")):
        own.write_text(own.read_text() + text)
        with pytest.raises(DataError, match=words):
            train.train(DataSet.open(own), tmp_path / "run", OPTIONS)
    assert not (tmp_path / "run").exists()


def test_what_a_set_lacks_is_told_in_words_by_every_process():
    def work(peers: Peers):
        if not peers.leads:
            raise DataError("'glad' is no class")
        torch.distributed.barrier()

    with pytest.raises(DataError, match="^'glad' is no class$"):
        run_in(2, work)


def test_no_more_processes_than_a_batch_has_work_for(capsys):
    assert [train.shared(n, 32) for n in (1, 4)] == [1, 4] and not capsys.readouterr().out
    assert train.shared(16, 32) == 4 and "--processes 16" in capsys.readouterr().out
    assert train.shared(16, 5) == 1


def test_processes_share_the_pictures_that_can_be_read(own, tmp_path, monkeypatch):
    """Of eight that cannot be, a second process would have a batch of none."""
    for file in sorted((own.parent / "images/train").iterdir())[1:]:
        file.write_bytes(b"no picture")
    asked = []
    monkeypatch.setattr(train, "run_in", lambda processes, _: asked.append(processes))
    train.train(DataSet.open(own), tmp_path / "run", replace(ONCE, batch=32), processes=2)
    assert asked == [1]


@pytest.mark.parametrize("names", ["happy, sad, anger", "smile, other"])
def test_what_a_preset_tells_apart_is_missed_before_the_pictures_are_read(own, tmp_path, monkeypatch, names):
    monkeypatch.setattr(DataSet, "load", unread)
    own.write_text(f"path: .\ntrain: images/train\nval: images/val\nnames: [{names}]\n")
    for preset in ("close", "scenes"):
        with pytest.raises(DataError, match="neither a class nor a group of the set, which has") as told:
            train.train(DataSet.open(own), tmp_path / "run", train.PRESETS[preset])
        assert f"which has {names}. " in str(told.value) and "`groups` of data.yaml" in str(told.value)
        assert str(told.value).endswith("paper, best, refine, expressions")
    assert not (tmp_path / "run").exists()


def test_what_weights_lack_is_said_once(own, tmp_path, capsys):
    words = DataSet.open(own).vocabulary
    save_weights(tmp_path / "w.safetensors", YOLO12(Description(), 3))
    for rank in (0, 1):
        train.Trainer(OPTIONS, words, Peers(rank, 2)).start_from(tmp_path / "w.safetensors")
    assert capsys.readouterr().out.count("has nothing for model") == 1


def test_an_input_larger_than_any_box_is_told_before_the_run(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "train", lambda *_: None)
    command = [dataset, "--out", tmp_path / "out", "--size", 320]
    for more, told in ((), True), (["--levels", 8, 16, 32], False), (["--preset", "scenes"], True):
        train.run(arguments(train, [*command, *more]))
        assert ("train with --levels 8 16 32" in capsys.readouterr().out) == told


def test_only_one_process_draws_a_bar(dataset, monkeypatch):
    drawn = []
    monkeypatch.setattr(train, "progress", lambda rows, title: drawn.append(title) or rows)
    data = DataSet.open(dataset)
    pictures = data.load("train", 3)[:8]
    for rank in (0, 1):
        trainer = train.Trainer(ONCE, data.vocabulary, Peers(rank, 1))
        train.train_epoch(trainer, pictures, range(8), (), None)
    assert len(drawn) == 1


def told_by(command, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["expression_training", *map(str, command)])
    with pytest.raises(SystemExit) as end:
        __main__.main()
    return str(end.value.code)


def test_a_file_that_is_not_there_is_missed_in_words(dataset, tmp_path, monkeypatch, capsys):
    out = ["--out", tmp_path / "out"]
    for command in (
        ["train", dataset, *out, "--init", "gone.safetensors"],
        ["label", dataset, *out, "--model", "gone.tflite"],
        ["label", dataset, *out, "--weights", "gone.pt"],
        ["evaluate", dataset, "--model", "gone.tflite"],
        ["scenes", dataset, "--weights", "gone.pt"],
        ["export", "gone.pt", dataset, *out],
    ):
        assert told_by(command, monkeypatch) == "2"
        assert "no such file" in capsys.readouterr().err
    command = ["gather", "--expressions", dataset.parent, "--wild", tmp_path, *out]
    assert "faces.jsonl" in told_by(command, monkeypatch)
    assert told_by(["prepare", dataset, *out, "--map", "happy"], monkeypatch) == "2"
    assert "not OLD=NEW" in capsys.readouterr().err


def test_a_file_that_is_no_model_is_refused_in_words(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"no model")
    with pytest.raises(DataError, match=r"m\.tflite: TensorFlow Lite refuses"):
        Interpreter(tmp_path / "m.tflite")


def test_weights_that_are_none_or_another_network_s_are_refused_in_words(dataset, tmp_path, monkeypatch):
    for name in ("a.pt", "a.safetensors"):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(DataError, match=name):
            load_weights(tmp_path / name)
    command = ["train", dataset, "--out", tmp_path / "out", "--init", tmp_path / "a.pt"]
    assert "a.pt: not a checkpoint" in told_by(command, monkeypatch)
    assert not (tmp_path / "out").exists()
    save_weights(tmp_path / "w.safetensors", YOLO12(Description(), 3))
    with pytest.raises(DataError, match="w.safetensors: not the weights of a network for 2 classes"):
        build(tmp_path / "w.safetensors", ["a", "b"])


def test_weights_are_exported_with_their_own_classes(dataset, tmp_path):
    data = DataSet.open(dataset)
    train.Trainer(OPTIONS, data.vocabulary).save(tmp_path / "last.pt")
    for name in ("last.pt", "model.safetensors"):
        build(tmp_path / name, data.names)
        with pytest.raises(DataError, match="tells happy, not_happy apart, and the set not_happy, happy"):
            build(tmp_path / name, data.names[::-1])


def test_an_export_has_the_program_s_picture_unless_it_has_its_own(tmp_path):
    out = tmp_path / "folder/m.tflite"
    assert export.known_picture(out, False).read_bytes() == (export.MODELS / "self-test.jpg").read_bytes()
    (out.parent / "self-test.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="self-test.jpg"):
        export.known_picture(out, False)
    close = export.known_picture(out, True)
    assert close.read_bytes() == (export.MODELS / "self-test-close.jpg").read_bytes()


def test_too_few_pictures_to_show_a_rate_of_alarms_move_nothing(capsys):
    assert export.calibration_offset(unread, (96, 96), [scene([])] * 33, 2, 0.03) == 0.0
    assert "33 pictures are too few to show 0.03 false alarms each, which takes 34" in capsys.readouterr().out


def test_a_split_that_cannot_be_read_is_told_in_words(own):
    for file in (own.parent / "images/val").iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(DataError, match="no picture of 'val' can be used"):
        evaluate.measure(unread, (96, 96), DataSet.open(own), "val", evaluate.as_is)


def test_an_export_is_newer_than_the_program_s_own():
    own = json.loads((export.MODELS / "expression-yolo12n.json").read_text())["version"]
    number = lambda text: [int(part) for part in text.split(".")]  # noqa: E731
    assert number(export.next_version()) > number(own)


def test_a_version_is_one_that_boards_can_compare():
    for version in ["1.2.3", "0.10.0", "1.2.3-rc.1", "1.0.0-0.a-b"]:
        assert export.version_of(version) == version
    for version in ["1.2", "1", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+a", "1.2.3\n"]:
        with pytest.raises(argparse.ArgumentTypeError, match="three numbers"):
            export.version_of(version)
