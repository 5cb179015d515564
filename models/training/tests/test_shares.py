"""Faces with several classes: lines of one box in a set with shares."""

import re

import numpy as np
import pytest
from test_dataset import a_set
from test_pipeline import arguments
from test_prepare import yolo

from expression_training import gather, prepare
from expression_training.dataset import DataError
from expression_training.labels import Row, Vocabulary, read_rows

NAMES = ["happy", "sad", "fear", "anger", "not_happy", "face", "unsure", "nothing"]
WORDS = Vocabulary(
    NAMES,
    frozenset({"face"}),
    frozenset({"unsure"}),
    share=True,
    groups={"not_happy": ("sad", "fear", "anger")},
    negative=frozenset({"nothing"}),
)
PLACE = "0.5 0.5 0.4 0.4"


def rows_of(tmp_path, text, words=WORDS, **more):
    path = tmp_path / "a.txt"
    path.write_text(text)
    return read_rows(path, words, **more)


def shares_of(tmp_path, text):
    return WORDS.labels(rows_of(tmp_path, text), 100, 100).shares


@pytest.mark.parametrize(
    ("lines", "shares"),
    [
        (("0 {} 0.4",), (0.4, 0.2, 0.2, 0.2)),
        (("0 {} 0.4", "3 {} 0.5"), (0.4, 0.05, 0.05, 0.5)),
        (("2 {} 0.7", "0 {} 0.2", "1 {} 0.1", "3 {} 0"), (0.2, 0.1, 0.7, 0)),
        (("0 {} 0.334", "1 {} 0.334", "2 {} 0.334", "3 {} 0"), (0.334, 0.334, 0.334, 0)),  # rounded
    ],
)
def test_lines_of_one_box_are_one_face(tmp_path, lines, shares):
    text = "\n".join(line.format(PLACE) for line in lines)
    found = shares_of(tmp_path, f"1 .2 .2 .1 .1 0.7\n{text}\n6 .2 .2 .1 .2")
    assert found[0].tolist() == pytest.approx([0.1, 0.7, 0.1, 0.1])
    assert found[1:].tolist() == [pytest.approx(list(shares))]
    face = rows_of(tmp_path, text)[0]
    assert face.label == int(np.argmax(shares)), "it counts as one of its likeliest class"
    assert rows_of(tmp_path, face.text(share=True)) == [face]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 {} 0.5", "happy, sad have 1.1 of one face together"),
        ("1 {}", "happy, sad have 1.6 of one face together"),
        ("0 {} 0.3", "'happy' stands there twice"),
        ("4 {} 0.1", "'not_happy' is no class and stands with another line"),
        ("5 {} 0.1", "'face' is no class"),
        ("6 {}", "'unsure' is no class"),
        ("7 {}", "'nothing' is no class"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_lines_of_one_box_that_cannot_be_one_face_are_refused(tmp_path, line, reason, turned):
    lines = ["0 {} 0.6", line][:: -1 if turned else 1]
    text = "\n".join(["1 .2 .2 .1 .1", *lines]).format(PLACE, PLACE)
    reason = re.sub("happy, sad have", "(happy, sad|sad, happy) have", reason)
    with pytest.raises(DataError, match=rf"a\.txt:3: box {PLACE}: {reason}"):
        rows_of(tmp_path, text)


def test_without_shares_lines_of_one_box_are_several_faces(tmp_path):
    plain, text = Vocabulary(NAMES), f"0 {PLACE}\n1 {PLACE} 0.3\n5 {PLACE}\n"
    assert rows_of(tmp_path, text, plain) == [Row(number, (0.5, 0.5, 0.4, 0.4)) for number in (0, 1, 5)]
    # a set with shares that is made of them would take them for one
    with pytest.raises(DataError, match=r"a\.txt:3.*have 3 of one face.*`groups`"):
        rows_of(tmp_path, text, plain, share=True)


PLAIN = Vocabulary(["a", "b", "c", "two", "face"], frozenset({"face"}), groups={"two": ("a", "b")})


def test_label_takes_what_train_takes_of_a_set_without_shares(tmp_path):
    """A face that two tools labelled, or one tool twice."""
    again = f"0 {PLACE}\n0 0.50 .5 0.400 0.4\n"
    for share in (False, True):
        assert rows_of(tmp_path, again, PLAIN, share=share) == [Row(0, (0.5, 0.5, 0.4, 0.4))]
    for classes, name in (((0, 1), "two"), ((1, 0), "two"), ((0, 2), "face"), ((0, 1, 2), "face")):
        text = "".join(f"{number} {PLACE}\n" for number in classes) + "2 .2 .2 .1 .1\n"
        face, other = rows_of(tmp_path, text, PLAIN, share=True)
        assert PLAIN.names[face.label] == name and face.told == ((face.label, 1.0),) and other.label == 2
    nameless = Vocabulary(["a", "b", "c", "two"], groups={"two": ("a", "b")})
    assert rows_of(tmp_path, f"0 {PLACE}\n1 {PLACE}\n", nameless, share=True)[0].label == 3
    with pytest.raises(DataError, match="a, c have 2 of one face together.*keep one of the lines"):
        rows_of(tmp_path, f"0 {PLACE}\n2 {PLACE}\n", nameless, share=True)


def test_prepare_refuses_faces_with_several_classes(tmp_path):
    text = "names: [happy, not_happy]\nshare: true"
    source = yolo(tmp_path / "set", {"train": range(4)}, text, f"0 {PLACE} .5\n1 {PLACE} .5\n")
    with pytest.raises(DataError, match=r"train0\.txt: .*prepare the set that it was made of"):
        prepare.prepare(arguments(prepare, [source, "--out", tmp_path / "out"]))


def test_gather_takes_them_with_its_own_numbers(tmp_path):
    text = "names: [not_happy, happy]\nshare: true\nval: images/val"
    a_set(tmp_path, text, text=f"0 {PLACE} .7\n1 {PLACE} .3\n")
    (tmp_path / "images/train").symlink_to(tmp_path / "images/val")
    (tmp_path / "labels/train").symlink_to(tmp_path / "labels/val")
    with (tmp_path / "data.yaml").open("a") as file:
        file.write("\ntrain: images/train\n")
    words = gather.vocabulary(["happy", "not_happy"])
    (row,) = next(gather.from_expressions(tmp_path, set(), words)).rows
    assert row.told == ((1, 0.7), (0, 0.3)) and words.shares(row).tolist() == [0.3, 0.7]
