"""FAB against the reference: its projections and its verdicts."""

import pytest
import torch
from pyautoattack.fab_projections import projection_l2, projection_linf

from redoubt import attacks
from redoubt.attacks.autoattack import fab
from redoubt.attacks.autoattack.fab_projection import shift_to_hyperplane
from redoubt.attacks.autoattack.stages import Stage, in_stages
from redoubt.attacks.core.engine import distance

THEIRS = {"linf": projection_linf, "l2": projection_l2}
L2 = 4


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("pixels", [12, 64, 3072])
@pytest.mark.parametrize("far", [0.01, 0.3, 3.0])
def test_shift_is_the_references(norm, pixels, far):
    """Planes that cut the box near the point, far from it, and not at all; some weights are 0."""
    g = torch.Generator().manual_seed(pixels)
    t = torch.rand(200, pixels, generator=g)
    t[:, ::7] = t[:, ::7].round()
    w = torch.randn(200, pixels, generator=g)
    w[:, ::5] = 0
    b = (w * t).sum(1) + far * torch.randn(200, generator=g) * pixels**0.5
    ours, theirs = shift_to_hyperplane(t, w, b, norm), THEIRS[norm](t, w, b)
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-3)
    assert (t + ours).min() >= -1e-5
    assert (t + ours).max() <= 1 + 1e-5


def test_a_point_on_the_plane_stays():
    t, w = torch.full((1, 4), 0.5), torch.ones(1, 4)
    for norm in THEIRS:
        assert shift_to_hyperplane(t, w, torch.tensor([2.0]), norm).abs().max() == 0


def test_a_flat_plane_moves_nothing():
    """No gradient: the reference stays too."""
    t = torch.rand(3, 5)
    for norm in THEIRS:
        assert shift_to_hyperplane(t, torch.zeros(3, 5), torch.ones(3), norm).abs().max() == 0


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_breaks_what_the_reference_breaks(undefended_model, norm):
    """FAB-T alone on a model that it half breaks."""
    from pyautoattack import AutoAttack

    model, x, y, _ = undefended_model
    eps = {"linf": 0.08, "l2": 0.35}[norm]
    ours = attacks.get("fab_t")(model, x, y, eps=eps, norm=norm, steps=20)
    suite = AutoAttack(
        model, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, seed=0, version="custom", attacks=["fab-t"]
    )
    suite.fab.n_iter, suite.verbose = 20, False
    _, said = suite.run_standard_evaluation(x, y, batch_size=250)
    assert torch.equal(ours.correct, said == y)
    assert 0.2 < ours.correct.float().mean() < 0.8
    assert distance(ours.x_adv, x, norm).max() <= eps + 1e-5


def test_untargeted_goes_to_the_nearest_class(undefended_model):
    from pyautoattack import AutoAttack

    model, x, y, _ = undefended_model
    stage = Stage("fab", fab.untargeted(steps=15, restarts=2))
    ours = in_stages(model, x, y, [stage], eps=0.08, norm="linf", seed=0, batch_size=250)
    suite = AutoAttack(model, norm="Linf", eps=0.08, seed=0, version="custom", attacks=["fab"])
    suite.fab.n_iter, suite.fab.n_restarts, suite.verbose = 15, 2, False
    _, said = suite.run_standard_evaluation(x, y, batch_size=250)
    assert torch.equal(ours.correct, said == y)
    assert ours.backward >= 10 * 15 * ours.correct.sum()  # every class, every iteration


def test_targets_side_by_side_give_the_same_verdicts(robust_models):
    for model, x, y, eps in robust_models:
        results = [
            attacks.get("fab_t")(model, x, y, eps=eps, steps=10, side_by_side=flag) for flag in (False, True)
        ]
        assert torch.equal(results[0].correct, results[1].correct)
        assert results[1].calls[0] < results[0].calls[0]


def test_draws_nothing_at_random(robust_model):
    model, x, y, eps = robust_model
    results = [
        attacks.get("fab_t")(model, x, y, eps=eps, steps=5, targets=2, seed=s, batch_size=b)
        for s, b in ((0, 250), (9, 250))
    ]
    assert torch.equal(results[0].x_adv, results[1].x_adv)
