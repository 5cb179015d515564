"""Labels softened by what networks say."""

import numpy as np
import pytest
import torch
import yaml
from test_pipeline import arguments
from test_prepare import yolo
from test_shares import WORDS

from expression_training import blend, label
from expression_training.dataset import DataError, DataSet, Picture, read_image
from expression_training.labels import Row, label_file
from expression_training.network import SHIPPED, YOLO12
from expression_training.sidecar import MODELS
from expression_training.weights import save_weights


def test_a_label_is_half_of_itself_and_half_of_the_answer():
    answer = np.array([0.1, 0.2, 0.6, 0.1])
    soft = lambda *label, seen=0.9: blend.softened(np.array(label, float), answer, seen)  # noqa: E731
    assert soft(1, 0, 0, 0) == pytest.approx([0.55, 0.1, 0.3, 0.05])
    assert soft(0.7, 0.1, 0.1, 0.1) == pytest.approx([0.4, 0.15, 0.35, 0.1])
    # one of several: the answer tells them apart, unless it is another
    assert soft(0, 1, 0, 1) == pytest.approx([0, 2 / 3, 0, 1 / 3])
    assert soft(1, 0, 0, 1) is None
    # nobody knows the class; the networks see no face
    assert soft(0, 0, 0, 0) is None
    assert soft(1, 0, 0, 0, seen=0.29) is None and soft(0, 1, 1, 1, seen=0.29) is None


def test_small_shares_are_left_to_the_rest_and_none_is_said():
    row = Row(1, (0.5, 0.5, 0.4, 0.4))
    soft = blend.row_of(np.array([0.9904, 0.004, 0.003, 0.0026]), row, WORDS)
    assert (soft.label, soft.share, soft.others) == (0, 0.99, ())
    soft = blend.row_of(np.array([0, 0.2, 0.7999, 0.0001]), row, WORDS)
    assert soft.told == ((2, 0.8), (1, 0.2), (0, 0))
    assert WORDS.shares(soft).tolist() == pytest.approx([0, 0.2, 0.8, 0])


class Looking:
    """A network that says the same of every look: what is at the middle, and another thing beside it."""

    def __init__(self, shares, sure=0.8):
        self.shares, self.sure, self.seen = np.array(shares), sure, []

    def __call__(self, square):
        self.seen.append(square)
        confidence = torch.full((1, len(self.shares), 16, 16), 1e-4)
        confidence[0, :, 8, 7] = torch.from_numpy(self.shares * self.sure).float()
        confidence[0, 0, 1, 1] = 0.99  # somebody else
        return [(torch.zeros(1, 64, 16, 16), confidence.logit())]


def test_faces_are_looked_at_as_they_are_and_mirrored_by_every_network():
    image = np.zeros((200, 300, 3), np.uint8)
    image[80:120, 120:140] = (0, 0, 255)  # the left half is red
    rows = [
        Row(1, (140 / 300, 0.5, 40 / 300, 0.2)),
        Row(4, (140 / 300, 0.5, 40 / 300, 0.2)),
        Row(1, (140 / 300, 0.5, 19 / 300, 0.09)),  # too small
        Row(5, (140 / 300, 0.5, 40 / 300, 0.2)),
    ]
    picture = Picture("a.png", [image], WORDS.labels(rows, 300, 200))
    networks = [Looking((0.1, 0.5, 0.3, 0.1)), Looking((0.3, 0.3, 0.2, 0.2), 0.6)]
    looking = blend.Blend([(network, (128, 128)) for network in networks])
    assert looking.wants(rows, WORDS) and not looking.wants(rows[3:], WORDS)
    one, several, *others = looking.fill(picture, rows, WORDS)
    assert WORDS.shares(one).tolist() == pytest.approx([0.1, 0.7, 0.125, 0.075], abs=1e-3)
    assert WORDS.shares(several).tolist() == pytest.approx([0, 0.5, 0.3125, 0.1875], abs=1e-3)
    assert others == rows[2:] and one.box == rows[0].box
    for network in networks:
        assert len(network.seen) == 2 * 2 * len(blend.LOOKS)
        # RGB; the face is 1 / 1.4 and 1 / 1.6 of the input, and its red half on either side
        columns = [np.nonzero(square[64, :, 0] > 200)[0] for square in network.seen[:4]]
        assert [len(own) for own in columns] == pytest.approx([128 / 2.8] * 2 + [128 / 3.2] * 2, abs=2)
        assert [own.mean() < 64 for own in columns] == [True, False] * 2
    unseen = blend.Blend([(networks[0], (128, 128)), (Looking((0.5, 0.5, 0, 0), -0.0), (128, 128))])
    networks[0].sure = 0.5
    assert unseen.fill(picture, rows, WORDS) == rows


SEVEN = ["anger", "neutral", "happy", "sad", "surprise", "fear", "disgust"]


