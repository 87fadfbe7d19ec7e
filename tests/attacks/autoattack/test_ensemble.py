"""AutoAttack: the reference's survivors after each stage, its passes, and what surrounds it."""

import inspect
from itertools import pairwise

import pytest
import torch
from torch import nn

from redoubt import attacks
from redoubt.attacks.autoattack import square
from redoubt.attacks.autoattack.ensemble import VERSIONS, autoattack, screen
from redoubt.errors import RedoubtError
from redoubt.records.packed_booleans import unpack

L2 = 4  # an l2 radius of 4 eps leaves the 8x8 models about as robust as the linf radius eps
SHORT = {"steps": 25, "queries": 150}


def bits(result):
    return {stage["name"]: stage["bits"] for stage in result.info["stages"]}


def both(model, x, y, eps, norm, **settings):
    eps = eps if norm == "linf" else L2 * eps
    return [
        autoattack(model, x, y, eps=eps, norm=norm, backend=backend, **settings)
        for backend in ("redoubt", "pyautoattack")
    ]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_survivors_after_each_stage_are_the_references(robust_models, norm):
    """Three models between 20 and 80 % robust; batches of 100, so that the examples fall in two of them."""
    for model, x, y, eps in robust_models:
        ours, theirs = both(model, x, y, eps, norm, batch_size=100, **SHORT)
        assert list(bits(ours)) == ["clean", "apgd_ce", "apgd_t", "fab_t", "square"]
        assert bits(ours) == bits(theirs)
        assert 0.2 < ours.correct.float().mean() < 0.8
        assert torch.equal(ours.correct, theirs.correct)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_survivors_of_full_standard_are_the_references(robust_models, norm):
    for model, x, y, eps in robust_models:
        ours, theirs = both(model, x, y, eps, norm)
        assert bits(ours) == bits(theirs)
        assert ours.forward < theirs.forward


def test_survivors_of_plus_are_the_references(undefended_model):
    model, x, y, _ = undefended_model
    ours, theirs = both(model, x[:60], y[:60], 0.08, "linf", version="plus", steps=8, queries=30)
    assert tuple(bits(ours)) == ("clean", *VERSIONS["plus"])
    assert bits(ours) == bits(theirs)
    assert 0.2 < ours.correct.float().mean() < 0.8


def test_calls_of_standard(robust_model, monkeypatch):
    """What an example that nothing breaks costs: weaker attacks and wasted work both show here.

    Square asks for each query here, as the reference does. The model is asked on three more occasions (input check,
    twice whether it is random), on 8 images at most.
    """
    model, x, y, eps = robust_model
    asked = []

    def counting(z):
        asked.append(len(z))
        return model(z)

    monkeypatch.setattr(square, "_moved", lambda rows, places: torch.ones_like(rows.y, dtype=torch.bool))
    with torch.no_grad():
        one = (model(x).argmax(1) == y).nonzero()[:1, 0]
    result = autoattack(counting, x[one], y[one], eps=eps / 1000)
    assert result.correct.all()
    assert result.calls == (7812, 1900)
    assert result.calls[0] <= 7814
    assert result.calls[1] <= 1910
    assert len(asked) - result.calls[0] <= 3
    assert (result.forward, result.backward) == result.calls
    for key, total in (("forward", result.forward), ("backward", result.backward)):
        assert sum(stage[key] for stage in result.info["stages"]) == total


def test_screen_is_the_first_half_of_standard(robust_model):
    model, x, y, eps = robust_model
    half = screen(model, x, y, eps=eps, steps=25)
    whole = autoattack(model, x, y, eps=eps, **SHORT)
    assert list(bits(half)) == ["clean", "apgd_ce", "apgd_t"]
    assert bits(half).items() <= bits(whole).items()
    assert half.info["suite"] == "screen"
    assert whole.info["suite"] == "standard"


def test_stages_only_ever_lose_examples(undefended_model):
    model, x, y, eps = undefended_model
    result = autoattack(model, x, y, eps=eps / 4, **SHORT)
    masks = [unpack(stage["bits"], len(x)) for stage in result.info["stages"]]
    for before, after in pairwise(masks):
        assert (before | ~after).all()
    assert [int(m.sum()) for m in masks] == [stage["standing"] for stage in result.info["stages"]]
    assert (result.correct.numpy() == masks[-1]).all()
    assert masks[1].sum() < masks[0].sum()


def test_equal_seeds_give_equal_results(robust_model):
    model, x, y, eps = robust_model
    first, second, other = (autoattack(model, x, y, eps=eps, seed=s, **SHORT) for s in (1, 1, 2))
    assert torch.equal(first.x_adv, second.x_adv)
    assert not torch.equal(first.x_adv, other.x_adv)


@pytest.mark.parametrize("backend", ["redoubt", "pyautoattack"])
def test_torch_s_own_generator_is_left_alone(robust_model, backend):
    model, x, y, eps = robust_model
    torch.manual_seed(7)
    want = torch.rand(3)
    torch.manual_seed(7)
    autoattack(model, x[:20], y[:20], eps=eps, steps=3, queries=3, backend=backend)
    assert torch.equal(torch.rand(3), want)


