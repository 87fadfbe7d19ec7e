"""Random transforms: exact shares, the noise's size, disjoint parts, and no original pixel in what RT3 gives."""

from itertools import pairwise

import pytest
import torch

from redoubt import models
from redoubt.models.purified import Purification
from redoubt.models.random_transforms import RandomTransform


def transform(kind="rt2", missing=0.25, noise=0.25, parts=4, masks="image", **more):
    return RandomTransform(kind, missing, noise, parts, masks, **more)


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("side", [8, 32, 256])
@pytest.mark.parametrize("kind", ["rt1", "rt2"])
def test_exactly_16_of_64_cells_are_missing(kind, side):
    masks = transform(kind).draw(torch.zeros(50, 3, side, side), draws()).masks
    assert masks.shape == (1, 50, 1, side, side)
    cells = masks.view(50, 8, side // 8, 8, side // 8)
    assert (cells.mean((2, 4)).view(50, 64).sum(1) == 16).all()
    assert ((cells.amax((2, 4)) - cells.amin((2, 4))) == 0).all(), "a cell is missing in part"


def test_a_side_that_is_no_multiple_of_8_keeps_the_grid():
    masks = transform("rt1").draw(torch.zeros(200, 1, 28, 28), draws()).masks[0, :, 0]
    spans = [slice(a, b) for a, b in pairwise([0, 4, 7, 11, 14, 18, 21, 25, 28])]
    cells = torch.stack([masks[:, rows, columns].mean((1, 2)) for rows in spans for columns in spans])
    assert ((cells == 0) | (cells == 1)).all()
    assert (cells.sum(0) == 16).all()


def test_every_cell_is_as_likely_as_any_other():
    masks = transform("rt1").draw(torch.zeros(4000, 1, 8, 8), draws()).masks[0, :, 0]
    # Standard deviation of a cell's share: sqrt(0.25 * 0.75 / 4000) = 0.007.
    assert (masks.mean(0) - 0.25).abs().max() < 0.03


def test_the_noise_has_the_stated_deviation_and_is_clipped():
    x = torch.full((100, 1, 32, 32), 0.5)
    t = transform(noise=0.25)
    draw = t.draw(x, draws())
    assert draw.noise.mean().abs() < 0.003
    assert abs(draw.noise.std() - 0.25) < 0.003
    seen = t.noisy(x, draw)
    torch.testing.assert_close(seen, (x + draw.noise).clamp(0, 1))
    assert seen.min() == 0
    assert seen.max() == 1
    assert transform("rt1").draw(x, draws()).noise is None


def test_masks_of_a_batch_are_one_mask_and_fresh_each_time():
    x, g = torch.zeros(6, 1, 8, 8), draws()
    shared = transform("rt2", masks="batch")
    first, second = shared.draw(x, g), shared.draw(x, g)
    assert first.masks.shape[1] == 1
    assert not torch.equal(first.masks, second.masks)
    assert first.noise.shape == x.shape
    each = transform("rt2").draw(x, g).masks[0]
    assert len(each.flatten(1).unique(dim=0)) == 6


def test_what_is_fixed_is_the_same_for_all_images_and_calls():
    t = transform().fixed()
    one, other = t.draw(torch.zeros(2, 1, 8, 8), draws(1)), t.draw(torch.zeros(5, 1, 8, 8), draws(2))
    assert torch.equal(one.masks, other.masks)
    assert torch.equal(one.noise, other.noise)
    assert not t.random
    assert transform(masks="fixed").random, "its noise still changes"
    assert not transform("rt1", masks="fixed").random
    assert not transform("none").random


@pytest.mark.parametrize("parts", [3, 4])
def test_rt3_partitions_the_image(parts):
    masks = transform("rt3", parts=parts).draw(torch.zeros(5, 2, 16, 16), draws()).masks
    assert masks.shape == (parts, 5, 1, 16, 16)
    assert (masks.sum(0) == 1).all()
    shares = masks.mean((2, 3, 4)) * 64
    assert (shares.max() - shares.min()) <= 1


def small(kind, **given):
    torch.manual_seed(0)
    g = models.purifier("inpainter", channels=1, image_size=8, width=4).double().eval()
    return Purification(g, transform(kind, **given))


def through(stage, x, draw):
    """d(output pixel) / d(input pixel) of one image: (64, 64)."""
    return torch.autograd.functional.jacobian(lambda z: stage.restore(z, draw)[0][-1], x).view(64, 64)


def test_rt3_keeps_no_original_pixel():
    """A pixel of the result never depends on a pixel of its own cell; in RT2 it does where nothing was missing."""
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64, generator=draws())
    stage = small("rt3", noise=0.0)
    own = through(stage, x, stage.transform.draw(x, draws())).diagonal()
    assert (own == 0).all()
    stage = small("rt2", noise=0.0)
    draw = stage.transform.draw(x, draws())
    own = through(stage, x, draw).diagonal()
    missing = draw.masks[0, 0].flatten().bool()
    assert (own[missing] == 0).all()
    assert (own[~missing] != 0).all()


def test_rt3_is_assembled_from_one_run_for_each_mask():
    x = torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=draws())
    stage = small("rt3")
    draw = stage.transform.draw(x, draws())
    images, hole = stage.restore(x, draw)
    wanted = torch.zeros_like(x)
    z = 2 * (x + draw.noise).clamp(0, 1) - 1
    for mask in draw.masks:
        packed = torch.cat([z * (1 - mask), torch.ones_like(mask), mask], dim=1)
        wanted = wanted + mask * stage.purifier(packed)[1]
    torch.testing.assert_close(images[1], wanted)
    assert (hole == 1).all()
