"""A wrong setting of a study is refused when the study is read: before anything is trained, with file and key."""

import time

import pytest
import torch

from redoubt import attacks
from redoubt.config import attacks_of, load_config, load_study, radius, resolve
from redoubt.errors import RedoubtError
from tests.conftest import STUDY

STEPS, FGSM, WIDTH = "{steps: 5}", "fgsm: {attack: fgsm}", "{width: 4}"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{k}: &{k} [{','.join([f'*{chr(ord(k) - 1)}'] * 9)}]\n" for k in "bcdefghi"
)

# name: (what stands in the smoke study, what is put in its place, what the error says)
WRONG = {
    "radius in bytes": ("eps: 0.1", "eps: 8", ["covers the whole pixel range", "threat.eps", "8/255"]),
    "radius true": ("eps: 0.1", "eps: true", ["threat.eps", "not true or false"]),
    "radius infinite": ("eps: 0.1", "eps: .inf", ["threat.eps", "finite"]),
    "radius no fraction": ("eps: 0.1", "eps: 8/0", ["threat.eps", "no fraction"]),
    "radius words": ("eps: 0.1", "eps: a/b", ["threat.eps", "no fraction"]),
    "rate true": ("lr: 0.01", "lr: true", ["training.lr", "not true or false"]),
    "rate infinite": ("lr: 0.01", "lr: .inf", ["training.lr", "finite"]),
    "seeds true": ("seeds: [0, 1]", "seeds: [0, true]", ["seeds", "not true or false"]),
    "batch huge": ("epochs: 2", "epochs: 2, batch_size: 100000000000000000000", ["batch_size", "<= 1000000"]),
    "steps of a defense": ("{value: 2,", "{value: true,", ["params.steps", "not true or false"]),
    "attack in bytes": (FGSM, "fgsm: {attack: fgsm, eps: 8}", ["attacks.fgsm.eps", "8/255"]),
    "attack in bytes, l2": (FGSM, "fgsm: {attack: fgsm, norm: l2, eps: 8}", ["attacks.fgsm.eps", "below 8"]),
    "attack named worst": (FGSM, "worst: {attack: fgsm}", ["attacks.worst", "another name"]),
    "attack named clean": (FGSM, "clean: {attack: fgsm}", ["attacks.clean", "another name"]),
    "attack named clean_last": (FGSM, "clean_last: {attack: fgsm}", ["another name"]),
    "attack named for draws": (FGSM, "pgd_every10: {attack: fgsm}", ["another name"]),
    "attack for nobody": (FGSM, "fgsm: {attack: fgsm, runs: ['!standard/main']}", ["nobody faces", "fgsm.runs"]),
    "sweep that collapses": (FGSM, "fgsm: {attack: fgsm, eps: [0.1, 0.100001]}", ["each radius once", "fgsm.eps"]),
    "sweep of nothing": (FGSM, "fgsm: {attack: fgsm, eps: []}", ["each radius once"]),
    "norm without attack": (FGSM, "fgsm: {attack: cw}", ["does not exist for this norm", "fgsm.norm", "l2"]),
    "step size negative": (STEPS, "{step_size: -0.1}", ["pgd50.params.step_size", "above 0"]),
    "step size true": (STEPS, "{step_size: true}", ["pgd50.params.step_size"]),
    "step size a word": (STEPS, "{step_size: wide}", ["pgd50.params.step_size", "'wide'"]),
    "step size infinite": (STEPS, "{step_size: .inf}", ["pgd50.params.step_size"]),
    "step size no fraction": (STEPS, "{step_size: 2/0}", ["pgd50.params.step_size", "no fraction"]),
    "steps 0": (STEPS, "{steps: 0}", ["pgd50.params.steps", "from 1"]),
    "steps five": (STEPS, "{steps: five}", ["pgd50.params.steps", "'five'"]),
    "steps half": (STEPS, "{steps: 4.5}", ["pgd50.params.steps"]),
    "start a word": (STEPS, "{random_start: maybe}", ["random_start", "true or false"]),
    "loss unknown": (STEPS, "{loss: marginal}", ["pgd50.params.loss", "did you mean: margin"]),
    "loss without target": (STEPS, "{loss: dlr, targets: 3}", ["no targeted form"]),
    "loss without kappa": (STEPS, "{kappa: 1.0}", ["only the margin"]),
    "width four": (WIDTH, "{width: four}", ["architecture.options.width", "'four'", "whole number"]),
    "width negative": (WIDTH, "{width: -4}", ["architecture.options.width"]),
    "width 0": (WIDTH, "{width: 0}", ["architecture.options.width"]),
    "width half": (WIDTH, "{width: 4.5}", ["architecture.options.width"]),
    "option unknown": (WIDTH, "{widht: 4}", ["architecture.options.widht", "did you mean: width"]),
    "a list as a key": ("about:", "[a, b]: c\nabout:", ["not readable as YAML", "a key is a single word"]),
    "a list that holds itself": ("about:", "x: &x [*x]\nabout:", ["not readable as YAML", "aliases"]),
    "no date": ("about:", "x: 2001-99-99\nabout:", ["not readable as YAML"]),
    "deep": ("about:", f"x: {'[' * 5000}\nabout:", ["not readable as YAML"]),
    "bomb": ("about:", f"{BOMB}about:", ["not readable as YAML", "aliases stand for more than"]),
}  # fmt: skip


