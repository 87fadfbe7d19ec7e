"""AFD, its average and its schedule, and vAFT, against numbers that their authors' functions gave."""

import copy

import pytest
import torch

from redoubt.config import Training
from redoubt.defenses.afd import Afd
from redoubt.defenses.vaft import Vaft
from redoubt.training.optimization import average, decay, rate
from tests.fidelity.blocks import batch_of, begin, close, flat, inject
from tests.fidelity.golden import golden

EPS, STEPS = 0.1, 4
SCHEDULE = {"lr": 0.025, "milestones": (0.5, 0.6, 0.7, 0.8, 0.9), "gamma": (0.8, 0.5, 0.5, 0.5, 0.5)}


def settings(**values):
    return Training(source="golden", epochs=20, **values)


def trained(kind, arrays, monkeypatch, **params):
    """The defense, its state, its averaged twin and its losses after all the golden steps."""
    defense, state = begin(kind, arrays["initial"], EPS, 0.05, steps=5, **params)
    ema, losses = copy.deepcopy(state.model), []
    t = settings(ema=0.999, ema_warmup=True)
    for state.step in range(STEPS):
        inject(monkeypatch, "uniform_", arrays["noise"][state.step])
        metrics = defense.step(batch_of(arrays, state.step), state)
        average(ema, state.model, decay(t, state.step))
        losses.append(metrics)
    return defense, state, ema, losses


def test_afds_terms_weights_and_average_after_four_released_steps(monkeypatch):
    arrays, _ = golden("afd")
    weights = {"alpha": 0.3, "beta": 0.7, "gamma": 2.0}
    _, state, ema, logged = trained(Afd, arrays, monkeypatch, **weights)
    expected = {"L3": arrays["losses"][:, 0], "L1": arrays["losses"][:, 1], "L2": arrays["losses"][:, 2]}
    of = lambda name: torch.stack([m[name] for m in logged])
    close(of("adversarial") + 2.0 * of("alignment"), expected["L3"])
    close(0.3 * of("confused"), expected["L1"])
    close(0.7 * of("cosine"), expected["L2"])
    for model, name in ((state.model, "after"), (ema, "ema")):
        close(flat(model.classifier, model.D1, model.D2), arrays[name])


@pytest.mark.parametrize("update", ["single_graph", "double"])
def test_the_updates_of_one_step_are_other_trainings(update, monkeypatch):
    arrays, _ = golden("afd")
    weights = {"alpha": 0.3, "beta": 0.7, "gamma": 2.0}
    model = trained(Afd, arrays, monkeypatch, update=update, **weights)[1].model
    assert (flat(model.classifier, model.D1, model.D2) - arrays["after"]).abs().max() > 1e-3


def test_afds_folded_head_is_the_authors(monkeypatch):
    arrays, _ = golden("afd")
    defense, _, ema, _ = trained(Afd, arrays, monkeypatch, alpha=0.3, beta=0.7, gamma=2.0)
    folded = defense.deployed(ema).eval()
    close(folded.head.weight, arrays["folded_head"])
    close(folded(arrays["x"][0]), arrays["folded_logits"])


def test_afds_rates_are_the_authors():
    arrays, _ = golden("afd")
    t = settings(**SCHEDULE)
    found = torch.tensor([t.lr * rate(t, epoch / 20) for epoch in range(20)], dtype=torch.float64)
    close(found, arrays["rates"])


def test_vafts_losses_and_weights_after_four_steps(monkeypatch):
    arrays, _ = golden("vaft")
    _, state, _, logged = trained(Vaft, arrays, monkeypatch)
    close(torch.stack([m["adversarial"] for m in logged]), arrays["losses"])
    close(flat(state.model.classifier), arrays["after"])
