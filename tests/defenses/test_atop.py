"""AToP: which network gets which gradient, the losses by hand, a frozen classifier, the released variants, transfer."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from redoubt import models
from redoubt.attacks import get
from redoubt.config import Training
from redoubt.defenses.atop import Atop, AtopTransfer
from redoubt.defenses.base import Batch, State
from redoubt.defenses.purifier import Purifier, deployed
from redoubt.models.patch_discriminator import both_scores
from redoubt.models.purified import Purification, Purified, pixels
from redoubt.models.random_transforms import Draw
from redoubt.training.optimization import optimizer

EPS = 0.1


class Tiny(nn.Module):
    """A classifier with batch norm, whose statistics a training mode would change."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.conv, self.norm, self.head = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Linear(3, 4)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).sigmoid().mean((2, 3)))


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def made(kind=Atop, classifier=Tiny, **params):
    torch.manual_seed(1)
    given = {"pretraining": 0.0, **params} if kind is Atop else params
    defense = kind(
        shape=(4, 1, 8), architecture={}, threat={"norm": "linf", "eps": EPS}, params=kind.Params(**given)
    )
    defense.classifier = classifier
    model = defense.build().double().train()
    make = optimizer(Training(source="test", epochs=1, optimizer="adam", lr=0.01, weight_decay=0.0))
    state = State(model, defense.optimizers(model, make), draws(), epochs=10, epoch=5)
    x = torch.rand(6, 1, 8, 8, dtype=torch.float64, generator=draws(7))
    return defense, state, Batch(x, torch.arange(6) % 4, torch.arange(6))


def bits(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[k], b[k]) for k in a)


def spy(defense, monkeypatch):
    """Keeps what `update` was given and the gradients that it left, by network."""
    kept = {}
    original = defense.update

    def update(real, images, hole, more, state):
        before = {"critic": copy.deepcopy(state.model.critic)}
        metrics = original(real, images, hole, more, state)
        kept.update(real=real, images=images, hole=hole, more=more, metrics=metrics, **before)
        return metrics

    monkeypatch.setattr(defense, "update", update)
    return kept


VARIANTS = [
    (Purifier, {}),
    (Atop, {}),
    (Atop, {"attacked": "pipeline"}),
    (Atop, {"target": "natural"}),
    (Atop, {"target": "natural_of_adversarial"}),
    (Atop, {"gan": "discriminator_only"}),
    (Atop, {"classifier_range": "as_released"}),
    (Atop, {"classified": "natural"}),
    (Atop, {"steps": 3, "step_size": 0.5}),
    (Atop, {"purifier": "mae", "gan": "none", "reconstruction": "l2"}),
    (Atop, {"transform": "rt3", "masks": "image"}),
    (Atop, {"transform": "none"}),
]


@pytest.mark.parametrize(("kind", "params"), VARIANTS, ids=lambda v: str(v))
def test_the_classifier_is_untouched_bit_for_bit(kind, params):
    defense, state, batch = made(kind, **params)
    classifier, purifier = bits(state.model.classifier), bits(state.model.purifier)
    for _ in range(3):
        state.model.train()
        metrics = defense.step(batch, state)
    assert all(torch.isfinite(v) for v in metrics.values())
    assert same(classifier, bits(state.model.classifier))
    assert not same(purifier, bits(state.model.purifier))
    assert not any(m.training for m in state.model.classifier.modules())
    assert all(p.grad is None for p in state.model.classifier.parameters())


def test_losses_by_hand(monkeypatch):
    defense, state, batch = made(lam=0.3, weight=2.0, gan_weight=0.7)
    kept = spy(defense, monkeypatch)
    defense.step(batch, state)
    real, (coarse, fine), hole, m = kept["real"], kept["images"], kept["hole"], kept["metrics"]
    n = real.numel()
    l1 = sum((real - image).abs().sum() / n for image in (coarse, fine))
    torch.testing.assert_close(m["reconstruction"], 2.0 * l1.detach())
    logits = state.model.classifier((fine + 1) / 2)
    picked = [logits[i].exp()[batch.y[i]] / logits[i].exp().sum() for i in range(6)]
    torch.testing.assert_close(m["classification"], -0.3 * torch.stack(picked).log().mean().detach())
    # One pass: each divides the weights anew.
    on_real, on_fake = both_scores(kept["critic"], real, fine.detach(), hole)
    hinge = 0.5 * (1 - on_real).clamp_min(0).mean() + 0.5 * (1 + on_fake).clamp_min(0).mean()
    torch.testing.assert_close(m["critic"], hinge.detach())
    total = m["reconstruction"] + m["classification"] + m["generator"]
    torch.testing.assert_close(m["loss"], total)


