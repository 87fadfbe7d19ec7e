"""The baselines' losses against literal transcriptions of their equations, in float64."""

import types

import torch
import torch.nn.functional as F

from redoubt.defenses.base import Batch, State
from redoubt.defenses.mart import SMALL, SURE, TINY, Mart, boosted_ce
from redoubt.defenses.pgd_at import PgdAt
from redoubt.defenses.trades import Trades, kl

THREAT = {"norm": "linf", "eps": 0.1}


def tiny(kind, **params):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3)).double()
    defense = kind(shape=(3, 1, 2), architecture={}, threat=THREAT, params=kind.Params(**params))
    x, y = torch.rand(5, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    return defense, Batch(x, y, torch.arange(5)), State(model, {}, torch.Generator().manual_seed(0))


def seen(defense, monkeypatch):
    """Keeps the adversarial images that the loss used."""
    kept = types.SimpleNamespace(x_adv=None)
    original = defense.perturb

    def perturb(*args, **how):
        kept.x_adv = original(*args, **how)
        return kept.x_adv

    monkeypatch.setattr(defense, "perturb", perturb)
    return kept


def test_kl_is_the_definition():
    p, q = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.5, 0.25, 0.25]])
    expected = sum(a * torch.log(a / b) for a, b in zip(p[0], q[0], strict=True))
    torch.testing.assert_close(kl(p.log(), q.log())[0], expected)


def test_pgd_at_is_the_loss_on_adversarial_images(monkeypatch):
    defense, batch, state = tiny(PgdAt)
    kept = seen(defense, monkeypatch)
    loss, _ = defense.loss(batch, state)
    assert (kept.x_adv - batch.x).abs().max() <= 0.1 + 1e-9
    worse = F.cross_entropy(state.model(kept.x_adv), batch.y)
    assert loss == worse > F.cross_entropy(state.model(batch.x), batch.y)


def test_trades_is_equation_5(monkeypatch):
    defense, batch, state = tiny(Trades, beta=6.0)
    kept = seen(defense, monkeypatch)
    loss, _ = defense.loss(batch, state)
    p, q = state.model(batch.x).softmax(1), state.model(kept.x_adv).softmax(1)
    expected = 0.0
    for i, label in enumerate(batch.y):
        expected += -torch.log(p[i, label]) + 6.0 * sum(
            p[i, k] * torch.log(p[i, k] / q[i, k]) for k in range(3)
        )
    torch.testing.assert_close(loss, expected / 5)


def test_trades_without_its_regularizer_is_standard_training():
    defense, batch, state = tiny(Trades, beta=0.0)
    torch.testing.assert_close(defense.loss(batch, state)[0], F.cross_entropy(state.model(batch.x), batch.y))


def test_boosted_ce_by_hand():
    p = torch.tensor([[0.6, 0.3, 0.1]], dtype=torch.float64)
    expected = -torch.log(p[0, 1]) - torch.log(1 + SMALL - p[0, 0] + TINY)
    torch.testing.assert_close(boosted_ce(p.log(), torch.tensor([1]))[0], expected)


def test_mart_is_equation_11(monkeypatch):
    defense, batch, state = tiny(Mart, weight=5.0)
    kept = seen(defense, monkeypatch)
    loss, _ = defense.loss(batch, state)
    p, q = state.model(batch.x).softmax(1), state.model(kept.x_adv).softmax(1)
    expected = 0.0
    for i, label in enumerate(batch.y):
        wrong = max(q[i, k] for k in range(3) if k != label)
        bce = -torch.log(q[i, label]) - torch.log(1 + SMALL - wrong + TINY)
        expected += bce + 5.0 * (1 + SURE - p[i, label]) * sum(
            p[i, k] * torch.log(p[i, k] / (q[i, k] + TINY)) for k in range(3)
        )
    torch.testing.assert_close(loss, expected / 5)


def test_attacks_leave_weights_without_gradients():
    defense, batch, state = tiny(PgdAt)
    defense.perturb(state.model, batch, state, lambda z: F.cross_entropy(state.model(z), batch.y))
    assert all(p.grad is None and p.requires_grad for p in state.model.parameters())
