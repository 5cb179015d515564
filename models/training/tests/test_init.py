"""Weights that a run starts from tell the same classes, or none."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from expression_training.labels import DataError, Vocabulary
from expression_training.members import Member, Plan
from expression_training.network import SHIPPED, YOLO12, Description
from expression_training.sidecar import MODELS
from expression_training.train import PRESETS, Trainer
from expression_training.weights import build, load_weights, save_weights

LAYER = "head.cls.0.4"


def rows(network):
    return network.head.cls[0][-1].weight.detach().flatten(1)


def started(path, *names, network=SHIPPED):
    """A network that starts from these weights, and the layers that they had nothing for."""
    torch.manual_seed(9)
    member = Member(Plan("model", network), Vocabulary(list(names)), 1e-3, 0.0, torch.device("cpu"))
    return member, member.start_from(load_weights(path))


@pytest.fixture
def learnt(tmp_path):
    torch.manual_seed(1)
    network = YOLO12(SHIPPED, 3)
    save_weights(tmp_path / "w.safetensors", network, ["happy", "sad", "other"])
    return tmp_path / "w.safetensors", rows(network).half().float()


@pytest.mark.parametrize("network", [SHIPPED, Description(), replace(SHIPPED, scale="s")])
def test_classes_in_another_order_keep_what_was_learnt_of_each(learnt, network):
    path, known = learnt
    same, _ = started(path, "happy", "sad", "other", network=network)
    other, missing = started(path, "Other", "happy", "sad", network=network)
    for name in ("network", "average"):
        assert torch.equal(rows(getattr(other, name)), rows(getattr(same, name))[[2, 0, 1]])
    if network == SHIPPED:
        assert torch.equal(rows(same.network), known) and not missing
    assert LAYER not in missing


def test_other_classes_begin_anew_and_it_is_said(learnt, capsys):
    path, known = learnt
    member, missing = started(path, "happy", "sad", "angry")
    assert missing == [LAYER]
    assert not any(torch.equal(row, old) for row in rows(member.network) for old in known)
    assert torch.equal(rows(member.network), rows(member.average))
    words = Vocabulary(["happy", "sad", "angry"])
    Trainer(PRESETS["refine"], words).start_from(path)
    assert f"(it tells happy, sad, other apart): {LAYER}" in capsys.readouterr().out


def test_weights_of_unknown_classes_teach_what_a_face_is_and_no_class(tmp_path):
    save_weights(tmp_path / "w.safetensors", YOLO12(SHIPPED, 2))
    assert load_weights(tmp_path / "w.safetensors").names == ()
    assert started(tmp_path / "w.safetensors", "happy", "not_happy")[1] == [LAYER]


def test_the_shipped_weights_are_known_by_their_side_cars(tmp_path):
    for card in MODELS.glob("*.json"):
        path = MODELS / "weights" / f"{card.stem}.safetensors"
        if path.exists():  # lite has those of the default
            assert list(load_weights(path).names) == json.loads(card.read_text())["classes"]
    path = MODELS / "weights/expression-yolo12n.safetensors"
    same, missing = started(path, "happy", "not_happy")
    assert not missing
    swapped, missing = started(path, "not_happy", "happy")
    assert torch.equal(rows(swapped.network), rows(same.network).flip(0)) and not missing
    with pytest.raises(DataError, match="tells happy, not_happy apart"):
        build(path, ["not_happy", "happy"])
    build(path, ["Happy", "not_happy"])
    # beside the file, and of as many classes as it has
    copy = shutil.copy(path, tmp_path / "w.safetensors")
    shutil.copy(MODELS / "expression-yolo12n-7.json", tmp_path / "w.json")
    assert load_weights(copy).names == ()
    shutil.copy(MODELS / "expression-yolo12n.json", tmp_path / "w.json")
    assert load_weights(copy).names == ("happy", "not_happy")
