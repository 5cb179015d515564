"""Sets as people have them: lists, Roboflow's paths, byte order marks, polygons, bad files."""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from expression_training.dataset import DataError, DataSet
from expression_training.labels import Row, Vocabulary, parse, read_rows

BOX = "0 0.5 0.5 0.5 0.25"


def picture(path, size=(64, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(map(ord, path.name)))
    assert cv2.imwrite(str(path), rng.integers(0, 255, (size[1], size[0], 3)).astype(np.uint8))


def labels(path, text=BOX):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def a_set(root, yaml_text, folder="images/val", names=("a",), text=BOX):
    for name in names:
        picture(root / folder / f"{name}.jpg")
        labels(root / folder.replace("images", "labels") / f"{name}.txt", text)
    (root / "data.yaml").write_text(yaml_text)
    return root / "data.yaml"


@pytest.mark.parametrize(
    "text",
    [
        "val: images/val\nnames: [happy, not_happy]",
        "val: [images/val]\nnames: {0: happy, 1: not_happy}",
        "val: val.txt\nnames: {'1': not_happy, '0': happy}",
        "path: .\nval: [val.txt, images/val]\nnames: [happy, not_happy]",
        "\ufeffval: ../images/val\nnames: [happy, not_happy]",
        "path: ''\nval: ./images\nnames: [happy, not_happy]",
    ],
)
def test_every_usual_way_to_name_pictures_and_classes(tmp_path, text):
    path = a_set(tmp_path, text)
    (tmp_path / "val.txt").write_text("\ufeff./images/val/a.jpg\n\n")
    data = DataSet.open(path)
    assert [file.name for file in data.files("val")] == ["a.jpg"]
    assert data.names == ["happy", "not_happy"]
    (read,) = data.load("val")
    assert read.labels.boxes.tolist() == [[16, 18, 48, 30]] and read.labels.classes.tolist() == [0]


def test_what_windows_editors_write_is_read(tmp_path):
    path = a_set(tmp_path, "val: val.txt\nnames: [happy, not_happy]")
    (tmp_path / "val.txt").write_text("images/val/a.jpg\n")
    for file in (path, tmp_path / "val.txt", tmp_path / "labels/val/a.txt"):
        file.write_bytes(file.read_text().encode("utf-16"))
    (read,) = DataSet.open(path).load("val")
    assert read.labels.boxes.tolist() == [[16, 18, 48, 30]] and read.labels.classes.tolist() == [0]


def test_class_names_may_be_numbers(tmp_path):
    assert DataSet.open(a_set(tmp_path, "val: images/val\nnames: [0, 1]")).names == ["0", "1"]


def test_subfolders_and_other_formats_are_read_and_macos_s_shadows_are_not(tmp_path):
    path = a_set(tmp_path, "val: images\nnames: [a, b]")
    picture(tmp_path / "images/more/b.bmp")
    picture(tmp_path / "images/more/c.webp")
    (tmp_path / "images/more/._c.webp").write_bytes(b"Mac OS X")
    assert {file.name for file in DataSet.open(path).files("val")} == {"a.jpg", "b.bmp", "c.webp"}


def test_a_list_draws_a_picture_as_often_as_it_names_it(tmp_path):
    path = a_set(tmp_path, "train: train.txt\nnames: [a, b]", names=("a", "b"))
    (tmp_path / "train.txt").write_text("images/val/a.jpg\nimages/val/b.jpg\nimages/val/a.jpg\n")
    data = DataSet.open(path)
    assert len(data.draws("train")) == 3 and len(data.files("train")) == 2


def test_a_bad_file_is_left_out_and_named_and_the_others_are_read(tmp_path, capsys):
    path = a_set(tmp_path, "val: images/val\nnames: [a, b]", names=("a", "b", "c"))
    (tmp_path / "images/val/b.jpg").write_bytes(b"no picture")
    labels(tmp_path / "labels/val/c.txt", "7 .5 .5 .1 .1")
    data = DataSet.open(path)
    assert [p.path.name for p in data.pictures("val")] == ["a.jpg"]
    assert len(data.left_out) == 2
    errors = capsys.readouterr().err
    assert "b.jpg" in errors and "c.txt:1: class 7" in errors


def test_what_is_left_out_is_counted_and_named_once(tmp_path, capsys):
    path = a_set(tmp_path, "val: images/val\nnames: [a, b]", names=("a", "b"))
    (tmp_path / "images/val/b.jpg").write_bytes(b"")
    data = DataSet.open(path)
    for _ in range(2):
        assert len(data.load("val")) == 1
    errors = capsys.readouterr().err
    assert errors.count("b.jpg") == 1 and errors.count("1 left out") == 1


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_pictures_that_opencv_ends_with_are_left_out(tmp_path):
    path = a_set(tmp_path, "val: images/val\nnames: [a, b]")
    odd = tmp_path / "images/val" / os.fsdecode(b"caf\xe9.jpg")
    odd.write_bytes((tmp_path / "images/val/a.jpg").read_bytes())
    labels(tmp_path / "labels/val" / os.fsdecode(b"caf\xe9.txt"))
    sides = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", sides) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
    (tmp_path / "images/val/huge.png").write_bytes(huge)
    (tmp_path / "images/val/folder.png").mkdir()
    (tmp_path / "images/val/none.png").symlink_to("nowhere")
    data = DataSet.open(path)
    # a name that is no text is one like any other
    assert {p.path.name for p in data.pictures("val")} == {"a.jpg", odd.name}
    assert {Path(text.split(":")[0]).name for text in data.left_out} == {"huge.png", "none.png"}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("{1: happy, 2: not_happy}", "none for class 0"),
        ("{0: happy, 2: not_happy}", "none for class 1"),
        ("face", "no list of names"),
        ("[[happy]]", "no list of names"),
        ("", "KeyError"),
    ],
)
def test_names_that_do_not_say_what_each_number_means_are_refused(tmp_path, names, words):
    with pytest.raises(DataError, match=words):
        DataSet.open(a_set(tmp_path, f"val: images/val\nnames: {names}"))


