"""CURE against slow, literal transcriptions of its equations, and its limits."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from redoubt import models
from redoubt.attacks.core.pgd_step import normal_start
from redoubt.config import Training
from redoubt.defenses.base import Batch, State
from redoubt.defenses.conservation import block_of, masks
from redoubt.defenses.cure import Cure
from redoubt.defenses.cure_eff import CureEff
from redoubt.defenses.standard import Standard
from redoubt.defenses.trades import Trades, kl
from redoubt.errors import RedoubtError
from redoubt.statistics.intervals import nrr
from redoubt.training.optimization import optimizer

EPS = 0.2


class Tiny(nn.Module):
    """Two linear layers with batch norm on 1x2x2 images."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleDict({"block1": nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh())})
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.stages["block1"](x.flatten(1)))


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(kind=Cure, lr=0.1, weight_decay=0.01, momentum=0.9, **params):
    torch.manual_seed(0)
    defense = kind(
        shape=(3, 1, 2), architecture={}, threat={"norm": "linf", "eps": EPS}, params=kind.Params(**params)
    )
    defense.classifier = Tiny
    model = defense.build().double().train()
    x, y = torch.rand(6, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 1])
    make = optimizer(Training(source="test", epochs=1, lr=lr, weight_decay=weight_decay, momentum=momentum))
    state = State(model, defense.optimizers(model, make), draws(), epochs=4)
    return defense, Batch(x, y, torch.arange(6)), state


def moved(model):
    """theta_rev apart from theta, so that L_CR and its gradient are not zero."""
    with torch.no_grad():
        for p in model.revision.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=draws(4), dtype=p.dtype))
    return model


def ce_by_hand(z, y):
    return sum(-torch.log(torch.exp(z[i, y[i]]) / torch.exp(z[i]).sum()) for i in range(len(y))) / len(y)


def kl_by_hand(z_p, z_q):
    """KL(p || q) averaged over the batch, from logits."""
    total = 0.0
    for a, b in zip(z_p, z_q, strict=True):
        p, q = torch.exp(a) / torch.exp(a).sum(), torch.exp(b) / torch.exp(b).sum()
        total = total + sum(p[k] * torch.log(p[k] / q[k]) for k in range(len(p)))
    return total / len(z_p)


def gradients_by_hand(model, batch, x_adv, c):
    """The gradient of the loss and the score of each weight, as the equations and the code's mode say."""
    theta, theta_rev = copy.deepcopy(model.classifier), copy.deepcopy(model.revision)
    z_n, z_a = theta(batch.x), theta(x_adv)
    r_n, r_a = theta_rev(batch.x).detach(), theta_rev(x_adv).detach()
    ce_n, ce_a = ce_by_hand(z_n, batch.y), ce_by_hand(z_a, batch.y)
    consistency = kl_by_hand(r_n, z_n) + kl_by_hand(r_a, z_a)
    if c.score == "code":
        loss = c.alpha * ce_n + (1 - c.alpha) * ce_a + c.gamma * consistency
    elif c.score == "code_old":
        loss = c.alpha * ce_n + (1 - c.alpha) * kl_by_hand(z_n, z_a) + c.gamma * consistency
    else:
        loss = ce_n + c.beta * kl_by_hand(z_n, z_a) + c.gamma * consistency
    names, weights = zip(*theta.named_parameters(), strict=True)
    grad = lambda value: torch.autograd.grad(value, weights, retain_graph=True)
    g, g_n, g_a = grad(loss), grad(ce_n), grad(ce_a)
    if c.score in ("code", "code_old"):
        scores = [v.abs() for v in g]
    elif c.score == "code_soft":
        g_kl = grad(kl_by_hand(z_n, z_a))
        scores = [c.alpha * n + (1 - c.alpha) * k for n, k in zip(g_n, g_kl, strict=True)]
    else:
        scores = [c.alpha * n.abs() + (1 - c.alpha) * a.abs() for n, a in zip(g_n, g_a, strict=True)]
    return loss, dict(zip(names, g, strict=True)), dict(zip(names, scores, strict=True))


def mask_by_hand(scores, p, scope):
    """1 where a weight's score is not below the percentile, by numpy."""
    scores = {k: v.numpy() for k, v in scores.items() if not k.startswith("head")}
    every = np.concatenate([v.ravel() for v in scores.values()])
    pool = {k: every if scope == "global" else v for k, v in scores.items()}
    return {k: torch.from_numpy(~(v < np.percentile(pool[k], 100 * p))) for k, v in scores.items()}


