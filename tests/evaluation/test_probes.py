"""The probe on a sound model, and on models that hide their gradient in the known ways."""

import pytest
import torch
from torch import nn

from redoubt.errors import RedoubtError
from redoubt.evaluation.probes import probe
from tests.small_models import digits


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
        assert len(found) == 16
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

    assert {"dlr_scale", "logits_contrast"} <= failed(probe(Offset().eval(), x, y, eps=eps))


@pytest.mark.parametrize("scale", [0.1, 0.3, 3.0])
def test_the_scale_of_honest_logits_is_no_sign_of_trouble(robust_model, undefended_model, scale):
    for model, x, y, eps in (robust_model, undefended_model):
        assert not failed(probe(Through(model, scale=scale), x, y, eps=eps))


# what is done to the network: (change of the input, change of the logits), and the check that says so
MASKS = {
    "one bit": (lambda x: (x > 0.5).float(), None, "useless_gradients"),
    "one bit, straight through": (lambda x: x + ((x > 0.5).float() - x).detach(), None, "gradient_predicts"),
    "a steep sigmoid": (lambda x: ((x - 0.5) * 200).sigmoid(), None, "gradient_predicts"),
    "hard sign": (lambda x: (torch.sign(x - 0.5) + 1) / 2, None, "useless_gradients"),
    "detach": (lambda x: x.detach(), None, "black_box_not_stronger"),
    "numpy": (lambda x: torch.from_numpy(x.numpy()), None, "useless_gradients"),
    "10 tanh(3z)": (None, lambda z: 10 * torch.tanh(3 * z), "logits_saturate"),
    "rounded logits": (None, torch.round, "black_box_not_stronger"),
    "times 1e-12": (None, lambda z: 1e-12 * z, "logits_contrast"),
    "times 10,000": (None, lambda z: 1e4 * z, "logits_range"),
}


@pytest.mark.parametrize("mask", MASKS)
def test_each_masking_is_noticed(robust_model, mask):
    model, x, y, eps = robust_model
    before, after, said = MASKS[mask]
    stages = [Changed(before), model, Changed(after)]
    assert said in failed(probe(nn.Sequential(*stages).eval(), x, y, eps=eps))


class Changed(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, x):
        return self.change(x) if self.change else x


class Winners(nn.Module):
    """k-winners-take-all (Xiao et al. 2020): the largest tenth of a layer's activations stays."""

    def forward(self, x):
        flat = x.flatten(1)
        least = flat.topk(flat.shape[1] // 10, 1).values[:, -1:]
        return (flat * (flat >= least)).view_as(x)


def test_winners_take_all_is_noticed():
    layers = [nn.Conv2d(1, 12, 3, padding=1), Winners(), nn.Conv2d(12, 24, 3, padding=1, stride=2), Winners()]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(24 * 16, 10))
        images, labels, x, y = digits()
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        for _ in range(4):
            for i in torch.randperm(len(images)).split(128):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(images[i]), labels[i]).backward()
                optimizer.step()
    found = {c["name"]: c for c in probe(model.eval(), x, y, eps=0.15)}
    assert found["probe_images"]["value"] == 32
    assert not found["probe_gradient_predicts"]["passed"]
    assert found["probe_gradient_predicts"]["value"] > 0.3


def test_a_model_without_a_path_for_gradients_is_told_so(robust_model):
    model, x, y, eps = robust_model
    found = {c["name"]: c for c in probe(Through(model, lambda z: z.detach()), x, y, eps=eps)}
    assert found["probe_useless_gradients"]["value"] == 1
    assert "no gradient leads" in found["probe_useless_gradients"]["why"]


def test_the_scale_is_held_against_what_the_main_attacks_left(robust_model):
    model, x, y, eps = robust_model
    line = lambda stands: next(
        c for c in probe(model, x, y, eps=eps, stands=stands) if c["name"] == "probe_logit_scale"
    )
    assert not line(torch.ones(len(x), dtype=torch.bool))["passed"], "the margin breaks what stood"
    assert line(torch.zeros(len(x), dtype=torch.bool))["passed"]
    assert "cross-entropy" in line(None)["why"]


def test_bad_input_is_refused_before_anything_is_asked(robust_model):
    model, x, y, eps = robust_model
    with pytest.raises(RedoubtError, match="covers"):
        probe(model, x, y, eps=8)
    with pytest.raises(RedoubtError, match="pixels in"):
        probe(model, x * 255, y, eps=eps)
    as_arrays = probe(model, x.double().numpy(), y.numpy(), eps=eps, images=12)
    assert as_arrays == probe(model, x, y, eps=eps, images=12)


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


def test_that_nothing_could_be_asked_is_a_failed_check(robust_model):
    model, x, y, eps = robust_model
    found = probe(model, x, (model(x).argmax(1) + 1) % 10, eps=eps)
    assert [(c["name"], c["passed"]) for c in found] == [("probe_images", False)]
    assert f"no image of {len(x)} is classified correctly" in found[0]["why"]
    assert [c["passed"] for c in probe(model, x[:0], y[:0], eps=eps)] == [False]
