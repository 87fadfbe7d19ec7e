"""PSSR's further arms: f learns, two known attacks, other forms of c1; and where they are the default."""

import copy

import pytest
import torch
import torch.nn.functional as F

from redoubt.config import Training
from redoubt.defenses.base import Batch, State
from redoubt.defenses.pssr import Pssr, adversarial_r_drop
from redoubt.defenses.restoration import indistinct
from redoubt.training.optimization import optimizer
from tests.defenses.test_pssr import CLASSES, N, Tiny, made, moved_networks


def bits(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def after(steps=3, epoch=0, **params):
    """The state dict after some steps of which each draws the same as in any other call."""
    defense, batch, state = made(**params)
    state.epoch = epoch
    torch.manual_seed(5)
    for _ in range(steps):
        metrics = defense.step(batch, state)
    return bits(state.model), metrics


def test_settings_that_take_an_arm_away_give_the_default_bit_for_bit():
    wanted, _ = after()
    for off in (
        {"classifier_lr": 0.5, "classifier_from": 1.0},
        {"classifier_from": 0.5},
        {"also_seen": None},
    ):
        found, _ = after(epoch=3, **off)
        assert all(torch.equal(found[k], v) for k, v in wanted.items()), off


def test_the_classifier_learns_from_its_share_of_the_epochs_on():
    start = {k: v for k, v in bits(made()[2].model).items() if k.startswith("classifier.")}
    learned = lambda epoch: after(1, epoch, classifier_lr=0.5, classifier_from=0.5)[0]
    assert all(torch.equal(learned(1)[k], v) for k, v in start.items())
    now = learned(2)  # of 4 epochs
    moved = {k for k, v in start.items() if not torch.equal(now[k], v)}
    assert moved == {f"classifier.{k}" for k, _ in Tiny().named_parameters()}  # no running mean among them
    # In its first step G faces the same f, learning or not.
    frozen, _ = after(1, 2)
    assert all(torch.equal(now[k], frozen[k]) for k in frozen if not k.startswith("classifier."))


def precise(**params):
    """A float64 PSSR whose step is plain gradient descent at rate 0.1, without dropout."""
    torch.manual_seed(0)
    p = Pssr.Params(steps=2, dropout=0.0, c1=0.0, **params)
    defense = Pssr(shape=(CLASSES, 1, 8), architecture={}, threat={"norm": "linf", "eps": 0.2}, params=p)
    defense.classifier = Tiny
    model = defense.build().double().train()
    make = optimizer(Training(source="test", epochs=1, lr=0.1, momentum=0.0, weight_decay=0.0))
    state = State(model, defense.optimizers(model, make), torch.Generator().manual_seed(0), epochs=4)
    return defense, Batch(torch.rand(N, 1, 8, 8).double(), torch.arange(N) % CLASSES, torch.arange(N)), state


def test_the_classifiers_step_is_by_its_share_of_the_whole_losss_gradient(monkeypatch):
    defense, batch, state = precise(classifier_lr=0.3, c1_ce=0.7)
    x_adv = (batch.x + 0.1).clamp(0, 1)
    monkeypatch.setattr(defense, "adversary", lambda *_: x_adv)
    twin = copy.deepcopy(state.model)
    f = twin.classifier.requires_grad_(True)
    image, kept = defense.deployed(twin).cut(torch.cat([batch.x, x_adv]))
    restored = twin.purifier(image, kept)
    z, h, real, y = f(restored), f.features(restored), batch.x.repeat(2, 1, 1, 1), batch.y.repeat(2)
    target, p = f(real).detach(), defense.params
    divergence = (target.softmax(1) * (target.log_softmax(1) - z.log_softmax(1))).sum(1).mean()
    apart = ((h - f.features(real).detach()) ** 2).mean()
    loss = p.c2 * (restored - real).abs().mean() + p.c3 * (divergence + apart)
    loss = loss + 0.7 * F.cross_entropy(z, y) + adversarial_r_drop(z[:N], z[N:], batch.y, p.alpha)
    loss.backward()
    metrics = defense.step(batch, state)
    torch.testing.assert_close(metrics["loss"], loss.detach())
    torch.testing.assert_close(metrics["c1_ce"], 0.7 * F.cross_entropy(z, y).detach())
    for part, rate in (("classifier", 0.03), ("purifier", 0.1)):
        old, new = getattr(twin, part), getattr(state.model, part)
        for a, b in zip(old.parameters(), new.parameters(), strict=True):
            torch.testing.assert_close(b, a - rate * a.grad)


def test_ard_without_its_divergence_is_the_cross_entropy_of_c1():
    losses, found = [], []
    for given in ({"alpha": 0.0, "ard_weight": 0.6}, {"ard": "off", "c1_ce": 0.6}):
        defense, batch, state = precise(**given)
        losses.append(defense.step(batch, state)["loss"])
        found.append(bits(state.model))
    torch.testing.assert_close(losses[0], losses[1])
    for k, v in found[0].items():
        torch.testing.assert_close(found[1][k], v)


def test_the_two_known_attacks_are_what_they_are_called():
    defense, batch, state = made(also_seen="fgsm")
    f = state.model.classifier.eval()
    x = batch.x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(f(x), batch.y), x)
    wanted = (batch.x + 0.2 * slope.sign()).clamp(0, 1)
    torch.testing.assert_close(defense.adversary(batch, state, "fgsm"), wanted)
    start = lambda: state.generator.manual_seed(0)
    start()
    ce = defense.adversary(batch, state, "ce")
    start()
    margin = defense.adversary(batch, state, "margin")
    assert not torch.equal(ce, margin)
    logits = f(margin)
    others = logits.scatter(1, batch.y[:, None], -torch.inf).amax(1)
    gain = others - logits.gather(1, batch.y[:, None])[:, 0]
    logits = f(ce)
    others = logits.scatter(1, batch.y[:, None], -torch.inf).amax(1)
    assert gain.sum() >= (others - logits.gather(1, batch.y[:, None])[:, 0]).sum()


