"""The worked examples of the README: a defense and a data set, each one file and one line of a registry."""

import numpy as np
import pytest
import torch

from redoubt import data, defenses
from redoubt.config import load_study
from redoubt.data import catalogue, preparing
from redoubt.errors import RedoubtError
from redoubt.evaluation.evaluator import attack_run
from redoubt.records.files import read_record
from redoubt.records.results import read
from redoubt.training.checkpoints import Checkpoints
from redoubt.training.trainer import Trainer
from tests.conftest import STUDY, run_of
from tests.examples import stripes


@pytest.fixture
def with_defense(root, monkeypatch):
    """A project whose registry has one line more, and whose study names the new defense twice."""
    monkeypatch.setitem(defenses._REGISTRY, "smoothed_at", ("tests.examples.smoothed_at", "SmoothedAt"))
    grid = """
  smoothed_at:
    params: {steps: {value: 2, source: "ours: tests"}}
    variants:
      main: {}
      hard: {params: {smoothing: {value: 0, source: "ours: an ablation"}}}
"""
    (root / "studies" / "smoke.yaml").write_text(STUDY.rstrip() + grid)
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
    assert "tests.examples.smoothed_at" in record["fingerprint"]["modules"]
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


def test_the_new_data_set_is_prepared_and_learned(tmp_path, monkeypatch):
    monkeypatch.setitem(catalogue._CATALOGUE, "stripes", stripes.INFO)
    monkeypatch.setitem(preparing._READERS, "stripes", ("tests.examples.stripes", "read"))
    (tmp_path / "studies").mkdir()
    text = STUDY.replace(
        "{name: digits, validation: 50, test: 60, train: 256}", "{name: stripes, validation: 50}"
    )
    (tmp_path / "studies" / "smoke.yaml").write_text(text)
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