@pytest.mark.parametrize("scope", ["tensor", "global"])
@pytest.mark.parametrize("score", ["equation_6", "code", "code_old", "code_soft"])
def test_a_step_is_the_papers_algorithm(score, scope, monkeypatch):
    defense, batch, state = tiny(p=0.4, alpha=0.3, gamma=0.7, beta=1.5, score=score, scope=scope, r=0.0)
    model = moved(state.model)
    x_adv = (batch.x + 0.1).clamp(0, 1)
    monkeypatch.setattr(defense, "adversary", lambda *_: x_adv)
    loss, g, scores = gradients_by_hand(model, batch, x_adv, defense.params)
    mask = mask_by_hand(scores, 0.4, scope)
    before = {k: v.clone() for k, v in model.classifier.named_parameters()}
    revision = {k: v.clone() for k, v in model.revision.named_parameters()}
    metrics = defense.step(batch, state)
    torch.testing.assert_close(metrics["loss"], loss.detach())
    for name, now in model.classifier.named_parameters():
        kept = mask[name] * g[name] if name in mask else g[name]
        # First SGD step: momentum starts with the gradient; weight decay acts on every weight.
        torch.testing.assert_close(now, before[name] - 0.1 * (kept + 0.01 * before[name]))
    assert all(torch.equal(v, revision[k]) for k, v in model.revision.named_parameters())
    assert all(p.grad is None and not p.requires_grad for p in model.revision.parameters())
    shares = torch.cat([m.flatten() for m in mask.values()]).double().mean()
    assert metrics["updated_block1"].item() == pytest.approx(shares.item())
    assert 0 < shares < 1
    flat = torch.cat([v.flatten() for k, v in g.items() if k.startswith("stages")])
    torch.testing.assert_close(metrics["gradient_block1"], flat.abs().mean())


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_masks_are_numpys_percentiles_ties_included(p):
    g = draws(3)
    scores = {n: torch.rand(size, generator=g, dtype=torch.float64) for n, size in (("a", 11), ("b", (7, 3)))}
    scores["tied"] = torch.tensor([0.0, 0, 0, 1, 1, 2])
    scores["one"] = torch.tensor([0.5])
    for scope in ("tensor", "global"):
        double = {k: v.double() for k, v in scores.items()}
        expected = mask_by_hand(double, p, scope)
        found = masks(double, p, scope)
        assert all(torch.equal(found[k], expected[k]) for k in scores)
    assert masks(scores, p, "tensor")["one"].all()


def test_the_head_is_never_conserved():
    assert block_of("head.weight") == "head"
    assert block_of("stages.block2.0.weight") == "block2"
    defense, batch, state = tiny(p=0.9, conservation="strict", weight_decay=0.0)
    before = state.model.classifier.head.weight.detach().clone()
    defense.step(batch, state)
    assert (state.model.classifier.head.weight != before).all()


@pytest.mark.parametrize("conservation", ["strict", "gradient"])
def test_conserved_weights_do_not_move_only_where_conservation_is_strict(conservation):
    defense, batch, state = tiny(p=0.6, conservation=conservation)
    chosen = []
    original = Cure.update
    defense.update = lambda theta, g, updated, s: (
        chosen.append(updated),
        original(defense, theta, g, updated, s),
    )
    for _ in range(3):
        before = copy.deepcopy(dict(state.model.classifier.named_parameters()))
        defense.step(batch, state)
        for name, mask in chosen[-1].items():
            now = dict(state.model.classifier.named_parameters())[name]
            still = now[~mask] == before[name][~mask]
            # Shifts of batch norm start at 0 and feel no decay: only matrices must move at every step.
            if conservation == "strict" or mask.ndim == 2:
                assert still.all() if conservation == "strict" else not still.any()
            assert (now[mask] != before[name][mask]).any()


def test_without_momentum_and_decay_published_conservation_is_strict():
    runs = []
    for conservation in ("strict", "gradient"):
        defense, batch, state = tiny(momentum=0.0, weight_decay=0.0, conservation=conservation)
        for _ in range(3):
            defense.step(batch, state)
        runs.append(state.model.state_dict())
    assert all(torch.equal(runs[0][k], runs[1][k]) for k in runs[0])


