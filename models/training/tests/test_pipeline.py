"""prepare, train, export and evaluate on a small generated set."""

import argparse
import copy
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from expression_training import evaluate, export, prepare, train
from expression_training.augment import Augmented, Batches, Draw, Mix
from expression_training.close_looks import CloseLooks, Kind, Place
from expression_training.dataset import CLOSE, DataError, DataSet, Letterbox
from expression_training.detect import tflite_runner, torch_runner
from expression_training.gabor import sharpness
from expression_training.labels import Vocabulary
from expression_training.light import low_light
from expression_training.loss import Targets
from expression_training.members import Plan, roles, translated
from expression_training.network import YOLO12, Description
from expression_training.parallel import Peers, run_in
from expression_training.sidecar import model_for
from expression_training.tflite import Interpreter
from expression_training.weights import load_weights

OPTIONS = replace(
    train.PRESETS["best"], size=(96, 96), growing=(), batch=8, epochs=2, mosaic=0.5, warmup_steps=5, lr=1e-3
)


SIZES = ((96, 96), (128, 64))


def arguments(module, words):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def test_prepare_drops_duplicates_and_never_splits_a_group(dataset, tmp_path):
    source = tmp_path / "faces"
    for name in ("joy", "calm", "other"):
        (source / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(40):
        noise = cv2.resize(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8), (120, 120))
        folder = source / ("joy" if number % 2 else "calm")
        cv2.imwrite(str(folder / f"Person_{number // 4}_{number:04}.png"), noise)
        if number % 10 == 0:  # the same again, smaller and compressed
            cv2.imwrite(str(folder / f"again{number}.jpg"), cv2.resize(noise, (90, 90)))
    cv2.imwrite(str(source / "joy" / "blurred.png"), cv2.GaussianBlur(noise, (0, 0), 25))
    (source / "joy" / "broken.jpg").write_bytes(b"no picture")
    out = tmp_path / "out"
    words = [source, "--out", out, "--map", "joy=happy", "calm=not_happy"]
    report = prepare.prepare(arguments(prepare, words))
    assert len(report.dropped["duplicate"]) == 4
    assert [path.rsplit("/", 1)[1] for path in report.dropped["unreadable"]] == ["broken.jpg"]
    assert [path.rsplit("/", 1)[1] for path in report.dropped["blurred"]] == ["blurred.png"]
    data = DataSet.open(out / "data.yaml")
    assert data.names == ["happy", "not_happy"]
    people = {s: {p.name.rsplit("_", 1)[0] for p in data.files(s)} for s in ("train", "val")}
    assert people["train"].isdisjoint(people["val"]), people
    sizes = {split: len(data.files(split)) for split in people}
    assert sum(sizes.values()) == 40 and 4 <= sizes["val"] <= 10, sizes
    assert cv2.imread(str(out / "contact-sheet.jpg")) is not None
    assert json.loads((out / "report.json").read_text())["kept"] == 40


def test_prepare_reads_a_yolo_set_again(dataset, tmp_path):
    args = arguments(prepare, [dataset, "--out", tmp_path / "o", "--least-sharp", 0, "--gabor"])
    report = prepare.prepare(args)
    assert report.read == 32 and report.kept + len(report.dropped["duplicate"]) == 32


def test_blur_lowers_sharpness(dataset):
    data = DataSet.open(dataset)
    image = data.read(data.files("train")[0]).image
    assert sharpness(cv2.GaussianBlur(image, (0, 0), 4)) < 0.7 * sharpness(image)


def test_augmentation_depends_on_nothing_but_its_seed(dataset):
    pictures = DataSet.open(dataset).load("train", 3)
    mix = Mix(mosaic=0.4, collage=0.3, letterboxed=0.5)
    first, again, other, later = (Augmented(pictures, mix, seed) for seed in ("4//0", "4//0", "5//0", "4//1"))
    for index in range(24):
        key = Draw(index, index, (96, 64), 0 if pictures[index].portrait else None)
        a, b = first[key], again[key]
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
        for boxes in (a[1], a[3]):
            assert ((boxes >= 0) & (boxes <= torch.tensor([96, 64, 96, 64]))).all() and (
                boxes[:, 2:] > boxes[:, :2]
            ).all()
        assert a[0].shape == (64, 96, 3) and len(a[1]) == len(a[2])
    draw = Draw(0, 0, (96, 64))
    for changed in (other, later):
        assert not torch.equal(first[draw][0], changed[draw][0])
    # drawn twice in an epoch, a picture is not the same twice
    assert not torch.equal(first[draw][0], first[draw._replace(number=1)][0])


