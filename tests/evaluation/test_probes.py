"""The probe on a sound model, and on models that hide their gradient in the known ways."""

import pytest
import torch
from torch import nn

from redoubt.evaluation.probes import probe


class Through(nn.Module):
    """The model with something done to its input, and its logits scaled."""

    def __init__(self, model, change=lambda x: x, scale=1.0):
        super().__init__()
        self.model, self.change, self.scale = model, change, scale
        self.eval()

    def forward(self, x):
        return self.scale * self.model(self.change(x))


def failed(found):
    return {c["name"].removeprefix("probe_") for c in found if not c["passed"]}


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_sound_models_pass_everything(robust_models, undefended_model, norm):
    for model, x, y, eps in (*robust_models, undefended_model):
        found = probe(model, x, y, eps=0.8 if norm == "l2" else eps, norm=norm)
        assert not failed(found), [c for c in found if not c["passed"]]
        assert len(found) == 10
        assert all(set(c) == {"name", "value", "limit", "passed", "why"} for c in found)


def test_rounding_the_input_is_noticed(robust_model):
    model, x, y, eps = robust_model
    found = probe(Through(model, lambda z: (z * 8).round() / 8 + 0 * z), x, y, eps=eps)
    assert {"useless_gradients", "large_eps_breaks_all", "random_points_not_stronger"} <= failed(found)


def test_huge_logits_are_noticed(robust_model):
    model, x, y, eps = robust_model
    assert {"logits_range", "useless_gradients", "large_eps_breaks_all"} <= failed(
        probe(Through(model, scale=1e3), x, y, eps=eps)
    )


def test_logits_that_differ_by_rounding_only_are_noticed(robust_model):
    model, x, y, eps = robust_model

    class Offset(nn.Module):
        def forward(self, z):
            return 1e-4 * model(z) + 100

    assert "dlr_scale" in failed(probe(Offset().eval(), x, y, eps=eps))


def test_an_answer_that_depends_on_the_batch_is_noticed(robust_model):
    model, x, y, eps = robust_model
    crowd = Through(model, lambda z: z if len(z) <= 8 else (z * 5).round() / 5)
    assert "batch_size_changes_nothing" in failed(probe(crowd, x, y, eps=2 * eps))


def test_random_models_are_asked_for_fixed_draws_instead_of_batches(robust_model):
    model, x, y, eps = robust_model
    torch.manual_seed(0)
    noisy = Through(model, lambda z: z + 0.2 * torch.randn_like(z))
    found = {c["name"]: c for c in probe(noisy, x, y, eps=eps, images=16)}
    assert found["probe_random"]["value"] == 1
    assert found["probe_fixed_randomness_is_easier"]["passed"]
    assert "probe_batch_size_changes_nothing" not in found


def test_more_effort_is_held_against_what_the_main_attacks_left(robust_model):
    model, x, y, eps = robust_model
    line = lambda stands: next(
        c
        for c in probe(model, x, y, eps=eps, stands=stands)
        if c["name"] == "probe_more_effort_changes_little"
    )
    everything_stood = line(torch.ones(len(x), dtype=torch.bool))
    assert not everything_stood["passed"], "attacks that broke nothing have missed what PGD breaks"
    nothing_stood = line(torch.zeros(len(x), dtype=torch.bool))
    assert nothing_stood["passed"]
    assert nothing_stood["value"] == 0
    assert "worst case" in nothing_stood["why"]


def test_equal_seeds_give_equal_lines_and_nothing_else_changes(robust_model):
    model, x, y, eps = robust_model
    state = torch.get_rng_state()
    first = probe(model, x, y, eps=eps, images=12)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(3)
    assert first == probe(model, x, y, eps=eps, images=12)
    assert probe(model, x, (y + 5) % 10, eps=eps)[:0] == []
    wrong = model(x).argmax(1)
    assert probe(model, x, (wrong + 1) % 10, eps=eps) == [], "nothing is classified correctly"
