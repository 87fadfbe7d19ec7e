"""One-step attacks against the formula."""

import pytest
import torch
import torch.nn.functional as F

from redoubt import attacks
from redoubt.errors import RedoubtError


def gradient_at(model, x, y):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)[0]


def test_fgsm_is_one_signed_step(robust_model):
    model, x, y, eps = robust_model
    wanted = (x + eps * gradient_at(model, x, y).sign()).clamp(0, 1)
    result = attacks.get("fgsm")(model, x, y, eps=eps)
    assert torch.allclose(result.x_adv, wanted, atol=1e-6)
    assert result.correct.float().mean() < 0.85
    assert (result.forward, result.backward) == (2 * len(x), len(x))


def test_l2_fgsm_goes_along_the_gradient(robust_model):
    model, x, y, _ = robust_model
    result = attacks.get("fgsm")(model, x, y, eps=0.5, norm="l2")
    g = gradient_at(model, x, y).flatten(1)
    wanted = (x + 0.5 * (g / g.norm(dim=1, keepdim=True)).view_as(x)).clamp(0, 1)
    assert torch.allclose(result.x_adv, wanted, atol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_rfgsm_leaves_the_data_point_first(robust_model, norm):
    model, x, y, eps = robust_model
    one = attacks.get("rfgsm")(model, x, y, eps=eps, norm=norm, seed=1)
    same = attacks.get("rfgsm")(model, x, y, eps=eps, norm=norm, seed=1, batch_size=7)
    other = attacks.get("rfgsm")(model, x, y, eps=eps, norm=norm, seed=2)
    assert torch.allclose(one.x_adv, same.x_adv, atol=1e-6)
    assert not torch.equal(one.x_adv, other.x_adv)
    straight = attacks.get("rfgsm")(model, x, y, eps=eps, norm=norm, alpha=0.0)
    assert torch.allclose(
        straight.x_adv, attacks.get("fgsm")(model, x, y, eps=eps, norm=norm).x_adv, atol=1e-6
    )


def test_alpha_is_a_share(robust_model):
    model, x, y, eps = robust_model
    with pytest.raises(RedoubtError, match="share of the radius"):
        attacks.get("rfgsm")(model, x, y, eps=eps, alpha=1.5)
