"""A wider network that starts from a narrower one's answers."""

from dataclasses import replace

import pytest
import torch

from expression_training.labels import DataError
from expression_training.network import SHIPPED, YOLO12, Description
from expression_training.weights import Stored
from expression_training.widen import repeated, shared_out, widen, widened


def answers(network, images):
    with torch.no_grad():
        return [tensor for level in network.eval()(images) for tensor in level]


def with_norms_of_its_own(network):
    """As after training: norms that are all alike would hide channels that are mixed up."""
    for name, value in network.state_dict().items():
        if name.rpartition(".")[2] in ("running_mean", "running_var", "weight") and value.ndim == 1:
            value.copy_(torch.rand_like(value) + 0.5)
    return network


@pytest.mark.parametrize("description", [SHIPPED, Description(), Description("n", "silu", (8, 16))])
def test_a_wider_network_answers_as_the_narrower_did(description):
    torch.manual_seed(1)
    narrow = with_norms_of_its_own(YOLO12(description, 3))
    wide = YOLO12(replace(description, scale="s"), 3)
    widen(narrow, wide)
    images = torch.rand(2, 3, 96, 64)
    for wanted, got in zip(answers(narrow, images), answers(wide, images), strict=True):
        assert torch.allclose(wanted, got, atol=1e-3), (wanted - got).abs().max()


def test_the_two_of_a_channel_get_different_parts_which_add_up():
    torch.manual_seed(1)
    weight, origins = torch.rand(4, 3, 3, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    parts = shared_out(weight, origins)
    assert torch.allclose(parts[:, :3] + parts[:, 3:], weight, atol=1e-6)
    assert not torch.allclose(parts[:, :3], parts[:, 3:])
    assert torch.equal(shared_out(weight, torch.arange(3)), weight)
    assert repeated(4, 8, 2).tolist() == [0, 1, 0, 1, 2, 3, 2, 3]


def test_weights_of_the_same_scale_are_taken_as_they_are_and_narrower_ones_are_refused():
    stored = Stored(YOLO12(SHIPPED, 2).state_dict(), SHIPPED, ("a", "b"))
    assert widened(stored, SHIPPED) is stored.weights
    wide = replace(SHIPPED, scale="s")
    of_wide = Stored(widened(stored, wide), wide, ("a", "b"))
    YOLO12(wide, 2).load_state_dict(of_wide.weights)
    for scale in ("n", "l"):
        with pytest.raises(DataError, match="s starts from n"):
            widened(of_wide, replace(SHIPPED, scale=scale))
