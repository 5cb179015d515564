"""What the daemon and the training must have alike, which its source says."""

import re
from pathlib import Path

from expression_training import dataset, export, faces, labels

SOURCE = Path(__file__).resolve().parents[3] / "src"


def constant(file, name):
    [value] = re.findall(rf"const {name}: [^=]+ = (.*?);", (SOURCE / file).read_text(), re.DOTALL)
    return value


def test_boxes_that_are_one_face_are_so_for_both():
    assert float(constant("detector/candidate.rs", "SAME_FACE_IOU")) == faces.SAME_FACE_IOU


def test_what_a_picture_does_not_cover_is_of_one_grey():
    assert int(constant("pixels/letterbox.rs", "PAD")) == dataset.PAD


def test_a_side_car_that_says_nothing_is_looked_through_alike():
    assert float(constant("detector/sidecar.rs", "USUAL_CLOSE_LOOK")) == export.USUAL_CLOSE_LOOK


def test_no_class_is_called_what_home_assistant_takes_for_something_else():
    assert tuple(re.findall(r'"(\w+)"', constant("detector/classes.rs", "RESERVED"))) == labels.RESERVED
