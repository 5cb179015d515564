"""A photograph that stands in a set several times is on one side of every split."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from test_cameras import background, frame, save
from test_prepare import noise, run

from expression_training.grouping import person_of
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


def labelled_noise(root, split, name, seed, label):
    noise(root / split / f"images/{name}.png", seed)
    labels = root / split / f"labels/{name}.txt"
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text(f"{label} .5 .5 .5 .5\n")


def test_what_is_left_out_still_links_what_it_is_the_same_as(tmp_path):
    """The first of a photograph's versions is dropped for a copy under another name, which no name links."""
    for number in range(40):
        label = number % 2
        labelled_noise(tmp_path / "set", "train", f"A{number}", number, label)
        labelled_noise(tmp_path / "set", "train", f"IMG_{number}_jpg.rf.0a", number, label)
        labelled_noise(tmp_path / "set", "train", f"IMG_{number}_jpg.rf.1b", 1000 + number, label)
    (tmp_path / "set/data.yaml").write_text("names: [happy, not_happy]\ntrain: train/images\n")
    report, _, files = run(tmp_path / "set/data.yaml", tmp_path / "out")
    assert len(report.dropped["duplicate"]) == 40 and files["val"] and files["choose"]
    sides = {
        side: {name[1:-4] if name.startswith("A") else name.split("_")[1] for name in names}
        for side, names in files.items()
    }
    assert sides["train"].isdisjoint(sides["val"] | sides["choose"]) and not sides["val"] & sides["choose"]


def test_nor_is_a_person_split_by_a_copy_under_another_name(tmp_path):
    people = [f"{first}{second}" for first in "ABCDE" for second in "qrstuvwx"]
    for number, person in enumerate(people):
        labelled_noise(tmp_path / "set", "train", f"A{number}", 3 * number, number % 2)
        for place in range(3):
            name = f"Jo_{person}_{place:04}"
            labelled_noise(tmp_path / "set", "train", name, 3 * number + place, number % 2)
    (tmp_path / "set/data.yaml").write_text("names: [happy, not_happy]\ntrain: train/images\n")
    report, _, files = run(tmp_path / "set/data.yaml", tmp_path / "out")
    assert len(report.dropped["duplicate"]) == 40 and files["val"]
    sides = {
        side: {name.split("_")[1] if "_" in name else people[int(name[1:-4])] for name in names}
        for side, names in files.items()
    }
    assert sides["train"].isdisjoint(sides["val"] | sides["choose"])


def test_a_photograph_that_is_set_aside_under_another_name_is_trained_on_in_no_version(tmp_path):
    for number in range(30):
        labelled_noise(tmp_path / "set", "train", f"IMG_{number}_jpg.rf.0a", number, number % 2)
        labelled_noise(tmp_path / "set", "train", f"IMG_{number}_jpg.rf.1b", 1000 + number, number % 2)
    for number in range(5):
        labelled_noise(tmp_path / "set", "test", f"A{number}", number, number % 2)
        # and what is the same as that other version, by whatever name
        labelled_noise(tmp_path / "set", "train", f"Z{number}", 1000 + number, number % 2)
    text = "names: [happy, not_happy]\ntrain: train/images\ntest: test/images\n"
    (tmp_path / "set/data.yaml").write_text(text)
    report, _, files = run(tmp_path / "set/data.yaml", tmp_path / "out")
    assert len(report.dropped["another version is set aside"]) == 5 and len(files["test"]) == 5
    left = {name for side, names in files.items() if side != "test" for name in names}
    assert not left & {f"Z{number}.png" for number in range(5)}
    assert {name.split("_")[1] for name in left} == {str(number) for number in range(5, 30)}


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("George_W_Bush_0012.jpg", "George_W_Bush"),
        ("George_W_Bush_0012_jpg.rf.0a1b2c.jpg", "George_W_Bush"),
        ("George_W_Bush_0012_JPEG.rf.0a1b2c.jpg", "George_W_Bush"),
        ("George_W_Bush_0012.rf.0a1b2c.jpg", "George_W_Bush"),
        ("IMG_0012_jpg.rf.0a1b2c.jpg", ""),
        ("Jo_0012.jpg", ""),
    ],
)
def test_a_person_is_known_by_what_roboflow_made_of_the_name(name, person):
    assert person_of(Path("set") / name) == person
