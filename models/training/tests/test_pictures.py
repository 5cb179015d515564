"""Which pictures a set has, where their labels are, and how large they are held."""

import re
from pathlib import Path

import numpy as np
import pytest
from test_dataset import a_set, labels, picture
from test_pipeline import arguments

from expression_training import scenes
from expression_training.dataset import PICTURES, DataError, DataSet
from expression_training.prepare import class_folders


def test_folders_are_followed_by_their_links_and_never_in_a_circle(tmp_path):
    """As `expressiond evaluate` does: a set of which a part lies elsewhere is all trained on."""
    path = a_set(tmp_path / "set", "val: [images, one.png]\nnames: [a, b]")
    picture(tmp_path / "elsewhere/b.jpg")
    picture(tmp_path / "set/images/__MACOSX/c.jpg")
    picture(tmp_path / "set/one.png")
    for name, to in (("more", "../../elsewhere"), ("circle", "."), ("again", "val")):
        (tmp_path / "set/images" / name).symlink_to(to)
    (tmp_path / "elsewhere/up").symlink_to("../set")
    (tmp_path / "elsewhere/self").symlink_to("self")
    found = [file.relative_to(tmp_path / "set").as_posix() for file in DataSet.open(path).draws("val")]
    assert found == ["images/more/b.jpg", "images/more/up/one.png", "images/val/a.jpg", "one.png"]


def test_endings_of_pictures_are_the_daemon_s():
    source = (Path(__file__).resolve().parents[3] / "src/source/media.rs").read_text()
    [(count, read)] = re.findall(r"const READ: \[&str; (\d+)\] = \[(.*?)\]", source, re.DOTALL)
    assert len(re.findall(r'"(\w+)"', read)) == int(count)
    others = re.findall(r"\(&\[([^]]*)\], Picture\(", source)
    endings = re.findall(r'"(\w+)"', " ".join([read, *others]))
    assert len(others) > 5 and {f".{ending}" for ending in endings} == PICTURES


def test_a_picture_of_a_kind_that_cannot_be_read_is_named_and_counted(tmp_path, capsys):
    path = a_set(tmp_path, "val: images/val\nnames: [a, b]")
    for name in ("b.heic", "c.DNG", "d.jxl"):
        (tmp_path / "images/val" / name).write_bytes(b"of no kind that is known here")
    picture(tmp_path / "images/val/e.jpg")
    (tmp_path / "images/val/e.jpg").rename(tmp_path / "images/val/e.jfif")  # a JPEG like any other
    data = DataSet.open(path)
    assert [read.path.name for read in data.load("val")] == ["a.jpg", "e.jfif"]
    errors = capsys.readouterr().err
    assert "3 left out" in errors and all(name in errors for name in ("b.heic", "c.DNG", "d.jxl"))


def test_a_folder_of_such_pictures_is_a_class(tmp_path):
    picture(tmp_path / "happy/a.jpg")
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad/a.heic").write_bytes(b"of no kind that is known here")
    assert class_folders(tmp_path) == ["happy", "sad"]


def test_pictures_that_a_split_links_to_have_the_labels_of_the_link(tmp_path):
    path = a_set(tmp_path / "set", "val: images/val\nnames: [a, b]")
    (tmp_path / "set/images/val").rename(tmp_path / "pictures")
    (tmp_path / "set/images/val").symlink_to("../../pictures")
    assert len(DataSet.open(path).load("val")[0].labels.boxes) == 1


def test_labels_beside_a_picture_are_its_own_where_there_are_no_others(tmp_path):
    path = a_set(tmp_path, "val: images/val\nnames: [a, b]", names=("a", "b"))
    (tmp_path / "labels/val/a.txt").unlink()
    labels(tmp_path / "images/val/a.txt", "1 0.5 0.5 0.5 0.25")
    labels(tmp_path / "images/val/b.txt", "1 0.5 0.5 0.5 0.25")
    assert [picture.labels.classes.tolist() for picture in DataSet.open(path).load("val")] == [[1], [0]]


@pytest.mark.parametrize(
    ("size", "face", "kept"),
    [
        ((2600, 1950), 0.5, (650, 487)),  # two halvings: 1300 is more than 1280
        ((2600, 1950), 0.1, (1300, 975)),  # of a face of 260 pixels one leaves 130, two 65
        ((2600, 1950), 0.05, (2600, 1950)),
        ((2600, 1950), None, (650, 487)),
        ((1280, 960), 0.9, (1280, 960)),
    ],
)
def test_pictures_are_held_no_larger_than_training_has_a_use_for(tmp_path, size, face, kept):
    text = f"1 .5 .5 .9 .9\n2 .1 .1 {face} .03\n0 .9 .9 .01 .01\n" if face else ""
    path = a_set(tmp_path, "train: images/val\nnames: [unsure, a, b]\nignore: unsure", text=text)
    picture(tmp_path / "images/val/a.jpg", size)
    data = DataSet.open(path)
    (held,), (whole,) = data.load("train", 4), data.load("train")
    assert [read.image.shape for read in data.pictures("train", 4)] == [
        held.image.shape
    ]  # as export has them
    assert held.image.shape[1::-1] == kept and whole.image.shape[1::-1] == size
    assert len(held.pyramid) == 4 and held.pyramid[1].shape[1] == kept[0] // 2
    shares = held.labels.boxes / np.tile(kept, 2), whole.labels.boxes / np.tile(size, 2)
    assert shares[0] == pytest.approx(shares[1], abs=1e-6) and len(shares[0]) == (2 if face else 0)
    assert (
        held.labels.shares == whole.labels.shares
    ).all() and held.labels.ignored.shape == whole.labels.ignored.shape
    if kept == size:
        assert (held.image == whole.image).all()


def test_scenes_holds_pictures_no_larger_either_and_only_those_that_are_asked_for(tmp_path, monkeypatch):
    path = a_set(tmp_path, "test: images/val\nnames: [a, b]", names=("a", "b"), text="1 .5 .5 .9 .9")
    for name in ("a", "b"):
        picture(tmp_path / f"images/val/{name}.jpg", (2600, 1950))
    held = []
    monkeypatch.setattr(scenes, "look", lambda _, __, pictures, *___: held.extend(pictures) or [])
    monkeypatch.setattr(scenes, "model_for", lambda *_: (None, (96, 96), None))
    scenes.run(arguments(scenes, [path, "--model", path, "--group", "b"]))
    assert [(read.path.name, len(read.pyramid), read.image.shape) for read in held] == [
        ("b.jpg", 1, (487, 650, 3))
    ]
    with pytest.raises(DataError, match="starts with 'c'"):
        scenes.run(arguments(scenes, [path, "--model", path, "--group", "c"]))
