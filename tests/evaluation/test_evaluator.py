"""An evaluation attacks what is deployed, takes gradients where it is told, and refuses what it may not record."""

import json

import pytest
import torch

from redoubt import data
from redoubt.attacks.core.engine import AttackResult
from redoubt.config import load_study
from redoubt.defenses.base import View
from redoubt.errors import RedoubtError
from redoubt.evaluation.evaluator import Evaluator
from redoubt.records.packed_booleans import unpack
from redoubt.training.trainer import Trainer
from tests.conftest import STUDY, run_of


def trained(root, *names, attacks=None):
    """The evaluator of the first run, after training all of them."""
    if attacks:
        text = STUDY[: STUDY.index("  attacks:")] + f"  attacks: {json.dumps(attacks)}\n"
        (root / "studies" / "smoke.yaml").write_text(text + STUDY[STUDY.index("defenses:") :])
    dataset = data.load(root / "data" / "smoke")
    for name in names:
        Trainer(root, run_of(root, name), dataset, "cpu").train()
    study = load_study(root / "studies" / "smoke.yaml")
    return Evaluator(root, study, run_of(root, names[0]), dataset, "cpu")


def test_bits_are_the_predictions(root):
    evaluator = trained(root, "pgd_at/main")
    record = evaluator.evaluate()
    clean = record["evaluations"][0]
    with torch.no_grad():
        expected = evaluator.model("best")(evaluator.x).argmax(1) == evaluator.y
    assert unpack(clean["correct"], 60).tolist() == expected.tolist()
    assert [e["name"] for e in record["evaluations"]] == ["clean", "fgsm", "pgd50"]
    json.dumps(record)


def test_a_transferred_attack_is_judged_on_the_target(root):
    attacks = {"pgd50": {"attack": "pgd", "surrogate": "standard/main", "runs": ["pgd_at/main"]}}
    evaluator = trained(root, "pgd_at/main", "standard/main", attacks=attacks)
    row = evaluator.evaluate()["evaluations"][1]
    assert row["surrogate"] == "standard/main"
    (white,) = evaluator._attack("pgd50", changed(evaluator, "pgd50", surrogate=None))
    assert unpack(row["correct"], 60).tolist() != unpack(white["correct"], 60).tolist()


def changed(evaluator, name, **changes):
    spec = evaluator.study.evaluation.attacks[name]
    threat = evaluator.study.threat
    return spec.model_copy(update={"eps": threat.eps, "norm": threat.norm, **changes})


def test_an_unknown_view_names_the_known_ones(root):
    attacks = {"fgsm": {"attack": "fgsm", "view": "deploied"}}
    with pytest.raises(RedoubtError, match="did you mean: deployed"):
        trained(root, "pgd_at/main", attacks=attacks).evaluate()


def test_only_the_first_images(root):
    attacks = {"fgsm": {"attack": "fgsm", "images": 7}}
    row = trained(root, "pgd_at/main", attacks=attacks).evaluate()["evaluations"][1]
    assert row["n"] == 7


@pytest.mark.parametrize("shift", [0.2, 1.5])
def test_a_perturbation_outside_the_ball_or_the_pixels_is_not_recorded(root, monkeypatch, shift):
    evaluator = trained(root, "pgd_at/main")

    def cheat(model, x, y, **_):
        return AttackResult(
            (x + shift).clamp(max=1 if shift < 1 else 9), torch.zeros(len(x), dtype=torch.bool)
        )

    monkeypatch.setattr("redoubt.attacks.get", lambda name: cheat)
    with pytest.raises(RedoubtError, match="left what it may change"):
        evaluator.evaluate()


def test_the_last_checkpoint_is_attacked_when_asked(root):
    attacks = {"fgsm": {"attack": "fgsm", "checkpoint": "last", "role": "diagnostic"}}
    record = trained(root, "pgd_at/main", attacks=attacks).evaluate()
    assert [e["name"] for e in record["evaluations"]] == ["clean", "clean_last", "fgsm"]
    assert set(record["checkpoints"]) == {"best", "last"}


class Noisy(torch.nn.Module):
    """A classifier whose logits carry fresh noise at every call."""

    def __init__(self, classifier):
        super().__init__()
        self.classifier = classifier

    def forward(self, x):
        logits = self.classifier(x)
        return logits + 3 * torch.randn_like(logits)


@pytest.mark.parametrize("view", ["deployed", "plain"])
def test_a_random_model_is_judged_by_fresh_draws_and_broken_once_is_broken(root, monkeypatch, view):
    evaluator = trained(root, "pgd_at/main")
    defense = evaluator.defense
    monkeypatch.setattr(defense, "deployed", lambda model: Noisy(model).eval())
    plain = defense.adaptive(evaluator.model("best"))
    views = {**plain, "plain": View(evaluator.model("best"), "without the noise")}
    monkeypatch.setattr(defense, "adaptive", lambda model: views)
    spec = changed(evaluator, "fgsm", draws=4, view=view)
    one, every = evaluator._attack("fgsm", spec)
    assert (one["name"], every["name"]) == ("fgsm", "fgsm_every4")
    assert (one["judged"], every["judged"]) == ("one fresh draw", "4 fresh draws, broken once is broken")
    first, always = (unpack(row["correct"], 60) for row in (one, every))
    assert not (always & ~first).any()
    assert always.sum() < first.sum()
    summary = one["info"]["random"]
    assert summary["draws"] == 10
    assert summary["accuracy_in_every_draw"] <= always.mean() < summary["mean_accuracy"]
    assert (one["role"], every["role"]) == ("main", "diagnostic")
    clean = evaluator._clean("best")
    assert [row["name"] for row in clean] == ["clean", "clean_every10"]
    assert clean[1]["correct_count"] < clean[0]["correct_count"]
    again, _ = evaluator._attack("fgsm", spec)
    assert again["correct"] == one["correct"]


def test_a_deterministic_model_needs_one_prediction(root):
    evaluator = trained(root, "pgd_at/main")
    (row,) = evaluator._attack("fgsm", changed(evaluator, "fgsm", draws=4))
    assert row["judged"] == "the prediction"


def test_a_view_that_is_made_for_an_attack_is_evaluated_in_eval_mode(root, monkeypatch):
    """A wrapper starts in train mode, whatever it wraps: the attack would refuse it."""
    evaluator = trained(root, "pgd_at/main", attacks={"wrapped": {"attack": "fgsm", "view": "wrapped"}})
    views = lambda model: {"wrapped": View(torch.nn.Sequential(model), "ours: test")}
    monkeypatch.setattr(evaluator.defense, "adaptive", views)
    assert evaluator.evaluate()["evaluations"][1]["n"] == 60


def test_probes_know_which_images_stand_and_ask_the_first_seed(root, monkeypatch):
    evaluator = trained(root, "pgd_at/main", attacks={"few": {"attack": "fgsm", "images": 40}})
    asked = []
    probe = lambda model, x, y, *, stands, **settings: asked.append((len(x), stands)) or []
    monkeypatch.setattr("redoubt.evaluation.probes.probe", probe)
    clean, few = evaluator.evaluate()["evaluations"]
    ((n, stands),) = asked
    assert n == 40
    assert stands.tolist() == (unpack(clean["correct"], 60)[:40] & unpack(few["correct"], 40)).tolist()
    second = run_of(root, "pgd_at/main", seed=1)
    Trainer(root, second, evaluator.dataset, "cpu").train()
    Evaluator(root, evaluator.study, second, evaluator.dataset, "cpu").evaluate()
    assert len(asked) == 1