@pytest.mark.parametrize("places", ["' '", "[]", "['']", "[images/val, ' ']", "[images/val, null]", "[~]"])
def test_a_split_with_a_blank_place_is_not_the_whole_set(tmp_path, places):
    path = a_set(tmp_path, f"train: images/val\nval: {places}\nnames: [a, b]")
    data = DataSet.open(path)
    with pytest.raises(DataError, match="split 'val' names no place: its folder, or a list of its pictures"):
        data.files("val")
    # as the daemon has it, only what is asked for is refused
    assert len(data.files("train")) == 1 and data.present() == ["train"]


def test_names_that_look_like_switches_are_names_as_the_daemon_reads_them(tmp_path):
    data = DataSet.open(a_set(tmp_path, "val: images/val\nnames: [yes, true, 1.0]\ntest: null"))
    assert data.names == ["yes", "true", "1.0"] and list(data.splits) == ["val"]
    again = yaml.safe_dump({"val": "images/val"} | data.vocabulary.to_dict())
    assert DataSet.open(a_set(tmp_path, again)).names == data.names


@pytest.mark.parametrize("name", ["None", "unknown ", "ha\tppy", "x" * 65, "SAD"])
def test_classes_that_the_daemon_would_refuse_are_refused_before_training(name):
    Vocabulary(["happy", "sad", name]).check()  # a set may have them: --map gives other names
    with pytest.raises(DataError, match="--map"):
        Vocabulary(["happy", "sad", name]).check_words()
    Vocabulary(["happy", "sad", "glücklich 😀", "none"], frozenset({"none"})).check_words()


def test_paths_written_on_windows_and_relative_to_the_set_are_found(tmp_path):
    path = a_set(tmp_path, "val: lists\\val.txt\nnames: [a, b]", names=("a", "b"))
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/val.txt").write_text("..\\images\\val\\a.jpg\r\nimages/val/b.jpg\n")
    assert {file.name for file in DataSet.open(path).files("val")} == {"a.jpg", "b.jpg"}


def test_no_label_at_all_is_an_error_that_says_where_they_are_looked_for(tmp_path):
    picture(tmp_path / "pics/a.jpg")
    (tmp_path / "data.yaml").write_text("val: pics\nnames: [a, b]")
    with pytest.raises(DataError, match=r"no label file .*pics/a\.txt"):
        DataSet.open(tmp_path / "data.yaml").files("val")