def test_revision_averages_parameters_with_its_warm_up_and_shares_no_storage():
    defense, batch, state = tiny(r=1.0, d=0.7)
    model = state.model
    expected = {k: v.detach().clone() for k, v in model.revision.named_parameters()}
    for t in range(1, 7):
        defense.step(batch, state)
        d = min(1 - 1 / (t + 1), 0.7)
        for name, theta in model.classifier.named_parameters():
            expected[name] = d * expected[name] + (1 - d) * theta.detach()
            torch.testing.assert_close(dict(model.revision.named_parameters())[name], expected[name])
    pairs = zip(model.classifier.state_dict().values(), model.revision.state_dict().values(), strict=True)
    assert all(a.data_ptr() != b.data_ptr() for a, b in pairs)
    bn, bn_rev = model.classifier.stages["block1"][1], model.revision.stages["block1"][1]
    assert (
        bn_rev.num_batches_tracked == bn.num_batches_tracked == 12
    )  # its own statistics: two batches a step
    assert not torch.equal(bn.running_mean, bn_rev.running_mean)


def test_revising_leaves_theta_alone():
    _, _, state = tiny()
    before = copy.deepcopy(state.model.classifier.state_dict())
    moved(state.model)
    state.model.t += 1
    state.model.revise(0.999)
    assert all(torch.equal(v, before[k]) for k, v in state.model.classifier.state_dict().items())


@pytest.mark.parametrize(
    ("decay", "epoch", "rate"), [("none", 3, 0.3), ("second_half", 1, 0.3), ("second_half", 3, 0.15)]
)
def test_the_revision_is_drawn_at_its_rate(decay, epoch, rate):
    defense, _, state = tiny(r=0.3, r_decay=decay)
    state.epoch, calls = epoch, []
    state.model.revise = calls.append
    torch.manual_seed(0)
    for _ in range(2000):
        defense.revise(state)
    assert len(calls) / 2000 == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / 2000))
    assert state.model.t == 2000


def test_the_attack_climbs_the_divergence_of_equation_4_inside_the_ball():
    defense, batch, state = tiny(noise=0.01, steps=4)
    theta = copy.deepcopy(state.model.classifier).eval()
    before = copy.deepcopy(state.model.classifier.state_dict())
    noise = torch.empty_like(batch.x).normal_(generator=draws())
    z = batch.x + 0.01 * noise
    p = theta(batch.x).detach()
    for _ in range(4):
        z = z.detach().requires_grad_()
        (g,) = torch.autograd.grad(kl_by_hand(p, theta(z)), z)
        z = z.detach() + 0.25 * EPS * g.sign()
        z = torch.minimum(torch.maximum(z, batch.x - EPS), batch.x + EPS).clamp(0, 1)
    torch.testing.assert_close(defense.adversary(batch, state), z)
    assert all(torch.equal(v, before[k]) for k, v in state.model.classifier.state_dict().items())
    assert state.model.classifier.training


def small(kind, steps=3, **params):
    defense = kind(
        shape=(10, 1, 8),
        architecture={"name": "small_cnn", "options": {"width": 4}},
        threat={"norm": "linf", "eps": EPS},
        params=kind.Params(**params),
    )
    torch.manual_seed(0)
    model = defense.build().train()
    make = optimizer(Training(source="test", epochs=1, lr=0.05))
    state = State(model, defense.optimizers(model, make), draws(), epochs=4)
    x = 0.05 + 0.9 * torch.rand(12, 1, 8, 8, generator=draws(1))  # a normal start stays inside [0, 1]
    batch = Batch(x, torch.arange(12) % 10, torch.arange(12))
    for _ in range(steps):
        defense.step(batch, state)
    return defense, state, batch


class PassedOnce(Trades):
    """TRADES with one pass of the natural images in train mode, as CURE has it."""

    def loss(self, batch, state):
        model, x = state.model, batch.x
        p = model.eval()(x).detach().log_softmax(1)
        start = normal_start(x, self.params.noise, state.generator)
        x_adv = self.perturb(model, batch, state, lambda z: kl(p, model(z).log_softmax(1)), start)
        natural, adversarial = model.train()(x), model(x_adv)
        boundary = kl(natural.log_softmax(1), adversarial.log_softmax(1)).mean()
        return F.cross_entropy(natural, batch.y) + self.params.beta * boundary, {}


