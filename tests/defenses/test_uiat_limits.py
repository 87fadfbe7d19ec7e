"""Where UIAT must become another method, what it keeps between steps, and the single-step methods beside it."""

import copy

import pytest
import torch
import torch.nn.functional as F

from redoubt.config import Training
from redoubt.defenses.base import Batch, State
from redoubt.defenses.pgd_at import PgdAt
from redoubt.defenses.single_step import FgsmRs, NFgsm
from redoubt.defenses.uiat import Uiat
from redoubt.training.optimization import average, optimizer

EPS = 0.2
SMALL = {"name": "small_cnn", "options": {"width": 4}}


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def small(kind, **params):
    defense = kind(
        shape=(10, 1, 8),
        architecture=SMALL,
        threat={"norm": "linf", "eps": EPS},
        params=kind.Params(**params),
    )
    torch.manual_seed(0)
    model = defense.build().train()
    make = optimizer(Training(source="test", epochs=1, lr=0.05))
    return defense, State(model, defense.optimizers(model, make), draws(), epochs=4)


def images(n=12):
    return Batch(torch.rand(n, 1, 8, 8, generator=draws(1)), torch.arange(n) % 10, torch.arange(n))


def trained(kind, k=3, **params):
    defense, state = small(kind, **params)
    for _ in range(k):
        defense.step(images(), state)
    return defense, state.model


def test_without_alignment_it_is_pgd_at_weight_for_weight():
    ours, plain = trained(Uiat, lam=0.0, steps=5), trained(PgdAt, steps=5)
    a, b = ours[0].deployed(ours[1]).state_dict(), plain[1].state_dict()
    assert list(a) == list(b)
    assert all(torch.equal(a[k], b[k]) for k in a)
    other = trained(Uiat, lam=3.5, steps=5)[1].classifier.state_dict()
    assert any(not torch.equal(other[k], b[k]) for k in b)


def test_without_perturbation_radius_it_is_alignment_with_the_natural_example():
    a = trained(Uiat, eps_inv=0.0, momentum=0.0)[1].classifier.state_dict()
    b = trained(Uiat, perturbation="natural", momentum=0.0)[1].classifier.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_regularizer_of_weight_0_is_none():
    a = trained(Uiat, weight=0.0)[1].state_dict()
    b = trained(Uiat, regularizer="none")[1].state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    other = trained(Uiat)[1].state_dict()
    assert any(not torch.equal(a[k], other[k]) for k in a)


def test_what_is_kept_goes_on_from_a_state_dict():
    defense, state = small(Uiat)
    defense.step(images(), state)
    twin = defense.build().train()
    twin.load_state_dict(copy.deepcopy(state.model.state_dict()))
    other = State(twin, {}, draws(7), epochs=4)
    state.generator = draws(7)
    assert twin.q.shape == (12, 10)
    assert defense.loss(images(), state)[0] == defense.loss(images(), other)[0]
    assert torch.equal(twin.q, state.model.q)
    assert torch.equal(twin.delta, state.model.delta)


def test_averaged_weights_do_without_the_targets():
    defense, state = small(Uiat)
    ema = copy.deepcopy(state.model)
    before = copy.deepcopy(ema.classifier.state_dict())
    defense.step(images(), state)
    average(ema, state.model, 0.5)
    assert len(ema.q) == 0
    new, now = state.model.classifier.state_dict(), ema.classifier.state_dict()
    key = "head.weight"
    torch.testing.assert_close(now[key], 0.5 * (before[key] + new[key]))


def test_weights_start_from_what_another_run_deploys():
    defense, state = small(Uiat)
    torch.manual_seed(5)
    source = defense.classifier()
    defense.initialize(state.model, source)
    assert torch.equal(state.model.classifier.head.weight, source.head.weight)
    assert defense.deployed(state.model) is state.model.classifier


def single_step_by_hand(f, x, y, noise, step, clip):
    z = (x + torch.empty_like(x).uniform_(-noise * EPS, noise * EPS, generator=draws())).clamp(0, 1)
    z.requires_grad_()
    (g,) = torch.autograd.grad(F.cross_entropy(f(z), y, reduction="sum"), z)
    moved = z.detach() + step * EPS * g.sign() - x
    return (x + (moved.clamp(-EPS, EPS) if clip else moved)).clamp(0, 1)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize(("kind", "noise", "step", "clip"), [(FgsmRs, 1, 1.25, True), (NFgsm, 2, 1, False)])
def test_single_steps_are_those_of_their_papers(kind, noise, step, clip, mode):
    defense, state = small(kind, mode=mode)
    batch = images()
    x_adv = defense.adversary(batch, state)
    f = state.model.classifier.train(mode == "train")
    torch.testing.assert_close(x_adv, single_step_by_hand(f, batch.x, batch.y, noise, step, clip))
    assert ((x_adv - batch.x).abs().max() <= EPS + 1e-6) == clip


@pytest.mark.parametrize("kind", [FgsmRs, NFgsm])
def test_single_steps_are_alone_unless_asked_for_alignment(kind):
    defense, state = small(kind)
    batch = images()
    x_adv = defense.adversary(batch, state)
    state.generator = draws()
    loss, metrics = defense.loss(batch, state)
    assert loss == F.cross_entropy(copy.deepcopy(state.model.classifier)(x_adv), batch.y)
    assert metrics["alignment"] == 0
    assert state.model.delta.abs().max() == 0
    joined, state = small(kind, lam=3.5)
    with_uiat, metrics = joined.loss(batch, state)
    assert with_uiat > loss
    assert state.model.delta.abs().max() > 0
