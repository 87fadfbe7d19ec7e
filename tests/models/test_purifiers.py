"""The purifiers and the patch discriminator: shapes, what they see of an image, sizes, bad input."""

import pytest
import torch

from redoubt import models
from redoubt.errors import RedoubtError
from redoubt.models.inpainter import GatedELU
from redoubt.models.packing import pack, unpack
from redoubt.models.patch_discriminator import PatchDiscriminator, patch_discriminator
from redoubt.models.spectral import discriminator_hinge, generator_hinge

SHAPES = [(1, 8), (1, 28), (3, 32)]


def made(name, channels=1, side=8, **given):
    torch.manual_seed(0)
    return models.purifier(name, channels=channels, image_size=side, **given).eval()


def seen(channels=1, side=8, n=3):
    """Images in [-1, 1] and masks, a different one for each image."""
    g = torch.Generator().manual_seed(1)
    z = 2 * torch.rand(n, channels, side, side, generator=g) - 1
    cells = (torch.rand(n, 1, 8, 8, generator=g) < 0.25).float()
    index = torch.arange(side) * 8 // side
    return z, cells[..., index, :][..., index]


@pytest.mark.parametrize(("channels", "side"), SHAPES)
@pytest.mark.parametrize("name", ["inpainter", "mae"])
def test_images_come_back_in_range(name, channels, side):
    z, mask = seen(channels, side)
    images = made(name, channels, side)(pack(z, mask))
    assert len(images) == {"inpainter": 2, "mae": 1}[name]
    for image in images:
        assert image.shape == z.shape
        assert image.abs().max() <= 1


@pytest.mark.parametrize(("name", "side"), [("inpainter", 8), ("inpainter", 32), ("mae", 8), ("mae", 28)])
def test_nothing_of_a_missing_pixel_is_seen(name, side):
    z, mask = seen(side=side)
    g = made(name, side=side)
    other = torch.where(mask.bool(), torch.randn_like(z), z)
    assert torch.equal(g(pack(z, mask))[-1], g(pack(other, mask))[-1])
    assert not torch.allclose(g(pack(z, mask))[-1], g(pack(z, torch.zeros_like(mask)))[-1])


@pytest.mark.parametrize("name", ["inpainter", "mae"])
def test_each_image_has_its_own_mask(name):
    z, mask = seen()
    g = made(name)
    together = g(pack(z, mask))[-1]
    alone = torch.cat([g(pack(z[i : i + 1], mask[i : i + 1]))[-1] for i in range(len(z))])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["inpainter", "mae"])
def test_everything_missing_is_finite(name):
    z, _ = seen()
    g = made(name)
    packed = pack(z, torch.ones(1, 1, 8, 8)).requires_grad_()
    (gradient,) = torch.autograd.grad(g(packed)[-1].sum(), packed)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["inpainter", "mae"])
