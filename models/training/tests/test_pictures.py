"""Which pictures a set has, where their labels are, and how large they are held."""

import numpy as np
import pytest
from test_dataset import a_set, labels, picture

from expression_training.dataset import DataSet


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
    assert held.image.shape[1::-1] == kept and whole.image.shape[1::-1] == size
    assert len(held.pyramid) == 4 and held.pyramid[1].shape[1] == kept[0] // 2
    shares = held.labels.boxes / np.tile(kept, 2), whole.labels.boxes / np.tile(size, 2)
    assert shares[0] == pytest.approx(shares[1], abs=1e-6) and len(shares[0]) == (2 if face else 0)
    assert (
        held.labels.shares == whole.labels.shares
    ).all() and held.labels.ignored.shape == whole.labels.ignored.shape
    if kept == size:
        assert (held.image == whole.image).all()
