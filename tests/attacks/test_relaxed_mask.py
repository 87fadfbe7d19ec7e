"""The relaxed-mask attack on a model whose mask decides everything."""

import pytest
import torch
from torch import nn

from redoubt import attacks
from redoubt.errors import RedoubtError


class Gate(nn.Module):
    """Class 1 where pixels above the threshold 0.5 are kept and sum to something; the hard mask has no gradient."""

    def __init__(self):
        super().__init__()
        self.temperatures = []
        self.eval()

    def _logits(self, kept):
        score = 4 * kept.flatten(1).sum(1) - 2
        return torch.stack([-score, score], 1)

    def soften(self, x, temperature):
        self.temperatures.append(temperature)
        kept = ((x - 0.5) / temperature).sigmoid()
        return self._logits(kept), kept

    def hard(self, x):
        return self._logits((x >= 0.5).float())

    def forward(self, x):
        return self.soften(x, 0.1)[0]


def images(level):
    return torch.full((4, 1, 2, 2), level), torch.zeros(4, dtype=torch.int64)


def test_it_finds_what_only_the_relaxed_mask_shows_and_judges_by_the_hard_one():
    x, y = images(0.4)
    model = Gate()
    found = attacks.get("relaxed_mask")(model, x, y, eps=0.15, steps=10)
    assert not found.correct.any()
    assert torch.equal(model.hard(found.x_adv).argmax(1) == y, found.correct)
    assert (found.x_adv - x).abs().max() <= 0.15 + 1e-6
    # Out of reach: the soft model is fooled long before the hard one is.
    x, y = images(0.3)
    assert attacks.get("relaxed_mask")(model, x, y, eps=0.15, steps=10).correct.all()


def test_the_temperature_falls_geometrically():
    model = Gate()
    attacks.get("relaxed_mask")(model, *images(0.0), eps=0.1, steps=3, first=1.0, last=0.01)
    assert model.temperatures[-3:] == pytest.approx([1.0, 0.1, 0.01])


class Aimless(Gate):
    """Logits without a gradient: only steering moves anything."""

    def _logits(self, kept):
        return kept.flatten(1).sum(1)[:, None] * 0 + torch.tensor([2.0, -1.0])


def test_steering_keeps_the_perturbation():
    x, y = images(0.45)
    run = lambda w: attacks.get("relaxed_mask")(Aimless(), x, y, eps=0.15, steps=20, steering=w).x_adv
    kept = lambda z: ((z >= 0.5).float() * (z - x).abs()).mean()
    assert kept(run(1.0)) > kept(run(0.0))


def test_equal_seeds_give_equal_points():
    run = lambda s: attacks.get("relaxed_mask")(Aimless(), *images(0.4), eps=0.15, steps=2, seed=s).x_adv
    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_passes_are_counted():
    found = attacks.get("relaxed_mask")(Gate(), *images(0.0), eps=0.1, steps=3)
    assert found.backward == 2 * 3 * 4
    assert found.forward == (1 + 2 * 3 + 1) * 4


@pytest.mark.parametrize(("given", "says"), [({"steps": 0}, "above 0"), ({"last": 0.0}, "above 0")])
def test_bad_input_is_refused(given, says):
    with pytest.raises(RedoubtError, match=says):
        attacks.get("relaxed_mask")(Gate(), *images(0.4), eps=0.1, **given)


def test_a_model_without_a_mask_is_refused():
    plain = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    with pytest.raises(RedoubtError, match="attack its view"):
        attacks.get("relaxed_mask")(plain, *images(0.4), eps=0.1)