def test_every_weight_learns(name):
    z, mask = seen()
    g = made(name).train()
    sum((image - z).abs().mean() for image in g(pack(z, mask))).backward()
    idle = [k for k, p in g.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not idle


def test_the_full_inpainter_is_deepfill():
    """cnum 48: as many weights as the widths and kernels of its layers make."""
    g = models.purifier("inpainter", channels=3, image_size=256)
    assert sum(p.numel() for p in g.parameters()) == counted_from_widths()
    strides = [m.conv.stride for m in g.coarse if hasattr(m, "conv")]
    dilations = [m.conv.dilation[0] for m in g.coarse if hasattr(m, "conv")]
    assert strides.count((2, 2)) == 2
    assert dilations[5:12] == [1, 2, 4, 8, 16, 1, 1]
    assert (g.attention.kernel, g.attention.rate, g.attention.scale) == (3, 2, 10.0)


def counted_from_widths(c=48):
    """Layers as (inputs, outputs after the gate, kernel); the note's section 3.3 and DeepFill v2's figure 3."""
    h, q = c // 2, c // 4
    up = [(2 * c, c, 3), (c, c, 3), (c, h, 3), (h, q, 3)]
    wide = (2 * c, 2 * c, 3)
    coarse = [(5, h, 5), (h, c, 3), (c, c, 3), (c, 2 * c, 3), *[wide] * 8, *up]
    dilated = [(3, h, 5), (h, h, 3), (h, c, 3), (c, c, 3), (c, 2 * c, 3), *[wide] * 5]
    attended = [(3, h, 5), (h, h, 3), (h, c, 3), (c, 2 * c, 3), *[wide] * 4]
    united = [(4 * c, 2 * c, 3), wide, *up]
    gated = sum(2 * o * (i * k * k + 1) for i, o, k in [*coarse, *dilated, *attended, *united])
    return gated + 2 * 3 * (q * 9 + 1)


def test_a_gate_is_elu_times_sigmoid():
    x = torch.randn(2, 6, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a, b = x.chunk(2, 1)
    torch.testing.assert_close(GatedELU.apply(x), torch.nn.functional.elu(a) / (1 + (-b).exp()))
    assert torch.autograd.gradcheck(GatedELU.apply, x.requires_grad_())
    assert torch.autograd.gradgradcheck(GatedELU.apply, x)


def test_packing():
    z, mask = seen()
    packed = pack(z, mask)
    assert torch.equal(packed[:, 1], torch.ones(3, 8, 8))
    image, hole = unpack(packed)
    assert torch.equal(image, z * (1 - mask))
    assert torch.equal(hole, mask)


@pytest.mark.parametrize(("channels", "side", "patches"), [(1, 8, 4), (1, 28, 4), (3, 32, 4), (3, 256, 16)])
def test_the_discriminator_scores_patches(channels, side, patches):
    d = patch_discriminator(channels=channels, image_size=side)
    scores = d(torch.rand(2, channels, side, side) * 2 - 1, torch.zeros(1, 1, side, side))
    last = {8: 32, 256: 256}.get(side, 64)
    assert scores.shape == (2, last * patches)


def test_its_weights_have_spectral_norm_one():
    torch.manual_seed(0)
    d = PatchDiscriminator(1, (8, 8), kernel=3).train()
    z, mask = seen()
    for _ in range(200):  # each pass of the training is one step of the power iteration
        d(z, mask)
    for layer in d.eval().layers:
        largest = torch.linalg.matrix_norm(layer[0].weight.flatten(1), ord=2)
        torch.testing.assert_close(largest, torch.tensor(1.0), rtol=1e-3, atol=1e-3)


def test_the_discriminator_sees_the_mask():
    d = patch_discriminator(channels=1, image_size=8).eval()
    z, mask = seen()
    assert not torch.allclose(d(z, mask), d(z, 1 - mask))


def test_hinge_losses_by_hand():
    real, fake = torch.tensor([[2.0, 0.5], [-1.0, 1.0]]), torch.tensor([[-2.0, 0.0], [0.5, -1.0]])
    # relu(1 - D(real)): 0, 0.5, 2, 0; relu(1 + D(fake)): 0, 1, 1.5, 0.
    assert discriminator_hinge(real, fake).item() == pytest.approx(0.5 * 2.5 / 4 + 0.5 * 2.5 / 4)
    assert generator_hinge(fake).item() == pytest.approx(2.5 / 4)


@pytest.mark.parametrize(
    ("name", "side", "given", "says"),
    [
        ("inpaint", 8, {}, "did you mean: inpainter"),
        ("inpainter", 8, {"widht": 4}, "did you mean: width"),
        ("inpainter", 8, {"size": "ful"}, "did you mean: full"),
        ("inpainter", 30, {}, "cannot halve"),
        ("mae", 8, {"patch": 3}, "do not tile"),
        ("mae", 8, {"size": "smal"}, "did you mean: small"),
    ],
)
def test_bad_input_is_refused(name, side, given, says):
    with pytest.raises(RedoubtError, match=says):
        models.purifier(name, channels=1, image_size=side, **given)
