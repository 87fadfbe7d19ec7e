"""Parts of attacked images, on a linear classifier whose saliency is known."""

import pytest
import torch
from torch import nn

from redoubt.defenses.pixel_surgery import Rule
from redoubt.reports.analysis.decomposition import PARTS, decompose


@pytest.fixture
def linear():
    """Two classes on 1x2x2 images; the logit's gradient is the row of weights, so pixels 0 and 1 are salient."""
    head = nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[5.0, 4.0, 1.0, 0.5], [-5.0, -4.0, 2.0, 1.0]]))
    return nn.Sequential(nn.Flatten(), head).eval()


NATURAL = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.1, 0.0, 1.0, 0.8]]).view(2, 1, 2, 2)
ATTACKED = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.6, 0.0, 1.0, 0.7]]).view(2, 1, 2, 2)
Y = torch.tensor([0, 1])


def test_accuracies_and_distances_by_hand(linear):
    found = decompose(linear, {"natural": NATURAL, "pgd": ATTACKED}, Y, rule=Rule(score="logit"))
    rows = {(r["attack"], r["part"]): r for r in found["accuracy"]}
    assert len(rows) == 2 * len(PARTS)
    # natural image 1: logits 0.5 + 1 + 0.4 = 1.9 and -0.5 + 2 + 0.8 = 2.3, right; attacked: 4.35 and -0.3, wrong.
    assert rows["natural", "whole"]["accuracy"] == 1
    assert rows["pgd", "whole"]["accuracy"] == 0.5
    # its trivial pixels alone: 1.35 against 2.7, right again; image 0's trivial ones (0.3 against 0.6): wrong.
    assert rows["pgd", "trivial"]["accuracy"] == 0.5
    assert rows["pgd", "salient"]["accuracy"] == 0.5
    assert {r["kept"] for (_, part), r in rows.items() if part != "whole"} == {0.5}
    (pair,) = found["distance"]
    assert (pair["first"], pair["second"]) == ("natural", "pgd")
    # Image 0 did not move; in image 1 pixel 0 moved by 0.5 and pixel 3 by 0.1, each one of two pixels of its part.
    assert pair["salient"] == pytest.approx(0.5 * 0.5 / 2)
    assert pair["trivial"] == pytest.approx(0.5 * 0.1 / 2)
    assert set(pair) == {"first", "second", *PARTS[1:]}


def test_random_parts_of_one_image_are_apart_by_their_masks_alone(linear):
    x = torch.full((400, 1, 2, 2), 0.6)
    found = decompose(linear, {"a": x, "b": x}, torch.zeros(400, dtype=torch.long), rule=Rule(score="logit"))
    (pair,) = found["distance"]
    assert pair["salient"] == pair["trivial"] == 0
    # Two of four pixels, twice: 1/6 the same (0 apart), 4/6 one shared (2 of 3 pixels), 1/6 none shared (all).
    expected = 0.6 * (4 / 6 * 2 / 3 + 1 / 6)
    assert pair["random_as_salient"] == pytest.approx(expected, abs=0.03)


def test_random_masks_are_seeded_and_differ_between_images(linear):
    images = {"natural": torch.rand(64, 1, 2, 2, generator=torch.Generator().manual_seed(0))}
    y = torch.arange(64) % 2
    a, b, c = (decompose(linear, images, y, rule=Rule(score="logit"), seed=s) for s in (0, 0, 1))
    assert a == b
    assert a != c
