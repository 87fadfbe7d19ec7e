"""Random models: averaged gradients, fresh verdicts, and no lucky draws."""

import pytest
import torch
from torch import nn

from redoubt import attacks
from redoubt.attacks.core import eot
from redoubt.attacks.core.engine import Counted
from redoubt.attacks.core.eot import DRAWS, expectation, is_random, repeated
from redoubt.attacks.core.losses import cross_entropy
from redoubt.errors import RedoubtError


class Noisy(nn.Module):
    """The model behind Gaussian noise, drawn from torch's default generator."""

    def __init__(self, model, spread):
        super().__init__()
        self.model, self.spread = model, spread

    def forward(self, x):
        return self.model(x + self.spread * torch.randn_like(x))


class Coin(nn.Module):
    """Right or wrong by a coin of its own for each image, whatever the image."""

    def __init__(self, y, heads):
        super().__init__()
        self.right, self.heads = nn.functional.one_hot(y, 10).float(), heads

    def forward(self, x):
        luck = (torch.rand(len(x), 1) < self.heads).float()
        right = self.right[: len(x)]
        return 5 * right * luck + 5 * right.roll(1, 1) * (1 - luck) + 0 * x.sum((1, 2, 3))[:, None]


@pytest.fixture
def noisy(robust_model):
    model, x, y, eps = robust_model
    torch.manual_seed(0)
    return Noisy(model, 0.2).eval(), x, y, eps


def test_random_models_are_recognised(robust_model, noisy):
    assert is_random(noisy[0], noisy[1])
    assert not is_random(robust_model[0], robust_model[1])
    assert not is_random(noisy[0], noisy[1][:0])
    state = torch.get_rng_state()
    is_random(noisy[0], noisy[1])
    assert torch.equal(state, torch.get_rng_state()), "looking consumes no draws"


def test_the_expected_gradient_is_the_mean_of_the_gradients(noisy):
    model, x, y, _ = noisy
    loss = lambda logits: cross_entropy(logits, y)
    counted = expectation(model, 5)
    torch.manual_seed(7)
    value, gradient, logits = counted.value_and_gradient(loss, x)
    torch.manual_seed(7)
    parts = [Counted(model).value_and_gradient(loss, x) for _ in range(5)]
    for found, each in zip((value, gradient, logits), zip(*parts, strict=True), strict=True):
        assert torch.allclose(found, torch.stack(each).mean(0), atol=1e-6)
    assert (counted.forward, counted.backward, counted.calls) == (5 * len(x), 5 * len(x), (5, 5))
    assert expectation(model, 1).__class__ is Counted
    counted(x)
    assert counted.forward_calls == 6, "a call is one draw: an average would be judged as an ensemble"
    counted.mean(x)
    assert counted.forward_calls == 11


@pytest.mark.parametrize(("together", "calls"), [(10_000, 1), (2, 3), (1, 5)])
def test_draws_share_a_pass_where_the_model_draws_for_each_image(noisy, monkeypatch, together, calls):
    model, x, y, _ = noisy
    model.draws_each_image = True
    monkeypatch.setattr(eot, "TOGETHER", together * len(x))
    counted = expectation(model, 5)
    torch.manual_seed(7)
    value, gradient, logits = counted.value_and_gradient(lambda z: cross_entropy(z, y), x)
    assert (counted.forward_calls, counted.forward, counted.backward) == (calls, 5 * len(x), 5 * len(x))
    torch.manual_seed(7)
    parts = [min(together, 5 - done) for done in range(0, 5, together)]
    noise = torch.cat([model.spread * torch.randn(k, *x.shape) for k in parts])
    points = x.clone().requires_grad_()
    each = torch.stack([cross_entropy(model.model(points + d), y) for d in noise])
    (expected,) = torch.autograd.grad(each.mean(0).sum(), points)
    torch.testing.assert_close(value, each.mean(0).detach())
    torch.testing.assert_close(gradient, expected)
    assert logits.shape == (len(x), 10)


def test_averaged_gradients_vary_less(noisy):
    model, x, y, _ = noisy
    loss = lambda logits: cross_entropy(logits, y)
    spread = {}
    for draws in (1, 16):
        counted = expectation(model, draws)
        spread[draws] = torch.stack([counted.value_and_gradient(loss, x)[1] for _ in range(8)]).std(0).mean()
    assert spread[16] < 0.4 * spread[1]


