"""C&W, DDN and DeepFool against foolbox and adv-lib: as short perturbations at the same settings."""

import sys
import types
from copy import deepcopy

import foolbox
import pytest
import torch
from torch import nn

from redoubt import attacks
from redoubt.attacks.core.engine import distance
from redoubt.errors import RedoubtError

FAR = 100.0  # a radius that holds every image


@pytest.fixture(scope="module")
def adv_lib():
    """adv-lib imports visdom for its plots; a stub is enough."""
    absent = "visdom" not in sys.modules
    sys.modules.setdefault("visdom", types.ModuleType("visdom"))
    import adv_lib.attacks

    yield adv_lib.attacks
    if absent:
        del sys.modules["visdom"]


def lengths(x_adv, x, norm="l2"):
    return distance(x_adv, x, norm)


def reference(attack, model, x, y):
    return attack(foolbox.PyTorchModel(deepcopy(model), bounds=(0, 1), device="cpu"), x, y, epsilons=None)


CW = {"steps": 120, "search_steps": 5, "initial_const": 1.0, "learning_rate": 0.05}


def test_cw_is_as_short_as_adv_lib_and_foolbox(robust_model, adv_lib):
    model, x, y, _ = robust_model
    x, y = x[:80], y[:80]
    ours = attacks.get("cw")(model, x, y, eps=FAR, **CW)
    assert not ours.correct.any()
    found = lengths(ours.x_adv, x).median()
    theirs = adv_lib.carlini_wagner_l2(
        model, x, y, learning_rate=0.05, initial_const=1.0, binary_search_steps=5, max_iterations=120
    )
    assert found <= 1.02 * lengths(theirs, x).median()
    box = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=5, steps=120, stepsize=0.05, initial_const=1.0
    )
    _, theirs, _ = reference(box, model, x, y)
    assert found <= 1.02 * lengths(theirs, x).median()
    assert found >= 0.8 * lengths(theirs, x).median()


@pytest.mark.parametrize("shift", [-100.0, 100.0])
def test_cw_does_not_care_about_the_sign_of_the_logits(robust_model, shift):
    model, x, y, _ = robust_model
    x, y = x[:60], y[:60]

    class Shifted(nn.Module):
        def forward(self, z):
            return model(z) + shift

    plain, moved = (attacks.get("cw")(m, x, y, eps=FAR, **CW) for m in (model, Shifted().eval()))
    assert not moved.correct.any()
    assert lengths(moved.x_adv, x).median() == pytest.approx(
        lengths(plain.x_adv, x).median().item(), rel=0.02
    )


def test_cw_confidence_asks_for_a_margin(robust_model):
    model, x, y, _ = robust_model
    x, y = x[:40], y[:40]
    result = attacks.get("cw")(model, x, y, eps=FAR, kappa=1.0, **CW)
    logits = model(result.x_adv)
    true = logits.gather(1, y[:, None])[:, 0]
    best = logits.scatter(1, y[:, None], -torch.inf).amax(1)
    moved = lengths(result.x_adv, x) > 0
    assert ((best - true)[moved] >= 1 - 1e-4).all()
    assert (
        lengths(result.x_adv, x).median()
        > lengths(attacks.get("cw")(model, x, y, eps=FAR, **CW).x_adv, x).median()
    )


def test_ddn_is_as_short_as_adv_lib_and_foolbox(robust_models, adv_lib):
    for model, x, y, _ in robust_models:
        ours = attacks.get("ddn")(model, x, y, eps=FAR)
        assert not ours.correct.any()
        found = lengths(ours.x_adv, x).median()
        for theirs in (
            adv_lib.ddn(model, x, y, steps=100, levels=None),
            reference(foolbox.attacks.DDNAttack(steps=100), model, x, y)[1],
        ):
            assert found == pytest.approx(lengths(theirs, x).median().item(), rel=0.01)


def test_ddn_quantises_when_asked(robust_model, adv_lib):
    model, x, y, _ = robust_model
    ours = attacks.get("ddn")(model, x, y, eps=FAR, levels=256)
    moved = lengths(ours.x_adv, x) > 0
    pixels = ours.x_adv[moved] * 255
    assert (pixels - pixels.round()).abs().max() < 1e-3
    theirs = lengths(adv_lib.ddn(model, x, y, steps=100, levels=256), x)
    assert lengths(ours.x_adv, x).median() == pytest.approx(theirs.median().item(), rel=0.02)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_deepfool_is_as_short_as_foolbox(robust_model, norm):
    model, x, y, _ = robust_model
    ours = attacks.get("deepfool")(model, x, y, eps=FAR, norm=norm)
    assert not ours.correct.any()
    box = {"linf": foolbox.attacks.LinfDeepFoolAttack, "l2": foolbox.attacks.L2DeepFoolAttack}[norm]
    _, theirs, _ = reference(box(), model, x, y)
    median = lengths(theirs, x, norm).median().item()
    assert lengths(ours.x_adv, x, norm).median().item() == pytest.approx(median, rel=0.01)


@pytest.mark.parametrize(("name", "short"), [("cw", CW), ("ddn", {}), ("deepfool", {})])
def test_beyond_the_radius_an_example_stands_with_its_clean_image(robust_model, name, short):
    model, x, y, _ = robust_model
    x, y = x[:60], y[:60]
    free = attacks.get(name)(model, x, y, eps=FAR, norm="l2", **short)
    bound = lengths(free.x_adv, x).quantile(0.5).item()
    result = attacks.get(name)(model, x, y, eps=bound, norm="l2", **short)
    moved = lengths(result.x_adv, x)
    assert moved.max() <= bound + 1e-5
    assert torch.equal(result.x_adv[result.correct], x[result.correct])
    assert 0.4 < result.correct.float().mean() < 0.6
    assert result.info["broken_at_any_distance"] == len(x)
    assert result.info["distance_quartiles"][1] == pytest.approx(bound, abs=1e-5)


@pytest.mark.parametrize(("name", "short"), [("cw", CW), ("ddn", {}), ("deepfool", {})])
def test_batch_size_changes_nothing(robust_model, name, short):
    model, x, y, _ = robust_model
    x, y = x[:20], y[:20]
    whole, parts = (
        attacks.get(name)(model, x, y, eps=FAR, norm="l2", batch_size=b, seed=2, **short) for b in (512, 7)
    )
    assert torch.equal(whole.correct, parts.correct)
    gap = (lengths(whole.x_adv, x) - lengths(parts.x_adv, x)).abs()
    assert gap.median() < 1e-4


def test_ddn_leaves_a_flat_place(robust_model):
    model, x, y, _ = robust_model

    class Steps(nn.Module):
        """No gradient anywhere: only the random direction is left."""

        def forward(self, z):
            return model((z * 4).round() / 4) + 0 * z.sum()

    result = attacks.get("ddn")(Steps().eval(), x, y, eps=FAR)
    assert result.x_adv.isfinite().all()
    assert result.correct.float().mean() < 0.9


def test_minimal_attacks_on_linf_are_refused_where_there_is_none(robust_model):
    model, x, y, _ = robust_model
    with pytest.raises(RedoubtError, match="does not exist for this norm"):
        attacks.get("ddn")(model, x, y, eps=1.0, norm="linf")