def after_one_step(**params):
    """The gradients that one step left on g, and its model before the step."""
    defense, state, batch = made(**params)
    seen = {}
    for name, o in state.optimizers.items():
        o.register_step_pre_hook(
            lambda opt, *_, name=name: seen.update(
                {
                    name: [p.grad.clone() for g in opt.param_groups for p in g["params"]],
                    f"{name} critic": [
                        None if p.grad is None else p.grad.clone() for p in state.model.critic.parameters()
                    ],
                }
            )
        )
    defense.step(batch, state)
    return seen, state


def test_the_gan_term_reaches_the_generator_or_not():
    both, _ = after_one_step(weight=0.0, lam=0.0)
    assert sum(g.abs().sum() for g in both["purifier"]) > 0
    released, _ = after_one_step(weight=0.0, lam=0.0, gan="discriminator_only")
    assert sum(g.abs().sum() for g in released["purifier"]) == 0
    assert sum(g.abs().sum() for g in released["critic"]) > 0
    for seen in (both, released):
        # The generator's term left the discriminator's gradients as its own step had made them.
        pairs = zip(seen["critic critic"], seen["purifier critic"], strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_only_the_discriminator_learns_from_its_own_loss():
    """With a weight of 0 on every term of g, its weights stay where they are, and the critic's move."""
    defense, state, batch = made(weight=0.0, lam=0.0, gan_weight=0.0)
    purifier, critic = bits(state.model.purifier), bits(state.model.critic)
    defense.step(batch, state)
    assert same(purifier, bits(state.model.purifier))
    assert not same(critic, bits(state.model.critic))


@pytest.mark.parametrize(
    ("target", "real", "given"),
    [
        ("adversarial", "adv", "adv"),
        ("natural", "nat", "nat"),
        ("natural_of_adversarial", "nat", "adv"),
    ],
)
def test_the_reconstruction_target(target, real, given, monkeypatch):
    defense, state, batch = made(target=target)
    x_adv = (batch.x + 0.05).clamp(0, 1)
    monkeypatch.setattr(defense, "adversary", lambda *_: x_adv)
    kept = spy(defense, monkeypatch)
    images = {"adv": x_adv, "nat": batch.x}
    stage = defense.training_stage(copy.deepcopy(state.model))
    draw = stage.transform.draw(batch.x, draws())
    defense.step(batch, state)
    torch.testing.assert_close(kept["real"], 2 * images[real] - 1)
    torch.testing.assert_close(kept["images"][-1], stage.restore(images[given], draw)[0][-1])
    # Whatever is reconstructed, the adversarial image is what has to be recognised, under the same draw. An untrained
    # classifier tells two draws apart by little.
    logits = state.model.classifier((stage.restore(x_adv, draw)[0][-1] + 1) / 2)
    wanted = 0.05 * F.cross_entropy(logits, batch.y)
    torch.testing.assert_close(kept["more"]["classification"], wanted, rtol=0, atol=1e-13)


def test_the_released_range_shows_the_classifier_unscaled_images(monkeypatch):
    defense, state, batch = made(classifier_range="as_released")
    kept = spy(defense, monkeypatch)
    defense.step(batch, state)
    logits = state.model.classifier(kept["images"][-1])
    torch.testing.assert_close(kept["more"]["classification"], 0.05 * F.cross_entropy(logits, batch.y))


def test_classification_starts_after_the_pretraining():
    defense, state, batch = made(pretraining=0.6)
    assert "classification" not in defense.step(batch, state)
    state.epoch = 6
    assert "classification" in defense.step(batch, state)


def test_the_released_attack_is_fgsm_on_the_classifier_alone():
    defense, state, batch = made()
    x = batch.x.clone().requires_grad_()
    F.cross_entropy(state.model.classifier(x), batch.y).backward()
    wanted = (batch.x + EPS * x.grad.sign()).clamp(0, 1)
    torch.testing.assert_close(defense.adversary(batch, state), wanted)


def test_the_papers_attack_goes_through_the_pipeline():
    defense, state, batch = made(attacked="pipeline")
    stage = defense.training_stage(state.model)
    x = batch.x.clone().requires_grad_()
    F.cross_entropy(state.model.classifier(stage(x, draws())), batch.y).backward()
    wanted = (batch.x + EPS * x.grad.sign()).clamp(0, 1)
    torch.testing.assert_close(defense.adversary(batch, state), wanted)
    assert state.model.training


@pytest.mark.parametrize("transform", ["rt1", "rt2", "rt3"])
@pytest.mark.parametrize("purifier", ["inpainter", "mae"])
def test_gradients_of_the_whole_system_equal_finite_differences(purifier, transform):
    defense, state, _ = made(purifier=purifier, transform=transform, gan="none")
    system = defense.behind(state.model.eval(), deployed(defense.params).fixed())
    x = (0.3 + 0.4 * torch.rand(1, 1, 8, 8, dtype=torch.float64, generator=draws(3))).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: system(z).log_softmax(1)[:, :2], x, atol=1e-6)
    (gradient,) = torch.autograd.grad(system(x)[0, 0], x)
    assert gradient.abs().sum() > 0


