"""Points from a surrogate, and points in the good direction."""

import pytest
import torch
import torch.nn.functional as F

from redoubt import attacks
from redoubt.attacks.core.engine import distance
from redoubt.errors import RedoubtError

transfer = attacks.get("transfer")


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_transfer_is_judged_on_the_target_and_weaker_than_the_gradient(robust_models, norm):
    model, x, y, eps = robust_models[0]
    surrogate = robust_models[2][0]
    eps = 0.8 if norm == "l2" else eps
    result = transfer(model, x, y, eps=eps, norm=norm, surrogate=surrogate)
    direct = attacks.get("pgd")(model, x, y, eps=eps, norm=norm)
    clean = (model(x).argmax(1) == y).float().mean()
    assert direct.correct.float().mean() < result.correct.float().mean() < clean - 0.05
    assert torch.equal(result.correct, model(result.x_adv).argmax(1) == y)
    assert result.info["surrogate_fooled"] == (surrogate(result.x_adv).argmax(1) != y).sum()
    assert result.backward == 20 * len(x)


def test_going_on_to_the_largest_loss_transfers_better(robust_models):
    model, x, y, eps = robust_models[0]
    surrogate = robust_models[2][0]
    far = transfer(model, x, y, eps=eps, surrogate=surrogate)
    stopped = transfer(model, x, y, eps=eps, surrogate=surrogate, params={"early_stop": True})
    assert far.correct.sum() < stopped.correct.sum()


def test_any_attack_transfers_from_the_model_itself(robust_model):
    model, x, y, eps = robust_model
    same = transfer(model, x, y, eps=eps, surrogate=model, attack="fgsm")
    assert torch.equal(same.x_adv, attacks.get("fgsm")(model, x, y, eps=eps).x_adv)


def test_a_surrogate_in_train_mode_and_a_double_transfer_are_refused(robust_models):
    model, x, y, eps = robust_models[0]
    surrogate = torch.nn.Sequential(torch.nn.Dropout(), robust_models[2][0])
    with pytest.raises(RedoubtError, match="train mode"):
        transfer(model, x, y, eps=eps, surrogate=surrogate)
    with pytest.raises(RedoubtError, match="transferred twice"):
        transfer(model, x, y, eps=eps, surrogate=model, attack="transfer")
    with pytest.raises(RedoubtError, match="unknown attack"):
        transfer(model, x, y, eps=eps, surrogate=model, attack="pdg")


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_inverse_attack_makes_the_model_surer(robust_model, norm):
    model, x, y, eps = robust_model
    eps = 0.5 if norm == "l2" else eps
    result = attacks.get("inverse")(model, x, y, eps=eps, norm=norm)
    loss = lambda z: F.cross_entropy(model(z), y, reduction="none")
    assert (loss(result.x_adv) <= loss(x) + 1e-6).all()
    assert loss(result.x_adv).mean() < 0.5 * loss(x).mean()
    assert result.info["mean_loss"] == pytest.approx(loss(result.x_adv).mean().item(), rel=1e-4)
    assert distance(result.x_adv, x, norm).max() <= eps + 1e-5
    assert not (~result.correct & (model(x).argmax(1) == y)).any()
    away = attacks.get("pgd")(model, x, y, eps=eps, norm=norm, early_stop=False).x_adv
    assert loss(away).mean() > loss(x).mean()
