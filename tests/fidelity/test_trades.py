"""TRADES and MART: three steps against the authors' trades_loss and mart_loss."""

import pytest

from redoubt.defenses.mart import Mart
from redoubt.defenses.trades import Trades
from tests.fidelity.golden import golden
from tests.fidelity.steps import defense_of, follow, give, network, same

ATTACK = {"steps": 5, "step_size": 0.04 / 0.15}


@pytest.mark.parametrize("radius", [1.0, 0.75])
def test_three_steps_of_trades(monkeypatch, radius):
    arrays, _ = golden("trades")
    f = network(arrays)
    defense, model = defense_of(Trades, f, 0.15 / radius, beta=6.0, radius=radius, **ATTACK)
    left = give(monkeypatch, *arrays["noise"])
    same(arrays, f, *follow(defense, model, arrays))
    assert not left


def test_natural_images_pass_twice():
    arrays, _ = golden("trades")
    f = network(arrays)
    defense, model = defense_of(Trades, f, 0.15, **ATTACK)
    follow(defense, model, arrays)
    assert f.state_dict()["stages.stem.1.num_batches_tracked"] == 3 * len(arrays["x"])


def test_three_steps_of_mart(monkeypatch):
    arrays, _ = golden("mart")
    f = network(arrays)
    defense, model = defense_of(Mart, f, 0.15, weight=5.0, **ATTACK)
    left = give(monkeypatch, *arrays["noise"])
    same(arrays, f, *follow(defense, model, arrays))
    assert not left