def fewer_classes(robust_model, k):
    """The robust model on the digits below k, with the logits of these only."""
    model, x, y, eps = robust_model
    keep = y < k
    return nn.Sequential(model, _First(k)).eval(), x[keep], y[keep], eps


class _First(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, logits):
        return logits[:, : self.k]


@pytest.mark.parametrize("k", [2, 3, 4, 6])
def test_fewer_classes(robust_model, k):
    """As many targets as other classes: an example that stands costs APGD-T k - 1 climbs."""
    model, x, y, eps = fewer_classes(robust_model, k)
    result = autoattack(model, x, y, eps=eps / 1000, steps=5, queries=5)
    assert result.correct.any()
    climbs = next(s for s in result.info["stages"] if s["name"] == "apgd_t")
    assert climbs["forward"] == (k - 1) * 6 * int(result.correct.sum())
    strong = autoattack(model, x, y, eps=6 * eps, steps=20, queries=5)
    assert strong.correct.float().mean() < 0.3


def test_four_to_nine_classes_as_the_reference_with_fewer_targets(robust_model):
    ours, theirs = both(*fewer_classes(robust_model, 5), "linf", **SHORT)
    assert bits(ours) == bits(theirs)


class _Noisy(nn.Module):
    """Adds noise to the pixels at each call, from torch's default generator."""

    def __init__(self, model, scale):
        super().__init__()
        self.model, self.scale = model, scale

    def forward(self, x):
        return self.model(x + self.scale * torch.randn_like(x))


def test_rand_judges_by_repeated_predictions(robust_model, monkeypatch):
    model, x, y, eps = robust_model
    monkeypatch.setattr("redoubt.attacks.autoattack.ensemble.EOT", 3)
    x, y = x[:60], y[:60]
    torch.manual_seed(0)
    result = autoattack(_Noisy(model, 0.1).eval(), x, y, eps=eps, version="rand", steps=10)
    assert list(bits(result)) == ["clean", "apgd_ce", "apgd_dlr"]
    said = result.info["random"]
    assert said["accuracy_in_every_draw"] <= said["mean_accuracy"]
    assert abs(said["mean_accuracy"] - result.correct.float().mean()) < 0.1
    plain = autoattack(model, x, y, eps=eps, version="rand", steps=10)
    assert "random" not in plain.info
    # Nothing stops at a lucky draw: each standing example makes every step with every draw.
    assert result.info["stages"][1]["backward"] == 3 * 10 * result.info["stages"][0]["standing"]


def test_a_lucky_draw_is_no_success():
    """A model that answers at random with 30 % errors: a single draw breaks nearly all within a few steps."""

    def coin(x):
        wrong = (torch.rand(len(x)) < 0.3).float()
        return torch.stack(
            [1 - 2 * wrong, torch.zeros(len(x)), -torch.ones(len(x)), x.sum((1, 2, 3)) * 0 - 2], 1
        )

    x, y = torch.full((40, 1, 4, 4), 0.5), torch.zeros(40, dtype=torch.long)
    torch.manual_seed(0)
    result = autoattack(coin, x, y, eps=0.1, steps=10, queries=20)
    assert result.correct.float().mean() > 0.8
    assert 0.55 < result.info["random"]["mean_accuracy"] < 0.85


@pytest.mark.parametrize("backend", ["redoubt", "pyautoattack"])
@pytest.mark.parametrize("version", list(VERSIONS))
def test_nothing_to_do(robust_model, backend, version):
    model, x, y, _ = robust_model
    same = autoattack(model, x, y, eps=0, version=version, backend=backend)
    with torch.no_grad():
        assert torch.equal(same.correct, model(x).argmax(1) == y)
    assert torch.equal(same.x_adv, x)
    empty = autoattack(model, x[:0], y[:0], eps=0.1, version=version, backend=backend)
    assert len(empty.correct) == len(empty.x_adv) == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"version": "standart"}, ["version", "standart", "standard"]),
        ({"backend": "autoattack"}, ["backend", "pyautoattack"]),
    ],
)
def test_unknown_words(robust_model, settings, words):
    model, x, y, eps = robust_model
    with pytest.raises(RedoubtError) as error:
        autoattack(model, x, y, eps=eps, **settings)
    assert all(word in str(error.value) for word in words)


def test_the_reference_refuses_three_classes(robust_model):
    model, x, y, eps = fewer_classes(robust_model, 3)
    with pytest.raises(RedoubtError, match="at least 4 classes"):
        autoattack(model, x, y, eps=eps, backend="pyautoattack")


def test_parameters_keep_no_gradient(robust_model):
    model, x, y, eps = robust_model
    autoattack(model, x[:20], y[:20], eps=eps, steps=3, queries=3)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_the_registry_knows_them():
    assert attacks.parameters("autoattack")["version"] == "standard"
    assert attacks.parameters("screen")["targets"] is attacks.COMPUTED
    assert inspect.signature(attacks.get("screen")).parameters["targets"].default == 9
    for name in ("apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square"):
        assert callable(attacks.get(name))
