"""prepare and label on sets as people have them, and the sets that they write."""

import os
from collections import Counter

import cv2
import numpy as np
import pytest
from test_pipeline import arguments

from expression_training import export, label, prepare
from expression_training.augment import Augmented, Draw, Mix
from expression_training.dataset import DataError, DataSet, write_image
from expression_training.labels import Vocabulary, label_file
from expression_training.linked import Entry, sources_of, unique_names, write
from expression_training.progress import PAUSE, progress


def noise(path, seed):
    """A sharp picture that is like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    path.write_bytes(cv2.imencode(".png", cv2.resize(image, (64, 64)))[1].tobytes())


def portraits(root, names, first=0):
    """A folder of two classes."""
    for number, name in enumerate(names):
        noise(root / ("happy" if number % 2 else "not_happy") / name, first + number)
    return root


def yolo(root, splits, yaml_text="", text=None):
    """A set of so many pictures for each split; pictures of one number are the same."""
    for split, numbers in splits.items():
        for number in numbers:
            noise(root / f"images/{split}/{split}{number}.png", number)
            labels = root / f"labels/{split}/{split}{number}.txt"
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text(text or f"{number % 2} .5 .5 .5 .5\n")
    lines = [f"{split}: images/{split}" for split in splits]
    root.joinpath("data.yaml").write_text("\n".join([yaml_text or "names: [happy, not_happy]", *lines]))
    return root / "data.yaml"


def run(source, out, *more):
    report = prepare.prepare(arguments(prepare, [source, "--out", out, *more]))
    data = DataSet.open(out / "data.yaml")
    return report, data, {split: {file.name for file in data.files(split)} for split in data.splits}


def test_a_second_set_has_nothing_of_the_first(tmp_path):
    run(portraits(tmp_path / "a", [f"a{n}.png" for n in range(40)]), tmp_path / "out")
    source = portraits(tmp_path / "b", [f"b{n}.png" for n in range(20)], 1000)
    report, data, files = run(source, tmp_path / "out")
    assert report.kept == 20 == sum(map(len, files.values()))
    assert all(name.startswith("b") for names in files.values() for name in names)
    assert len(export.sources(data)) == 1


def test_many_pictures_of_one_camera_are_not_one_person(tmp_path):
    names = [f"cam_livingroom_{n:04}.png" for n in range(60)]
    report, _, files = run(portraits(tmp_path / "set", names), tmp_path / "out")
    assert report.no_person == ["cam_livingroom"]
    assert 8 <= len(files["val"]) <= 12 and 1 <= len(files["choose"]) <= 4, files


def test_a_set_that_cannot_be_split_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(DataError, match="nothing is left for 'val' of 2 pictures in 2 groups"):
        run(portraits(tmp_path / "set", ["a.png", "b.png"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_set_aside_is_not_trained_on(tmp_path):
    # 100 is in both, as it is in sets that were put together
    source = yolo(tmp_path / "set", {"train": range(60), "val": range(60, 72), "test": [100, 101, 102]})
    noise(tmp_path / "set/images/train/again.png", 100)
    label_file(tmp_path / "set/images/train/again.png").write_text("0 .5 .5 .5 .5\n")
    report, _, files = run(source, tmp_path / "out")
    assert files["test"] == {"test100.png", "test101.png", "test102.png"}
    assert len(report.dropped["duplicate"]) == 1 and "again.png" in report.dropped["duplicate"][0]
    assert files["choose"] and all(map(files["train"].isdisjoint, (files["choose"], files["val"])))
    again, _, files = run(tmp_path / "out/data.yaml", tmp_path / "again")
    assert again.kept == report.kept
    with_choose = yolo(tmp_path / "more", {"train": range(60), "choose": range(60, 66), "test": [100]})
    _, _, files = run(with_choose, tmp_path / "third")
    assert files["choose"] == {f"choose{n}.png" for n in range(60, 66)}


def test_what_a_list_names_twice_is_trained_on_twice_as_often(tmp_path):
    source = yolo(tmp_path / "set", {"train": range(40)})
    names = [f"images/train/train{number}.png" for number in range(40)]
    (tmp_path / "set/train.txt").write_text("\n".join(names * 2 + names[:20]))
    source.write_text(source.read_text().replace("train: images/train", "train: train.txt"))
    report, data, files = run(source, tmp_path / "out")
    drawn = Counter(path.name for path in data.draws("train"))
    assert report.kept == 40 and drawn.keys() == files["train"]
    assert all(times == (3 if int(name[5:-4]) < 20 else 2) for name, times in drawn.items())
    assert len(data.draws("val")) == len(files["val"]) > 0


def test_splits_that_are_not_there_are_named_and_no_error(tmp_path):
    source = yolo(tmp_path / "set", {"train": range(30)}, "names: [happy, not_happy]\ntest: ../test/images")
    report, _, files = run(source, tmp_path / "out")
    assert report.kept == 30 and "test" not in files
    assert "test/images" in report.dropped["splits that are not there"][0]


WORDS = """names: [joy, sad, anger, not_calm, face, unsure, nothing, calm]
unknown: face
ignore: unsure
negative: nothing
groups: {not_calm: [sad, anger]}"""


def test_every_special_name_survives_a_map(tmp_path):
    rows = "\n".join(f"{number} .5 .5 .{number + 1} .5" for number in range(7))
    source = yolo(tmp_path / "set", {"train": range(20)}, WORDS, rows)
    apart = ["joy=happy", "sad=low", "anger=high"]
    _, data, _ = run(source, tmp_path / "apart", "--map", *apart)
    assert data.vocabulary.groups == {"not_calm": ("low", "high")} and data.names == ["happy", "low", "high"]
    labels = data.load("train")[0].labels
    assert labels.shares.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [0, 0, 0]]
    assert len(labels.ignored) == len(labels.negatives) == 1
    # a name for one class is that class
    _, data, _ = run(source, tmp_path / "one", "--map", "joy=happy", "sad=not_happy", "anger=not_happy")
    assert data.names == ["happy", "not_happy"] and not data.vocabulary.groups
    assert data.load("train")[0].labels.classes.tolist() == [0, 1, 1, 1, -1]
    for mapping, words in (
        (["joy=happy", "sad=low"], "'not_calm' has 'anger', which is dropped"),
        (["joy=happy", "face=happy"], "no class face"),
        (["joy=none", "sad=a", "anger=b"], "'none' would say"),
    ):
        with pytest.raises(DataError, match=words):
            run(source, tmp_path / "refused", "--map", *mapping)


def test_a_face_of_a_class_that_the_map_leaves_out_is_no_background(tmp_path):
    source = yolo(tmp_path / "set", {"train": range(40)})
    report, _, _ = run(source, tmp_path / "out", "--map", "happy=joy")
    assert report.kept == 20 and len(report.dropped["a class that --map leaves out"]) == 20


def test_a_set_is_not_written_over_its_own_pictures(tmp_path):
    source = yolo(tmp_path / "set", {"train": range(20)})
    for out in (tmp_path / "set", tmp_path):
        with pytest.raises(DataError, match="where the pictures are"):
            prepare.prepare(arguments(prepare, [source, "--out", out]))
    assert len(DataSet.open(source).load("train")) == 20


@pytest.mark.parametrize("split", ["", "/train"])
def test_nor_over_pictures_that_its_own_folder_links_to(tmp_path, split):
    source = yolo(tmp_path / "set", {"train": range(20)})
    for kind in ("images", "labels"):
        (tmp_path / kind / "x").mkdir(parents=True)
        folder, originals = tmp_path / f"set/{kind}{split}", tmp_path / kind / "x/train"
        folder.rename(originals)
        folder.symlink_to(originals)
    before = {path: path.read_bytes() for path in tmp_path.rglob("x/**/*.*")}
    with pytest.raises(DataError, match="where the pictures are"):
        prepare.prepare(arguments(prepare, [source, "--out", tmp_path / "set"]))
    assert len(before) == 40 and all(path.read_bytes() == was for path, was in before.items())


def test_folders_without_pictures_and_hidden_ones_are_no_classes(tmp_path):
    source = portraits(tmp_path / "set", [f"a{n}.png" for n in range(40)])
    noise(source / ".cache/a.png", 90)
    noise(source / "__MACOSX/a.png", 91)
    (source / "notes").mkdir()
    (source / "notes/read me.txt").write_text("of happy")
    report, data, _ = run(source, tmp_path / "out")
    assert data.names == ["happy", "not_happy"] and report.kept == 40


@pytest.mark.parametrize(
    ("mapping", "shares"),
    [
        # a rest of 0.4 over six others, of which five are merged with it
        (["joy=happy", *(f"{c}=not_happy" for c in "bcdefg")], [0.6, 0.6 + 0.4 * 5 / 6, 5 / 6]),
        # of those that stay: neither e, f nor g
        (["joy=happy", "b=low", "c=low", "d=high"], [0.6 / 0.8, (0.6 + 0.4 / 6) / 0.8, 0.0]),
        (["joy=happy", "b=sad"], [0.6 / (0.6 + 0.4 / 6), 0.6 / (0.6 + 0.4 / 6), None]),
    ],
)
def test_shares_of_classes_that_are_merged_add_up(tmp_path, mapping, shares):
    text = "names: [joy, b, c, d, e, f, g]\nshare: true"
    rows = "0 .5 .5 .2 .2 0.6\n1 .2 .5 .2 .2 0.6\n" + ("" if shares[2] is None else "3 .8 .5 .2 .2 0\n")
    source = yolo(tmp_path / "set", {"train": range(20)}, text, rows)
    _, data, _ = run(source, tmp_path / "out", "--map", *mapping)
    (found, *_) = data.load("train")
    own = [row[label] for row, label in zip(found.labels.shares, (0, 1, -1), strict=False)]
    assert own == pytest.approx([share for share in shares if share is not None], abs=1e-5)


def test_a_share_of_a_group_that_becomes_one_class_is_that_of_the_class(tmp_path):
    text = "names: [joy, b, c, d, some, face]\nshare: true\nunknown: face\ngroups: {some: [b, c]}"
    source = yolo(tmp_path / "set", {"train": range(20)}, text, "4 .5 .5 .2 .2 0.6\n5 .2 .2 .2 .2 0.5\n")
    _, data, _ = run(source, tmp_path / "out", "--map", "joy=happy", "b=low", "c=low", "d=low")
    assert data.load("train")[0].labels.shares == pytest.approx(np.array([[0.2, 0.8], [0, 0]]), abs=1e-5)


def test_names_of_several_folders_and_such_that_are_no_text_can_be_listed(tmp_path):
    odd = os.fsdecode(b"caf\xe9\n.png")
    odder = ("a/é ü.png", "a/images\\p.png", "b/images_p.png")
    files = [tmp_path / name for name in ("a/x.png", "b/x.png", "c/x.jpg", f"a/{odd}", *odder)]
    for number, file in enumerate(files):
        noise(file, number)
    names = unique_names(files)
    plain = ["é ü.png", "images_p.png", "images_p_1.png"]
    assert names == ["x.png", "x_1.png", "x_2.jpg", "caf__.png", *plain]
    entries = [Entry("train", file, name, []) for file, name in zip(files, names, strict=True)]
    write(tmp_path / "out", entries, Vocabulary(["a"]))
    data = DataSet.open(tmp_path / "out/data.yaml")
    assert len(data.load("train")) == 7 and not data.left_out


@pytest.mark.parametrize("more", [(), ("--gabor",)])
def test_prepare_takes_names_that_are_no_text(tmp_path, more):
    names = [os.fsdecode(b"caf\xe9%d.png" % number) for number in range(20)]
    report, data, _ = run(portraits(tmp_path / "set", names), tmp_path / "out", *more)
    assert report.kept == 20 and len(data.load("train")) >= 15


def test_somebody_s_own_index_is_none_of_ours(tmp_path):
    source = yolo(tmp_path / "set", {"train": range(20)})
    (tmp_path / "set/index.csv").write_text("name,who\ntrain1.png,me\n")
    assert export.sources(DataSet.open(source)) == [{"source": "set", "pictures": 20}]
    _, data, _ = run(source, tmp_path / "out")
    assert [row["source"] for row in export.sources(data)] == ["set"]
    (tmp_path / "set/index.csv").write_text("file,source,licence\nimages/train1.png,here,CC0\n")
    _, data, _ = run(source, tmp_path / "out")
    assert {row["source"] for row in export.sources(data)} == {"set", "here"}


def test_pictures_of_one_name_have_each_its_own_source_and_terms(tmp_path):
    for folder in ("one", "two", "three"):
        for name in ("a.png", "b.png"):
            noise(tmp_path / folder / name, 1)
    rows = [
        "one/a.png,here,CC0",
        "two/a.png,there,CC-BY",
        "two/b.png,there,CC-BY",
        "./three/b.png,there,CC-BY",
    ]
    (tmp_path / "index.csv").write_text("\n".join(["file,source,licence", *rows]))
    (tmp_path / "linked").symlink_to("one")
    (tmp_path / "c.png").symlink_to("one/a.png")
    source_of = sources_of(tmp_path)
    for name, terms in (
        ("one/a.png", ("here", "CC0")),
        ("three/../two/a.png", ("there", "CC-BY")),
        ("linked/a.png", ("here", "CC0")),
        ("c.png", ("here", "CC0")),
        ("three/a.png", (tmp_path.name, "")),  # of which of the two nobody knows
        ("elsewhere/b.png", ("there", "CC-BY")),  # moved, and all of that name are from there
    ):
        assert source_of(tmp_path / name) == terms, name


def test_a_link_has_the_source_that_its_own_set_names(tmp_path):
    noise(tmp_path / "store/a.png", 1)
    entries = [Entry(split, tmp_path / "store/a.png", "a.png", [], 1, split) for split in ("train", "val")]
    write(tmp_path / "out", entries, Vocabulary(["a"]))
    source_of = sources_of(tmp_path / "out")
    for split in ("train", "val"):
        assert source_of(tmp_path / f"out/images/{split}/a.png")[0] == split


def blind(square):
    raise AssertionError("nothing to look at")


def test_label_leaves_out_what_is_odd_and_keeps_the_rest(tmp_path, capsys):
    text = "names: [happy, not_happy, face]\nunknown: face\ntest: nowhere"
    source = yolo(tmp_path / "set", {"train": range(6)}, text)
    (tmp_path / "set/labels/train/train2.txt").write_text("9 .5 .5 .5 .5\n")
    (tmp_path / "set/images/train/train3.png").write_bytes(b"no picture")
    (tmp_path / "set/labels/train/train3.txt").write_text("2 .5 .5 .5 .5\n")
    data, count = DataSet.open(source), Counter()
    teacher = label.Teacher(blind, (96, 96), ["happy", "not_happy"], 0.5)
    entries = list(label.label(data, teacher, ["train"], count))
    assert [entry.name for entry in entries] == [f"train{n}.png" for n in (0, 1, 4, 5)]
    errors = capsys.readouterr().err
    assert "2 left out" in errors and "train2.txt:1" in errors and "train3.png" in errors
    assert "nowhere" in errors
    for splits, words in ((["trian"], "no split 'trian'"), (["test"], "nowhere")):
        with pytest.raises(DataError, match=words):
            label.run(arguments(label, [source, "--out", tmp_path / "o", "--splits", *splits]))


@pytest.mark.parametrize("size", [(400, 1), (1300, 1), (2000, 5), (2600, 2), (1, 400), (2, 2600), (1, 1)])
def test_a_picture_of_a_line_ends_nothing(tmp_path, size):
    """A border or a spacer from a web page among the others."""
    source = portraits(tmp_path / "set", [f"a{n}.png" for n in range(20)])
    line = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    write_image(source / "happy/line.png", line)
    _, data, _ = run(source, tmp_path / "out", "--least-sharp", 0)
    kept = [picture for split in data.splits for picture in data.load(split, 4)]
    assert len(kept) == 21
    for number, seed in ((n, str(s)) for n in range(len(kept)) for s in range(3)):
        for place in (None, 0):
            Augmented(kept, Mix(collage=0.4), seed)[Draw(number, number, (96, 64), place)]


def test_a_log_is_told_now_and_then(capsys):
    times = iter([0, 1, PAUSE, PAUSE + 1, 2 * PAUSE - 1])
    assert list(progress([1, 2, 3], "looking", lambda: next(times))) == [1, 2, 3]
    assert capsys.readouterr().err == "looking: 1 of 3\n"