def test_without_mask_and_consistency_it_is_its_base_loss_weight_for_weight():
    defense, state, _ = small(Cure, p=0.0, gamma=0.0)
    base = dict(small(PassedOnce, beta=1.0, step_size=Cure.Params().step_size)[1].model.named_parameters())
    ours = dict(defense.deployed(state.model).named_parameters())
    assert list(ours) == list(base)
    torch.testing.assert_close(ours, base)
    other = small(Cure, p=0.0, gamma=1.0)[1].model.classifier.state_dict()
    assert any(not torch.allclose(other[k], base[k], rtol=1e-3) for k in base)


@pytest.mark.parametrize("consistency", [("at",), ("fitnet",), ("l2",), ("kl", "at", "fitnet", "l2")])
def test_the_other_kinds_of_consistency_hold_theta_to_theta_rev(consistency):
    """Each kind is 0 and without a gradient where the networks agree, and is not where they do not."""
    defense, state, batch = small(Cure, steps=0, consistency=consistency, gamma_at=0.5)
    keys = {"consistency" if kind == "kl" else f"consistency_{kind}" for kind in consistency}
    for apart in (False, True):
        if apart:
            moved(state.model)
        terms = defense.losses(batch, batch.x, state.model)
        assert {k for k in terms if k.startswith("consistency")} == keys
        values = torch.stack([terms[k].detach() for k in keys])
        assert (values > 1e-4).all() if apart else (values.abs() < 1e-6).all()
    held = defense.params.gamma, 1.0, 0.5
    of = {
        "consistency": held[0],
        "consistency_l2": held[1],
        "consistency_at": held[2],
        "consistency_fitnet": held[2],
    }
    base = terms["natural"] + terms["kl"]
    torch.testing.assert_close(defense.total(terms), base + sum(of[k] * terms[k] for k in keys))


def test_algorithm_1_attacks_the_cross_entropy_too():
    defense, batch, state = tiny(noise=0.01, steps=3, attacked="algorithm_1", alpha=0.4)
    theta = copy.deepcopy(state.model.classifier).eval()
    z = batch.x + 0.01 * torch.empty_like(batch.x).normal_(generator=draws())
    p = theta(batch.x).detach()
    for _ in range(3):
        z = z.detach().requires_grad_()
        (g,) = torch.autograd.grad(ce_by_hand(theta(z), batch.y) + 0.4 * kl_by_hand(p, theta(z)), z)
        z = z.detach() + 0.25 * EPS * g.sign()
        z = torch.minimum(torch.maximum(z, batch.x - EPS), batch.x + EPS).clamp(0, 1)
    torch.testing.assert_close(defense.adversary(batch, state), z)
    state.generator = draws()
    plain, *_ = tiny(noise=0.01, steps=3)
    assert not torch.allclose(plain.adversary(batch, state), z)


def test_dynamic_revision_halves_its_rate_at_every_step_of_the_second_half():
    defense, _, state = tiny(r=0.4, r_decay="halved")
    state.steps_per_epoch = 10
    for epoch, step, rate in ((1, 19, 0.4), (2, 20, 0.2), (2, 21, 0.1), (3, 30, 0.4 / 2**11)):
        state.epoch, state.step = epoch, step
        assert defense.revision_rate(state) == pytest.approx(rate)


def test_shared_storage_shrinks_theta_as_the_released_script_does():
    defense, state, batch = small(CureEff, steps=0, switch=0.0, r=1.0, d=0.7, shared=True)
    before = []

    def shrink(d):
        before.append(copy.deepcopy(state.model.classifier))
        type(state.model).shrink(state.model, d)

    state.model.shrink = shrink
    for t in (1, 2):
        defense.step(batch, state)
        a = min(1 - 1 / (t + 1), 0.7)
        now = list(state.model.classifier.parameters())
        torch.testing.assert_close(now, [a * (2 - a) * w for w in before[-1].parameters()])
        assert all(torch.equal(u, w) for u, w in zip(state.model.revision.parameters(), now, strict=True))


def test_random_masks_conserve_the_same_share():
    defense, state, batch = small(Cure, steps=0, p=0.3, score="random")
    other, twin, _ = small(Cure, steps=0, p=0.3)
    a, b = defense.step(batch, state), other.step(batch, twin)
    assert a["updated_block1"] == b["updated_block1"]
    assert not torch.equal(
        state.model.classifier.stages["block1"][0].weight, twin.model.classifier.stages["block1"][0].weight
    )