def after_two_steps(kind, **params):
    defense, state, batch = made(kind, **params)
    for _ in range(2):
        state.model.train()
        defense.step(batch, state)
    return bits(state.model)


@pytest.mark.parametrize("more", [{}, {"transform": "rt3"}, {"gan": "none"}], ids=str)
def test_on_natural_images_without_classification_it_is_the_purifiers_training(more):
    ours = after_two_steps(Atop, lam=0.0, target="natural", **more)
    theirs = after_two_steps(Purifier, **more)
    assert list(ours) == list(theirs)
    assert same(ours, theirs)
    assert not same(after_two_steps(Atop, lam=0.0, **more), theirs)


def test_the_control_on_natural_images_never_sees_an_attack(monkeypatch):
    control = {"classified": "natural", "target": "natural", "lam": 0.1}
    as_set = after_two_steps(Atop, **control)
    restored_attack = after_two_steps(Atop, classified="natural", lam=0.1)
    monkeypatch.setattr(Atop, "adversary", lambda _, batch, state: batch.x.flip(0))
    assert same(after_two_steps(Atop, **control), as_set)
    assert not same(after_two_steps(Atop, classified="natural", lam=0.1), restored_attack)


def test_what_is_deployed_draws_afresh_for_each_image():
    defense, state, batch = made()
    system = defense.deployed(state.model.eval())
    same_image = batch.x[:1].expand(5, -1, -1, -1)
    assert len(system(same_image).unique(dim=0)) == 5
    torch.manual_seed(3)
    a = system(batch.x)
    torch.manual_seed(3)
    assert torch.equal(a, system(batch.x))


@pytest.mark.parametrize("masks", ["image", "fixed"])
def test_the_deployed_transform_may_differ_from_the_trained_one(masks):
    defense, state, _ = made(deployed_transform="rt1", deployed_masks=masks)
    t = defense.deployed(state.model.eval()).purification.transform
    assert (t.kind, t.masks) == ("rt1", masks)
    assert t.random == (masks == "image")
    assert defense.training_stage(state.model).transform.kind == "rt2"


def test_the_authors_evaluation_feeds_the_purifier_pixels():
    rescaled, state, batch = made(deployed_masks="fixed")
    released, other, _ = made(deployed_masks="fixed", deployed_range="as_released")
    other.model.load_state_dict(state.model.state_dict())
    shown = released.deployed(other.model.eval())
    torch.manual_seed(2)
    wanted = shown(batch.x)
    torch.manual_seed(2)
    draw = deployed(rescaled.params).draw(batch.x)
    stage = rescaled.deployed(state.model.eval()).purification
    halved = stage.transform.noisy(batch.x, draw) / 2 + 0.5  # what 2x - 1 takes to the noisy pixels
    (image,) = stage.restore(halved, Draw(None, draw.masks))[0][-1:]
    torch.testing.assert_close(wanted, state.model.classifier(pixels(image)))
    torch.manual_seed(2)
    assert not torch.allclose(wanted, rescaled.deployed(state.model)(batch.x))
    assert other.model.training is False
    for view in ("bpda_identity", "bpda_untransformed", "fixed_draw"):
        assert not any(
            m.rescaled
            for m in released.adaptive(other.model)[view].model.modules()
            if isinstance(m, Purification)
        )
    assert released.training_stage(other.model).rescaled


