"""PGD-AT: three steps against the attack of Rice et al. 2020, in eval mode (ours) and in train mode (theirs)."""

import pytest
import torch

from redoubt.defenses.pgd_at import PgdAt
from tests.fidelity.golden import golden
from tests.fidelity.steps import NEAR, defense_of, follow, give, network, same


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_three_steps(monkeypatch, mode):
    arrays, _ = golden("pgd_at")
    f = network(arrays)
    defense, model = defense_of(PgdAt, f, 0.15, steps=5, step_size=0.04 / 0.15, mode=mode)
    seen, perturb = [], defense.perturb
    monkeypatch.setattr(defense, "perturb", lambda *a, **how: seen.append(perturb(*a, **how)) or seen[-1])
    left = give(monkeypatch, *arrays["draws"])
    losses, norms = follow(defense, model, arrays)
    torch.testing.assert_close(torch.stack(seen), arrays[f"x_adv_{mode}"], **NEAR)
    same(arrays, f, losses, norms, f"_{mode}", statistics=False)
    assert not left
