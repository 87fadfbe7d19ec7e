"""What the fine-tuning defenses share: the frozen start, the gap, and vAFT as adversarial training from weights."""

import copy

import pytest
import torch
import torch.nn.functional as F

from redoubt.attacks.core.pgd_step import random_start
from redoubt.defenses.afd import Afd
from redoubt.defenses.afkd import Afkd
from redoubt.defenses.arrest import Arrest
from redoubt.defenses.pgd_at import PgdAt
from redoubt.defenses.vaft import Vaft
from tests.defenses.fine_tuned import small, tiny

KINDS = [Vaft, Afd, Arrest, Afkd]


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_never_moves_and_keeps_its_statistics(kind):
    defense, batch, state = tiny(kind)
    before = copy.deepcopy(state.model.start.state_dict())
    moving = copy.deepcopy(state.model.classifier.state_dict())
    for _ in range(2):
        defense.step(batch, state)
    assert all(torch.equal(v, before[k]) for k, v in state.model.start.state_dict().items())
    assert any(not torch.equal(v, moving[k]) for k, v in state.model.classifier.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in state.model.start.parameters())
    assert state.model.training
    assert not any(m.training for m in state.model.start.modules())


@pytest.mark.parametrize("kind", KINDS)
def test_the_gap_is_the_largest_difference_of_a_feature(kind, monkeypatch):
    defense, batch, state = tiny(kind)
    x_adv = (batch.x + 0.1).clamp(0, 1)
    monkeypatch.setattr(defense, "adversary", lambda *_: x_adv)
    model = copy.deepcopy(state.model)
    metrics = defense.step(batch, state)
    f_nat = model.start.features(batch.x)
    f_adv = model.classifier.features(x_adv)  # D_1 is the identity at the first step
    by_hand = sum(
        max(abs(a - b) for a, b in zip(u, v, strict=True)) for u, v in zip(f_nat, f_adv, strict=True)
    )
    torch.testing.assert_close(metrics["feature_gap"], (by_hand / len(f_nat)).detach())
    assert metrics["feature_gap"] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_both_networks_take_the_source_without_sharing_it(kind):
    defense, _, state = tiny(kind)
    source = defense.classifier().double()
    defense.initialize(state.model, source)
    held = source.state_dict()
    for f in (state.model.classifier, state.model.start):
        assert all(
            torch.equal(v, held[k]) and v.data_ptr() != held[k].data_ptr() for k, v in f.state_dict().items()
        )
    a, b = state.model.classifier.state_dict(), state.model.start.state_dict()
    assert all(a[k].data_ptr() != b[k].data_ptr() for k in a)
    assert defense.params.starts_from == "standard"


def test_vaft_is_adversarial_training_from_given_weights(monkeypatch):
    clipped = lambda self, batch, state: random_start(batch.x, "linf", self.eps, state.generator)
    defense, state, batch = small(Vaft, 0)
    assert defense.start_of_attack(batch, state).min() < 0
    monkeypatch.setattr(Vaft, "start_of_attack", clipped)
    ours = small(Vaft)[1].model.classifier.state_dict()
    theirs = small(PgdAt, **{"params": {"steps": 10}})[1].model.state_dict()
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)


@pytest.mark.parametrize(("kind", "off"), [(Arrest, {"lam": 0.0, "theta": None}), (Afkd, {"lam": 0.0})])
def test_a_method_whose_terms_are_off_is_vaft_weight_for_weight(kind, off):
    base = small(Vaft)[1].model.state_dict()
    same = small(kind, params=off)[1].model.state_dict()
    assert all(torch.equal(same[k], base[k]) for k in base)
    other = small(kind)[1].model.classifier.state_dict()
    assert any(not torch.equal(other[k], base[f"classifier.{k}"]) for k in other)


def test_distillation_is_kl_from_the_starts_natural_predictions(monkeypatch):
    defense, batch, state = tiny(Afkd, lam=0.7, temperature=3.0)
    x_adv = (batch.x + 0.1).clamp(0, 1)
    monkeypatch.setattr(defense, "adversary", lambda *_: x_adv)
    model = copy.deepcopy(state.model)
    loss, metrics = defense.loss(batch, state)
    z, teacher = model.classifier(x_adv), model.start(batch.x)
    total = 0.0
    for i in range(len(batch.y)):
        p, q = torch.exp(teacher[i] / 3), torch.exp(z[i] / 3)
        p, q = p / p.sum(), q / q.sum()
        total = total + sum(p[k] * torch.log(p[k] / q[k]) for k in range(3))
    kd = 0.7 * 9 * total / len(batch.y)
    torch.testing.assert_close(metrics["distillation"], kd.detach())
    torch.testing.assert_close(loss, F.cross_entropy(z, batch.y) + kd)
    assert kd > 0


def test_rgkd_is_one_minus_the_cosine(monkeypatch):
    defense, batch, state = tiny(Arrest, lam=5.0)
    x_adv = (batch.x + 0.1).clamp(0, 1)
    monkeypatch.setattr(defense, "adversary", lambda *_: x_adv)
    model = copy.deepcopy(state.model)
    loss, metrics = defense.loss(batch, state)
    u, v = model.start.train().features(batch.x), model.classifier.features(x_adv)
    cos = sum(a @ b / (a @ a).sqrt() / (b @ b).sqrt() for a, b in zip(u, v, strict=True)) / len(u)
    torch.testing.assert_close(metrics["rgkd"], (5 * (1 - cos)).detach())
    torch.testing.assert_close(loss, F.cross_entropy(model.classifier(x_adv), batch.y) + 5 * (1 - cos))


@pytest.mark.parametrize(
    ("epoch", "theta", "apart", "replays"),
    [(1, 30.0, True, True), (2, 30.0, True, False), (1, 30.0, False, False), (1, None, True, False)],
)
def test_noise_replaces_the_attack_in_the_first_half_where_features_drift(epoch, theta, apart, replays):
    defense, batch, state = tiny(Arrest, theta=theta, teacher="running")
    state.epoch = epoch  # of 4
    state.model.start.load_state_dict(state.model.classifier.state_dict())
    if apart:
        with torch.no_grad():
            state.model.start.stages["block1"][0].weight.neg_()
    held = state.generator.get_state()
    found = defense.adversary(batch, state)
    state.generator.set_state(held)
    attacked = Vaft.adversary(defense, batch, state)
    state.generator.set_state(held)
    noise = torch.empty_like(batch.x).uniform_(-0.2, 0.2, generator=state.generator)
    start = (batch.x + noise).clamp(0, 1)
    assert not torch.equal(start, attacked)
    assert torch.equal(found, start if replays else attacked)
