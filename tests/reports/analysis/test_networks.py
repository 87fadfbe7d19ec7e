"""Gradient magnitudes and smallest radii against values worked out by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from redoubt.models import classifier
from redoubt.reports.analysis.gradients import magnitudes
from redoubt.reports.analysis.smallest import smallest


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
