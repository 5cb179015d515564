"""A photograph that stands in a set several times is on one side of every split."""

import cv2
import numpy as np
import pytest
from test_cameras import background, frame, save
from test_prepare import noise, run

from expression_training.labels import Row


def numbers(files):
    """Of pictures named x12y.jpg the number of the photograph, by side."""
    return {side: {"".join(filter(str.isdigit, name)) for name in names} for side, names in files.items()}


def grown(rows, times):
    return [Row(row.label, (*row.box[:2], row.box[2] * times, row.box[3] * times)) for row in rows]


def photograph(number):
    """A face of its own before a wall of its own."""
    image, rows = frame(number, number % 2 == 0, 110 + number, 120, 30)
    wall = background(1).astype(int)
    return (image.astype(int) - wall + background(100 + number)).clip(0, 255).astype(np.uint8), rows


@pytest.mark.parametrize("other", [1.2, 1.4, None])
@pytest.mark.parametrize("quality", [95, 70])
def test_other_boxes_do_not_make_it_another_picture(tmp_path, other, quality):
    for number in range(60):
        image, rows = photograph(number)
        save(tmp_path / "set", f"p{number}a", image, rows)
        save(tmp_path / "set", f"p{number}b", image, grown(rows, other) if other else [], quality)
    report, _, files = run(tmp_path / "set/data.yaml", tmp_path / "out", "--least-sharp", 0)
    sides = numbers(files)
    assert report.kept == 120 and files["val"] and files["choose"]
    assert sides["train"].isdisjoint(sides["val"] | sides["choose"])


@pytest.mark.parametrize("given", [1.0, None])
def test_nor_beside_one_that_is_set_aside(tmp_path, given):
    root = tmp_path / "set"
    for number in range(40):
        image, rows = photograph(number)
        save(root, f"p{number}", image, rows if given is None else grown(rows, 1.4))
        if number < 10:
            file = root / f"images/test/t{number}.jpg"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
            (root / "labels/test").mkdir(exist_ok=True)
            text = "".join(row.text() + "\n" for row in rows) if given else ""
            (root / f"labels/test/t{number}.txt").write_text(text)
    with (root / "data.yaml").open("a") as file:
        file.write("test: images/test\n")
    report, _, files = run(root / "data.yaml", tmp_path / "out", "--least-sharp", 0)
    assert len(files["test"]) == 10 == len(report.dropped["duplicate"])


def test_the_same_file_is_the_same_however_small_its_faces_are(tmp_path):
    for number in range(40):
        image, _ = photograph(number)
        for name, x in (("a", 0.3), ("b", 0.7)):
            save(tmp_path / "set", f"p{number}{name}", image, [Row(0, (x, 0.5, 0.02, 0.02))])
    _, _, files = run(tmp_path / "set/data.yaml", tmp_path / "out", "--least-sharp", 0)
    sides = numbers(files)
    assert files["val"] and sides["train"].isdisjoint(sides["val"] | sides["choose"])


def roboflow(root, splits):
    """Versions of photographs, as unlike one another as a strong augmentation makes them."""
    for split, versions in splits.items():
        for place, (photo, version) in enumerate(versions):
            name = f"IMG_{photo}_jpg.rf.{version:032x}"
            noise(root / split / f"images/{name}.png", 1000 * photo + version)
            labels = root / split / f"labels/{name}.txt"
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text(f"{place % 2} .5 .5 .5 .5\n")
    lines = [f"{split}: {split}/images" for split in splits]
    (root / "data.yaml").write_text("\n".join(["names: [happy, not_happy]", *lines]))
    return root / "data.yaml"


def originals(files):
    return {side: {name.partition(".rf.")[0] for name in names} for side, names in files.items()}


def test_versions_of_one_photograph_are_never_split(tmp_path):
    # three of each, and of one so many that a person's pictures would be split
    versions = [(photo, version) for photo in range(30) for version in range(3)]
    source = roboflow(tmp_path / "set", {"train": versions + [(1, version) for version in range(3, 20)]})
    report, _, files = run(source, tmp_path / "out")
    sides = originals(files)
    assert report.kept == 107 and files["val"] and files["choose"]
    assert sides["train"].isdisjoint(sides["val"] | sides["choose"]) and not sides["val"] & sides["choose"]


def test_a_photograph_whose_version_is_set_aside_is_not_trained_on(tmp_path):
    versions = [(photo, version) for photo in range(30) for version in range(2)]
    source = roboflow(tmp_path / "set", {"train": versions, "test": [(0, 7), (1, 7)]})
    noise(tmp_path / "elsewhere/IMG_0_jpg.rf.ab.png", 9)  # another photograph of that name
    (tmp_path / "elsewhere/IMG_0_jpg.rf.ab.txt").write_text("0 .5 .5 .5 .5\n")
    source.write_text(source.read_text().replace("train/images", "[train/images, ../elsewhere]"))
    report, _, files = run(source, tmp_path / "out")
    dropped = report.dropped["another version is set aside"]
    assert len(dropped) == 4 and report.kept == 59 and len(files["test"]) == 2
    assert all("IMG_0_" in line or "IMG_1_" in line for line in dropped) and " of " in dropped[0]
