"""Sets as people have them: lists, Roboflow's paths, byte order marks, polygons, bad files."""

import argparse
import json
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from expression_training import export, gather
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
    ],
)
def test_every_kind_of_label_gives_its_box(line, box):
    row = parse(line, PLAIN)
    assert row.label == 1 and row.share == 1 and row.box == pytest.approx(box)


def test_key_points_without_visibility_are_told_from_a_polygon_by_data_yaml():
    line = "0 0.5 0.5 0.2 0.2 0.4 0.4 0.1 0.1"
    declared = Vocabulary(["a"], key_point=2)
    assert parse(line, declared).box == (0.5, 0.5, 0.2, 0.2)
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


def gather_arguments(root, out, *more):
    parser = argparse.ArgumentParser()
    gather.add_arguments(parser)
    words = ["--expressions", root / "expressions", "--wild", root / "wild", "--out", out, *more]
    return parser.parse_args([str(word) for word in words])


def sources_to_gather(root):
    """Portraits, and sixty scenes of which every two are the same one."""
    for split in ("train", "val"):
        text = "train: images/train\nval: images/val\nnames: [happy, not_happy]"
        a_set(root / "expressions", text, f"images/{split}")
    (root / "wild/images").mkdir(parents=True)
    lines = []
    for number in range(60):
        name = f"images/group_{number // 2:03}_{number % 2}.jpg"
        noise = np.random.default_rng(number // 2).integers(0, 255, (7, 7)).astype(np.uint8)
        scene = cv2.resize(noise, (64, 64), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(root / "wild" / name), scene, [cv2.IMWRITE_JPEG_QUALITY, 95 - 20 * (number % 2)])
        shares = enumerate((None, 0.5, 0.9, 0.0))
        faces = [{"box": [4 + 10 * i, 4, 20 + 10 * i, 20], "happy": share} for i, share in shares]
        lines.append({"file": name, "size": [64, 64], "faces": faces, "unsure": [[30, 30, 40, 40]]})
    (root / "wild/faces.jsonl").write_text("\n".join(map(json.dumps, lines)))
    index = [f"{line['file']},here,none" for line in lines]
    (root / "wild/index.csv").write_text("\n".join(["file,source,licence", *index]))


def test_gather_keeps_scenes_that_are_alike_on_one_side_and_marks_what_is_unsure(tmp_path):
    sources_to_gather(tmp_path)
    out = tmp_path / "out"
    gather.run(gather_arguments(tmp_path, out))
    data = DataSet.open(out / "data.yaml")
    scenes = {s: [p for p in data.files(s) if "group" in p.name] for s in ("train", "choose", "test")}
    train, choose, test = ({path.stem[:-2] for path in files} for files in scenes.values())
    assert train and choose and test
    assert train.isdisjoint(choose | test) and choose.isdisjoint(test)
    scene = data.read(scenes["test"][0])
    assert scene.labels.classes.tolist() == [-1, -1, 0, 1] and len(scene.labels.ignored) == 1
    assert len(data.draws("train")) > len(data.files("train"))
    assert {row["source"] for row in export.sources(data)} == {"here", "expressions"}
    gather.run(gather_arguments(tmp_path, out))
    again = DataSet.open(out / "data.yaml")
    assert all(set(files) <= set(again.files(split)) for split, files in scenes.items())


def test_gather_loses_no_picture_by_its_name(tmp_path):
    sources_to_gather(tmp_path)
    out, folder = tmp_path / "out", tmp_path / "expressions"
    [picture] = (folder / "images/val").iterdir()
    labels = (folder / "labels/val" / picture.stem).with_suffix(".txt").read_text()
    for name in ("images\\p.png", "images_p.png", f"sub/{picture.name}"):
        for kind, text in (("images", picture.read_bytes()), ("labels", labels.encode())):
            file = folder / kind / "val" / name
            file = file if kind == "images" else file.with_suffix(".txt")
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(text)
    gather.run(gather_arguments(tmp_path, out))
    data = DataSet.open(out / "data.yaml")
    assert len(data.files("val")) == len(data.load("val")) == 4 and not data.left_out


def test_gather_knows_places_of_scenes_that_only_look_like_faces(tmp_path):
    sources_to_gather(tmp_path)
    places = [{"file": f"images/group_{n:03}_0.jpg", "boxes": [[44, 44, 60, 60]]} for n in range(30)]
    (tmp_path / "negatives.jsonl").write_text("\n".join(map(json.dumps, places)) + "\n")
    out = tmp_path / "out"
    gather.run(gather_arguments(tmp_path, out, "--negatives", tmp_path / "negatives.jsonl"))
    data = DataSet.open(out / "data.yaml")
    known = {s: sum(len(p.labels.negatives) for p in data.pictures(s)) for s in ("train", "choose", "test")}
    assert known["train"] > 10 and known["choose"] == known["test"] == 0


def seven(root, counts):
    """Crops of each class: `counts` of each of two sources."""
    lines = ["file,split,source_repo,class_id,face_x0,face_y0,face_x1,face_y1,licence,also_in_expressions"]
    for source, numbers in counts.items():
        for label, number in enumerate(numbers):
            for index in range(number):
                name = f"images/{source}_{label}_{index}.jpg"
                picture(root / "seven" / name)
                split = "val" if index == 0 else "train"
                lines.append(f"{name},{split},{source},{label},8,8,40,44,none,")
    (root / "seven/index.csv").write_text("\n".join(lines))


def test_gather_makes_a_set_of_seven_classes_whose_sources_say_less(tmp_path):
    sources_to_gather(tmp_path)
    seven(tmp_path, {"raf": [5, 5, 5, 5, 2, 5, 3], "aff": [3] * 7})
    classes = "neutral,happy,sad,surprise,fear,disgust,anger"
    out = tmp_path / "out"
    gather.run(gather_arguments(tmp_path, out, "--seven", tmp_path / "seven", "--classes", classes))
    data = DataSet.open(out / "data.yaml")
    assert data.names == classes.split(",")
    drawn = {name: [] for name in data.names}
    for path in data.draws("train"):
        if path.name.startswith("seven"):
            found = data.read(path).labels.classes
            drawn[data.names[found[0]]].append(path.name.split("_")[1])
    # every class of every source as often, give or take what whole numbers allow
    counts = [names.count(source) for names in drawn.values() for source in ("raf", "aff")]
    assert max(counts) <= 1.5 * min(counts), drawn
    portrait = data.read(next(p for p in data.files("val") if "group" not in p.name)).labels
    assert portrait.classes.tolist() == [1] and portrait.shares.sum() == 1
    crops = [{p.name for p in data.files(s) if p.name.startswith("seven")} for s in ("choose", "test")]
    assert all(crops) and all(name.endswith("_0.jpg") for names in crops for name in names), "none trained on"
    scene = data.read(next(p for p in data.files("test") if "group" in p.name)).labels
    assert scene.classes.tolist() == [-1, -1, 1, -1]
    assert scene.shares.sum(1)[3] == 6 and scene.shares[3, 1] == 0, "one of the six others"


def test_expressions_that_are_not_named_are_other_and_not_one_of_those_named(tmp_path):
    sources_to_gather(tmp_path)
    seven(tmp_path, {"raf": [4] * 7})
    labels(tmp_path / "expressions/labels/train/a.txt", "1 .5 .5 .5 .5")
    more = "--seven", tmp_path / "seven", "--classes", "happy,sad"
    gather.run(gather_arguments(tmp_path, tmp_path / "out", *more))
    data = DataSet.open(tmp_path / "out/data.yaml")
    assert data.names == ["happy", "sad", "other"]
    shares = {path.name: data.read(path).labels.shares[0].tolist() for path in data.files("train")}
    assert shares["a.jpg"] == [0, 1, 1], "not happy: sad or anything else"
    crops = {name.split("_")[2]: row for name, row in shares.items() if name.startswith("seven")}
    assert crops["1"] == [1, 0, 0] and crops["2"] == [0, 1, 0]
    assert all(crops[number] == [0, 0, 1] for number in "03456")


def test_classes_that_the_sources_do_not_tell_apart_are_refused(tmp_path):
    for classes in ("happy", "happy,bored", "sad,anger", "happy,happy", "happy,not_happy,sad"):
        with pytest.raises(DataError, match="--classes"):
            gather.run(gather_arguments(tmp_path, tmp_path / "out", "--classes", classes))
