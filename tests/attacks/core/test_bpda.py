"""Stages that declare their backward pass."""

import pytest
import torch
from torch import nn

from redoubt import attacks
from redoubt.attacks.core.bpda import hard_mask, identity_backward, replace_gradient, with_backward
from redoubt.errors import RedoubtError


class Rounded(nn.Module):
    """Four levels of grey: no gradient anywhere."""

    def forward(self, x):
        return (x * 3).round() / 3


def slope(function, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


def test_forward_is_the_stage_bit_for_bit_and_backward_the_surrogate():
    x = torch.rand(4, 1, 8, 8)

    class Square(nn.Module):
        def forward(self, z):
            return z**2

    module = with_backward(Rounded(), Square())
    assert torch.equal(module(x), Rounded()(x))
    assert torch.allclose(slope(module, x), 2 * x)
    assert torch.allclose(slope(identity_backward(Rounded()), x), torch.ones_like(x))
    value = torch.tensor([1e8])
    assert torch.equal(replace_gradient(value, torch.tensor([1e-3], requires_grad=True)), value)


def test_the_mode_of_the_stage_is_kept_and_no_graph_grows_without_gradients():
    module = identity_backward(Rounded().eval())
    assert not module.training
    with torch.no_grad():
        assert not module(torch.rand(1, 1, 8, 8)).requires_grad


def test_numerical_derivative_of_what_is_downstream():
    head = nn.Linear(3, 1).double()
    x = torch.tensor([[0.2, 0.5, 0.8]], dtype=torch.float64)
    found = slope(lambda z: head(identity_backward(Rounded())(z)), x)
    assert torch.allclose(found, head.weight)


def test_a_surrogate_of_another_shape_is_refused():
    module = with_backward(Rounded(), nn.Flatten())
    with pytest.raises(RedoubtError, match="output of the stage's shape"):
        module(torch.rand(2, 1, 8, 8, requires_grad=True))


def test_the_three_backward_passes_of_a_mask():
    scores = torch.linspace(-2, 2, 9)
    wanted = (scores >= 0.3).float()
    for backward in ("none", "straight_through", "relaxed"):
        assert torch.equal(hard_mask(scores, 0.3, backward), wanted)
    assert not hard_mask(scores.clone().requires_grad_(), 0.3).requires_grad
    assert torch.equal(slope(lambda s: hard_mask(s, 0.3, "straight_through"), scores), torch.ones(9))
    for temperature in (1.0, 0.1):
        p = ((scores - 0.3) / temperature).sigmoid()
        found = slope(lambda s, t=temperature: hard_mask(s, 0.3, "relaxed", t), scores)
        assert torch.allclose(found, p * (1 - p) / temperature, atol=1e-6)


def test_a_bad_mask_is_refused():
    with pytest.raises(RedoubtError, match="did you mean: relaxed"):
        hard_mask(torch.zeros(2), 0.0, "relax")
    with pytest.raises(RedoubtError, match="temperature"):
        hard_mask(torch.zeros(2), 0.0, "relaxed", 0.0)


def test_bpda_breaks_what_a_zero_gradient_seemed_to_protect(robust_model):
    model, x, y, eps = robust_model
    deployed = nn.Sequential(Rounded(), model).eval()
    attacked = nn.Sequential(identity_backward(Rounded()), model).eval()
    masked = attacks.get("pgd")(deployed, x, y, eps=eps, random_start=False)
    found = attacks.get("pgd")(attacked, x, y, eps=eps)
    judged = (deployed(found.x_adv).argmax(1) == y).float().mean()
    assert masked.correct.float().mean() > 0.9
    assert judged < 0.8
    assert torch.equal(found.correct, deployed(found.x_adv).argmax(1) == y), (
        "forward, both are the same model"
    )
