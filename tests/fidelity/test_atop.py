"""AToP: packing, RT1 to RT3, contextual attention, both networks, and steps of the released notebooks."""

import functools

import pytest
import torch
from torch import nn

from redoubt import models
from redoubt.config import Training
from redoubt.defenses.atop import Atop
from redoubt.defenses.base import Batch, State
from redoubt.defenses.purifier import Purifier
from redoubt.models.contextual_attention import ContextualAttention
from redoubt.models.packing import pack
from redoubt.models.patch_discriminator import PatchDiscriminator, both_scores
from redoubt.models.purified import Purification, pixels
from redoubt.models.random_transforms import Draw, RandomTransform
from redoubt.models.spectral import discriminator_hinge
from redoubt.training.optimization import optimizer
from tests.fidelity.golden import golden

GOLD, _ = golden("atop")
same = functools.partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)
NOTEBOOKS = {
    "gau_adv": (Atop, {}),
    "logged": (Atop, {"target": "natural"}),
    "miss_adv": (Atop, {"transform": "rt1"}),
    "gau": (Purifier, {}),
    "gau_clean": (Atop, {"target": "natural", "classified": "natural", "lam": 0.1}),
}


def large(small, factor):
    """Each pixel repeated factor x factor times."""
    return small.double().repeat_interleave(factor, -1).repeat_interleave(factor, -2)


X = large(GOLD["images"] / 8, 4)
NOISE = [0.25 * large(n / 2, 4) for n in GOLD["noise"]]


def every(image):
    return image.detach()[..., 3::16, 2::8]


def few(t):
    t = t.detach().flatten()
    kept = t[:: max(1, len(t) // 3)][:3]
    return torch.cat([kept, kept.new_zeros(3 - len(kept))])


def filled(name, module):
    """The module with the golden weights; parameters are in the same order here and there."""
    codes, scales = GOLD[f"{name}_codes"], GOLD[f"{name}_scales"]
    parameters = list(module.double().parameters())
    assert len(parameters) == len(scales)
    parts = codes.split([p.numel() for p in parameters])
    with torch.no_grad():
        for p, part, scale in zip(parameters, parts, scales, strict=True):
            p.copy_((part * scale).view_as(p))
    return module


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 5, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.conv(x).tanh().mean((2, 3)))


def inpainter():
    made = models.purifier("inpainter", channels=3, image_size=64, size="full", width=2)
    return filled("generator", made)


def discriminator():
    made = filled("discriminator", PatchDiscriminator(3, (2, 4, 8, 8, 8, 8)))
    start = GOLD["left_codes"].double() / 4
    lefts = list(made.buffers())
    for left, part in zip(lefts, start.split([b.numel() for b in lefts]), strict=True):
        left.copy_(part.view_as(left))
    return made


MASKS = GOLD["masks"].double()[:, None, None]  # one a step
OF_RT3 = GOLD["rt3_masks"].double()[:, None, None]


def test_contextual_attention_and_its_gradient():
    """Some patches are shorter than 1e-4, where the released code clamps their length."""
    x = (GOLD["attention_x"] * GOLD["attention_scale"][:, None, None]).requires_grad_()
    missing = large(GOLD["attention_mask"], 2)
    y = ContextualAttention()(x, missing)
    same(y.detach()[..., ::2, 1::2], GOLD["attention_y"])
    (gradient,) = torch.autograd.grad((y**2).sum(), x)
    same(gradient[..., ::2, ::3], GOLD["attention_gradient"])


def test_packing_and_the_generator_forward_and_backward():
    g, mask = inpainter(), MASKS[0]
    coarse, fine = g(pack(2 * X - 1, mask))
    same(every(coarse), GOLD["coarse"])
    same(every(fine), GOLD["fine"])
    w = torch.linspace(-1, 1, fine.numel(), dtype=torch.float64).view(fine.shape)
    ((coarse * w).sum() + (fine**2 * w).sum()).backward()
    same(torch.stack([p.grad.norm() for p in g.parameters()]), GOLD["generator_gradient_norms"])
    same(torch.stack([few(p.grad) for p in g.parameters()]), GOLD["generator_gradient_entries"])


def test_discriminator_over_four_power_iterations():
    d, mask = discriminator().train(), MASKS[0]
    with torch.no_grad():
        fake = inpainter()(pack(2 * X - 1, mask))[1]
    adam = torch.optim.Adam(d.parameters(), lr=1e-2, betas=(0.5, 0.999))
    for step in range(4):
        scores = both_scores(d, 2 * X - 1, fake, mask)
        same(torch.cat(scores).detach(), GOLD["d_scores"][step])
        loss = discriminator_hinge(*scores)
        same(loss.detach(), GOLD["d_hinge"][step])
        adam.zero_grad()
        loss.backward()
        same(torch.stack([p.grad.norm() for p in d.parameters()]), GOLD["d_gradient_norms"][step])
        same(torch.stack([few(p.grad) for p in d.parameters()]), GOLD["d_gradient_entries"][step])
        adam.step()
    same(torch.stack([few(p) for p in d.parameters()]), GOLD["d_after"])
    same(torch.cat([b.flatten() for b in d.buffers()]), GOLD["d_left_after"])


@pytest.mark.parametrize("kind", ["rt1", "rt2", "rt3"])
def test_masks_are_the_released_ones_for_the_same_order(kind, monkeypatch):
    """Uniform numbers whose order is the golden one, in the place of the notebooks' shuffle."""
    order = GOLD["order"][1].long()
    drawn = (order.argsort() if kind == "rt3" else order) / 64
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: drawn.view(shape))
    found = RandomTransform(kind, 0.25, 0.25, 4, "batch")._masks(X, None)
    same(found, OF_RT3 if kind == "rt3" else MASKS[1][None])