def test_it_goes_on_from_a_state_dict():
    defense, state, batch = small(Cure, r=1.0)
    twin = defense.build().train()
    make = optimizer(Training(source="test", epochs=1, lr=0.05))
    twin.load_state_dict(copy.deepcopy(state.model.state_dict()))
    other = State(twin, defense.optimizers(twin, make), draws(7), epochs=4)
    other.optimizers["model"].load_state_dict(copy.deepcopy(state.optimizers["model"].state_dict()))
    state.generator = draws(7)
    for s in (state, other):
        defense.step(batch, s)
    a, b = state.model.state_dict(), twin.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert a["t"] == 4


def test_both_networks_start_from_the_naturally_trained_one_and_theta_is_deployed():
    defense, state, _ = small(Cure)
    source = defense.classifier()
    defense.initialize(state.model, source)
    for name in ("classifier", "revision"):
        mine = getattr(state.model, name).state_dict()
        assert all(torch.equal(v, mine[k]) for k, v in source.state_dict().items())
    assert state.model.t == 0
    assert defense.deployed(state.model) is state.model.classifier
    other = small(Cure, steps=0, deploys="theta_rev")
    assert other[0].deployed(other[1].model) is other[1].model.revision


def test_cure_eff_trains_naturally_then_copies_once_and_switches():
    defense, state, batch = small(CureEff, steps=0, switch=0.5, r=0.0)
    natural = copy.deepcopy(state.model.classifier)
    sgd = optimizer(Training(source="test", epochs=1, lr=0.05))(natural.parameters())
    for state.epoch in range(2):
        assert set(defense.step(batch, state)) == {"loss"}
        sgd.zero_grad()
        F.cross_entropy(natural(batch.x), batch.y).backward()
        sgd.step()
    held = natural.state_dict()
    assert all(torch.equal(v, held[k]) for k, v in state.model.classifier.state_dict().items())
    assert all(torch.equal(v, held[k]) for k, v in state.model.revision.state_dict().items())
    for state.epoch in (2, 3):
        metrics = defense.step(batch, state)
        assert metrics["kl"] > 0
    assert metrics["consistency"] > 0  # theta has left theta_rev: they do not share storage
    assert torch.equal(state.model.revision.head.weight, held["head.weight"])
    assert state.model.t == 2
    assert defense.params.starts_from is None


def test_cure_eff_switches_at_once_or_never():
    a, b = small(CureEff, switch=0.0)[1].model.state_dict(), small(Cure)[1].model.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in b)
    a, b = small(CureEff, switch=1.0)[1].model.classifier.state_dict(), small(Standard)[1].model.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in b)


def test_nrr_is_the_harmonic_mean():
    assert nrr(86.76, 52.48) == pytest.approx(
        65.40, abs=0.005
    )  # table 1's own cells, whose printed NRR is 65.04
    assert nrr(0.8, 0.8) == pytest.approx(0.8)
    assert nrr(0.0, 0.0) == nrr(0.9, 0.0) == 0
    with pytest.raises(ValueError, match="negative"):
        nrr(-0.1, 0.5)


@pytest.mark.parametrize(("name", "blocks"), [("resnet18", 8), ("preactresnet18", 8), ("wrn", 3)])
def test_the_soft_mode_masks_the_first_convolution_of_every_block_and_not_the_stem(name, blocks):
    defense, _, _ = tiny(masked="first_convolutions")
    options = {"depth": 10, "widen": 1} if name == "wrn" else {}
    network = models.classifier(name, num_classes=10, in_channels=3, image_size=32, **options)
    # As released: a name with conv1, and not the network's first tensor (there conv1.weight of the stem).
    released = [n for i, (n, _) in enumerate(network.named_parameters()) if i > 0 and "conv1" in n]
    assert len(released) == blocks
    assert released[0] == "stages.block1.0.conv1.weight"
    assert defense.maskable(dict(network.named_parameters())) == released


def test_the_soft_mode_needs_a_first_convolution():
    defense, _, _ = tiny(masked="first_convolutions")
    with pytest.raises(RedoubtError, match="conv1"):
        defense.maskable(["stages.stem.conv1.weight", "stages.block1.0.weight", "head.weight"])
