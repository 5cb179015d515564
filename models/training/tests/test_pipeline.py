"""prepare, train, export and evaluate on a small generated set."""

import argparse
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from expression_training import evaluate, export, prepare, train
from expression_training.augment import Augmented, Batches, low_light
from expression_training.dataset import DataError, DataSet, Letterbox, read_labels
from expression_training.detect import tflite_runner, torch_runner
from expression_training.gabor import sharpness
from expression_training.tflite import Interpreter

OPTIONS = replace(
    train.PRESETS["best"], size=96, growing=(), batch=8, epochs=2, mosaic=0.5, warmup_steps=5, lr=1e-3
)


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
    people = {s: {p.name.rsplit("_", 2)[0] for p in data.files(s)} for s in ("train", "val")}
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


def test_labels_with_mistakes_are_refused_with_their_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("0 .5 .5 .1 .1\n5 .5 .5 .1 .1\n")
    with pytest.raises(DataError, match=r"a\.txt:2"):
        read_labels(path, 2)


def test_augmentation_depends_on_nothing_but_its_seed(dataset):
    pictures = DataSet.open(dataset).load("train", 3)
    first, again, other = (Augmented(pictures, 0.5, 0.5, seed) for seed in (4, 4, 5))
    for index in range(8):
        a, b = first[index, 96], again[index, 96]
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
        boxes = a[2]
        assert ((boxes >= 0) & (boxes <= 96)).all() and (boxes[:, 2:] > boxes[:, :2]).all()
    assert not torch.equal(first[0, 96][0], other[0, 96][0])


def test_batches_draw_every_picture_once_at_one_of_the_sizes():
    batches = Batches(20, 4, (96, 128), seed=1)
    drawn = list(batches)
    assert len(drawn) == len(batches) == 5 and drawn == list(batches)
    assert sorted(index for batch in drawn for index, _ in batch) == list(range(20))
    assert all(len({size for _, size in batch}) == 1 for batch in drawn)
    assert {size for batch in drawn for _, size in batch} == {96, 128}


def test_low_light_is_darker_and_noisier(dataset):
    import random

    data = DataSet.open(dataset)
    image = data.read(data.files("train")[0]).image
    means = [low_light(image, random.Random(1), s).mean() for s in (0.25, 0.5, 1.0)]
    assert image.mean() > means[0] > means[2]


def test_a_checkpoint_goes_on_exactly_where_it_was(dataset, tmp_path):
    data = DataSet.open(dataset)
    whole = train.train(data, tmp_path / "whole", OPTIONS, None, None)
    interrupted = train.Trainer(OPTIONS, 2)
    interrupted.save(tmp_path / "state.pt")
    fresh = train.Trainer(replace(OPTIONS, seed=9), 2)
    fresh.load(tmp_path / "state.pt")
    samples = Augmented(data.load("train"), 0, 0, 1)
    images, truth = train.collate([samples[index, 96] for index in range(4)])
    for trainer in (interrupted, fresh):
        trainer.train_step(images, truth, 0.1)
    pairs = zip(interrupted.network.parameters(), fresh.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert (tmp_path / "whole" / "log.csv").read_text().count("\n") == 3
    assert (tmp_path / "whole" / "curves.png").stat().st_size > 1000
    assert whole.epoch == 2


@pytest.fixture(scope="module")
def overfitted(dataset):
    """A dozen pictures learnt by heart."""
    data = DataSet.open(dataset)
    pictures = data.load("train", 3)[:12]
    options = replace(OPTIONS, ema=0.9, lr=4e-3)
    trainer = train.Trainer(options, 2)
    trainer.network.train()
    samples = [p for p in pictures]
    images, boxes, classes = [], [], []
    for picture in samples:
        letterbox = Letterbox.of(picture.image, 96)
        images.append(torch.from_numpy(letterbox.image[:, :, ::-1].copy()))
        boxes.append(torch.from_numpy(picture.boxes * letterbox.scale))
        classes.append(torch.from_numpy(picture.classes))
    batch, truth = train.collate(list(zip(images, classes, boxes, strict=True)))
    for _ in range(220):
        trainer.train_step(batch, truth, 0.0)
    return data, trainer


def test_a_dozen_pictures_can_be_learnt_by_heart(overfitted):
    data, trainer = overfitted
    run = torch_runner(trainer.network)
    right = 0
    faces = [p for p in data.load("train")[:12] if len(p.boxes)]
    for picture in faces:
        found = evaluate.detect(run, picture.image, 96)
        right += len(found) > 0 and found[0][5] == picture.classes[0]
    assert right >= len(faces) - 1


def test_the_exported_model_runs_in_the_daemon_s_runtime_and_agrees(dataset, tmp_path):
    data = DataSet.open(dataset)
    torch.manual_seed(3)
    network = export.YOLO12("n", 2).eval()
    float_model, int8_model = tmp_path / "float.tflite", tmp_path / "m.tflite"
    export.to_float(network, 224, float_model)
    export.to_int8(float_model, int8_model, list(export.calibration(data, 224, 16)))
    picture = data.read(data.files("train")[0])
    square = Letterbox.of(picture.image, 224).image[:, :, ::-1]
    wanted = torch_runner(network)(square)
    exact = tflite_runner(float_model)(square)
    for level in range(3):
        for role in range(2):
            assert torch.allclose(wanted[level][role], exact[level][role], atol=1e-3)
    tflite_runner(int8_model)(square)  # TensorFlow Lite takes and runs it
    interpreter = Interpreter(int8_model)
    assert interpreter.input.dtype == np.int8 and interpreter.input.zero_point == -128
    assert interpreter.input.scale == pytest.approx(1 / 255, rel=1e-3)
    rows = export.describe_outputs(interpreter, 224)
    assert [row["stride"] for row in rows] == [8, 8, 16, 16, 32, 32]
    assert [row["shape"][-1] for row in rows] == [64, 2] * 3