def study(tmp_path, old, new):
    assert old in STUDY
    path = tmp_path / "smoke.yaml"
    path.write_text(STUDY.replace(old, new, 1))
    return path


@pytest.mark.parametrize("fault", WRONG)
def test_refused(tmp_path, fault):
    old, new, words = WRONG[fault]
    path = study(tmp_path, old, new)
    with pytest.raises(RedoubtError) as caught:
        load_study(path)
    assert len(str(caught.value)) < 2000
    for word in [*words, str(path)]:
        assert word in str(caught.value)


@pytest.mark.parametrize("content", [BOMB, f"mirror: {'x' * 10**6}\n", f"studies: [{BOMB[3:25]}, *a]\n"])
def test_a_bomb_in_the_configuration_is_answered_at_once(tmp_path, content):
    path = tmp_path / "config.yaml"
    path.write_text(content)
    began = time.monotonic()
    with pytest.raises(RedoubtError) as caught:
        load_config(path)
    assert time.monotonic() - began < 5
    assert len(str(caught.value)) < 2000


def test_a_folder_in_the_place_of_a_study(tmp_path):
    (tmp_path / "smoke.yaml").mkdir()
    with pytest.raises(RedoubtError, match="cannot be read"):
        load_study(tmp_path / "smoke.yaml")


def test_a_radius_that_is_meant(tmp_path):
    path = study(tmp_path, "evaluation:", "evaluation:\n  any_radius: true")
    path.write_text(path.read_text().replace("eps: 0.1", "eps: 1.0"))
    meant = load_study(path)
    assert resolve(meant)[0].settings()["threat"] == {"norm": "linf", "eps": 1.0}
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()
    x, y = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
    attack = lambda: attacks.get("fgsm")(model, x, y, eps=1.0, norm="linf", seed=0, batch_size=2)
    with radius.meant(meant):
        assert len(attack().correct) == 2
    with pytest.raises(RedoubtError, match="covers the whole pixel range"):
        attack()


def test_a_step_may_be_a_fraction(tmp_path):
    found = load_study(study(tmp_path, STEPS, "{step_size: 2/255}"))
    assert attacks_of(found, resolve(found)[0], 0)["pgd50"].params == {"step_size": 2 / 255}


def test_the_words_are_those_of_the_attacks():
    from redoubt.attacks import feature_space, pgd, stadv_optimizers
    from redoubt.attacks.autoattack import ensemble
    from redoubt.attacks.core.losses import TARGETED
    from redoubt.config.attack_settings import WORDS

    assert WORDS["pgd"]["loss"] == pgd.LOSSES
    assert tuple(TARGETED) == ("ce", "margin")
    assert WORDS["feature_space"] == feature_space.CHOICES
    assert WORDS["stadv"]["optimizer"] == tuple(stadv_optimizers.OPTIMIZERS)
    assert WORDS["autoattack"] == {"version": tuple(ensemble.VERSIONS), "backend": ensemble.BACKENDS}
