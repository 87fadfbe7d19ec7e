"""The contract of a defense, over every one and every variant of the default study."""

import copy

import pytest
import torch

from redoubt.config import Training, load_study, resolve
from redoubt.defenses.base import Batch, State
from redoubt.training.checkpoints import defense_of
from redoubt.training.optimization import optimizer
from tests.conftest import REPO

VARIANTS = [v for name in ("digits", "smoke") for v in resolve(load_study(REPO / "studies" / f"{name}.yaml"))]


@pytest.fixture(params=VARIANTS, ids=lambda v: v.path, scope="module")
def variant(request):
    return request.param


def batch(n=12):
    g = torch.Generator().manual_seed(1)
    return Batch(torch.rand(n, 1, 8, 8, generator=g), torch.arange(n) % 10, torch.arange(n))


def begin(variant):
    torch.manual_seed(0)
    defense = defense_of(variant)
    model = defense.build()
    if variant.starts_from:
        torch.manual_seed(1)
        defense.initialize(model, defense.classifier().eval())
    model.train()
    make = optimizer(Training(**variant.training))
    return defense, State(model, defense.optimizers(model, make), torch.Generator().manual_seed(2), epochs=4)


def steps(variant, k=2):
    defense, state = begin(variant)
    torch.manual_seed(3)
    metrics = [defense.step(batch(), state) for _ in range(k)]
    return defense, state, metrics


@pytest.fixture(scope="module")
def stepped(variant):
    """Defense, state and metrics after two steps, and whether the model was left in train mode."""
    defense, state, metrics = steps(variant)
    return defense, state, metrics, state.model.training


def test_a_step_changes_weights_and_reports_a_finite_loss(variant, stepped):
    _, untouched = begin(variant)
    _, state, metrics, training = stepped
    assert all(
        torch.isfinite(v).all() and v.ndim == 0 and not v.requires_grad for m in metrics for v in m.values()
    )
    assert "loss" in metrics[0]
    before, after = untouched.model.state_dict(), state.model.state_dict()
    assert any(not torch.equal(before[k], after[k]) for k in before)
    assert training


def test_equal_seeds_give_equal_weights(variant, stepped):
    a, b = stepped[1].model.state_dict(), steps(variant)[1].model.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_the_state_round_trips(stepped):
    defense, state, *_ = stepped
    twin = defense.build()
    twin.load_state_dict(copy.deepcopy(state.model.state_dict()))
    x = batch().x
    torch.manual_seed(0)
    a = defense.deployed(state.model.eval())(x)
    torch.manual_seed(0)
    assert torch.equal(a, defense.deployed(twin.eval())(x))


def test_deployed_maps_pixels_to_logits_and_lets_gradients_through(stepped):
    defense, state, *_ = stepped
    deployed = defense.deployed(state.model.eval())
    x = batch().x.requires_grad_()
    logits = deployed(x)
    assert logits.shape == (12, 10)
    assert logits.dtype == torch.float32
    (gradient,) = torch.autograd.grad(logits.logsumexp(1).sum(), x)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


def test_views_hold_the_deployed_model(stepped):
    defense, state, *_ = stepped
    views = defense.adaptive(state.model.eval())
    assert "deployed" in views
    assert all(view.why for view in views.values())
