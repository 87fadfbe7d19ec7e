"""The study that a borrowed GPU works on, every run and attack of it, at toy size on real images on a CPU."""

import json
import os

import pytest
import yaml

from redoubt.config import attacks_of, load_study, resolve
from redoubt.workflow import archive
from redoubt.workflow.record import record
from tests.conftest import REPO

MIRROR = os.environ.get("REDOUBT_MIRROR", REPO.parent / "shared" / "data")
STEPS = {"steps": 2, "queries": 5, "eot": 2, "targets": 2, "restarts": 1}


def shrunk(text: str) -> dict:
    """The same grid, attacks, schedules and losses; few images, thin networks, one epoch, two steps."""
    study = yaml.safe_load(text)
    study["data"] |= {"validation": 16, "train": 64, "test": 12}
    study["architecture"] = {"name": "preactresnet18", "options": {"width": 4}, "source": "ours: tests"}
    study["seeds"] = [0]
    study["evaluation"] |= {"images": 8, "probes": []}
    for spec in study["evaluation"]["attacks"].values():
        spec.pop("images", None)
        spec["params"] = {k: STEPS.get(k, v) for k, v in spec.get("params", {}).items()}
        if spec["attack"] in ("screen", "stadv"):
            spec["params"]["steps"] = 2
        if "draws" in spec:
            spec["draws"] = 2
    for name, grid in study["defenses"].items():
        for part in [grid, *grid.get("variants", {}).values()]:
            if "training" in part:
                part["training"]["epochs"] = 1
        if name in ("purifier", "atop", "pssr"):
            grid.setdefault("params", {})["size"] = {"value": "small", "source": "ours: tests"}
    study["training"]["epochs"] = 1
    return study


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.skipif(not os.path.isdir(MIRROR), reason="no mirror of real images")
def test_recorded_in_pieces_with_every_attack(tmp_path):
    (tmp_path / "studies").mkdir()
    path = tmp_path / "studies" / "cifar10_h100.yaml"
    path.write_text(yaml.safe_dump(shrunk((REPO / "studies" / path.name).read_text()), sort_keys=False))
    calls = 1
    while not record(tmp_path, "cifar10_h100", "cpu", minutes=0.2, mirror=MIRROR, out=tmp_path / "out"):
        calls += 1
        assert calls < 100
    assert calls > 1
    study = load_study(path)
    kept = archive.unpack(tmp_path / "out" / "cifar10_h100.pack.json", tmp_path / "back")
    for variant in resolve(study):
        for seed in variant.seeds:
            name = f"results/cifar10_h100/{variant.name}/seed{seed}.json"
            assert name in kept
            rows = json.loads((tmp_path / "back" / name).read_text())["evaluations"]
            assert {r["name"] for r in rows} >= set(attacks_of(study, variant, seed))
            assert all(r["n"] == 8 for r in rows)
