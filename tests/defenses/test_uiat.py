"""UIAT's losses and updates against literal transcriptions in float64."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from redoubt.defenses.base import Batch, State
from redoubt.defenses.uiat import Uiat

EPS = 0.1
K = 3


class Tiny(nn.Module):
    """A head on features of four pixels, smooth so that gradients say something everywhere."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 5), nn.Linear(5, K)

    def features(self, x):
        return torch.tanh(self.body(x.flatten(1)))

    def forward(self, x):
        return self.head(self.features(x))


def tiny(kind=Uiat, norm="linf", **params):
    torch.manual_seed(0)
    defense = kind(
        shape=(K, 1, 2), architecture={}, threat={"norm": norm, "eps": EPS}, params=kind.Params(**params)
    )
    defense.classifier = Tiny
    model = defense.build().double()
    x, y = torch.rand(5, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 0, 0, 1])
    return defense, Batch(x, y, torch.tensor([3, 1, 4, 0, 2])), State(model, {}, draws())


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def softmax(z):
    e = [math.exp(v) for v in z.tolist()]
    return [v / sum(e) for v in e]


def kl_by_hand(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def j_by_hand(f, z, x, x_adv, y, regularizer, weight):
    """J of one example as the note writes it, by autograd-friendly definitions alone."""
    p = lambda v: f(v[None]).softmax(1)[0]
    value = -torch.log(p(z)[y])
    if regularizer == "prob_kl":
        for sign, other in ((1, x), (-1, x_adv)):
            a = p(other).detach()
            value = value + weight * sign * sum(a[k] * torch.log(a[k] / p(z)[k]) for k in range(K))
    if regularizer == "feat_l2":
        h = lambda v: f.features(v[None])[0]
        near, far = h(z) - h(x).detach(), h(z) - h(x_adv).detach()
        value = value + weight * (sum(v * v for v in near) - sum(v * v for v in far))
    return value


@pytest.mark.parametrize("regularizer", ["none", "prob_kl", "feat_l2"])
def test_the_inverse_objective_and_its_gradient_are_the_equation(regularizer):
    defense, batch, state = tiny(regularizer=regularizer, weight=0.7)
    f = state.model.classifier
    x_adv = (batch.x + 0.1 * torch.randn_like(batch.x)).clamp(0, 1)
    z = (batch.x - 0.03).clamp(0, 1).requires_grad_()
    j = defense.objective(f, batch, x_adv)(z)
    (g,) = torch.autograd.grad(j.sum(), z)
    for i, y in enumerate(batch.y):
        zi = z[i].detach().clone().requires_grad_()
        expected = j_by_hand(f, zi, batch.x[i], x_adv[i], y, regularizer, 0.7)
        torch.testing.assert_close(j[i], expected)
        torch.testing.assert_close(g[i], torch.autograd.grad(expected, zi)[0])


def test_universal_perturbations_step_by_the_sign_of_the_class_sum_and_are_clipped():
    defense, batch, state = tiny(eps_inv=0.5, step_inv=0.4, regularizer="prob_kl")
    model, f = state.model, state.model.classifier
    x_adv = (batch.x + 0.05).clamp(0, 1)
    expected = torch.zeros_like(model.delta)
    for _ in range(3):
        sums = torch.zeros_like(expected)
        for i, y in enumerate(batch.y):
            u = (batch.x[i] + expected[y]).clamp(0, 1).requires_grad_()
            j = j_by_hand(f, u, batch.x[i], x_adv[i], y, "prob_kl", 1.0)
            sums[y] += torch.autograd.grad(j, u)[0]
        expected = (expected - 0.4 * EPS * sums.sign()).clamp(-0.5 * EPS, 0.5 * EPS)
        x_inv = defense.inverse(batch, x_adv, state, moving=True)
        torch.testing.assert_close(model.delta, expected)
        torch.testing.assert_close(x_inv, (batch.x + expected[batch.y]).clamp(0, 1))
    assert model.delta[2].abs().max() == 0  # no example of class 2
    assert model.delta[:2].abs().max() == pytest.approx(
        0.5 * EPS
    )  # the step of 0.4 twice would leave the ball
    assert not model.delta.requires_grad


def test_a_step_lowers_the_inverse_objective():
    defense, batch, state = tiny(regularizer="none")
    j = defense.objective(state.model.classifier, batch, batch.x)
    x_inv = defense.inverse(batch, batch.x, state, moving=True)
    assert j(x_inv).sum() < j(batch.x).sum()


def test_universal_perturbations_in_l2_keep_to_their_ball():
    defense, batch, state = tiny(norm="l2", eps_inv=0.5, step_inv=0.4)
    for _ in range(3):
        before = state.model.delta.clone()
        defense.inverse(batch, batch.x, state, moving=True)
        lengths = state.model.delta.flatten(1).norm(dim=1)
        assert lengths.max() <= 0.5 * EPS + 1e-12
        assert (state.model.delta - before)[:2].flatten(1).norm(dim=1).min() > 0
    assert lengths[2] == 0


def test_one_universal_perturbation_serves_all_classes():
    defense, batch, state = tiny(perturbation="all")
    x_inv = defense.inverse(batch, batch.x, state, moving=True)
    assert state.model.delta.shape == (1, 1, 2, 2)
    torch.testing.assert_close(x_inv, (batch.x + state.model.delta).clamp(0, 1))
    assert state.model.delta.abs().min() > 0


def test_instance_wise_inverse_is_projected_descent_from_a_random_start():
    defense, batch, state = tiny(perturbation="instance", steps_inv=4, eps_inv=0.5, step_inv=0.2)
    x_adv = (batch.x + 0.05).clamp(0, 1)
    x_inv = defense.inverse(batch, x_adv, state, moving=True)
    noise = torch.empty_like(batch.x).uniform_(-0.5 * EPS, 0.5 * EPS, generator=draws())
    for i, y in enumerate(batch.y):
        z = (batch.x[i] + noise[i]).clamp(0, 1)
        for _ in range(4):
            z = z.detach().requires_grad_()
            j = j_by_hand(state.model.classifier, z, batch.x[i], x_adv[i], y, "prob_kl", 1.0)
            z = z.detach() - 0.2 * EPS * torch.autograd.grad(j, z)[0].sign()
            z = torch.minimum(torch.maximum(z, batch.x[i] - 0.5 * EPS), batch.x[i] + 0.5 * EPS).clamp(0, 1)
        torch.testing.assert_close(x_inv[i], z)
    assert state.model.delta.abs().max() == 0


def test_momentum_is_over_each_images_predictions_and_starts_with_the_first():
    defense, batch, state = tiny(momentum=0.9)
    state.steps_per_epoch = 2
    first, second = torch.rand(2, 5, K, dtype=torch.float64).softmax(2)
    torch.testing.assert_close(defense.average(first, batch, state), first)
    half, part = batch.index[:2], Batch(batch.x[:2], batch.y[:2], batch.index[:2])
    again = defense.average(second[:2], part, state)
    torch.testing.assert_close(again, 0.9 * first[:2] + 0.1 * second[:2])
    assert state.model.q.shape == (10, K)
    torch.testing.assert_close(state.model.q[half], again)
    torch.testing.assert_close(state.model.q[batch.index[2:]], first[2:])
    assert state.model.q[5:].abs().max() == 0


def test_momentum_of_a_class_is_over_the_mean_prediction_of_its_images():
    defense, batch, state = tiny(momentum=0.9, momentum_of="class")  # labels 0, 1, 0, 0, 1
    first, second = torch.rand(2, 5, K, dtype=torch.float64).softmax(2)
    ones, zeros = [1, 4], [0, 2, 3]
    found = defense.average(first, batch, state)
    for rows in (ones, zeros):
        for i in rows:
            torch.testing.assert_close(found[i], first[rows].mean(0))
    again = defense.average(second, batch, state)
    torch.testing.assert_close(again[1], 0.9 * first[ones].mean(0) + 0.1 * second[ones].mean(0))
    assert state.model.q.shape == (K, K)
    torch.testing.assert_close(state.model.q[:2], again[:2])
    assert state.model.q[2].abs().max() == 0  # no example of class 2


@pytest.mark.parametrize("direction", ["target_first", "adversarial_first"])
def test_the_loss_over_two_steps_is_the_equation(direction, monkeypatch):
    defense, batch, state = tiny(lam=3.5, momentum=0.9, direction=direction)
    f, q = state.model.classifier, {}
    x_adv = (batch.x + 0.07).clamp(0, 1)
    monkeypatch.setattr(defense, "perturb", lambda *_, **__: x_adv)
    for _ in range(2):
        loss, metrics = defense.loss(batch, state)
        x_inv = (batch.x + state.model.delta[batch.y]).clamp(0, 1)
        ce = alignment = 0.0
        for i, y in enumerate(batch.y):
            p_adv, p_inv = softmax(f(x_adv)[i]), softmax(f(x_inv)[i])
            q[i] = [0.9 * a + 0.1 * b for a, b in zip(q[i], p_inv, strict=True)] if i in q else p_inv
            pair = (q[i], p_adv) if direction == "target_first" else (p_adv, q[i])
            ce, alignment = ce - math.log(p_adv[y]) / 5, alignment + kl_by_hand(*pair) / 5
        assert loss.item() == pytest.approx(ce + 3.5 * alignment, rel=1e-9)
        assert metrics["alignment"].item() == pytest.approx(alignment, rel=1e-9)
        with torch.no_grad():
            for p in f.parameters():
                p.add_(0.3 * torch.randn(p.shape, generator=draws(), dtype=p.dtype))


def gradients(defense, batch, state, inverse):
    """Gradients of the loss, and of its alignment with the given graph through p_inv."""
    f = state.model.classifier
    (loss, _), weights = defense.loss(batch, state), list(f.parameters())
    found = torch.autograd.grad(loss, weights)
    x_adv, x_inv = inverse
    p_inv = f(x_inv).softmax(1)
    log_p_adv = f(x_adv).log_softmax(1)
    ce = F.cross_entropy(f(x_adv), batch.y)
    return found, weights, p_inv, log_p_adv, ce


@pytest.mark.parametrize("direction", ["target_first", "adversarial_first"])
def test_the_target_has_no_gradient_unless_both_have(direction, monkeypatch):
    defense, batch, state = tiny(lam=2.0, momentum=0.0, direction=direction)
    x_adv, x_inv = (batch.x + 0.07).clamp(0, 1), (batch.x - 0.05).clamp(0, 1)
    monkeypatch.setattr(defense, "perturb", lambda *_, **__: x_adv)
    monkeypatch.setattr(defense, "inverse", lambda *_, **__: x_inv)
    found, weights, p_inv, log_p_adv, ce = gradients(defense, batch, state, (x_adv, x_inv))
    if direction == "target_first":
        kept, other = p_inv.detach(), p_inv
        divergence = lambda t: (t * (t.log() - log_p_adv)).sum(1).mean()
    else:
        kept, other = p_inv, p_inv.detach()
        divergence = lambda t: (log_p_adv.exp() * (log_p_adv - t.log())).sum(1).mean()
    expected = torch.autograd.grad(ce + 2.0 * divergence(kept), weights, retain_graph=True)
    wrong = torch.autograd.grad(ce + 2.0 * divergence(other), weights)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
    assert any(not torch.allclose(a, b) for a, b in zip(found, wrong, strict=True))
    assert not state.model.q.requires_grad
    assert not state.model.delta.requires_grad


def test_one_off_moves_in_its_epoch_only():
    defense, batch, state = tiny(one_off=0.5)
    state.epochs, seen = 4, []
    for state.epoch in range(4):
        _, metrics = defense.loss(batch, state)
        seen.append((state.model.delta.clone(), metrics["alignment"].item()))
    assert [d.abs().max().item() > 0 for d, _ in seen] == [False, False, True, True]
    assert torch.equal(seen[2][0], seen[3][0])
    assert [a > 0 for _, a in seen] == [False, False, True, True]


def test_one_off_may_align_with_natural_examples_before():
    defense, batch, state = tiny(one_off=0.5, before="natural", momentum=0.0)
    state.epochs = 4
    _, early = defense.loss(batch, state)
    other, _, fresh = tiny(perturbation="natural", momentum=0.0)
    _, natural = other.loss(batch, fresh)
    assert early["alignment"] == natural["alignment"] > 0


def test_one_off_needs_a_universal_perturbation():
    with pytest.raises(ValueError, match="one_off"):
        Uiat.Params(one_off=0.5, perturbation="instance")
