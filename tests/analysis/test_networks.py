"""Feature gaps, gradient magnitudes, embeddings and smallest radii against values worked out by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from redoubt.analysis.features import METRICS, embed, gap, separation
from redoubt.analysis.gradients import magnitudes
from redoubt.analysis.smallest import smallest
from redoubt.models import classifier


def test_gaps_by_hand():
    a, b = torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 4.0], [2.0, 2.0]])
    assert gap(a, b, "linf").tolist() == [4, 1]
    assert gap(a, b, "l1").tolist() == [7, 2]
    assert gap(a, b, "l2").tolist() == pytest.approx([5, 2**0.5])
    assert gap(a, b, "cosine").tolist() == pytest.approx([1, 0], abs=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_a_feature_has_no_gap_to_itself(metric):
    a = torch.rand(3, 4)
    assert gap(a, a, metric).abs().max() < 1e-6


def test_an_unknown_metric_is_named():
    with pytest.raises(ValueError, match="linf, l1, l2, cosine"):
        gap(torch.ones(1, 1), torch.ones(1, 1), "l3")


def test_magnitudes_are_means_of_what_backward_leaves():
    model = classifier("small_cnn", num_classes=3, in_channels=1, image_size=8, width=2).eval()
    x, y = torch.rand(6, 1, 8, 8), torch.arange(6) % 3
    found = magnitudes(model, x, y)
    assert list(found) == ["stem", "block1", "block2", "head"]
    F.cross_entropy(model(x), y).backward()
    for name, parts in model.blocks().items():
        g = torch.cat([p.grad.flatten() for part in parts for p in part.parameters()])
        assert found[name] == pytest.approx(g.abs().mean().item(), rel=1e-5)


def test_magnitudes_leave_mode_flags_and_gradients_alone():
    model = classifier("small_cnn", num_classes=3, in_channels=1, image_size=8, width=2).train()
    model.head.weight.requires_grad_(False)
    magnitudes(model, torch.rand(2, 1, 8, 8), torch.tensor([0, 1]))
    assert model.training
    assert not model.head.weight.requires_grad
    assert model.head.bias.requires_grad
    assert all(p.grad is None for p in model.parameters())


def test_an_embedding_keeps_groups_apart_and_repeats():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    features = (rng.normal(size=(40, 6)) + 8 * y[:, None]).astype(np.float32)
    flat = embed(features, seed=1)
    assert flat.shape == (40, 2)
    assert np.array_equal(flat, embed(features, seed=1))
    assert separation(flat, y) > 0.5 > separation(flat, np.arange(40) % 2)


class Threshold(nn.Module):
    """Class 1 where the only pixel is above t: the smallest radius is the distance from t."""

    def __init__(self, t: float):
        super().__init__()
        self.t = t

    def forward(self, x):
        z = x.flatten(1) - self.t
        return torch.cat([-z, z], 1)


def test_smallest_radius_is_the_distance_from_the_border():
    x, y = torch.tensor([0.7, 0.9, 0.2, 1.0]).view(4, 1, 1, 1), torch.tensor([1, 1, 1, 1])
    radius, images = smallest(Threshold(0.5).eval(), x, y, norm="linf", largest=0.45, halvings=9)
    assert radius[:2].tolist() == pytest.approx([0.2, 0.4], abs=2e-3)
    assert radius[2] == 0
    assert radius[3].isinf()
    assert (images[:2] <= 0.5).all()
    assert (images - x)[:2].abs().flatten().tolist() == pytest.approx([0.2, 0.4], abs=2e-3)
    assert torch.equal(images[2:], x[2:])
