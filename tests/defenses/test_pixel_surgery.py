"""Pixel surgery against a literal transcription, in every arm; the guard for flat maps; the attack surfaces."""

from itertools import product

import pytest
import torch
from torch import nn

from redoubt.defenses.pixel_surgery import Rule, Surgery
from redoubt.defenses.regenerated import Borrowed, Regenerated, Softened
from redoubt.models.extrapolator import Extrapolator

CHANNELS, SIDE = 2, 4


class Smooth(nn.Module):
    """A classifier without kinks, so that finite differences hold."""

    def __init__(self):
        super().__init__()
        self.hidden, self.head = nn.Linear(CHANNELS * SIDE * SIDE, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(torch.tanh(3 * self.hidden(x.flatten(1))))


def classifier():
    torch.manual_seed(0)
    return Smooth().double().eval().requires_grad_(False)


def images(n=5):
    shape = (n, CHANNELS, SIDE, SIDE)
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def by_hand(f, x, rule):
    """What is salient in one image: loops over the note's formulas."""
    x = x[None].clone().requires_grad_()
    z = f(x)[0]
    k = max(range(3), key=lambda i: z[i].item())
    score = torch.exp(z[k]) / torch.exp(z).sum() if rule.score == "probability" else z[k]
    (g,) = torch.autograd.grad(score, x)
    value = lambda c, i, j: abs(g[0, c, i, j].item()) if rule.sign == "absolute" else g[0, c, i, j].item()
    if rule.channels == "largest":
        s = [[[max(value(c, i, j) for c in range(CHANNELS)) for j in range(SIDE)] for i in range(SIDE)]]
    else:
        s = [[[value(c, i, j) for j in range(SIDE)] for i in range(SIDE)] for c in range(CHANNELS)]
    flat = sorted((v for plane in s for row in plane for v in row), reverse=True)
    eps = sum(flat) / len(flat) if rule.threshold == "mean" else flat[round(rule.share * len(flat)) - 1]
    return torch.tensor([[[float(v >= eps) for v in row] for row in plane] for plane in s]).double()


def filled(x, kept, fill):
    out = x.clone()
    kept = kept.expand_as(x)
    for c, i, j in product(range(CHANNELS), range(SIDE), range(SIDE)):
        if kept[c, i, j]:
            continue
        near = [
            (a, b)
            for a in range(max(0, i - 2), min(SIDE, i + 3))
            for b in range(max(0, j - 2), min(SIDE, j + 3))
        ]
        every = list(product(range(SIDE), range(SIDE)))
        box = [x[c, a, b].item() for a, b in (near if fill == "blur" else every) if kept[c, a, b]]
        if not box:
            box = [x[c, a, b].item() for a, b in every if kept[c, a, b]]
        out[c, i, j] = 0.0 if fill == "zero" or not box else sum(box) / len(box)
    return out


ARMS = [
    Rule(score=s, sign=g, channels=c, threshold=t, share=h)
    for s, g, c, (t, h) in product(
        ("probability", "logit"),
        ("absolute", "signed"),
        ("largest", "each"),
        (("mean", 0.3), ("top", 0.1), ("top", 0.5), ("top", 0.7)),
    )
]


@pytest.mark.parametrize("rule", ARMS, ids=str)
def test_what_is_salient(rule):
    f, x = classifier(), images()
    found = Surgery(f, rule).salient(x)
    assert torch.equal(found, torch.stack([by_hand(f, one, rule) for one in x]))
    assert 0 < found.mean() < 1


@pytest.mark.parametrize("fill", ["zero", "mean", "blur"])
@pytest.mark.parametrize("channels", ["largest", "each"])
@pytest.mark.parametrize("kept", ["trivial", "salient", "random", "all"])
def test_what_the_extrapolator_sees(kept, channels, fill):
    f, x = classifier(), images()
    rule = Rule(kept=kept, channels=channels, fill=fill, threshold="top", share=0.7)
    image, mask = Surgery(f, rule)(x, torch.Generator().manual_seed(3))
    salient = torch.stack([by_hand(f, one, rule) for one in x])
    if kept == "random":
        assert torch.equal(mask.flatten(1).sum(1), (1 - salient).flatten(1).sum(1))
        assert not torch.equal(mask, 1 - salient)
        assert not torch.equal(mask[0], mask[1])
    else:
        wanted = {"trivial": 1 - salient, "salient": salient, "all": torch.ones_like(x[:, :1])}[kept]
        assert torch.equal(mask, wanted)
    by_loops = torch.stack([filled(a, m, fill) for a, m in zip(x, mask, strict=True)])
    torch.testing.assert_close(image, by_loops, rtol=1e-12, atol=1e-12)


def test_the_parts_sum_to_the_image():
    x = images()
    parts = Surgery(classifier(), Rule()).parts(x)
    assert torch.equal(parts.salient + parts.trivial, x)
    assert torch.equal(parts.salient, parts.mask * x)


def test_a_flat_map_keeps_everything():
    class Blind(nn.Module):
        def forward(self, x):
            return x.sum((1, 2, 3))[:, None] * 0 + torch.tensor([9.0, 0.0, 1.0])

    x = images()
    for rule in (Rule(), Rule(threshold="top"), Rule(sign="signed", channels="each")):
        surgery = Surgery(Blind().eval(), rule)
        assert torch.equal(surgery(x)[0], x)
        soft = surgery.softened(x.clone().requires_grad_(), 0.1)
        assert torch.equal(soft, torch.ones_like(soft))


def test_it_runs_without_gradients_and_in_inference_mode():
    x, surgery = images(), Surgery(classifier(), Rule())
    wanted = surgery(x)[0]
    with torch.no_grad():
        assert torch.equal(surgery(x)[0], wanted)
    with torch.inference_mode():
        assert torch.equal(surgery(x.clone())[0], wanted)


def test_the_random_control_is_one_mask_at_test_time():
    x, surgery = images(), Surgery(classifier(), Rule(kept="random", threshold="top", share=0.5))
    assert torch.equal(surgery.mask(x), surgery.mask(x))
    assert torch.equal(surgery.mask(x)[0], surgery.mask(x)[1])


class Regrown(nn.Module):
    """G without kinks: what it gives depends on the image and on the mask."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(CHANNELS + 1, CHANNELS, 3, padding=1)

    def forward(self, image, kept):
        return torch.sigmoid(self.inner(torch.cat([image, kept.mean(1, keepdim=True)], 1)))


def system(kind, rule, *more):
    f = classifier()
    g = Regrown().double().eval().requires_grad_(False)
    return kind(Surgery(f, rule), g, *more).eval()


def slope(function, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


def differences(function, x, h=1e-6):
    """Central differences of a sum over images, pixel by pixel."""
    found = torch.zeros_like(x)
    for i in range(x[0].numel()):
        d = torch.zeros_like(x).flatten(1)
        d[:, i] = h
        d = d.view_as(x)
        with torch.no_grad():
            found.view(len(x), -1)[:, i] = (function(x + d) - function(x - d)).sum(1) / (2 * h)
    return found


def first_logits(model):
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    return lambda x: model(x) * weights


@pytest.mark.parametrize("fill", ["zero", "mean", "blur"])
@pytest.mark.parametrize("channels", ["largest", "each"])
def test_the_deployed_gradient_is_the_full_one(channels, fill):
    function = first_logits(system(Regenerated, Rule(channels=channels, fill=fill)))
    torch.testing.assert_close(
        slope(function, images()), differences(function, images()), rtol=1e-5, atol=1e-7
    )


RELAXED = [Rule(), Rule(channels="each", kept="salient"), Rule(threshold="top", fill="mean")]


@pytest.mark.parametrize("rule", RELAXED, ids=str)
def test_the_relaxed_gradient_runs_through_the_saliency(rule):
    model = system(Softened, rule, 1.0)
    function = first_logits(model)
    found = slope(function, images())
    wanted = differences(function, images())
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
    # A mask that is held leaves something out.
    model.surgery.softened = lambda z, t, of=model.surgery: Surgery.softened(of, z.detach(), t).detach()
    assert not torch.allclose(slope(function, images()), wanted, rtol=1e-2)


@pytest.mark.parametrize("rule", [Rule(), Rule(channels="each", kept="salient")])
def test_the_relaxed_mask_is_that_of_the_note_and_becomes_the_hard_one(rule):
    surgery, x = Surgery(classifier(), rule), images()
    s = surgery.saliency(x).flatten(1)
    wanted = torch.sigmoid((s.mean(1, keepdim=True) - s) / (0.5 * s.std(1, keepdim=True, correction=0)))
    wanted = wanted if rule.kept == "trivial" else 1 - wanted
    torch.testing.assert_close(surgery.softened(x, 0.5).flatten(1), wanted)
    assert torch.equal(surgery.softened(x, 1e-9).round(), surgery.mask(x))
    frozen = slope(lambda z: surgery.fill(z, surgery.mask(z)), x)
    assert not torch.allclose(slope(lambda z: surgery.fill(z, surgery.softened(z, 0.5)), x), frozen)


def behind(model, kept):
    """What follows the surgery."""
    return lambda image: first_logits(model.surgery.classifier)(model.extrapolator(image, kept))


def test_bpda_answers_as_deployed_and_borrows_the_gradient():
    x = images()
    for rule in (Rule(), Rule(fill="mean")):
        deployed = system(Regenerated, rule)
        for through in ("identity", "mask"):
            borrowed = Borrowed(deployed.surgery, deployed.extrapolator, through)
            assert torch.equal(borrowed(x), deployed(x))
            image, kept = deployed.cut(x)
            rest = behind(deployed, kept)
            after = slope(rest, image)
            wanted = after if through == "identity" else after * kept
            torch.testing.assert_close(slope(first_logits(borrowed), x), wanted)


def test_the_extrapolator_itself_passes_gradients():
    f = classifier().float()
    torch.manual_seed(0)
    g = Extrapolator(CHANNELS, (4, 4), (1, 1), 0.1, False).eval()
    model = Regenerated(Surgery(f, Rule()), g)
    assert slope(model, images().float()).abs().sum() > 0
