"""Levels of an export, and what evaluate measures it by."""

import argparse
import shutil

import numpy as np
import pytest
import torch
from test_pipeline import arguments
from test_views import scene

from expression_training import evaluate, export, scenes
from expression_training.dataset import DataSet
from expression_training.metrics import Curve
from expression_training.network import SHIPPED, YOLO12
from expression_training.weights import save_weights


def curve_of(*found, faces=None):
    """Pairs of confidence and whether it is a face."""
    confidence, hit = (np.array(column) for column in zip(*found, strict=True))
    return Curve(confidence, hit.astype(bool), int(hit.sum()) if faces is None else faces)


def test_of_levels_that_are_as_good_it_is_the_middle():
    assert export.best_threshold(curve_of((0.85, 1), (0.81, 1))) == 0.5
    # an alarm at 0.4: between it and the faces, not just above it
    assert export.best_threshold(curve_of((0.8, 1), (0.705, 1), (0.405, 0))) == 0.55
    # a few steps that int8 knows no confidence between are none
    assert export.best_threshold(curve_of((0.622, 1), (0.605, 0), (0.59, 0))) == 0.61
    # as good with and without what is less sure: the higher
    tie = curve_of((0.8, 1), (0.5, 1), (0.5, 0), (0.5, 0), faces=2)
    values = [export.f_beta(*tie.at(level), 0.5) for level in (0.45, 0.75)]
    assert export.best_threshold(tie) > 0.5 and values[0] < values[1]


def test_a_class_that_is_not_there_lets_nothing_more_in_than_the_others(monkeypatch, capsys):
    found = {"happy": curve_of((0.9, 1), (0.86, 0)), "sad": curve_of((0.9, 0), (0.8, 0))}
    monkeypatch.setattr(export, "curve", lambda _, label, iou: list(found.values())[label])
    chosen = export.thresholds(None, [], list(found), (96, 96))
    assert chosen["sad"] == chosen["happy"] > 0.8 and "face of 'sad'" in capsys.readouterr().out
    # one that is there and never found is not known any better by a higher level
    found["sad"] = curve_of((0.9, 0), (0.1, 1))
    assert export.thresholds(None, [], list(found), (96, 96))["sad"] == 0.2
    found["happy"] = found["sad"] = curve_of((0.9, 0))
    assert export.thresholds(None, [], list(found), (96, 96)) == {"happy": export.START, "sad": export.START}


def test_a_name_and_a_look_that_boards_refuse_are_told_before_the_export(dataset, tmp_path, capsys):
    weights = shutil.copy(dataset, tmp_path / "w.pt")
    taken = [weights, dataset, "--out", tmp_path / "my-model_1.2.tflite", "--close-look", "1.5"]
    assert arguments(export, taken).close_look == 1.5
    for more, words in (
        (["--out", tmp_path / "my model.tflite"], "1 to 64 of letters"),
        (["--out", tmp_path / f"{'x' * 65}.tflite"], "1 to 64 of letters"),
        (["--close-look", "1.4"], "from 1.5 to 4"),
        (["--close-look", "5"], "from 1.5 to 4"),
        (["--close-look", "nan"], "from 1.5 to 4"),
    ):
        with pytest.raises(SystemExit):
            arguments(export, [*taken, *more])
        assert words in capsys.readouterr().err
    with pytest.raises(argparse.ArgumentTypeError):
        export.model_file("")


@pytest.mark.parametrize("size", [(854, 480), (1366, 768), (500, 281), (1000, 560), (480, 854), (1, 1)])
def test_small_faces_are_in_frames_that_hold_their_picture(size):
    width, height = size
    picture = scene([(0, 0, width / 20, height / 20)], size)
    frame, labels = evaluate.small_faces()(picture)
    assert frame.shape[0] >= height and frame.shape[1] >= width
    assert abs(frame.shape[1] - frame.shape[0] * 16 / 9) <= 1
    left, top = labels.boxes[0, :2].astype(int)
    assert (frame[top : top + height, left : left + width] == picture.image).all()


@pytest.mark.parametrize("size", [(480, 640), (1200, 1600), (640, 41), (41, 640)])
def test_a_picture_that_a_face_fills_is_shrunk_before_it_is_put_into_a_frame(size):
    """A telephone's picture of 3000x4000 made a frame of 71111x40000."""
    width, height = size
    frame, labels = evaluate.small_faces()(scene([(0, 0, width, height)], size))
    assert max(frame.shape) <= evaluate.MOST_FRAME
    left, top, right, bottom = labels.boxes[0]
    assert (bottom - top) / frame.shape[0] == pytest.approx(0.1, rel=0.03) or width > height
    assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=0.05)
    inside = frame[int(top) + 1 : int(bottom) - 1, int(left) + 1 : int(right) - 1]
    assert inside.min() < evaluate.PAD < inside.max(), "the face is there"


def blind(boxed):
    """The answer of a network that sees nothing."""
    return [(torch.zeros(1, 64, 12, 12), torch.full((1, 2, 12, 12), -20.0))]


def test_models_of_one_file_name_are_all_measured(dataset, tmp_path, monkeypatch, capsys):
    files = [tmp_path / folder / "m.tflite" for folder in ("before", "after")]
    files.append(tmp_path / "float.tflite")  # as the weights are called
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    network = YOLO12(SHIPPED, 2)
    save_weights(tmp_path / "w.safetensors", network)
    named = [word for file in files for word in ("--model", file)]
    command = [dataset, *named, "--weights", tmp_path / "w.safetensors", "--size", 96]
    for module, more in ((evaluate, ["--quick"]), (scenes, ["--split", "val"])):
        monkeypatch.setattr(module, "model_for", lambda *_: (blind, (96, 96), None))
        module.run(arguments(module, [*command, *more]))
        rows = capsys.readouterr().out.splitlines()
        told = {row.split()[0].rstrip(",") for row in rows}
        assert told == {"float", "m", str(files[1]), str(files[2])}


def test_a_group_is_all_that_is_measured(dataset):
    data = DataSet.open(dataset)
    faceless = [file.name for file in data.files("val") if not len(data.read(file).labels.boxes)]
    assert len(faceless) == 2

    limits = {"happy": 0.5, "not_happy": 0.5}
    alarms = evaluate.false_alarms(blind, (96, 96), data, "val", limits, faceless[0])
    assert alarms == {"pictures": 1, "boxes": 0}
    for only, number in (("", 6), ("p_000", 1)):
        tones = evaluate.by_tone(blind, (96, 96), data, "val", only)
        assert sum(row["faces"] for row in tones.values()) == number