@pytest.fixture
def own(tmp_path):
    """A set of seven classes in an order of its own, with the self-test's face."""
    more = {"unknown": "face", "groups": {"not_happy": [name for name in SEVEN if name != "happy"]}}
    text = yaml.safe_dump({"names": [*SEVEN, "not_happy", "face"]} | more)
    source = yolo(tmp_path / "set", {"train": range(4), "val": range(4, 6)}, text)
    face = (MODELS / "self-test-close.jpg").read_bytes()
    for number, line in enumerate(("3 {}", "7 {}", "8 {}", "2 {}\n3 {}")):
        picture = tmp_path / f"set/images/train/train{number}.png"
        picture.write_bytes(face)
        label_file(picture).write_text(line.format(".5 .5 .6 .6", ".5 .5 .6 .6") + "\n")
    return source


def blended(source, out, *more):
    label.run(arguments(label, [source, "--out", out, "--blend", *more]))
    return DataSet.open(out / "data.yaml")


def shares(data, split):
    return {path.stem: data.read(path).labels.shares for path in data.files(split)}


def test_label_blends_the_training_faces_and_no_others(own, tmp_path, capsys):
    model = MODELS / "expression-yolo12n-7-close.tflite"
    data = blended(own, tmp_path / "out", "--model", model)
    before, train = DataSet.open(own), shares(data, "train")
    # two classes at one place: one face, of which no group says "one of these"
    assert set(train) == {"train0", "train1", "train2", "train3"} and not train["train3"].any()
    assert "left out" not in capsys.readouterr().err
    runner, size, _ = blend.model_for(model, SEVEN)
    looks = blend.Blend([(runner, size)])
    image = read_image(before.files("train")[0])
    height, width = image.shape[:2]
    box = Row(3, (0.5, 0.5, 0.6, 0.6)).pixels(width, height)
    told, seen = looks.opinion(before.read(before.files("train")[0], 4), box)
    assert seen > 0.3 and told.argmax() == SEVEN.index("happy")
    assert train["train0"][0] == pytest.approx((told + np.eye(7)[3]) / 2, abs=0.01)
    assert train["train0"][0, 3] >= 0.5 and train["train0"][0, 2] > 0.2
    assert not train["train2"].any(), "nobody knows its class"
    old, new = shares(before, "val"), shares(data, "val")
    assert old.keys() == new.keys() and all(np.array_equal(old[name], new[name]) for name in old)
    # blended again it moves further, and every command that goes by faces sees one
    again = shares(blended(tmp_path / "out/data.yaml", tmp_path / "again", "--model", model), "train")
    assert len(again["train0"]) == 1 and again["train0"][0, 2] > train["train0"][0, 2]


def test_label_asks_weights_too_in_the_set_s_order(own, tmp_path):
    torch.manual_seed(3)
    names = sorted(SEVEN)
    save_weights(tmp_path / "w.safetensors", YOLO12(SHIPPED, 7), names)
    strong = blend.runner_of(tmp_path / "w.safetensors", SEVEN)
    plain = blend.runner_of(tmp_path / "w.safetensors", names)
    square = np.zeros((64, 64, 3), np.uint8)
    order = [names.index(name) for name in SEVEN]
    assert torch.equal(strong(square)[0][1], plain(square)[0][1][:, order])
    model = MODELS / "expression-yolo12n-7-close.tflite"
    one = shares(blended(own, tmp_path / "one", "--model", model), "train")
    both = ["--model", model, "--weights", MODELS / "weights/expression-yolo12n-7-close.safetensors"]
    two = shares(blended(own, tmp_path / "two", *both), "train")
    assert not np.array_equal(one["train0"], two["train0"]), "both were asked"
    assert two["train0"] == pytest.approx(one["train0"], abs=0.15), "of one network, rounded and not"


def test_label_refuses_to_blend_what_it_cannot(own, tmp_path):
    model = ["--model", MODELS / "expression-yolo12n-7-close.tflite"]
    other = MODELS / "expression-yolo12n.tflite"
    weights = MODELS / "weights/expression-yolo12n.safetensors"
    for more, words in (
        (["--model", other], "the model tells happy, not_happy and the set has anger, neutral"),
        (["--weights", weights], "the model tells happy, not_happy and the set has anger, neutral"),
        ([], "--blend asks networks"),
        ([*model, "--missed"], "without --missed"),
        ([*model, "--sure", "0.5"], "without --missed, --sure"),
        ([*model, "--splits", "train", "val"], "the others are measured on"),
    ):
        with pytest.raises(DataError, match=words):
            blended(own, tmp_path / "out", *more)
    with pytest.raises(DataError, match="one teacher is needed"):
        label.run(arguments(label, [own, "--out", tmp_path / "out", *model, *model]))
