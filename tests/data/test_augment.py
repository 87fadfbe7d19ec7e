import pytest
import torch

from redoubt import data
from redoubt.errors import RedoubtError


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def crops(image, pad):
    """All images that a crop of one zero-padded (C, H, W) image can give, keyed by their bytes."""
    c, h, w = image.shape
    padded = torch.zeros(c, h + 2 * pad, w + 2 * pad, dtype=image.dtype)
    padded[:, pad : pad + h, pad : pad + w] = image
    places = [(top, left) for top in range(2 * pad + 1) for left in range(2 * pad + 1)]
    return {padded[:, t : t + h, s : s + w].numpy().tobytes(): (t, s) for t, s in places}


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 16, 24)])
def test_every_crop_is_a_crop_and_every_place_comes_up(shape):
    image = torch.randint(1, 256, shape, generator=gen(1), dtype=torch.uint8)
    pad = shape[1] // 8
    possible = crops(image, pad)
    found = data.augment(image.expand(2500, *shape), gen(), "crop")
    assert found.dtype == torch.uint8
    assert {possible[x.numpy().tobytes()] for x in found} == set(possible.values())


def test_crop_flip_flips_about_half_and_each_image_on_its_own():
    image = torch.randint(1, 256, (3, 32, 32), generator=gen(1), dtype=torch.uint8)
    straight, mirrored = crops(image, 4), crops(image.flip(2), 4)
    found = [x.numpy().tobytes() for x in data.augment(image.expand(2000, 3, 32, 32), gen(), "crop_flip")]
    assert all((x in straight) != (x in mirrored) for x in found)
    assert 850 < sum(x in mirrored for x in found) < 1150  # 6.7 standard deviations
    assert {mirrored[x] for x in found if x in mirrored} == set(mirrored.values())


def test_images_keep_their_places_and_channels():
    x = torch.arange(1, 6, dtype=torch.uint8).view(5, 1, 1, 1) * torch.tensor([1, 10]).view(1, 2, 1, 1).byte()
    found = data.augment(x.expand(5, 2, 8, 8), gen(), "crop_flip", pad=2)
    assert found.amax((2, 3)).tolist() == [[i, 10 * i] for i in range(1, 6)]


def test_none_draws_nothing_and_returns_the_images():
    x, g = torch.rand(3, 1, 8, 8), gen()
    before = g.get_state()
    assert data.augment(x, g, "none") is x
    assert torch.equal(g.get_state(), before)


def test_equal_seeds_give_equal_images_and_other_seeds_others():
    x = torch.rand(16, 3, 32, 32, generator=gen(3))
    first, again, other = (data.augment(x, gen(s), "crop_flip") for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_global_random_state_is_not_touched():
    before = torch.get_rng_state()
    data.augment(torch.rand(4, 3, 32, 32, generator=gen()), gen(), "crop_flip")
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unknown_kind_is_refused():
    with pytest.raises(RedoubtError, match="crop_flip"):
        data.augment(torch.rand(1, 1, 8, 8), gen(), "flip_crop")


def test_to_float_maps_bytes_to_the_unit_interval_exactly():
    x = data.to_float(torch.arange(256, dtype=torch.uint8))
    assert x.dtype == torch.float32
    assert x[[0, 51, 255]].tolist() == [0.0, pytest.approx(0.2), 1.0]
    assert torch.equal((x * 255).round().byte(), torch.arange(256, dtype=torch.uint8))
