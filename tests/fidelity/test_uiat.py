"""UIAT as AdverRobust trains it, which is not by UIAT's authors: three steps of train_adversarial_UIAT."""

import torch

from redoubt.config import load_study, resolve
from redoubt.defenses.uiat import Uiat
from tests.conftest import REPO
from tests.fidelity.golden import golden
from tests.fidelity.steps import defense_of, follow, give, network, same

TINY = {"steps": 4, "steps_inv": 4, "step_size": 0.04 / 0.15, "step_inv": 0.04 / 0.15}


def third_party(arrays, **changes):
    """The variant `third_party` of the CIFAR-10 study, its attacks as short as the file's."""
    study = load_study(REPO / "studies" / "cifar10.yaml")
    variant = next(v for v in resolve(study) if v.name == "uiat/third_party")
    f = network(arrays)
    defense, model = defense_of(Uiat, f, 0.15, **{**variant.params, **TINY, **changes})
    return defense, model, f


def test_three_steps_of_the_third_party(monkeypatch):
    arrays, _ = golden("uiat")
    defense, model, f = third_party(arrays)
    left = give(monkeypatch, *arrays["draws"].flatten(0, 1))
    same(arrays, f, *follow(defense, model, arrays))
    assert not left


def test_attacks_in_eval_mode_give_another_loss(monkeypatch):
    arrays, _ = golden("uiat")
    defense, model, _ = third_party(arrays, mode="eval", mode_inv="eval", last_pass=False)
    give(monkeypatch, *arrays["draws"].flatten(0, 1))
    losses, _ = follow(defense, model, arrays)
    assert (losses[0] - arrays["loss"][0]).abs() > 1e-3
    assert torch.isfinite(losses).all()
