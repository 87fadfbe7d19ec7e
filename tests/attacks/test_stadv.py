"""StAdv: the warp, the smoothness, the bound, and both optimizers."""

import pytest
import torch
import torch.nn.functional as F

from redoubt import attacks
from redoubt.attacks.stadv import roughness, warp
from redoubt.errors import RedoubtError

stadv = attacks.get("stadv")


def test_no_flow_changes_nothing_and_a_pixel_of_flow_moves_a_pixel():
    x = torch.rand(2, 3, 8, 6)
    assert torch.allclose(warp(x, torch.zeros(2, 8, 6, 2)), x, atol=1e-6)
    flow = torch.zeros(2, 8, 6, 2)
    flow[..., 0] = 2 / 6  # to the right by one of 6 pixels, half the side being the unit
    assert torch.allclose(warp(x, flow)[..., :-1], x[..., 1:], atol=1e-5)
    assert torch.allclose(warp(x, flow)[..., -1], x[..., -1], atol=1e-5), "the border repeats"


def test_roughness_is_equation_4_written_out():
    flow = torch.randn(1, 4, 5, 2)
    total = 0.0
    for i in range(4):
        for j in range(5):
            for a, b in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if 0 <= a < 4 and 0 <= b < 5:
                    total += (flow[0, i, j] - flow[0, a, b]).norm().item()
    assert roughness(flow).item() == pytest.approx(total, rel=1e-4)
    assert roughness(torch.ones(1, 4, 5, 2)).item() < 1e-2


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_moves_pixels_within_the_bound_and_fools(robust_model, optimizer):
    model, x, y, _ = robust_model
    result = stadv(model, x, y, eps=0.1, steps=60, optimizer=optimizer)
    clean = (model(x).argmax(1) == y).float().mean()
    assert result.correct.float().mean() < clean - 0.5
    assert 0.05 < result.info["largest_flow"] <= 0.1 + 1e-6
    assert result.info["largest_flow_pixels"] == pytest.approx(result.info["largest_flow"] * 4)
    assert result.x_adv.min() >= 0
    assert result.x_adv.max() <= 1
    assert (result.x_adv - x).abs().max() > 0.15, "its change of the pixels is not that of a small linf ball"


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_success_grows_with_the_bound(robust_model, optimizer):
    model, x, y, _ = robust_model
    left = [stadv(model, x, y, eps=e, steps=30, optimizer=optimizer).correct.sum() for e in (0.02, 0.05, 0.1)]
    assert left[0] > left[1] > left[2]


def test_the_two_optimizers_agree(robust_models):
    for model, x, y, _ in robust_models[:2]:
        adam = stadv(model, x, y, eps=0.05).correct.float().mean()
        lbfgs = stadv(model, x, y, eps=0.05, optimizer="lbfgs", steps=50).correct.float().mean()
        assert abs(adam - lbfgs) < 0.08


def test_smoothness_makes_smoother_flows(robust_model):
    model, x, y, _ = robust_model

    def change(weight):
        x_adv = stadv(model, x, y, eps=0.1, steps=40, smoothness=weight, early_stop=False).x_adv
        return F.mse_loss(x_adv, x)

    assert change(5.0) < 0.7 * change(0.0)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_batch_size_changes_nothing(robust_model, optimizer):
    model, x, y, _ = robust_model
    x, y = x[:60], y[:60]
    whole, parts = (
        stadv(model, x, y, eps=0.06, steps=30, optimizer=optimizer, seed=4, batch_size=b) for b in (512, 13)
    )
    assert (whole.correct != parts.correct).sum() <= 1
    assert torch.equal(whole.x_adv, stadv(model, x, y, eps=0.06, steps=30, optimizer=optimizer, seed=4).x_adv)


def test_lbfgs_finds_the_minimum_of_a_bowl():
    from redoubt.attacks.stadv_optimizers import OPTIMIZERS, Search

    goal = torch.rand(3, 4, 4, 2) - 0.5
    weight = torch.tensor([1.0, 10.0, 100.0])
    misses = {}
    for name in OPTIMIZERS:

        def bowl(flow, rows):
            miss = (flow - goal[rows]) * torch.linspace(0.2, 1, 2)
            value = weight[rows] * miss.square().flatten(1).sum(1)
            gradient = 2 * weight[rows].view(-1, 1, 1, 1) * miss * torch.linspace(0.2, 1, 2)
            return value, gradient, torch.zeros_like(rows, dtype=torch.bool)

        search = Search(bowl, torch.zeros(3, 4, 4, 2), 1.0, 40, 0.05, stop=False, keep_last=False)
        misses[name] = (OPTIMIZERS[name](search) - goal).abs().max().item()
    assert misses["lbfgs"] < 1e-3
    assert misses["lbfgs"] < misses["adam"]


def test_bad_settings_are_refused(robust_model):
    model, x, y, _ = robust_model
    with pytest.raises(RedoubtError, match="did you mean: lbfgs"):
        stadv(model, x, y, eps=0.05, optimizer="l-bfgs")
    with pytest.raises(RedoubtError, match="steps"):
        stadv(model, x, y, eps=0.05, steps=0)
