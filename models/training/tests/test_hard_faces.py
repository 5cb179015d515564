"""Which faces of scenes a run shows more often, and that it shows the same ones when it goes on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_pipeline import OPTIONS
from test_views import scene

from expression_training import hard_faces, train
from expression_training.close_looks import Place
from expression_training.dataset import DataError, DataSet
from expression_training.network import SHIPPED, YOLO12
from expression_training.weights import save_weights

LARGE, OTHER, TINY = (100, 50, 220, 200), (230, 20, 300, 110), (10, 10, 22, 25)


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    save_weights(path, YOLO12(SHIPPED, 2), ("happy", "not_happy"))
    return path


def seen_as(monkeypatch, confidence):
    """Faces are seen as surely as this says of their left edge."""
    said = lambda run, picture, box: confidence[int(box[0])]  # noqa: E731
    monkeypatch.setattr(hard_faces, "confidence", said)


def test_faces_of_scenes_that_are_hardly_seen_are_found_and_kept(tmp_path, weights, monkeypatch):
    pictures = [scene([LARGE]), scene([LARGE, OTHER, TINY]), scene([OTHER, TINY])]
    assert pictures[0].portrait
    seen_as(monkeypatch, {100: 0.5, 230: 0.9, 10: 0.1})
    found = hard_faces.hard_faces(pictures, [0, 1, 1], weights, tmp_path)
    assert found == [Place(1, 0)] == hard_faces.kept(tmp_path)


def test_without_weights_none_is(tmp_path):
    assert hard_faces.hard_faces([scene([LARGE, OTHER])], [0], None, tmp_path) == []
    assert hard_faces.kept(tmp_path) == []


def test_how_sure_a_network_is_of_a_face_is_the_mean_of_looks_from_all_distances(monkeypatch):
    answers = iter([[0.5, 0.4], [0.9, 0.6], [0.3, 0.0], [0.0, 0.1]])
    monkeypatch.setattr(hard_faces, "answer", lambda run, tile, place: np.array(next(answers)))
    sure = hard_faces.confidence(None, scene([LARGE]), np.array(LARGE, np.float32))
    assert sure == pytest.approx((0.9 + 1.0 + 0.3 + 0.1) / 4)


def test_a_run_that_lost_them_says_so_before_it_reads_its_pictures(dataset, tmp_path, monkeypatch):
    data, folder, options = DataSet.open(dataset), tmp_path / "run", replace(OPTIONS, hard=0.1)
    folder.mkdir()
    terms = train.checkpoint.terms(options, data.vocabulary) | train.checkpoint.of_run(data, None)
    train.Trainer(options, data.vocabulary, terms=terms).save(folder / "last.pt")
    monkeypatch.setattr(DataSet, "load", lambda *_, **__: pytest.fail("the pictures were read"))
    for text in (None, "", "[[1]]"):
        if text is not None:
            (folder / "hard.json").write_text(text)
        with pytest.raises(DataError, match="hard.json: which faces .* begin anew"):
            train.train(data, folder, options)
