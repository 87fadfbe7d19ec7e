"""The worked examples of docs/extend.md, registered by the lines that stand there: a defense, an attack, a data set."""

import ast
import inspect
import re
import sys
from importlib import import_module

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import nn

from redoubt import attacks, data, defenses
from redoubt.attacks.core.pgd_step import ascend
from redoubt.config import load_study
from redoubt.data import catalogue, preparing
from redoubt.errors import RedoubtError
from redoubt.evaluation.evaluator import attack_run
from redoubt.records.files import read_record
from redoubt.records.results import read
from redoubt.training.checkpoints import Checkpoints
from redoubt.training.trainer import Trainer
from tests.conftest import REPO, STUDY, run_of
from tests.examples import mi_fgsm, stripes

PAGE = (REPO / "docs" / "extend.md").read_text()


def written(language: str, words: str) -> str:
    """The one block of docs/extend.md in this language that holds these words."""
    (found,) = [b for b in re.findall(rf"```{language}\n(.*?)```", PAGE, re.S) if words in b]
    return found


def put(monkeypatch, example: str, module: str) -> None:
    """Lays an example where a module of the package would lie."""
    monkeypatch.setitem(sys.modules, module, import_module(f"tests.examples.{example}"))


def register(monkeypatch, registry: dict, name: str, module: str) -> None:
    """Puts the page's line for `name` into a registry, and the example where that line looks for it."""
    put(monkeypatch, module.rpartition(".")[2], module)
    line = written("python", f'"{name}": (')
    monkeypatch.setitem(registry, name, ast.literal_eval(f"{{{line}}}")[name])


def study_with(words: str) -> str:
    """The smoke study with the page's lines that hold these words."""
    study, more = yaml.safe_load(STUDY), yaml.safe_load(written("yaml", words))
    study["data"] = more.get("data", study["data"])
    study["defenses"] |= more.get("defenses", {})
    study["evaluation"]["attacks"] |= more.get("evaluation", {}).get("attacks", {})
    return yaml.safe_dump(study)


@pytest.fixture
def with_defense(root, monkeypatch):
    """A project whose registry has one line more, and whose study names the new defense twice."""
    put(monkeypatch, "parameters.smoothed_at", "redoubt.defenses.parameters.smoothed_at")
    register(monkeypatch, defenses._REGISTRY, "smoothed_at", "redoubt.defenses.smoothed_at")
    (root / "studies" / "smoke.yaml").write_text(study_with("smoothed_at"))
    return root


@pytest.fixture
def with_attack(root, monkeypatch):
    """A project whose registry has one attack more, which its study names."""
    register(monkeypatch, attacks._WHERE, "mi_fgsm", "redoubt.attacks.mi_fgsm")
    (root / "studies" / "smoke.yaml").write_text(study_with("mi_fgsm"))
    return root


def trained(root, name):
    run = run_of(root, name)
    Trainer(root, run, data.load(root / "data" / "smoke"), "cpu").train()
    return run, read_record(Checkpoints(root, run).record_file, "")


def test_the_new_defense_trains_explains_itself_and_is_attacked(with_defense):
    run, record = trained(with_defense, "smoothed_at/main")
    assert record["config"]["params"]["smoothing"] == 0.1
    assert record["sources"]["smoothing"].startswith("paper:")
    assert record["history"][-1]["train_robust"] <= 1
    made_by = {"redoubt.defenses.smoothed_at", "redoubt.defenses.parameters.smoothed_at"}
    assert made_by <= set(record["fingerprint"]["modules"])
    study = load_study(with_defense / "studies" / "smoke.yaml")
    attack_run(with_defense, study, run, data.load(with_defense / "data" / "smoke"), "cpu")
    result = read(with_defense / "results" / f"{run.path}.json")
    assert (result["paper"], len(result["evaluations"])) == ("1512.00567", 3)


def test_without_smoothing_it_is_pgd_at_and_with_it_it_is_not(with_defense):
    found = {}
    for name in ("pgd_at/main", "smoothed_at/hard", "smoothed_at/main"):
        run, _ = trained(with_defense, name)
        found[name] = Checkpoints(with_defense, run).load("last").state_dict()
    plain = found["pgd_at/main"]
    assert all(torch.equal(plain[k], found["smoothed_at/hard"][k]) for k in plain)
    assert not all(torch.equal(plain[k], found["smoothed_at/main"][k]) for k in plain)