@pytest.mark.parametrize("text", ["names: [a]\nval: nowhere", "val: images/val", "[]", "names: 5", "a: b: c"])
def test_what_is_no_set_is_refused_with_its_path(tmp_path, text):
    with pytest.raises(DataError, match=r"data\.yaml|nowhere"):
        DataSet.open(a_set(tmp_path, text)).files("val")


WORDS = Vocabulary(["happy", "not_happy", "face", "unsure"], frozenset({"face"}), frozenset({"unsure"}), True)
PLAIN = Vocabulary(["happy", "not_happy"])


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("1 0.5 0.5 0.2 0.2", (0.5, 0.5, 0.2, 0.2)),
        ("1.0 0.5 0.5 0.2 0.2", (0.5, 0.5, 0.2, 0.2)),
        ("1,0.5,0.5,0.2,0.2", (0.5, 0.5, 0.2, 0.2)),
        ("1 0.5 0.5 0.2 0.2 0.93", (0.5, 0.5, 0.2, 0.2)),  # a detector's confidence
        ("1 0.4 0.4 0.6 0.4 0.6 0.6 0.4 0.6", (0.5, 0.5, 0.2, 0.2)),  # an oriented box
        ("1 0.4 0.4 0.6 0.5 0.5 0.6", (0.5, 0.5, 0.2, 0.2)),  # a polygon
        ("1 0.5 0.5 0.2 0.2 0.4 0.4 2 0 0 0", (0.5, 0.5, 0.2, 0.2)),  # key points
        ("1 0.5 0.5 0.2 0.2 0 0 0 0 0 0", (0.5, 0.5, 0.2, 0.2)),  # of which none is labelled
        # Closed polygons along the picture's edges, with zeros and ones where visibilities would be.
        ("1 0 0 1 0 1 1 0 1 0 0", (0.5, 0.5, 1, 1)),
        ("1 1 0 1 1 0 1 0 0 1 0", (0.5, 0.5, 1, 1)),
        ("1 .5 0 1 .5 .5 1 0 .5 .5 0", (0.5, 0.5, 1, 1)),
        ("1 .5 0 .5 .015 .3 .9 0 .5 .5 0", (0.25, 0.45, 0.5, 0.9)),
        ("1 .5 .5 .2 .2 .9 .9 1 .1 .1 1", (0.55, 0.55, 0.9, 0.9)),  # far from what would be their box
        ("1 .25 .25 .75 .25 .75 .75 .25 .75 .93", (0.5, 0.5, 0.5, 0.5)),  # a polygon and a confidence
    ],
)
def test_every_kind_of_label_gives_its_box(line, box):
    row = parse(line, PLAIN)
    assert row.label == 1 and row.share == 1 and row.box == pytest.approx(box)


def test_key_points_without_visibility_are_told_from_a_polygon_by_data_yaml():
    line = "0 0.5 0.5 0.2 0.2 0.4 0.4 0.1 0.1"
    declared = Vocabulary(["a"], key_points=(2, 2))
    assert parse(line, declared).box == (0.5, 0.5, 0.2, 0.2)
    assert parse(line + " 0.93", declared).box == (0.5, 0.5, 0.2, 0.2)  # with a confidence
    assert parse(line, Vocabulary(["a"], key_points=(5, 2))).box != (0.5, 0.5, 0.2, 0.2)
    assert parse(line, Vocabulary(["a"])).box != (0.5, 0.5, 0.2, 0.2)


@pytest.mark.parametrize(
    "line",
    [
        "5 .5 .5 .1 .1",
        "-1 .5 .5 .1 .1",
        "0.5 .5 .5 .1 .1",
        "0 .5 .5 .1",
        "0 9 .5 .1 .1",
        "0 a b c d",
        "0 nan .5 .1 .1",
        "inf .5 .5 .1 .1",
        "0 .5 .5 .1 inf",
        "0 .5 .5 0 .1",
        "0 .5 .5 .1 0",
        "0 .5 .5 -.005 .1",
        "0 .5 .5 .1 1e-9",
        "0 .4 .4 .6 .4 .5 .4",  # a polygon that is a line
    ],
)
def test_labels_with_mistakes_are_refused_with_their_line(tmp_path, line):
    path = tmp_path / "a.txt"
    path.write_text(f"{BOX}\n{line}\n")
    with pytest.raises(DataError, match=r"a\.txt:2"):
        read_rows(path, PLAIN)


