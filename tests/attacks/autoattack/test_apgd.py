"""APGD against the reference: the same climbs at the same seed, and what must hold for any of them."""

import pytest
import torch
from pyautoattack.autopgd_base import APGDAttack

from redoubt import attacks
from redoubt.attacks.autoattack.apgd import cross_entropy, dlr
from redoubt.attacks.autoattack.apgd_loop import ApgdLoop, sphere
from redoubt.attacks.autoattack.stages import Batch
from redoubt.attacks.autoattack.targets import first_rows
from redoubt.attacks.core.engine import distance
from redoubt.attacks.core.passes import Passes

L2 = 4  # an l2 radius of 4 eps leaves the 8x8 models about as robust as the linf radius eps


def standing(model, x, y, eps, norm, batch_size=250, seed=0):
    """The images that are right, as one batch."""
    with torch.no_grad():
        logits = model(x)
    right = (logits.argmax(1) == y).nonzero()[:, 0]
    sizes = [len(part) for part in right.split(batch_size)]
    draws = [torch.Generator().manual_seed(seed) for _ in sizes]
    return Batch(x[right], y[right], logits[right], eps, norm, sizes, draws)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(("name", "loss"), [("ce", cross_entropy), ("dlr", dlr)])
def test_a_climb_is_the_references(robust_model, norm, name, loss):
    """Best losses after 40 steps, checkpoints included; DLR starts negative, so it sees the first one's quirk."""
    model, x, y, eps = robust_model
    eps = eps if norm == "linf" else L2 * eps
    batch = standing(model, x, y, eps, norm)
    theirs = APGDAttack(
        model, n_iter=40, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, loss=name, device="cpu"
    )
    theirs.init_hyperparam(x)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        best, acc, _, _ = theirs.attack_single_run(batch.x, batch.y)
    climb = ApgdLoop(Passes(model, x), batch, loss, steps=40, rho=0.75, draws=1)
    everyone = torch.arange(len(batch.x))
    climb.run(everyone, batch.y, sphere(batch, everyone))
    assert torch.equal(climb.broken, ~acc.bool())
    stands = ~climb.broken
    assert 20 < stands.sum() < len(stands)
    losses = [
        loss(model(found[stands]), batch.y[stands], batch.y[stands]).detach() for found in (climb.found, best)
    ]
    torch.testing.assert_close(*losses, atol=1e-4, rtol=1e-3)


def test_restarts_only_attack_what_stands(undefended_model):
    model, x, y, eps = undefended_model
    one, two = (attacks.get("apgd_ce")(model, x, y, eps=eps / 3, steps=5, restarts=k, seed=3) for k in (1, 2))
    second = two.info["stages"][1]["forward"] - one.info["stages"][1]["forward"]
    still = one.info["stages"][1]["standing"]
    assert 0 < still < 0.9 * len(x)
    assert 0 < second <= 6 * still
    assert not (two.correct & ~one.correct).any()


@pytest.mark.parametrize("name", ["apgd_ce", "apgd_dlr", "apgd_t"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_points_stay_in_the_ball_and_decide(robust_model, name, norm):
    model, x, y, eps = robust_model
    eps = eps if norm == "linf" else L2 * eps
    result = attacks.get(name)(model, x, y, eps=eps, norm=norm, steps=10)
    assert distance(result.x_adv, x, norm).max() <= eps + 1e-5
    assert result.x_adv.min() >= 0
    assert result.x_adv.max() <= 1
    with torch.no_grad():
        assert torch.equal(model(result.x_adv).argmax(1) == y, result.correct)
    assert result.correct.sum() < result.info["stages"][0]["standing"]


def test_passes_of_a_survivor(robust_model):
    """101 forward and 100 backward passes: nothing follows the last step's gradient."""
    model, x, y, eps = robust_model
    stands = attacks.get("apgd_ce")(model, x, y, eps=eps).correct.nonzero()[:2, 0]
    result = attacks.get("apgd_ce")(model, x[stands], y[stands], eps=eps / 100)
    assert result.correct.all()
    assert result.info["stages"][1]["forward"] == 101 * 2
    assert result.info["stages"][1]["backward"] == 100 * 2


@pytest.mark.parametrize("eps", [0.1, 0.15])
def test_targets_side_by_side_leave_the_same_survivors(robust_models, eps):
    for model, x, y, _ in robust_models:
        one_by_one, beside = (
            attacks.get("apgd_t")(model, x, y, eps=eps, steps=10, side_by_side=flag) for flag in (False, True)
        )
        assert torch.equal(one_by_one.correct, beside.correct)
        assert beside.calls[0] < one_by_one.calls[0]


def test_a_batch_draws_what_the_reference_draws(robust_model):
    """Each batch of the reference is seeded anew, and a second draw goes on with what is left of it."""
    model, x, y, eps = robust_model
    batch = standing(model, x, y, eps, "linf", batch_size=60, seed=5)
    everyone, some = torch.arange(len(batch.x)), torch.tensor([0, 1, 59, 60, len(batch.x) - 1])
    first, second = batch.draw(torch.rand, everyone), batch.draw(torch.rand, some)
    torch.manual_seed(5)
    assert torch.equal(first[:60], torch.rand(60, 1, 8, 8))
    assert torch.equal(second[:3], torch.rand(3, 1, 8, 8))
    torch.manual_seed(5)
    assert torch.equal(first[60:120], torch.rand(60, 1, 8, 8))
    assert torch.equal(second[3:4], torch.rand(1, 1, 8, 8))


def test_the_first_of_several_rows_counts():
    owners, first = first_rows(torch.tensor([2, 0, 2, 5, 0]), 7)
    assert owners.tolist() == [0, 2, 5]
    assert first.tolist() == [1, 0, 3]
