"""The set that the shipped models are trained on: scenes, portraits and crops, each with what it says."""

import argparse
import json

import cv2
import numpy as np
import pytest
from test_dataset import a_set, labels, picture

from expression_training import export, gather
from expression_training.dataset import DataError, DataSet


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
    [own] = (folder / "images/val").iterdir()
    text = (folder / "labels/val" / own.stem).with_suffix(".txt").read_bytes()
    for name in ("images\\p.png", "images_p.png", f"sub/{own.name}"):
        file, said = folder / "images/val" / name, (folder / "labels/val" / name).with_suffix(".txt")
        for path, content in ((file, own.read_bytes()), (said, text)):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
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


def test_gather_leaves_out_faces_that_were_judged_to_turn_away(tmp_path):
    sources_to_gather(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "wild/faces.jsonl").read_text().splitlines()]
    # other labels than those that were judged have the same face a little beside
    first = {
        line["file"]: [side + 0.5 for side in line["faces"][0]["box"]] for line in lines if line["faces"]
    }
    judged = [{"file": file, "boxes": [], "unsure": [box]} for file, box in first.items()]
    (tmp_path / "negatives.jsonl").write_text("\n".join(map(json.dumps, judged)) + "\n")
    before, after = tmp_path / "before", tmp_path / "after"
    gather.run(gather_arguments(tmp_path, before))
    gather.run(gather_arguments(tmp_path, after, "--negatives", tmp_path / "negatives.jsonl"))
    for split, changes in (("train", True), ("choose", False), ("test", False)):
        pictures = [list(DataSet.open(out / "data.yaml").pictures(split)) for out in (before, after)]
        boxes, regions = (
            [sum(map(count, some)) for some in pictures]
            for count in (lambda one: len(one.labels.boxes), lambda one: len(one.labels.ignored))
        )
        assert (boxes[1] < boxes[0]) == changes and boxes[0] - boxes[1] == regions[1] - regions[0], split


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
