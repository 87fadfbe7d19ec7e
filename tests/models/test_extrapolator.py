"""PSSR's extrapolator: shapes, range, what it sees, sizes, bad input."""

import pytest
import torch

from redoubt import models
from redoubt.errors import RedoubtError


def made(channels=1, side=8, **given):
    torch.manual_seed(0)
    return models.purifier("extrapolator", channels=channels, image_size=side, **given)


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (1, 28), (3, 32)])
def test_a_whole_image_in_range_comes_back(channels, side):
    x = torch.rand(2, channels, side, side)
    found = made(channels, side).eval()(x, torch.ones_like(x[:, :1]))
    assert found.shape == x.shape
    assert found.min() >= 0
    assert found.max() <= 1


def test_sizes_follow_the_image():
    widths = {(1, 8): 16, (1, 28): 128, (3, 32): 256}
    for (channels, side), width in widths.items():
        assert made(channels, side).down[-1][0].out_channels == width


def test_it_is_no_residual_network():
    g = made().eval()
    with torch.no_grad():
        g.last.weight.zero_()
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(g(x, x), g(1 - x, x))


def test_the_mask_is_seen_only_where_asked():
    x, kept = torch.rand(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()
    plain, told = made().eval(), made(mask_channel=True).eval()
    assert torch.equal(plain(x, kept), plain(x, 1 - kept))
    assert not torch.allclose(told(x, kept), told(x, 1 - kept))


def test_dropout_makes_two_passes_differ_in_training_alone():
    g, x = made(dropout=0.5), torch.rand(4, 1, 8, 8)
    assert not torch.equal(g(x, x), g(x, x))
    g.eval()
    assert torch.equal(g(x, x), g(x, x))


@pytest.mark.parametrize(
    ("given", "says"), [({"size": "ful"}, "did you mean: full"), ({"dropout": 1.0}, "no probab")]
)
def test_bad_input_is_refused(given, says):
    with pytest.raises(RedoubtError, match=says):
        made(**given)