@pytest.mark.parametrize("ard", ["A", "B", "C"])
def test_with_two_known_attacks_ard_compares_what_it_says(ard):
    defense, batch, state = made(ard=ard, also_seen="margin", dropout=0.5)
    system = defense.deployed(state.model)
    shown = [batch.x, *(defense.adversary(batch, state, k) for k in ("ce", "margin"))]
    image, kept = system.cut(torch.cat(shown))
    own = state.model.classifier(state.model.purifier(image, kept))
    first, second = defense.views(batch, state, system, image, kept, own)
    natural, one, other = own.chunk(3)
    if ard == "A":
        assert torch.equal(first, torch.cat([natural, natural]))
        assert torch.equal(second, torch.cat([one, other]))
    elif ard == "B":
        assert torch.equal(first, torch.cat([one, other]))
        assert second.shape == first.shape
        assert not torch.equal(second, first)
    else:
        assert torch.equal(first, one)
        assert torch.equal(second, other)


def test_g_restores_the_images_of_both_attacks(monkeypatch):
    defense, batch, state = precise(also_seen="fgsm", ard="off", c3=0.0)
    made_by = {"ce": (batch.x + 0.1).clamp(0, 1), "fgsm": (batch.x - 0.15).clamp(0, 1)}
    monkeypatch.setattr(defense, "adversary", lambda b, s, known: made_by[known])
    twin = copy.deepcopy(state.model)
    restored, _ = defense.deployed(twin).restore(torch.cat([batch.x, made_by["ce"], made_by["fgsm"]]))
    wanted = sum((part - batch.x).abs().mean() for part in restored.chunk(3)) / 3
    torch.testing.assert_close(defense.step(batch, state)["loss"], wanted.detach())


@pytest.mark.parametrize("residual", ["relativistic", "identity"])
@pytest.mark.parametrize("also_seen", [None, "margin"])
def test_each_optimizer_moves_its_own_network_whatever_the_form(residual, also_seen):
    for moved, still in (("critic", "extrapolator"), ("extrapolator", "critic")):
        given = {"c2": 0.0, "c3": 0.0, "ard": "off", "c1": 0.5}
        defense, batch, state = made(residual=residual, also_seen=also_seen, **given)
        for group in state.optimizers[still].param_groups:
            group["lr"] = 0.0
        before = copy.deepcopy(dict(state.model.named_parameters()))
        metrics = defense.step(batch, state)
        changed = moved_networks(before, state.model)
        assert changed == {"critic" if moved == "critic" else "purifier"}
        assert torch.isfinite(metrics["critic"])


def test_c1_of_identities_has_one_for_natural_images_and_one_for_each_attack():
    for also_seen, k in ((None, 2), ("fgsm", 3)):
        defense, _, state = made(residual="identity", also_seen=also_seen, c1=0.5, c2=0.0, c3=0.0)
        model = state.model
        model.critic.eval()
        restored = torch.rand(k * N, 1, 8, 8)
        features = model.classifier.features(restored)
        given = (
            restored,
            restored,
            torch.ones_like(restored),
            model.classifier.head(features),
            features,
            model,
        )
        scores = model.critic(2 * restored - 1)
        assert scores.shape == (k * N, k)
        torch.testing.assert_close(defense.conditions(*given)["c1"], 0.5 * indistinct(scores))
