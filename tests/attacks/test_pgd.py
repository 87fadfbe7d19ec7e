"""PGD against foolbox, and what restarts, losses, targets and batches may and may not change."""

from copy import deepcopy

import foolbox
import pytest
import torch
from torch import nn

from redoubt import attacks
from redoubt.attacks.core.engine import distance
from redoubt.errors import RedoubtError

pgd = attacks.get("pgd")
BALLS = [("linf", None), ("l2", 0.8)]


def accuracy(result):
    return result.correct.float().mean().item()


@pytest.mark.parametrize(("norm", "radius"), BALLS)
@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("random_start", [False, True])
def test_as_strong_as_foolbox_at_the_same_settings(robust_models, which, norm, radius, random_start):
    model, x, y, eps = robust_models[which]
    eps = radius or eps
    reference = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[norm]
    torch.manual_seed(0)
    _, _, broken = reference(steps=40, abs_stepsize=eps / 8, random_start=random_start)(
        foolbox.PyTorchModel(deepcopy(model), bounds=(0, 1), device="cpu"), x, y, epsilons=eps
    )
    ours = pgd(model, x, y, eps=eps, norm=norm, steps=40, step_size=eps / 8, random_start=random_start)
    standing = ~broken & (model(x).argmax(1) == y)  # foolbox lets a step repair what was wrong
    assert 0.2 < standing.float().mean() < 0.8, "the models are made for this range"
    assert distance(ours.x_adv, x, norm).max() <= eps + 1e-5
    assert torch.equal(ours.correct, model(ours.x_adv).argmax(1) == y)
    if random_start:
        assert abs(ours.correct.float().mean() - standing.float().mean()) <= 0.03
    else:
        # The same path: ours keeps any iterate that is misclassified, foolbox only the last one.
        assert not (ours.correct & ~standing).any()
        assert (~ours.correct & standing).sum() <= 5


@pytest.mark.parametrize(("norm", "radius"), BALLS)
def test_more_steps_restarts_and_targets_never_break_less(robust_model, norm, radius):
    model, x, y, eps = robust_model
    eps = radius or eps
    one_step = accuracy(attacks.get("fgsm")(model, x, y, eps=eps, norm=norm))
    one = pgd(model, x, y, eps=eps, norm=norm)
    three = pgd(model, x, y, eps=eps, norm=norm, restarts=3)
    aimed = pgd(model, x, y, eps=eps, norm=norm, loss="margin", targets=9)
    assert accuracy(one) <= one_step
    assert not (three.correct & ~one.correct).any()
    assert accuracy(aimed) <= accuracy(one)
    assert three.info["broken_after_each_start"] == sorted(three.info["broken_after_each_start"])
    assert three.info["broken_after_each_start"][0] == (~one.correct).sum()


@pytest.mark.parametrize("loss", ["ce", "margin", "dlr", "kl"])
@pytest.mark.parametrize(("norm", "radius"), BALLS)
def test_batch_size_changes_nothing(robust_model, loss, norm, radius):
    model, x, y, eps = robust_model
    how = {"eps": radius or eps, "norm": norm, "loss": loss, "restarts": 2, "steps": 10, "seed": 3}
    whole, parts = pgd(model, x, y, **how), pgd(model, x, y, batch_size=17, **how)
    assert torch.equal(whole.correct, parts.correct)
    assert (whole.x_adv - parts.x_adv).abs().flatten(1).amax(1).le(
        1e-4
    ).float().mean() > 0.97  # rounding at a sign


def test_equal_seeds_give_equal_bytes_and_others_do_not(robust_model):
    model, x, y, eps = robust_model
    first = pgd(model, x, y, eps=eps, seed=5)
    torch.rand(3)
    assert torch.equal(first.x_adv, pgd(model, x, y, eps=eps, seed=5).x_adv)
    assert not torch.equal(first.x_adv, pgd(model, x, y, eps=eps, seed=6).x_adv)


def test_early_stop_saves_passes_and_keeps_the_verdict(robust_model):
    model, x, y, eps = robust_model
    stopped, full = pgd(model, x, y, eps=eps), pgd(model, x, y, eps=eps, early_stop=False)
    assert stopped.backward < 0.9 * full.backward
    assert full.backward == 20 * len(x)
    wrong = model(x).argmax(1) != y
    assert torch.equal(stopped.correct | wrong, full.correct | wrong)


def test_the_strongest_iterate_is_kept_not_the_last(robust_model):
    model, x, y, eps = robust_model
    wild = {
        "eps": eps,
        "step_size": 2 * eps,
        "early_stop": False,
    }  # such steps jump between corners of the ball
    losses = [
        nn.functional.cross_entropy(model(pgd(model, x, y, steps=k, **wild).x_adv), y) for k in (3, 6, 12)
    ]
    assert losses[0] <= losses[1] <= losses[2]


def test_what_is_wrong_on_clean_images_counts_as_wrong(robust_model):
    model, x, y, eps = robust_model
    wrong = model(x).argmax(1) != y
    assert wrong.any()
    assert not pgd(model, x, y, eps=eps / 100).correct[wrong].any()


def test_cw_pgd_is_pgd_on_the_margin(robust_model):
    model, x, y, eps = robust_model
    cw = attacks.get("cw_pgd")(model, x, y, eps=eps, steps=10)
    assert torch.equal(cw.x_adv, pgd(model, x, y, eps=eps, steps=10, loss="margin", kappa=50.0).x_adv)
    assert accuracy(cw) < accuracy(attacks.get("fgsm")(model, x, y, eps=eps))


def test_margin_attacks_do_not_care_about_negative_logits(robust_model):
    model, x, y, eps = robust_model
    shifted = nn.Sequential(model, Shift()).eval()
    for name in ("cw_pgd", "pgd"):
        plain, moved = (attacks.get(name)(m, x, y, eps=eps) for m in (model, shifted))
        assert abs(accuracy(plain) - accuracy(moved)) <= 0.01


class Shift(nn.Module):
    def forward(self, logits):
        return logits - 100


def test_a_nan_gradient_does_not_spread(robust_model):
    model, x, y, eps = robust_model

    class Root(nn.Module):
        """sqrt has an infinite slope at 0, times 0: NaN wherever a digit's ground is black."""

        def forward(self, z):
            return model(z + 0 * (z * (z > 0)).sqrt())

    result = pgd(Root().eval(), x, y, eps=eps, random_start=False)
    assert result.x_adv.isfinite().all()


def test_settings_that_contradict_each_other_are_refused(robust_model):
    model, x, y, eps = robust_model
    for bad, said in [
        ({"loss": "margn"}, "did you mean: margin"),
        ({"loss": "kl", "targets": 3}, "no targeted form"),
        ({"kappa": 1.0}, "only the margin"),
        ({"loss": "kl", "random_start": False}, "no gradient at the clean image"),
        ({"restarts": 0}, "restarts"),
        ({"steps": 0}, "steps"),
        ({"eot": 0}, "one draw or more"),
    ]:
        with pytest.raises(RedoubtError, match=said):
            pgd(model, x, y, eps=eps, **bad)