def test_a_line_that_stands_twice_is_one_face_as_the_daemon_reads_it(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(f"{BOX}\r\n1 .5 .5 .1 .1\n\n  {BOX}\n1 .5 .5 .1 .1".encode())
    assert [row.label for row in read_rows(path, PLAIN)] == [0, 1]
    # what stands there twice is told with the line of the first
    path.write_text(f"{BOX}\n{BOX}\n9 .5 .5 .1 .1\n9 .5 .5 .1 .1\n")
    with pytest.raises(DataError, match=r"a\.txt:3: class 9"):
        read_rows(path, PLAIN)


def test_faces_without_a_class_shares_and_ignored_regions(tmp_path):
    text = "0 .5 .5 .2 .2 0.8\n1 .7 .5 .2 .2\n2 .5 .7 .2 .2\n3 .25 .25 .5 .5\n"
    yaml_text = yaml.safe_dump({"val": "images/val"} | WORDS.to_dict())
    data = DataSet.open(a_set(tmp_path, yaml_text, text=text))
    assert data.names == ["happy", "not_happy"]
    (read,) = data.load("val")
    assert read.labels.shares.tolist() == pytest.approx(np.array([[0.8, 0.2], [0, 1], [0, 0]]))
    assert read.labels.classes.tolist() == [0, 1, -1]
    assert read.labels.ignored.tolist() == [[0, 0, 32, 24]]


def test_a_marked_class_must_be_one_of_the_names(tmp_path):
    with pytest.raises(DataError, match="'crowd' is marked"):
        DataSet.open(a_set(tmp_path, "val: images/val\nnames: [a]\nignore: crowd"))


def test_a_place_that_only_looks_like_a_face_is_none_and_ignores_nothing(tmp_path):
    words = Vocabulary(["happy", "nothing"], negative=frozenset({"nothing"}))
    yaml_text = yaml.safe_dump({"val": "images/val"} | words.to_dict())
    data = DataSet.open(a_set(tmp_path, yaml_text, text="0 .5 .5 .2 .2\n1 .25 .25 .5 .5\n"))
    assert data.names == ["happy"]
    (read,) = data.load("val")
    assert len(read.labels.boxes) == 1 and len(read.labels.ignored) == 0
    assert read.labels.negatives.tolist() == [[0, 0, 32, 24]]


def test_rows_are_written_as_they_are_read():
    row = Row(1, (0.5, 0.25, 0.125, 0.1), 0.75)
    assert parse(row.text(share=True), WORDS) == row


def test_a_name_may_stand_for_one_of_several_classes(tmp_path):
    text = (
        "val: images/val\nnames: [happy, sad, anger, not_happy, face]\nunknown: face\n"
        "groups: {not_happy: [sad, anger]}"
    )
    rows = "\n".join(f"{label} 0.5 0.5 0.2 0.2" for label in range(5))
    data = DataSet.open(a_set(tmp_path, text, text=rows))
    assert data.names == ["happy", "sad", "anger"]
    found = data.read(data.files("val")[0]).labels
    assert found.shares.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [0, 0, 0]]
    assert found.classes.tolist() == [0, 1, 2, -1, -1]
    assert DataSet.open(a_set(tmp_path, text)).vocabulary.to_dict()["groups"] == {
        "not_happy": ["sad", "anger"]
    }


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ("{other: [happy]}", "'other' is a group but is not in names"),
        ("{not_happy: [sad]}", "has 'sad', which is no class"),
        ("{not_happy: []}", "which is no class"),
        ("{not_happy: [happy, happy]}", "group 'not_happy' has 'happy' twice"),
        ("[not_happy]", "not a YOLO data.yaml"),
    ],
)
def test_a_group_that_cannot_be_is_refused(tmp_path, groups, words):
    text = f"val: images/val\nnames: [happy, not_happy]\ngroups: {groups}"
    with pytest.raises(DataError, match=words):
        DataSet.open(a_set(tmp_path, text))