def test_views_differ_as_they_say():
    defense, state, batch = made(deployed_masks="fixed", noise=0.0)
    views = {k: v.model for k, v in defense.adaptive(state.model.eval()).items()}
    assert views["oblivious"] is state.model.classifier
    purified = views["deployed"].purification(batch.x).detach()
    logits = {k: v(batch.x) for k, v in views.items()}
    for name in ("bpda_identity", "bpda_untransformed", "fixed_draw"):
        torch.testing.assert_close(logits[name], logits["deployed"])

    def slope(name):
        x = batch.x.clone().requires_grad_()
        return torch.autograd.grad(views[name](x).logsumexp(1).sum(), x)[0]

    z = purified.clone().requires_grad_()
    (borrowed,) = torch.autograd.grad(state.model.classifier(z).logsumexp(1).sum(), z)
    torch.testing.assert_close(slope("bpda_identity"), borrowed)
    assert not torch.allclose(slope("bpda_untransformed"), slope("deployed"))
    torch.testing.assert_close(slope("fixed_draw"), slope("deployed"))


def test_attacks_accept_every_view():
    defense, state, batch = made()
    model = state.model.float().eval()
    with torch.no_grad():
        model.purifier.united[-2].weight.mul_(10)  # untrained, it answers nearly the same whatever is drawn
    for name, view in defense.adaptive(model).items():
        result = get("pgd")(view.model, batch.x.float(), batch.y, eps=EPS, steps=2)
        assert ("random" in result.info) == view.random, name


def test_asking_what_is_deployed_changes_no_mode():
    defense, state, _ = made()
    defense.adaptive(state.model)
    assert state.model.purifier.training
    assert not state.model.classifier.training
    assert not any(
        m.training for v in defense.adaptive(state.model.eval()).values() for m in v.model.modules()
    )


def test_fine_tuning_takes_what_the_pretraining_deploys():
    before, first, _ = made(Purifier)
    after, second, _ = made(Atop)
    with torch.no_grad():
        for p in second.model.parameters():
            p.add_(0.1)
    after.initialize(second.model, before.deployed(first.model))
    assert same(bits(first.model.purifier), bits(second.model.purifier))
    assert same(bits(first.model.classifier), bits(second.model.classifier))


def test_a_purifier_serves_a_classifier_that_it_was_not_tuned_with():
    tuned, source, batch = made()
    tuned.step(batch, source)
    other = lambda: models.classifier("small_cnn", num_classes=4, in_channels=1, image_size=8, width=4)
    defense, state, _ = made(AtopTransfer, classifier=other)
    defense.initialize(state.model, tuned.deployed(source.model))
    purifier, classifier = bits(source.model.purifier), bits(state.model.classifier)
    assert same(purifier, bits(state.model.purifier))
    for _ in range(2):
        state.model.train()
        defense.step(batch, state)
    assert same(purifier, bits(state.model.purifier))
    assert not same(classifier, bits(state.model.classifier))
    system = defense.deployed(state.model.eval())
    assert isinstance(system, Purified)
    torch.manual_seed(0)
    logits = system(batch.x)
    torch.manual_seed(0)
    torch.testing.assert_close(logits, state.model.classifier(system.purification(batch.x)))


def test_adam_gets_the_papers_moments():
    _, state, _ = made()
    assert {tuple(g["betas"]) for o in state.optimizers.values() for g in o.param_groups} == {(0.5, 0.999)}
    assert set(state.optimizers) == {"purifier", "critic"}
    _, state, _ = made(gan="none")
    assert set(state.optimizers) == {"purifier"}


@pytest.mark.parametrize(("masks", "each"), [("image", True), ("batch", False), ("fixed", False)])
def test_only_systems_that_draw_for_each_image_say_so(masks, each):
    """Several draws of such a system may share a pass: the same image, repeated, meets other masks each time."""
    defense, state, batch = made(deployed_masks=masks, noise=0.0)
    system = defense.deployed(state.model).eval()
    assert system.draws_each_image is each
    torch.manual_seed(0)
    answers = system(batch.x[:1].repeat(6, 1, 1, 1))
    alike = [torch.allclose(answers[0], a, atol=1e-5) for a in answers[1:]]
    assert all(alike) is not each