def test_batches_draw_every_picture_once_at_one_of_the_sizes():
    batches = Batches(range(20), 4, SIZES, seed="1/0")
    drawn = list(batches)
    assert len(drawn) == len(batches) == 5 and drawn == list(batches)
    assert drawn != list(Batches(range(20), 4, SIZES, seed="1/1"))
    assert sorted(draw.picture for batch in drawn for draw in batch) == list(range(20))
    assert sorted(draw.number for batch in drawn for draw in batch) == list(range(20))
    assert all(len({draw.size for draw in batch}) == 1 for batch in drawn)
    assert {draw.size for batch in drawn for draw in batch} == set(SIZES)
    assert all(draw.place is None for batch in drawn for draw in batch)


def test_close_looks_grow_to_the_size_of_the_daemons():
    options = train.PRESETS["close"]
    assert [options.close_size_at(share) for share in (0.0, 0.59, 0.6, 1.0)] == [
        (96, 96),
        (96, 96),
        CLOSE,
        CLOSE,
    ]


def test_a_share_of_the_batches_are_close_looks():
    places = [Place(3, 0), Place(7, 0), Place(7, 2)]
    looks = CloseLooks(0.5, [Kind(0.3, places[:1]), Kind(0.6, places[1:])], (64, 64))
    batches = list(Batches(range(400), 4, SIZES, seed="1/0", close=looks))
    close = [batch for batch in batches if batch[0].place is not None]
    assert 30 < len(close) < 70
    assert {(draw.picture, draw.place) for batch in close for draw in batch} == set(places)
    assert all((draw.place is not None) == (batch in close) for batch in batches for draw in batch)
    assert all((draw.size == looks.size) == (batch in close) for batch in batches for draw in batch)
    others = [draw.picture for batch in batches if batch not in close for draw in batch]
    assert len(others) == len(set(others))
    without = Batches(range(8), 4, SIZES, "1/0", close=CloseLooks(0.5))
    assert all(draw.place is None for batch in without for draw in batch)


def test_an_epoch_may_be_a_part_of_what_is_drawn():
    batches = list(Batches([0, 0, 0, 1], 2, [(96, 96)], seed="1/0", samples=2))
    assert len(batches) == 1 and len(batches[0]) == 2


def test_low_light_is_darker_and_noisier(dataset):
    import random

    data = DataSet.open(dataset)
    image = data.read(data.files("train")[0]).image
    means = [low_light(image, random.Random(1), s).mean() for s in (0.25, 0.5, 1.0)]
    assert image.mean() > means[0] > means[2]


class Stopped(Exception):
    pass