def test_rt3_keeps_only_what_each_mask_hid():
    stage = Purification(inpainter(), RandomTransform("rt3", 0.25, 0.25, 4, "batch"))
    images, hole = stage.restore(X, Draw(NOISE[0], OF_RT3))
    same(every(images[-1]), GOLD["rt3"])
    assert (hole == 1).all()


def prepared(kind, monkeypatch, **params):
    """A defense whose draws are the golden ones, step by step, and its state."""
    given = {"pretraining": 0.0, "classifier_range": "as_released", **params} if kind is Atop else params
    given = {"gan": "discriminator_only", **given}
    shape, threat = (3, 3, 64), {"norm": "linf", "eps": 8 / 255}
    defense = kind(shape=shape, architecture={}, threat=threat, params=kind.Params(**given))
    defense.classifier = lambda: filled("classifier", Tiny())
    defense.purifier = inpainter
    model = defense.build().double()
    model.critic = discriminator()
    make = optimizer(Training(source="test", epochs=1, optimizer="adam", lr=1e-4, weight_decay=0.0))
    state = State(model.train(), defense.optimizers(model, make), torch.Generator())

    def draw(transform, x, generator=None):
        noise = NOISE[state.step] if transform.kind == "rt2" else None
        return Draw(noise, MASKS[state.step][None])

    monkeypatch.setattr(RandomTransform, "draw", draw)
    return defense, state


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_three_steps_of_a_notebook(notebook, monkeypatch):
    kind, params = NOTEBOOKS[notebook]
    defense, state = prepared(kind, monkeypatch, **params)
    start = [p.clone() for p in state.model.purifier.parameters()]
    batch = Batch(X, GOLD["labels"], torch.arange(2))
    for state.step in range(3):
        m = defense.step(batch, state)
        found = [m["critic"], m["reconstruction"], m["loss"]]
        same(torch.stack(found), GOLD[f"{notebook}_losses"][state.step][[0, 1, 3]])
        if kind is Atop:
            same(m["classification"] / defense.params.lam, GOLD[f"{notebook}_losses"][state.step][2])
    trained = list(state.model.purifier.parameters())
    same(torch.stack([few(p)[0] for p in trained]), GOLD[f"{notebook}_generator"])
    moved = torch.stack([(p - q).norm().detach() for p, q in zip(trained, start, strict=True)])
    same(moved, GOLD[f"{notebook}_generator_moved"])
    critic = torch.stack([few(p)[0] for p in state.model.critic.parameters()])
    same(critic, GOLD[f"{notebook}_discriminator"])


def test_adversarial_and_purified_images(monkeypatch):
    defense, state = prepared(Atop, monkeypatch)
    x_adv = defense.adversary(Batch(X, GOLD["labels"], torch.arange(2)), state)
    same(every(x_adv), GOLD["x_adv"])
    stage = defense.training_stage(state.model)
    same(2 * every(stage(x_adv)) - 1, GOLD["purified"])


def test_evaluate_notebook(monkeypatch):
    defense, state = prepared(Atop, monkeypatch, transform="rt1", deployed_range="as_released")
    system = defense.deployed(state.model.eval())
    mask = torch.zeros(64, dtype=torch.float64).index_fill_(0, GOLD["order"][2][:16].long(), 1)
    mask = large(mask.view(1, 1, 1, 8, 8), 8)
    monkeypatch.setattr(RandomTransform, "draw", lambda *_: Draw(None, mask))
    same(system(X).detach(), GOLD["evaluate_logits"])
    images, _ = defense.training_stage(state.model).restore(X, Draw(None, mask))
    rescaled = state.model.classifier(pixels(images[-1]))
    assert (rescaled - GOLD["evaluate_logits"]).abs().max() > 0.01
