"""Attacks of the evaluation: PGD-20 of the authors' scripts and AutoAttack's `standard`, image by image."""

import pytest
import torch

from redoubt.attacks.autoattack.ensemble import autoattack
from redoubt.attacks.core.pgd_step import ascend
from redoubt.attacks.pgd import pgd
from redoubt.records.packed_booleans import unpack
from tests.fidelity.golden import golden
from tests.fidelity.steps import NEAR, give, network, weights
from tests.small_models import network as of_the_attack_tests

EPS, SIZE = 0.12, 0.12 * 0.003 / 0.031


def test_twenty_steps_from_the_same_start():
    arrays, _ = golden("pgd20")
    f, x, y = network(arrays).eval(), arrays["x"], arrays["y"]
    start = x + EPS * (2 * arrays["draws"] - 1)
    ce = lambda z: torch.nn.functional.cross_entropy(f(z), y, reduction="none")
    found = ascend(ce, x, eps=EPS, step_size=SIZE, steps=20, start=start)
    torch.testing.assert_close(found, arrays["x_adv"], **NEAR)


def test_pgd_breaks_whatever_the_scripts_pgd_breaks(monkeypatch):
    """Ours clips the start to [0, 1] and keeps the strongest iterate, theirs the last."""
    arrays, _ = golden("pgd20")
    f, x, y = network(arrays).eval().float(), arrays["x"].float(), arrays["y"]
    give(monkeypatch, arrays["draws"])
    result = pgd(f, x, y, eps=EPS, steps=20, step_size=SIZE)
    assert not (result.correct & ~arrays["right"]).any()
    assert (~arrays["right"]).sum() == arrays["errors"][1] > 0


@pytest.mark.parametrize("backend", ["redoubt", "pyautoattack"])
def test_autoattack_standard_image_by_image(backend):
    """Its draws are torch's, so another version of torch may draw other ones."""
    arrays, _ = golden("autoattack")
    model = of_the_attack_tests(8)
    model.load_state_dict(weights(arrays, "start"))
    model.eval().requires_grad_(False)
    result = autoattack(model, arrays["x"], arrays["y"], eps=0.2, seed=0, batch_size=40, backend=backend)
    found = [torch.from_numpy(unpack(stage["bits"], 60)) for stage in result.info["stages"]]
    assert torch.equal(torch.stack(found), arrays["standing"])
    if backend == "pyautoattack":
        torch.testing.assert_close(result.x_adv, arrays["x_adv"], rtol=0, atol=1e-6)
