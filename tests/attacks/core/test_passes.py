"""Pieces, layouts and memory: how passes run must not change what they say."""

import pytest
import torch
from torch import nn

from redoubt.attacks.core.passes import Passes


def cross_entropy(logits, y):
    return nn.functional.cross_entropy(logits, y, reduction="none")


@pytest.fixture(scope="module")
def scene():
    g = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5)
        )
    return model.eval(), torch.rand(23, 3, 20, 20, generator=g), torch.randint(5, (23,), generator=g)


@pytest.mark.parametrize("piece", [1, 7, 23, 100])
def test_pieces_change_nothing(scene, piece):
    model, x, y = scene
    passes = Passes(model, x, piece)
    torch.testing.assert_close(passes(x), model(x).detach())
    value, gradient, _ = passes.gradient(cross_entropy, x, y)
    z = x.clone().requires_grad_()
    each = cross_entropy(model(z), y)
    torch.testing.assert_close(value, each.detach())
    torch.testing.assert_close(gradient, torch.autograd.grad(each.sum(), z)[0])
    calls = -(-23 // piece)
    assert (passes.forward, passes.backward, passes.calls) == (46, 23, (2 * calls, calls))


def test_pieces_are_even(scene):
    """23 in pieces of at most 22: 12 and 11, not 22 and 1."""
    model, x, _ = scene
    seen = []
    Passes(lambda z: (seen.append(len(z)), model(z))[1], x, 22)(x)
    assert seen == [12, 11]


def test_layout_is_probed(scene):
    model, x, _ = scene
    passes = Passes(model, x)
    passes.clean(x)
    assert passes.channels_last
    seen = []
    model[0].register_forward_pre_hook(
        lambda m, a: seen.append(a[0].is_contiguous(memory_format=torch.channels_last))
    )
    passes(x)
    model[0]._forward_pre_hooks.clear()
    assert seen == [True]


def test_a_model_that_views_its_activations_keeps_plain_arrays(scene):
    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 2, 3), nn.Linear(2 * 18 * 18, 5)

        def forward(self, x):
            return self.head(self.conv(x).view(len(x), -1))

    _, x, y = scene
    passes = Passes(Views(), x)
    passes.clean(x)
    assert not passes.channels_last
    assert passes.gradient(cross_entropy, x, y)[1].shape == x.shape


def test_a_model_that_differentiates_inside_runs_without_inference_mode(scene):
    model, x, _ = scene

    def purified(z):
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            (slope,) = torch.autograd.grad(model(z).logsumexp(1).sum(), z)
        return model((z - 0.1 * slope).detach())

    passes = Passes(purified, x)
    torch.testing.assert_close(passes.clean(x), purified(x).detach())


def test_out_of_memory_reduces_the_pieces_for_good(scene):
    model, x, y = scene
    asked = []

    def small_machine(z):
        asked.append(len(z))
        if len(z) > 6:
            raise torch.OutOfMemoryError("too large")
        return model(z)

    passes = Passes(small_machine, x)
    torch.testing.assert_close(passes(x), model(x).detach())
    before = len(asked)
    passes.gradient(cross_entropy, x, y)
    assert max(asked[before:]) <= 6


def test_draws_are_averaged(scene):
    _, x, y = scene
    offsets = iter([0.0, 1.0, 5.0])

    def model(z):
        return z.flatten(1)[:, :5] + next(offsets)

    value, gradient, _ = Passes(model, x).gradient(lambda logits, y: logits.sum(1), x, y, draws=3)
    torch.testing.assert_close(value, x.flatten(1)[:, :5].sum(1) + 5 * 2)
    torch.testing.assert_close(gradient.flatten(1)[:, :5], torch.ones(23, 5))


def test_jacobian(scene):
    model, x, y = scene
    gaps, slopes = Passes(model, x, 10).jacobian(x, y, 5)
    z = x.clone().requires_grad_()
    logits = model(z)
    (want,) = torch.autograd.grad((logits[:, 3] - logits.gather(1, y[:, None])[:, 0]).sum(), z)
    torch.testing.assert_close(slopes[:, 3], want)
    torch.testing.assert_close(gaps[:, 3], (logits[:, 3] - logits.gather(1, y[:, None])[:, 0]).detach())