def test_its_wrong_setting_is_an_error_with_the_nearest(with_defense):
    path = with_defense / "studies" / "smoke.yaml"
    path.write_text(path.read_text().replace("smoothing:", "smothing:"))
    with pytest.raises(RedoubtError) as caught:
        run_of(with_defense, "smoothed_at/main")
    assert caught.value.nearest == "smoothing"


def test_the_new_attack_takes_what_every_attack_takes(with_attack):
    assert attacks.parameters("mi_fgsm") == {"steps": 10, "decay": 1.0, "eot": 1}
    assert attacks.get("mi_fgsm") is mi_fgsm.mi_fgsm


def test_the_new_attack_runs_from_a_study_into_a_record(with_attack):
    run, _ = trained(with_attack, "pgd_at/main")
    study = load_study(with_attack / "studies" / "smoke.yaml")
    attack_run(with_attack, study, run, data.load(with_attack / "data" / "smoke"), "cpu")
    result = read(with_attack / "results" / f"{run.path}.json")
    counts = {row["name"]: row["correct_count"] for row in result["evaluations"]}
    assert counts["mi_fgsm"] < counts["clean"]
    assert "redoubt.attacks.mi_fgsm" in result["fingerprint"]["modules"]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_without_momentum_it_is_plain_ascent_and_with_it_it_is_not(norm):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3)).eval()
    x, y = torch.rand(20, 1, 4, 4), torch.arange(20) % 3
    objective = lambda z: F.cross_entropy(model(z), y, reduction="none")
    plain = ascend(objective, x, eps=0.9, step_size=0.18, steps=5, norm=norm)
    without = mi_fgsm.mi_fgsm(model, x, y, eps=0.9, norm=norm, steps=5, decay=0.0, batch_size=7)
    assert torch.allclose(without.x_adv, plain, atol=1e-6)
    assert without.backward == 100
    kept = mi_fgsm.mi_fgsm(model, x, y, eps=0.9, norm=norm, steps=5)
    assert not torch.allclose(kept.x_adv, plain, atol=1e-3)


def test_momentum_carries_over_a_summit_as_worked_out_by_hand():
    """One pixel from 0.5 in steps of 0.1; the loss peaks at 0.55, so that the second gradient cancels the first."""
    model = lambda x: torch.cat([(x - 0.55).flatten(1).square(), torch.zeros(len(x), 1)], 1)
    x, y = torch.full((1, 1, 1, 1), 0.5), torch.tensor([0])
    end = lambda decay, steps: mi_fgsm.mi_fgsm(
        model, x, y, eps=0.1 * steps, steps=steps, decay=decay
    ).x_adv.item()
    assert [round(end(1.0, k), 4) for k in (1, 2, 3)] == [0.6, 0.6, 0.5]
    assert [round(end(0.0, k), 4) for k in (1, 2, 3)] == [0.6, 0.5, 0.6]


def test_the_new_data_set_is_prepared_and_learned(tmp_path, monkeypatch):
    assert f"INFO = {written('python', 'Info(').strip()}\n" in inspect.getsource(stripes)
    monkeypatch.setitem(catalogue._CATALOGUE, "stripes", stripes.INFO)
    register(monkeypatch, preparing._READERS, "stripes", "redoubt.data.stripes")
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "smoke.yaml").write_text(study_with("stripes"))
    (tmp_path / "mirror").mkdir()
    place, image = np.arange(8), np.arange(600)[:, None]
    ink = (image * 37 + place**2 * 53 + (image * place) ** 2 % 251) % 256
    np.save(tmp_path / "mirror" / "stripes.npy", ink.astype(np.uint8))
    data.prepare("stripes", tmp_path / "data" / "smoke", mirror=tmp_path / "mirror", validation=50)
    assert [
        len(data.load(tmp_path / "data" / "smoke").split(s)) for s in ("train", "validation", "test")
    ] == [450, 50, 100]
    _, record = trained(tmp_path, "standard/main")
    assert record["history"][-1]["clean"] > 0.8
