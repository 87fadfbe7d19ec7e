"""ARREST: three steps with and without noisy replay against the function of AFD's authors."""

import pytest
import torch

from redoubt.defenses.arrest import Arrest
from tests.fidelity.golden import golden
from tests.fidelity.steps import defense_of, follow, give, network, same, weights

THETA = {"attacked": 179.0, "replayed": 1.0}


def prepared(arrays, theta, **params):
    f = network(arrays)
    defense, model = defense_of(
        Arrest, f, 0.15, steps=5, step_size=0.04 / 0.15, lam=50.0, theta=theta, **params
    )
    model.start.load_state_dict(weights(arrays, "teacher"))
    return defense, model, f


@pytest.mark.parametrize("case", list(THETA))
def test_three_steps(monkeypatch, case):
    arrays, _ = golden("arrest")
    defense, model, f = prepared(arrays, THETA[case])
    left = give(monkeypatch, *arrays["draws"])
    same(arrays, f, *follow(defense, model, arrays), f"_{case}")
    assert not left
    kept = weights(arrays, "teacher")
    assert all(torch.equal(v, kept[k]) for k, v in model.start.state_dict().items())


def test_a_teacher_in_eval_mode_gives_another_loss(monkeypatch):
    arrays, _ = golden("arrest")
    defense, model, _ = prepared(arrays, 179.0, teacher="running")
    give(monkeypatch, *arrays["draws"])
    losses, _ = follow(defense, model, arrays)
    assert (losses[0] - arrays["loss_attacked"][0]).abs() > 0.1
