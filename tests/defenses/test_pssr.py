"""PSSR's losses against literal transcriptions, what receives a gradient, and what stays untouched."""

import copy

import pytest
import torch
from torch import nn

from redoubt.config import Training
from redoubt.defenses.base import Batch, State
from redoubt.defenses.parameters.pssr import PssrParams
from redoubt.defenses.pssr import Pssr, adversarial_r_drop, semantic
from redoubt.defenses.regenerated import Regenerated
from redoubt.training.optimization import optimizer

N, CLASSES = 6, 3


class Tiny(nn.Module):
    """A classifier with features and batch norm, which a training in the wrong mode would change."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.BatchNorm1d(5), nn.Tanh())
        self.head = nn.Linear(5, CLASSES)

    def features(self, x):
        return self.body(x)

    def forward(self, x):
        return self.head(self.features(x))


def made(**params):
    torch.manual_seed(0)
    threat = {"norm": "linf", "eps": 0.2}
    given = Pssr.Params(steps=2, **params)
    defense = Pssr(shape=(CLASSES, 1, 8), architecture={}, threat=threat, params=given)
    defense.classifier = Tiny
    model = defense.build().train()
    make = optimizer(Training(source="test", epochs=1, lr=0.01, optimizer="adam", weight_decay=0.0))
    state = State(model, defense.optimizers(model, make), torch.Generator().manual_seed(0), epochs=4)
    batch = Batch(torch.rand(N, 1, 8, 8), torch.arange(N) % CLASSES, torch.arange(N))
    return defense, batch, state


def softmax(z):
    return [torch.exp(v) / sum(torch.exp(w) for w in z) for v in z]


def kl_by_hand(z, w):
    """KL(softmax z || softmax w) of one image."""
    return sum(a * torch.log(a / b) for a, b in zip(softmax(z), softmax(w), strict=True))


def logits(seed, n=N, k=CLASSES):
    return torch.randn(n, k, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_ard_is_r_drop():
    z1, z2, y, alpha = logits(1), logits(2), torch.arange(N) % CLASSES, 0.7
    wanted = 0
    for a, b, label in zip(z1, z2, y, strict=True):
        ce = -torch.log(softmax(a)[label]) - torch.log(softmax(b)[label])
        wanted = wanted + 0.5 * ce + alpha * 0.5 * (kl_by_hand(a, b) + kl_by_hand(b, a))
    torch.testing.assert_close(adversarial_r_drop(z1, z2, y, alpha), wanted / N)
    # The symmetric case: it does not matter which view is first, and equal views leave the cross-entropy.
    torch.testing.assert_close(adversarial_r_drop(z2, z1, y, alpha), wanted / N)
    same = nn.functional.cross_entropy(z1, y)
    torch.testing.assert_close(adversarial_r_drop(z1, z1, y, alpha), same)


def conditions(**weights):
    defense, _, state = made(**weights)
    model = state.model
    real = torch.rand(2 * N, 1, 8, 8)
    restored = torch.rand(2 * N, 1, 8, 8).requires_grad_()
    kept = (torch.rand(2 * N, 1, 8, 8) > 0.4).float()
    h = model.classifier.features(restored)
    terms = defense.conditions(real, restored, kept, model.classifier.head(h), h, model)
    return terms, model, real, restored, kept


def test_c1_is_the_generators_hinge_loss():
    terms, model, _, restored, kept = conditions(c1=0.5, c2=0.0, c3=0.0)
    assert set(terms) == {"c1"}
    critic = model.critic.eval()  # the power iteration goes on in train mode
    each = [critic(2 * restored[i : i + 1] - 1, 1 - kept[i : i + 1]) for i in range(2 * N)]
    wanted = -0.5 * torch.cat(each).mean()
    torch.testing.assert_close(terms["c1"], wanted, rtol=0.05, atol=1e-3)


def test_the_critic_minimizes_its_hinge_loss_on_natural_and_restored():
    defense, _, state = made()
    state.model.critic.eval()
    real, restored = torch.rand(2 * N, 1, 8, 8), torch.rand(2 * N, 1, 8, 8).requires_grad_()
    kept = (torch.rand(2 * N, 1, 8, 8) > 0.4).float()
    before = copy.deepcopy(state.model.critic)
    found = defense.criticize(real, restored, kept, state)
    r, g = before(2 * real - 1, 1 - kept), before(2 * restored - 1, 1 - kept)
    wanted = 0.5 * torch.relu(1 - r).mean() + 0.5 * torch.relu(1 + g).mean()
    torch.testing.assert_close(found, wanted.detach())
    assert restored.grad is None
    new = defense.criticize(real, restored, kept, state)
    assert new < found


@pytest.mark.parametrize(("distance", "power"), [("l1", 1), ("l2", 2)])
def test_c2_is_the_distance_to_the_natural_image(distance, power):
    terms, _, real, restored, _ = conditions(c1=0.0, c2=2.0, c3=0.0, distance=distance)
    assert set(terms) == {"c2"}
    pairs = zip(real.flatten().tolist(), restored.flatten().tolist(), strict=True)
    wanted = 2 * sum(abs(a - b) ** power for a, b in pairs) / real.numel()
    assert terms["c2"].item() == pytest.approx(wanted, rel=1e-5)


def test_c3_is_divergence_and_feature_distance():
    terms, model, real, restored, _ = conditions(c1=0.0, c2=0.0, c3=0.3)
    assert set(terms) == {"c3"}
    f, wanted = model.classifier, 0
    with torch.no_grad():
        for x, r in zip(real, restored, strict=True):
            h_x, h = f.features(x[None])[0], f.features(r[None])[0]
            apart = sum((a - b) ** 2 for a, b in zip(h_x, h, strict=True)) / len(h)
            wanted = wanted + kl_by_hand(f.head(h_x), f.head(h)) + apart
    torch.testing.assert_close(terms["c3"].detach(), 0.3 * wanted / (2 * N))
    (gradient,) = torch.autograd.grad(terms["c3"], restored)
    assert gradient.abs().sum() > 0


def test_c3_has_the_natural_image_as_target():
    z_x, z, h = logits(1), logits(2), logits(3)
    apart = sum(kl_by_hand(a, b) for a, b in zip(z_x, z, strict=True)) / N
    torch.testing.assert_close(semantic(z_x, h, z, h), apart)


@pytest.mark.parametrize("ard", ["A", "B", "C", "off"])
def test_a_step_trains_generator_and_critic_and_leaves_the_classifier(ard):
    defense, batch, state = made(ard=ard)
    before = copy.deepcopy(state.model.state_dict())
    metrics = defense.step(batch, state)
    after = state.model.state_dict()
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert not any(k.startswith("classifier.") for k in changed)
    trained = [k for k, _ in state.model.named_parameters() if not k.startswith("classifier.")]
    assert set(trained) <= changed
    assert all(p.grad is None for p in state.model.classifier.parameters())
    assert ("ard" in metrics) == (ard != "off")
    assert 0 < metrics["removed"] < 1


def moved_networks(before, model):
    """The networks that an optimizer moved; a pass alone divides the convolutions of the critic."""
    learned = [(k, p) for k, p in model.named_parameters() if not (k.startswith("critic") and p.dim() == 4)]
    return {k.split(".")[0] for k, p in learned if not torch.equal(before[k], p)}


def test_each_optimizer_moves_its_own_network():
    for moved, still in (("critic", "extrapolator"), ("extrapolator", "critic")):
        defense, batch, state = made()
        for group in state.optimizers[still].param_groups:
            group["lr"] = 0.0
        before = copy.deepcopy(dict(state.model.named_parameters()))
        defense.step(batch, state)
        changed = moved_networks(before, state.model)
        assert changed == {"critic" if moved == "critic" else "purifier"}


def test_without_any_weight_nothing_moves():
    defense, batch, state = made(c1=0.0, c2=0.0, c3=0.0, ard="off")
    before = copy.deepcopy(dict(state.model.named_parameters()))
    assert state.model.critic is None
    assert defense.step(batch, state)["loss"] == 0
    assert all(torch.equal(before[k], p) for k, p in state.model.named_parameters())


def pair(ard, dropout=0.5):
    defense, batch, state = made(ard=ard, dropout=dropout)
    system = defense.deployed(state.model)
    x_adv = defense.adversary(batch, state, "ce")
    image, kept = system.cut(torch.cat([batch.x, x_adv]))
    own = state.model.classifier(state.model.purifier(image, kept))
    return own, defense.views(batch, state, system, image, kept, own)


def test_the_arms_of_ard_compare_what_they_say():
    own, (first, second) = pair("A")
    assert torch.equal(first, own[:N])
    assert torch.equal(second, own[N:])
    own, (first, second) = pair("B")
    assert torch.equal(first, own[N:])
    assert not torch.equal(second, first)
    # Without dropout, two adversarial versions still differ.
    own, (first, second) = pair("C", dropout=0.0)
    assert torch.equal(first, own[N:])
    assert not torch.allclose(second, first, atol=1e-4)


def test_the_known_attack_is_on_the_classifier_alone():
    defense, batch, state = made()
    x_adv = defense.adversary(batch, state, "ce")
    assert (x_adv - batch.x).abs().max() <= 0.2 + 1e-6
    for p in state.model.purifier.parameters():
        p.data.zero_()
    state.generator.manual_seed(0)
    assert torch.equal(defense.adversary(batch, state, "ce"), x_adv)
    loss = lambda x: nn.functional.cross_entropy(state.model.classifier(x), batch.y)
    assert loss(x_adv) > loss(batch.x)


def test_views_share_the_deployed_answers_but_the_relaxed_one():
    defense, batch, state = made()
    model = state.model.eval()
    views = defense.adaptive(model)
    assert list(views) == ["oblivious", "bpda_identity", "bpda_mask", "deployed", "relaxed"]
    assert not any(m.training for view in views.values() for m in view.model.modules())
    answer = defense.deployed(model)(batch.x)
    for name in ("bpda_identity", "bpda_mask", "deployed"):
        assert torch.equal(views[name].model(batch.x), answer)
    assert torch.equal(views["oblivious"].model(batch.x), model.classifier(batch.x))
    assert torch.equal(views["relaxed"].model.hard(batch.x), answer)
    assert not torch.allclose(views["relaxed"].model(batch.x), answer)
    assert isinstance(views["deployed"].model, Regenerated)


def test_every_source_says_that_it_is_a_redesign_or_where_it_is_from():
    for name, field in PssrParams.model_fields.items():
        source = field.json_schema_extra["source"]
        assert source.startswith(("paper: section 3.1", "ours", "proxy", "authors' code: R-Drop")), name
