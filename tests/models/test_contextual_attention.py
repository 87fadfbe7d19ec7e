"""Contextual attention against the sums of its definition, place by place."""

import math

import pytest
import torch

from redoubt.models.contextual_attention import ContextualAttention

SHORTEST = 1e-4


def literal(x, missing, *, kernel, rate, scale, known):
    """One image (C, H, W) and its missing places (H, W), by loops over places."""
    channels, height, width = x.shape
    h, w = height // rate, width // rate
    places = [(i, j) for i in range(h) for j in range(w)]
    reach = kernel // 2

    def at(i, j):
        return x[:, i * rate, j * rate] if 0 <= i < h and 0 <= j < w else x.new_zeros(channels)

    def patch(i, j):
        window = range(-reach, reach + 1)
        return torch.cat([at(i + a, j + b) for a in window for b in window])

    def gap(i, j):
        return missing[i * rate : (i + 1) * rate, j * rate : (j + 1) * rate].any()

    def usable(i, j):
        window = range(-(known // 2), known // 2 + 1)
        inside = [(i + a, j + b) for a in window for b in window if 0 <= i + a < h and 0 <= j + b < w]
        return not any(gap(*p) for p in inside)

    score = {}
    for b in places:
        length = max(math.sqrt(sum(float(v) ** 2 for v in patch(*b))), SHORTEST)
        for f in places:
            score[b, f] = float(patch(*b) @ patch(*f)) / length
    for order in ("rows", "columns"):
        index = {p: p[0] * w + p[1] if order == "rows" else p[1] * h + p[0] for p in places}
        place = {n: p for p, n in index.items()}
        fused = {}
        for b in places:
            for f in places:
                pairs = [(index[b] + d, index[f] + d) for d in (-1, 0, 1)]
                fused[b, f] = sum(score[place[m], place[n]] for m, n in pairs if m in place and n in place)
        score = fused
    weight = {}
    for f in places:
        powers = {b: math.exp(scale * score[b, f] * usable(*b)) for b in places}
        for b in places:
            weight[b, f] = powers[b] / sum(powers.values()) * usable(*b)
    out = torch.zeros_like(x)
    if rate == 1:
        for f in places:
            out[:, f[0], f[1]] = sum(weight[b, f] * x[:, b[0], b[1]] for b in places)
        return out
    for b in places:
        for f in places:
            for u in range(2 * rate):
                for v in range(2 * rate):
                    source = (b[0] * rate + u - rate // 2, b[1] * rate + v - rate // 2)
                    target = (f[0] * rate + u - rate // 2, f[1] * rate + v - rate // 2)
                    inside = all(
                        0 <= p < n for p, n in zip(source + target, (height, width) * 2, strict=True)
                    )
                    if inside:
                        out[:, target[0], target[1]] += weight[b, f] * x[:, source[0], source[1]] / 4
    return out


@pytest.mark.parametrize(
    ("height", "width", "rate", "known"), [(4, 6, 2, 1), (8, 6, 2, 3), (4, 3, 1, 3), (3, 4, 1, 1)]
)
def test_equals_the_definition(height, width, rate, known):
    torch.manual_seed(height + width)
    x = torch.randn(3, 2, height, width, dtype=torch.float64) / 3
    missing = (torch.rand(3, 1, height, width) < 0.06).double()
    settings = {"kernel": 3, "rate": rate, "scale": 3.0, "known": known}
    got = ContextualAttention(**settings)(x, missing)
    wanted = torch.stack([literal(x[n], missing[n, 0].bool(), **settings) for n in range(3)])
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-12)
    assert got.abs().sum() > 0


def test_missing_places_lend_nothing():
    torch.manual_seed(0)
    x, missing = torch.rand(2, 4, 8, 8), torch.zeros(2, 1, 8, 8)
    missing[0, :, 2:4, 4:6] = 1
    weights = ContextualAttention(rate=1, known=1).weights(x, missing)
    gone = missing.flatten(2).transpose(1, 2).bool().expand_as(weights)
    assert (weights[gone] == 0).all()
    assert (weights[1].sum(0) - 1).abs().max() < 1e-5
    whole = ContextualAttention(rate=1, known=3).weights(x, missing)[0].sum(1).view(8, 8) == 0
    assert whole.sum() == 16, "a patch that touches the hole is used"
    assert whole[1:5, 3:7].all()


def test_nothing_known_gives_zeros_not_nan():
    x = torch.randn(2, 4, 8, 8, requires_grad=True)
    y = ContextualAttention()(x, torch.ones(2, 1, 8, 8))
    assert torch.equal(y, torch.zeros_like(y))
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.isfinite(gradient).all()


def test_each_image_has_its_own_mask():
    torch.manual_seed(0)
    attention = ContextualAttention()
    x, missing = torch.randn(3, 4, 8, 8), (torch.rand(3, 1, 8, 8) < 0.1).float()
    together = attention(x, missing)
    alone = torch.cat([attention(x[i : i + 1], missing[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("rate", [1, 2])
def test_gradient_equals_finite_differences(rate):
    torch.manual_seed(0)
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    missing = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    missing[0, 0, 0, 1] = missing[1, 0, 3, 3] = 1
    attention = ContextualAttention(rate=rate, known=1, scale=2.0)
    assert torch.autograd.gradcheck(lambda z: attention(z, missing), x)


def test_a_patch_of_zeros_gives_no_nan():
    """The square root's derivative is infinite there; ReLU makes such patches."""
    x = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    x[:, :, :, 3:] = 0
    x.requires_grad_()
    attention = ContextualAttention(rate=1, known=1)
    weights = attention.weights(x, torch.zeros(1, 1, 8, 8, dtype=torch.float64))
    torch.testing.assert_close(weights.sum(1), torch.ones(1, 64, dtype=torch.float64))
    (gradient,) = torch.autograd.grad((weights**2).sum(), x)
    assert torch.isfinite(gradient).all()
