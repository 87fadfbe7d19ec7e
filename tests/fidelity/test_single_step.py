"""FGSM-RS and N-FGSM: six steps against the authors' training scripts, and the cyclic rate."""

import pytest
import torch

from redoubt.config import Training
from redoubt.defenses.single_step import FgsmRs, NFgsm
from redoubt.training.optimization import momentum, rate
from tests.fidelity.golden import golden
from tests.fidelity.steps import NEAR, defense_of, follow, give, network, same

KINDS = {"fgsm_rs": FgsmRs, "n_fgsm": NFgsm}


def watched(monkeypatch, defense):
    """The images that the loss used, step by step."""
    seen, adversary = [], defense.adversary
    monkeypatch.setattr(defense, "adversary", lambda *a: seen.append(adversary(*a)) or seen[-1])
    return seen


@pytest.mark.parametrize("name", list(KINDS))
def test_six_steps(monkeypatch, name):
    arrays, _ = golden(name)
    f = network(arrays)
    defense, model = defense_of(KINDS[name], f, 38 / 255)
    seen = watched(monkeypatch, defense)
    left = give(monkeypatch, *arrays["draws"])
    losses, norms = follow(defense, model, arrays)
    torch.testing.assert_close(torch.stack(seen), arrays["x_adv"], **NEAR)
    same(arrays, f, losses, norms)
    assert not left


@pytest.mark.parametrize("name", list(KINDS))
def test_eval_mode_finds_other_images(monkeypatch, name):
    arrays, _ = golden(name)
    defense, model = defense_of(KINDS[name], network(arrays), 38 / 255, mode="eval")
    seen = watched(monkeypatch, defense)
    give(monkeypatch, *arrays["draws"])
    follow(defense, model, arrays)
    assert (seen[0] - arrays["x_adv"][0]).abs().max() > 0.1


@pytest.mark.parametrize("name", list(KINDS))
def test_the_cyclic_rate_and_momentum_but_for_a_thousandth_of_the_steps(name):
    arrays, _ = golden(name)
    t = Training(source="test", epochs=1, lr=0.2, schedule="one_cycle", peak=0.5, peak_momentum=0.8)
    k = len(arrays["lr"])
    rates = torch.tensor([t.lr * rate(t, i / k) for i in range(k)], dtype=torch.float64)
    momenta = torch.tensor([momentum(t, i / k) for i in range(k)], dtype=torch.float64)
    ahead = torch.tensor([2e-3, 2e-3, 2e-3, 0, 0, 0], dtype=torch.float64)  # of the top, while the rate rises
    torch.testing.assert_close(rates, arrays["lr"] + 0.2 * ahead, **NEAR)
    torch.testing.assert_close(momenta, arrays["momentum"] - 0.1 * ahead, **NEAR)
