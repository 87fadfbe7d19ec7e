"""Square Attack against the reference: the same draws, so the same points after every query."""

import pytest
import torch
from pyautoattack.square import SquareAttack
from torch import nn

from redoubt import attacks
from redoubt.attacks.autoattack import square as module
from redoubt.attacks.autoattack.square import HALVED_AFTER, P_INIT, side, square
from redoubt.attacks.autoattack.square_l2 import bump

NORMS = {"linf": "Linf", "l2": "L2"}


@pytest.fixture(scope="module")
def colour_model():
    """An untrained model on 10x12 colour images, labelled by itself; images that are not square are allowed."""
    g = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Conv2d(8, 8, 3, 2), nn.Tanh(), nn.Flatten(), nn.LazyLinear(10)
        ).eval()
        x = torch.rand(70, 3, 10, 12, generator=g)
        with torch.no_grad():
            y = model(x).argmax(1)
    return model, x, y


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.03), ("l2", 0.15)])
def test_points_are_the_references(colour_model, norm, eps):
    """300 queries: the points of those that stand and the verdicts; breaking ones change the l2 draws of the rest."""
    model, x, y = colour_model
    theirs = SquareAttack(
        model,
        norm=NORMS[norm],
        n_queries=300,
        eps=eps,
        p_init=P_INIT,
        seed=4,
        resc_schedule=False,
        device="cpu",
    )
    theirs.init_hyperparam(x)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        _, points = theirs.attack_single_run(x, y)
        with torch.no_grad():
            stands = model(points).argmax(1) == y
    ours = attacks.get("square")(model, x, y, eps=eps, norm=norm, seed=4, queries=300)
    assert torch.equal(ours.correct, stands)
    assert 0.1 < stands.float().mean() < 0.9
    torch.testing.assert_close(ours.x_adv, points, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.03), ("l2", 0.15)])
def test_batches_of_the_reference_can_run_together(colour_model, norm, eps):
    """30 + 30 + 10 examples search together here; alone, each batch finds the same points."""
    model, x, y = colour_model
    run = lambda x, y: attacks.get("square")(
        model, x, y, eps=eps, norm=norm, seed=1, queries=60, batch_size=30
    )
    together, alone = run(x, y), [run(a, b) for a, b in zip(x.split(30), y.split(30), strict=True)]
    assert torch.equal(together.correct, torch.cat([r.correct for r in alone]))
    torch.testing.assert_close(together.x_adv, torch.cat([r.x_adv for r in alone]), atol=1e-6, rtol=0)
    assert together.calls[0] < sum(r.calls[0] for r in alone)


def test_a_query_that_moves_nothing_asks_nothing(colour_model, monkeypatch):
    """Asking about it changes no point and no verdict, and costs passes."""
    model, x, y = colour_model
    spared = square(model, x, y, eps=0.03, queries=600)
    monkeypatch.setattr(module, "_moved", lambda rows, places: torch.ones_like(rows.y, dtype=torch.bool))
    asked = square(model, x, y, eps=0.03, queries=600)
    assert torch.equal(spared.x_adv, asked.x_adv)
    assert torch.equal(spared.correct, asked.correct)
    assert 0 < spared.correct.sum() < len(x)
    assert spared.forward < asked.forward


def test_the_batch_size_decides_the_draws(colour_model):
    """As in the reference, and the reason why the record holds it."""
    model, x, y = colour_model
    results = [attacks.get("square")(model, x, y, eps=0.03, queries=60, batch_size=b) for b in (70, 35)]
    assert not torch.equal(results[0].x_adv, results[1].x_adv)
    assert [r.info["batch_size"] for r in results] == [70, 35]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_squares_shrink_as_the_references(norm):
    theirs = SquareAttack(None, norm=NORMS[norm], eps=1, p_init=P_INIT, n_queries=5000, resc_schedule=False)
    for query in [q + d for q in HALVED_AFTER for d in (0, 1)]:
        s = max(round((theirs.p_selection(query) * 32 * 32) ** 0.5), 1 if norm == "linf" else 3)
        assert side(query, 32, 32, P_INIT, norm) == s + (norm == "l2" and s % 2 == 0)


@pytest.mark.parametrize("s", [1, 2, 3, 5, 8, 13])
def test_bumps_are_the_references(s):
    theirs = SquareAttack(None, norm="L2", eps=1, device="cpu")
    with torch.random.fork_rng():
        torch.manual_seed(0)  # draws 0.4963: not turned
        torch.testing.assert_close(bump(s), theirs.eta(s))


def test_tiny_images():
    """Below 5 pixels the reference divides by zero in l2; here the tiles are single pixels."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 4)).eval()
    x = torch.rand(6, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = model(x).argmax(1)
    for norm in NORMS:
        result = attacks.get("square")(model, x, y, eps=0.5, norm=norm, queries=20)
        assert torch.isfinite(result.x_adv).all()


class Noisy(nn.Module):
    """A model whose logits carry fresh noise at every call."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        logits = self.model(x)
        return logits + 0.03 * torch.randn_like(logits)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 1.0)])
def test_a_lucky_draw_of_a_random_model_ends_nothing(colour_model, norm, eps):
    model, x, y = colour_model
    torch.manual_seed(0)
    result = attacks.get("square")(Noisy(model).eval(), x, y, eps=eps, norm=norm, queries=20, eot=3)
    stage = result.info["stages"][1]
    standing = result.info["stages"][0]["standing"]
    assert 10 < standing <= 70
    # The start once, then trial and best point for each query, three draws each.
    searched = standing * 3 * (1 + 2 * 20)
    assert searched <= stage["forward"] <= searched + 10 * standing
    assert result.info["random"]["draws"] == 10