def test_repeated_predictions_count_each_example(robust_model):
    _, x, y, _ = robust_model
    found = repeated(Coin(y, 0.7).eval(), x, y, k=40, seed=3)
    assert found.correct.shape == (40, len(x))
    assert found.mean == pytest.approx(0.7, abs=0.03)
    assert found.fraction.mean().item() == pytest.approx(found.mean)
    assert found.worst < 0.05, "0.7 ** 40 of the examples survive every draw"
    assert found.summary()["draws"] == 40
    torch.rand(5)
    assert torch.equal(found.correct, repeated(Coin(y, 0.7).eval(), x, y, k=40, seed=3).correct)
    assert not torch.equal(found.correct, repeated(Coin(y, 0.7).eval(), x, y, k=40, seed=4).correct)
    with pytest.raises(RedoubtError, match="one draw or more"):
        repeated(Coin(y, 0.7).eval(), x, y, k=0)


@pytest.mark.parametrize("eot", [1, 4])
def test_many_iterates_are_not_many_chances(robust_model, eot):
    """A coin cannot be attacked: 40 iterates must not find the one draw in which it fell badly."""
    _, x, y, eps = robust_model
    torch.manual_seed(1)
    result = attacks.get("pgd")(Coin(y, 0.9).eval(), x, y, eps=eps, steps=20, restarts=2, eot=eot)
    assert result.correct.float().mean() == pytest.approx(0.9, abs=0.07)
    assert result.info["random"]["mean_accuracy"] == pytest.approx(0.9, abs=0.03)
    assert result.info["random"]["draws"] == DRAWS


def test_a_noisy_model_is_attacked_and_judged_by_fresh_draws(robust_model, noisy):
    model, x, y, eps = noisy
    clean = repeated(model, x, y).mean
    result = attacks.get("pgd")(model, x, y, eps=eps, eot=8)
    assert result.info["random"]["mean_accuracy"] < clean - 0.2
    assert result.info["random"]["accuracy_in_every_draw"] < result.info["random"]["mean_accuracy"]
    assert result.correct.float().mean() == pytest.approx(result.info["random"]["mean_accuracy"], abs=0.06)
    assert result.backward == 8 * 20 * len(x)
    assert "random" not in attacks.get("pgd")(robust_model[0], x, y, eps=eps).info


def test_the_average_attack_is_at_least_as_strong_as_a_single_draw(robust_model):
    model, x, y, eps = robust_model
    torch.manual_seed(0)
    loud = Noisy(model, 0.5).eval()
    one, many = (attacks.get("pgd")(loud, x, y, eps=eps, eot=k).x_adv for k in (1, 16))
    mean_loss = lambda z: (
        -torch.stack([loud(z).log_softmax(1) for _ in range(50)]).mean(0)[torch.arange(len(y)), y].mean()
    )
    with torch.no_grad():
        assert mean_loss(many) > mean_loss(one) + 0.03
    assert repeated(loud, many, y, 50).mean < repeated(loud, one, y, 50).mean


def test_the_verdict_is_that_of_the_model_not_of_an_ensemble_of_its_draws(noisy):
    model, x, y, eps = noisy
    result = attacks.get("pgd")(model, x, y, eps=eps, eot=16)
    assert result.info["random"]["mean_accuracy"] == pytest.approx(
        repeated(model, result.x_adv, y, 60, seed=9).mean, abs=0.03
    )


@pytest.mark.parametrize("name", ["fgsm", "rfgsm", "inverse", "stadv"])
def test_others_take_draws_too(noisy, name):
    model, x, y, _ = noisy
    short = {"steps": 3} if name in ("inverse", "stadv") else {}
    result = attacks.get(name)(model, x, y, eps=0.05, eot=3, **short)
    assert result.backward % (3 * len(x)) == 0
    assert result.info["random"]["draws"] == DRAWS


def test_equal_seeds_of_the_default_generator_give_equal_results(noisy):
    model, x, y, eps = noisy
    found = []
    for _ in range(2):
        torch.manual_seed(11)
        found.append(attacks.get("pgd")(model, x, y, eps=eps, steps=5, eot=2))
    assert torch.equal(found[0].x_adv, found[1].x_adv)
    assert torch.equal(found[0].correct, found[1].correct)