def test_a_stopped_run_goes_on_exactly_where_it_was(dataset, tmp_path, monkeypatch):
    data = DataSet.open(dataset)
    whole = train.train(data, tmp_path / "whole", OPTIONS)
    save = train.Trainer.save

    def save_and_stop(trainer, path):
        save(trainer, path)
        raise Stopped

    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr(train.Trainer, "save", save_and_stop)
        train.train(data, tmp_path / "parts", OPTIONS)
    parts = train.train(data, tmp_path / "parts", OPTIONS)
    assert whole.epoch == parts.epoch == 2 and whole.step == parts.step
    pairs = zip(whole.members[0].network.parameters(), parts.members[0].network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    log = (tmp_path / "whole" / "log.csv").read_text()
    assert log.count("\n") == 3 and "positives" in log.splitlines()[0]
    assert (tmp_path / "whole" / "model.png").stat().st_size > 1000


def test_a_run_from_other_weights_draws_other_samples(dataset, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        train, "Augmented", lambda pictures, mix, seed: drawn.append(seed) or Augmented(pictures, mix, seed)
    )
    data, once = DataSet.open(dataset), replace(OPTIONS, epochs=1)
    train.train(data, tmp_path / "first", once)
    train.train(data, tmp_path / "second", once, init=tmp_path / "first" / "last.pt")
    # resumed, it draws as the run that it is, whether --init is given again or not
    train.train(data, tmp_path / "second", replace(once, epochs=2))
    first, second, resumed = (seed.rpartition("/") for seed in drawn)
    assert first[0] != second[0] == resumed[0] and (second[2], resumed[2]) == ("0", "1")


def test_two_processes_train_one_network(dataset, tmp_path, monkeypatch):
    data, once = DataSet.open(dataset), replace(OPTIONS, epochs=1, batch=16)
    alone = train.train(data, tmp_path / "one", once)
    work = train.Run.train

    def leave(run, peers):
        trainer = work(run, peers)
        torch.save(dict(trainer.members[0].network.named_parameters()), tmp_path / f"{peers.rank}.pt")

    monkeypatch.setattr(train.Run, "train", leave)
    train.train(data, tmp_path / "two", once, processes=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    # each saw its own half of every batch: to the last bit they are one by the gradients that they share
    assert all(torch.equal(first[name], second[name]) for name in first)
    both = train.Trainer(once, data.vocabulary)
    untrained = both.members[0].network.named_parameters()
    assert any(not torch.equal(first[name], own) for name, own in untrained)
    both.load(tmp_path / "two" / "last.pt")
    assert both.step == alone.step and both.seconds > 0


def test_gradients_are_the_mean_of_all_processes(tmp_path):
    def work(peers: Peers):
        network = torch.nn.Linear(2, 1)
        network.weight.grad = torch.tensor([[1.0, 2.0], [5.0, 8.0]][peers.rank])[None]
        if not peers.leads:  # no face of its part has taught the first one's bias
            network.bias.grad = torch.tensor([3.0])
        seconds = peers.average([network], 7.0 + peers.rank)
        torch.save((network.weight.grad, network.bias.grad, seconds), tmp_path / f"{peers.rank}.pt")

    run_in(2, work)
    for rank in range(2):
        weight, bias, seconds = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert weight.tolist() == [[3.0, 5.0]] and bias.tolist() == [1.5] and seconds == 7.0


def test_a_part_of_a_batch_for_each_process():
    whole = list(Batches(range(20), 4, SIZES, "1/0"))
    parts = [list(Batches(range(20), 4, SIZES, "1/0", part=(rank, 2))) for rank in range(2)]
    assert [sorted(a + b) for a, b in zip(*parts, strict=True)] == [sorted(batch) for batch in whole]


def test_a_run_goes_on_only_with_its_own_options(dataset, tmp_path):
    words = DataSet.open(dataset).vocabulary
    train.Trainer(OPTIONS, words).save(tmp_path / "last.pt")
    train.Trainer(replace(OPTIONS, epochs=7), words).load(tmp_path / "last.pt")  # longer is no other run
    other = train.with_network(OPTIONS, {"scale": "s"})
    for changed in (replace(OPTIONS, lr=1.0), other):
        with pytest.raises(DataError, match="another --out"):
            train.Trainer(changed, words).load(tmp_path / "last.pt")


SMALL = Description(levels=(8,), separable_box=True, attention=(1, 1))
FAMILY = replace(
    OPTIONS,
    networks=(
        Plan("teacher", SMALL, teaches=True),
        Plan("smile", SMALL, classes=("happy", "other")),
        Plan("three", SMALL),
    ),
    lessons=(0.0, 0.1),
)
WORDS = Vocabulary(["happy", "sad", "angry", "other"], groups={"other": ("sad", "angry")})


def test_a_network_that_tells_groups_apart_learns_from_the_classes_in_them():
    by = roles(WORDS, ["happy", "other"])
    shares = torch.tensor([[0.5, 0.3, 0.2], [0, 1, 1], [1, 1, 0], [0, 0, 0]])
    truth = Targets(
        torch.zeros(1, 4, 4), shares[None], torch.ones(1, 4, dtype=torch.bool), torch.zeros(1, 1, 4)
    )
    wanted = torch.tensor([[0.5, 0.5], [0, 1], [1, 1], [0, 0]])
    assert torch.allclose(translated(truth, by).shares[0], wanted)
    with pytest.raises(DataError, match="'glad' is neither a class nor a group"):
        roles(WORDS, ["happy", "glad"])


def test_a_teacher_is_heard_from_the_share_on_that_the_options_name():
    options = replace(OPTIONS, lessons=(0.2, 0.6))
    assert [options.lesson_at(share) for share in (0, 0.2, 0.4, 0.6, 1)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_every_network_of_a_run_steps_and_the_students_learn_from_the_teacher(monkeypatch):
    trainer, heard = train.Trainer(FAMILY, WORDS), []
    measure = train.distillation_loss

    def listen(outputs, answers, words, lesson):
        heard.append((words.tolist(), lesson.classes))
        return measure(outputs, answers, words, lesson)

    monkeypatch.setattr(train, "distillation_loss", listen)
    assert [member.names for member in trainer.students] == [["happy", "other"], ["happy", "sad", "angry"]]
    images = torch.randint(0, 255, (2, 96, 96, 3), dtype=torch.uint8)
    boxes = torch.tensor([[20.0, 20, 60, 70]]).expand(2, 1, 4)
    truth = Targets(boxes, torch.ones(2, 1, 3), torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, 1, 4))
    before = [copy.deepcopy(member.network.state_dict()) for member in trainer.members]
    parts = trainer.train_step(images, truth, 1.0)
    assert len(parts) == 3 and all(torch.isfinite(part.classes) for part in parts)
    for member, old in zip(trainer.members, before, strict=True):
        assert not torch.equal(member.network.stem.conv.weight, old["stem.conv.weight"])
    words = [[[1, 0], [0, 1], [0, 1]], torch.eye(3).tolist()]
    assert heard == [(words[0], FAMILY.class_weight), (words[1], FAMILY.class_weight)]


def test_a_teacher_has_the_levels_of_its_students_and_its_own_scale():
    """What `train --preset scenes --size 320` advises."""
    options = train.with_network(train.PRESETS["scenes"], {"levels": (8, 16, 32), "scale": "n"})
    assert {plan.network.levels for plan in options.networks} == {(8, 16, 32)}
    assert [plan.network.scale for plan in options.networks] == ["s", "n", "n"]
    words = Vocabulary(["happy", "sad", "not_happy"], groups={"not_happy": ("sad",)})
    boxes = torch.tensor([[8.0, 8, 50, 60]]).expand(2, 1, 4)
    shares, valid = torch.tensor([[[1.0, 0]], [[0, 1.0]]]), torch.ones(2, 1, dtype=torch.bool)
    images = torch.randint(0, 255, (2, 64, 64, 3), dtype=torch.uint8)
    parts = train.Trainer(options, words).train_step(
        images, Targets(boxes, shares, valid, torch.zeros(2, 1, 4)), 1.0
    )
    assert all(len(part.positives) == 3 and torch.isfinite(part.classes) for part in parts)


def test_a_run_of_several_networks_leaves_weights_of_each(dataset, tmp_path):
    several = replace(FAMILY, networks=(FAMILY.networks[0], Plan("two", SMALL)), epochs=1)
    train.train(DataSet.open(dataset), tmp_path, several)
    for name in ("teacher", "two"):
        assert load_weights(tmp_path / f"{name}.safetensors")[1] == SMALL
        assert (tmp_path / f"{name}.png").exists()
    with pytest.raises(DataError, match=r"name one of .*teacher\.safetensors"):
        load_weights(tmp_path / "last.pt")
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert len(rows) == 3 and rows[1].startswith("teacher,") and rows[2].startswith("two,")


def test_a_log_gets_no_progress_bar(dataset, tmp_path, capsys):
    train.train(DataSet.open(dataset), tmp_path, replace(OPTIONS, epochs=1))
    printed = capsys.readouterr()
    assert "epoch=1" in printed.out and "\r" not in printed.err and "%|" not in printed.err


@pytest.fixture(scope="module")
def overfitted(dataset):
    """A dozen pictures learnt by heart."""
    data = DataSet.open(dataset)
    pictures = data.load("train", 3)[:12]
    options = replace(OPTIONS, ema=0.9, lr=4e-3)
    trainer = train.Trainer(options, data.vocabulary)
    trainer.members[0].network.train()
    samples = [p for p in pictures]
    images, boxes, shares = [], [], []
    for picture in samples:
        letterbox = Letterbox.of(picture.image, (96, 96))
        images.append(torch.from_numpy(letterbox.image[:, :, ::-1].copy()))
        boxes.append(torch.from_numpy(picture.labels.boxes * letterbox.scale))
        shares.append(torch.from_numpy(picture.labels.shares))
    ignored = [torch.zeros(0, 4)] * len(images)
    batch, truth = train.collate(list(zip(images, boxes, shares, ignored, strict=True)))
    for _ in range(220):
        trainer.train_step(batch, truth, 0.0)
    return data, trainer


def test_a_dozen_pictures_can_be_learnt_by_heart(overfitted):
    data, trainer = overfitted
    run = torch_runner(trainer.members[0].network)
    right = 0
    faces = [p for p in data.load("train")[:12] if len(p.labels.boxes)]
    for picture in faces:
        found = evaluate.detect(run, picture.image, (96, 96))
        right += len(found) > 0 and found[0][5] == picture.labels.classes[0]
    assert right >= len(faces) - 1


def test_the_exported_model_runs_in_the_daemon_s_runtime_and_agrees(dataset, tmp_path, monkeypatch):
    data, size = DataSet.open(dataset), (288, 192)
    torch.manual_seed(3)
    network = YOLO12(Description(), 2).eval()
    float_model, int8_model = tmp_path / "float.tflite", tmp_path / "m.tflite"
    export.to_float(network, size, float_model)
    export.to_int8(float_model, int8_model, list(export.calibration(data, size, 16)))
    picture = data.read(data.files("train")[0])
    square = Letterbox.of(picture.image, size).image[:, :, ::-1]
    wanted = torch_runner(network)(square)
    exact = tflite_runner(float_model)(square)
    for level in range(3):
        for role in range(2):
            assert torch.allclose(wanted[level][role], exact[level][role], atol=1e-3)
    tflite_runner(int8_model)(square)  # TensorFlow Lite takes and runs it
    interpreter = Interpreter(int8_model)
    assert interpreter.size == size
    assert interpreter.input.dtype == np.int8 and interpreter.input.zero_point == -128
    assert interpreter.input.scale == pytest.approx(1 / 255, rel=1e-3)
    groups = {"smiling": ("happy",)}
    grouped = replace(data, vocabulary=replace(data.vocabulary, groups=groups))
    monkeypatch.setattr(export, "self_test", lambda *_: {})
    card = export.side_car(int8_model, grouped, {"happy": 0.5}, "1.2.3", {})
    assert card["groups"] == groups and "groups" not in export.side_car(int8_model, data, {}, "1.2.3", {})
    rows = export.describe_outputs(interpreter)
    assert [row["stride"] for row in rows] == [8, 8, 16, 16, 32, 32]
    assert [row["shape"][-1] for row in rows] == [64, 2] * 3
    classes_are_paired_by_name(int8_model, square)


def classes_are_paired_by_name(model, square):
    run, _, card = model_for(model, ["happy", "not_happy"])  # without a side-car they are the set's
    assert card is None
    said = {"classes": ["Happy", "not_happy"], "thresholds": {"HAPPY": 0.4, "Not_happy": 0.6}, "nms_iou": 0.5}
    model.with_suffix(".json").write_text(json.dumps(said))
    other, _, card = model_for(model, ["not_happy", "happy"])
    for (_, scores), (_, swapped) in zip(run(square), other(square), strict=True):
        assert torch.equal(scores.flip(1), swapped)
    assert card.limits(["not_happy", "happy"]) == {"not_happy": 0.6, "happy": 0.4}
    with pytest.raises(DataError, match="the model tells Happy, not_happy and the set has happy, sad"):
        model_for(model, ["happy", "sad"])
    model.with_suffix(".json").write_text("{}")
    with pytest.raises(DataError, match="not the side-car of m.tflite"):
        model_for(model, ["happy", "not_happy"])
    model.with_suffix(".json").unlink()
    with pytest.raises(DataError, match="tells 2 classes, the set has 1"):
        model_for(model, ["happy"])
